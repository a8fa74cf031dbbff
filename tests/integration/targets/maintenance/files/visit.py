# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Visit the site through every server and say what is not as it should be.

visit.py FOLDER SCENARIO [ARGUMENT…]; exit status 1 and one line for each difference.
"""

from __future__ import annotations

import http.client
import json
import pathlib
import sys
import typing as t

TOKEN = "integration-token_0123456789"
OTHER = "another-token-0123456789abcdef"
FRONTS = ("nginx", "apache", "htaccess")
PATHS = ("/", "/index.html", "/old", "/deep/er?q=1", "/app/x", "/closed", "/index.php?a=b", "/sub/", "/%6daintenance")

problems: list[str] = []


class Answer(t.NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: str


class Site:
    def __init__(self, folder: str) -> None:
        self.ports = json.loads((pathlib.Path(folder) / "ports.json").read_text())

    def ask(
        self, front: str, path: str = "/", method: str = "GET", source: str = "127.0.0.1", body: bytes | None = None, **headers: str
    ) -> Answer:
        host = "127.0.0.1" if front.endswith("_base") else source
        connection = http.client.HTTPConnection(host, self.ports[front], timeout=10, source_address=(source, 0))
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read().decode("utf-8", "replace"))
        finally:
            connection.close()


def check(ok: bool, what: str, answer: Answer) -> None:
    if not ok:
        problems.append(f"{what}: {answer.status} {dict(answer.headers)} {answer.body[:160]!r}")


def closed(answer: Answer, what: str, retry: str, text: str = "", head: bool = False) -> None:
    check(answer.status == 503, f"{what} must be 503", answer)
    check(answer.headers.get_all("Retry-After") == [retry], f"{what} must say Retry-After {retry}", answer)
    check(answer.headers.get_all("Cache-Control") == ["no-store"], f"{what} must say no-store", answer)
    check(answer.headers.get("Content-Type") == "text/html; charset=utf-8", f"{what} must be HTML in UTF-8", answer)
    check("X-Site" not in answer.headers or answer.status == 503, f"{what} must not come from the site", answer)
    check("SITE ITSELF" not in answer.body, f"{what} must not show the site", answer)
    if not head:
        check("Down for maintenance" in answer.body and text in answer.body, f"{what} must show the page with {text!r}", answer)


def opened(answer: Answer, what: str) -> None:
    check(answer.status == 200 and "SITE ITSELF" in answer.body, f"{what} must show the site", answer)
    check("Retry-After" not in answer.headers, f"{what} must not say Retry-After", answer)


def off(site: Site) -> None:
    for front in FRONTS:
        opened(site.ask(front, "/"), f"{front} /")
        opened(site.ask(front, f"/?maintenance_bypass={TOKEN}"), f"{front} with a token that is not needed")
        if front != "htaccess":
            answer = site.ask(front, "/app/x")
            check(answer.status in (502, 503) and "Down for" not in answer.body, f"{front} /app/x must be the site's own error", answer)


def on(site: Site, retry: str, text: str) -> None:
    """Everybody else."""
    shown = {"htaccess": text.encode("ascii", "xmlcharrefreplace").decode()}
    for front in FRONTS:
        for path in PATHS:
            closed(site.ask(front, path), f"{front} {path}", retry, shown.get(front, text))
        for method in ("HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
            body = b"x" * 5000 if method in ("POST", "PUT", "PATCH") else None
            closed(site.ask(front, "/index.php", method, body=body), f"{front} {method}", retry, head=method == "HEAD")
        closed(
            site.ask(
                front,
                "/",
                Range="bytes=0-3",
                If_Modified_Since="Fri, 01 Jan 2100 00:00:00 GMT",
                If_None_Match="*",
                Accept="application/json",
            ),
            f"{front} conditional",
            retry,
        )
        closed(site.ask(front, "/health"), f"{front} /health", retry)
        opened(site.ask(front, "/.well-known/acme-challenge/index.html"), f"{front} certificate challenge")
        for path in ("/.well-known/acme-challenge/../../index.html", "/.well-known/acme-challenge/%2e%2e/%2e%2e/index.html"):
            answer = site.ask(front, path)
            check("SITE ITSELF" not in answer.body, f"{front} {path} must not show the site", answer)


def hidden(site: Site) -> None:
    """Nothing of ours is served, whether maintenance is on or off, to whomever."""
    for front in ("nginx_base", "apache_base", "htaccess_base"):
        for path in (
            *(
                "/maintenance.flag",
                "/maintenance.d/",
                "/maintenance.d/page.html",
                "/maintenance.d/token/" + TOKEN,
                "/maintenance.d/retry_after",
            ),
            *(
                "/.runbook/history.jsonl",
                "/%6daintenance.flag",
                "//maintenance.flag",
                "/current/../maintenance.flag",
                "/.maintenance.flag.0123456789ab.partial",
            ),
        ):
            answer = site.ask(front, path, X_Maintenance_Bypass=TOKEN)
            check(answer.status == 404, f"{front} {path} must be 404", answer)
    for front in FRONTS:
        for path in ("/.runbook-maintenance/page", "/.runbook-maintenance/gate", "/.runbook-maintenance/pass"):
            answer = site.ask(front, path)
            check("Set-Cookie" not in answer.headers, f"{front} {path} must give no cookie", answer)


def addresses(site: Site, retry: str) -> None:
    """Allowed: 127.0.0.2, 192.0.2.0/24, 198.51.100.64/30, 203.0.113.9, 2001:db8:1:2::/64, 2001:db8:a::/48, 2001:db9::/32, 2001:db8:f::7."""
    good = (
        "192.0.2.0 192.0.2.255 198.51.100.64 198.51.100.67 203.0.113.9 ::ffff:203.0.113.9 2001:db8:1:2:3:4:5:6 2001:db8:1:2::1"
        " 2001:db8:1:2:0:0:5:0 2001:db8:a::1 2001:db8:a:0:1:2:3:4 2001:db8:a:9::1 2001:db8:a:: 2001:db9::1 2001:db9:0:0:1:2:3:4"
        " 2001:db9:0:5::9 2001:db9::7:0:0:1 2001:db8:f::7"
    )
    bad = (
        "192.0.3.1 192.0.20.1 1.192.0.2 198.51.100.63 198.51.100.68 203.0.113.90 203.0.113.8 2001:db8:1:3::1 2001:db8:1::2:0:0:1"
        " 2001:db8:1:20::1 2001:db8:1::2 2001:db8:0:a::1 2001:db8::a 2001:db8:b::1 2001:dba::1 2001::db9 2001:db90::1 ::1"
        " ::2001:db9:1 2001:db8:f::8 2001:db8:f:7::7"
    )
    for front in FRONTS:
        opened(site.ask(front, "/", source="127.0.0.2"), f"{front} from 127.0.0.2")
        opened(site.ask(front, "/deep/er", source="127.0.0.2"), f"{front} from 127.0.0.2, routed")
        closed(site.ask(front, "/"), f"{front} from 127.0.0.1", retry)
        for address in good.split():
            opened(site.ask(front, "/", X_Test_Address=address), f"{front} from {address}")
        for address in bad.split():
            closed(site.ask(front, "/", X_Test_Address=address), f"{front} from {address}", retry)


def token(site: Site, retry: str) -> None:
    for front in FRONTS:
        for path in ("/", "/deep/er", "/old" if front == "nginx" else "/"):
            opened(site.ask(front, path, X_Maintenance_Bypass=TOKEN), f"{front} {path} header")
            opened(site.ask(front, path, Cookie=f"a=b; maintenance_bypass={TOKEN}; c=d"), f"{front} {path} cookie")
        for wrong in (
            OTHER,
            TOKEN[:-1],
            TOKEN + "x",
            "../../maintenance.flag",
            "../token/" + TOKEN,
            "x/../" + TOKEN,
            ".",
            "",
            "a" * 200,
            TOKEN + "%00",
        ):
            closed(site.ask(front, "/", X_Maintenance_Bypass=wrong), f"{front} header {wrong[:40]}", retry)
            closed(site.ask(front, "/", Cookie=f"maintenance_bypass={wrong}"), f"{front} cookie {wrong[:40]}", retry)
            answer = site.ask(front, f"/?maintenance_bypass={wrong}")
            closed(answer, f"{front} query {wrong[:40]}", retry)
            check("Set-Cookie" not in answer.headers, f"{front} query {wrong[:40]} must give no cookie", answer)
        closed(site.ask(front, f"/?xmaintenance_bypass={TOKEN}"), f"{front} query of another name", retry)
        closed(site.ask(front, "/", Cookie=f"xmaintenance_bypass={TOKEN}"), f"{front} cookie of another name", retry)
        browser(site, front)


def browser(site: Site, front: str) -> None:
    """A browser opens a link with the token, keeps the cookie and goes on."""
    for query, left in (
        ("?maintenance_bypass={}", ""),
        ("?a=1&maintenance_bypass={}&b=2", "?a=1&b=2"),
        ("?maintenance_bypass={}&b=2", "?b=2"),
    ):
        for proto, secure in (("http", False), ("https", True)):
            answer = site.ask(front, "/deep/er" + query.format(TOKEN), X_Forwarded_Proto=proto)
            cookies = answer.headers.get_all("Set-Cookie") or []
            wanted = f"maintenance_bypass={TOKEN}; Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if secure else "")
            check(cookies == [wanted], f"{front} {query} {proto} must set one cookie", answer)
            check(answer.headers.get_all("Cache-Control") == ["no-store"], f"{front} {query} must not be stored", answer)
            if front == "nginx":
                check(
                    answer.status == 302 and answer.headers["Location"] == "/deep/er" + left,
                    f"{front} {query} must lead to /deep/er{left}",
                    answer,
                )
            else:
                opened(answer, f"{front} {query}")
    opened(site.ask(front, "/deep/er", Cookie=f"maintenance_bypass={TOKEN}"), f"{front} afterwards")
    for path in (f"//www.example.com/?maintenance_bypass={TOKEN}", f"/\\www.example.com/?maintenance_bypass={TOKEN}"):
        place = site.ask(front, path).headers.get("Location", "/x")
        if place.startswith(("//", "/\\")) or not place.startswith("/"):
            problems.append(f"{front}: {path} leads away, to {place}")
    # What the visitor then sees are the site's own errors.
    error = "/own503" if front == "htaccess" else "/app/x"
    answer = site.ask(front, f"{error}?maintenance_bypass={TOKEN}", "POST", body=b"x")
    check(answer.status != 302 and "Down for" not in answer.body, f"{front} POST with a token must reach the site", answer)


def no_token(site: Site, retry: str) -> None:
    for front in FRONTS:
        closed(site.ask(front, "/", X_Maintenance_Bypass=TOKEN), f"{front} header after the token was taken back", retry)
        closed(site.ask(front, "/", Cookie=f"maintenance_bypass={TOKEN}"), f"{front} cookie after the token was taken back", retry)
        closed(site.ask(front, "/", source="127.0.0.2"), f"{front} from 127.0.0.2 after it was taken back", retry)


def by_hand(site: Site) -> None:
    """Somebody made the flag with touch: there is no page of ours, but it is maintenance."""
    for front in FRONTS:
        answer = site.ask(front, "/deep/er")
        check(answer.status == 503 and answer.headers.get_all("Retry-After") == ["300"], f"{front} by hand must be 503", answer)
        check(answer.headers.get_all("Cache-Control") == ["no-store"], f"{front} by hand must say no-store", answer)
        check("SITE ITSELF" not in answer.body, f"{front} by hand must not show the site", answer)


SCENARIOS: dict[str, t.Callable[..., None]] = {
    scenario.__name__: scenario for scenario in (off, on, hidden, addresses, token, no_token, by_hand)
}
SCENARIOS[sys.argv[2]](Site(sys.argv[1]), *sys.argv[3:])
if problems:
    sys.exit(f"{len(problems)} differences\n" + "\n".join(problems))
