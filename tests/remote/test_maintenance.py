# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance of a site that is reached by SFTP or cPanel's API alone, as visitors see it."""

from __future__ import annotations

import contextlib
import http.client
import re
import threading
import time
import typing as t

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._maintenance.elsewhere import switch_through
from ansible_collections.runbook.ops.plugins.module_utils._maintenance.options import MAINTENANCE
from ansible_collections.runbook.ops.plugins.module_utils._release.backends import open_store
from remote.hosting import Place, htaccess
from remote.plain_server import PASSWORD, USER

TOKEN = "remote-test-token_0123456789"
ON: dict[str, t.Any] = {"message": "Back soon", "retry_after": 90, "bypass_token": TOKEN, "allow_ips": ["192.0.2.0/30"], "by": "tester"}
OFF: dict[str, t.Any] = {"state": "absent"}


class Switched:
    """A site whose maintenance is switched without a shell, and visited over HTTP."""

    def __init__(self, place: Place, path: str, remote: dict[str, t.Any], backend: str = "sftp") -> None:
        self.place, self.path, self.backend = place, path, backend
        suboptions = MAINTENANCE.options["remote"]["options"]
        self.remote = {**{name: option.get("default") for name, option in suboptions.items()}, **remote}
        release = place.path("releases", "one") if backend == "sftp" else place.path("current")
        release.mkdir(parents=True)
        (release / "index.html").write_text("the site")
        if backend == "sftp":
            place.path("current").symlink_to("releases/one")
        self.untouched = self.names()

    def switch(self, check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
        values = {name: option.get("default") for name, option in MAINTENANCE.options.items()}
        values.update(path=self.path, backend=self.backend, remote=self.remote, **options)
        return dict(switch_through(open_store)(values, Run(check_mode=check_mode)))

    def visit(self, **headers: str) -> tuple[int, str, str | None]:
        connection = http.client.HTTPConnection("127.0.0.1", self.place.web_port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/", headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), answer.headers["Retry-After"]

    def names(self) -> set[str]:
        """Everything in the site but its state."""
        return {str(path.relative_to(self.place.base)) for path in self.place.base.rglob("*") if ".runbook" not in path.parts}

    def snippet(self) -> str:
        """What the role makes of its template, without the markers."""
        return "\n".join(htaccess(str(self.place.base)).splitlines()[1:-1])


@pytest.fixture(params=["OpenSSH", "no extension", "no links", "cPanel 136", "cPanel 110"])
def site(request, hosting, place, plain, plain_place, cpanel_place, start_panel, tmp_path):
    if request.param.startswith("cPanel"):
        panel = start_panel(int(request.param.split()[1]))
        return Switched(cpanel_place, str(cpanel_place.base), panel.remote, "cpanel")
    if request.param == "OpenSSH":
        return Switched(place, place.remote_base, hosting.options())
    plain.well(links=request.param != "no links")
    options = {"host": "127.0.0.1", "port": plain.port, "user": USER, "password": PASSWORD, "timeout": 10.0}
    options["known_hosts"] = plain.known_hosts(tmp_path / "known_hosts")
    return Switched(plain_place, plain_place.remote_base[len(plain.root) :], options)


def test_visitors_see_what_was_switched(site):
    assert site.visit()[:2] == (200, "the site")
    assert not site.switch(state="installed", snippet=site.snippet())["changed"], "the block is the one that the role installs"
    planned = site.switch(check_mode=True, **ON)
    assert planned["changed"] and planned["transcript"] and TOKEN not in str(planned)
    assert site.visit()[:2] == (200, "the site")
    assert site.switch(**ON)["changed"]
    status, page, retry = site.visit()
    assert (status, retry) == (503, "90") and "Back soon" in page
    assert site.visit(X_Maintenance_Bypass=TOKEN)[:2] == (200, "the site")
    assert site.visit(X_Maintenance_Bypass=TOKEN[::-1])[0] == 503
    assert not site.switch(**ON)["changed"] and not site.switch()["changed"]
    assert site.switch(allow_ips=["127.0.0.1"])["changed"]
    assert site.visit()[:2] == (200, "the site"), "this visitor is allowed"
    assert site.switch(allow_ips=["192.0.2.0/30"])["changed"]
    assert site.visit()[0] == 503
    assert site.switch(message="Nearly done", retry_after=60, bypass_token="")["changed"]
    status, page, retry = site.visit(X_Maintenance_Bypass=TOKEN)
    assert (status, retry) == (503, "60") and "Nearly done" in page
    assert site.switch(**OFF)["changed"] and not site.switch(**OFF)["changed"]
    assert site.visit()[:2] == (200, "the site")
    assert site.names() == site.untouched
    assert not re.search("maintenance page", site.place.path(".htaccess").read_text())


def test_a_site_that_has_no_htaccess_yet(site):
    site.place.path(".htaccess").unlink()
    assert site.switch(check_mode=True, state="installed", snippet=site.snippet())["changed"]
    assert site.switch(state="installed", snippet=site.snippet())["changed"]
    site.switch(**ON)
    assert site.visit()[0] == 503
    assert site.visit(X_Maintenance_Bypass=TOKEN)[:2] == (200, "the site")


def test_every_visitor_gets_the_site_or_the_page(site, request):
    """While maintenance is switched on, changed and switched off, nobody sees a file that is half there."""
    answers: list[tuple[float, int, str]] = []
    done = threading.Event()

    def poll() -> None:
        while not done.is_set():
            status, body, _retry = site.visit()
            answers.append((time.monotonic(), status, body))

    poller = threading.Thread(target=poll)
    poller.start()
    closed: list[tuple[float, float]] = []
    try:
        for _round in range(5):
            site.switch(**ON)
            begin = time.monotonic()
            for number in range(3):
                site.switch(message=f"Change {number}", retry_after=60 + number)
            closed.append((begin, time.monotonic()))
            site.switch(**OFF)
    finally:
        done.set()
        poller.join(20)
    assert {status for _when, status, _body in answers} == {200, 503}
    assert all(body == "the site" if status == 200 else body.rstrip().endswith("</html>") for _when, status, body in answers)
    through = [when for when, status, _body in answers if status == 200 and any(begin + 0.05 < when < end for begin, end in closed)]
    if "OpenSSH" in request.node.name:
        assert not through, "a server that replaces names in one step lets nobody in while the message is changed"
