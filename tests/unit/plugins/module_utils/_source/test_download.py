# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads from real servers on the loopback interface, which can be told to break off, move, change and lie."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import os
import ssl
import subprocess
import threading

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, Refused, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._source import download as download_module
from ansible_collections.runbook.ops.plugins.module_utils._source.address import checked_url, safe_url, same_origin
from ansible_collections.runbook.ops.plugins.module_utils._source.checksum import Checksum, from_list, parse_checksum
from ansible_collections.runbook.ops.plugins.module_utils._source.download import download

BODY = bytes(range(256)) * 4000  # about 1 MB
SHA = hashlib.sha256(BODY).hexdigest()


class Server:
    """Serves ``files`` (path -> bytes, status, or a callable of the handler) and notes every request."""

    def __init__(self, context=None):
        self.files = {"/site.tar": BODY}
        self.seen = []
        self.cut_after = []  # bytes after which the next answers break off
        self.etag = '"one"'
        self.ranges = True
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):
                outer.answer(self)

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        if context:
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self.url = f"http{'s' if context else ''}://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()

    def answer(self, request):
        self.seen.append((request.path, {name.lower(): value for name, value in request.headers.items()}))
        found = self.files.get(request.path.partition("?")[0], 404)
        if callable(found):
            found(request)
            return
        if isinstance(found, int):
            request.send_response(found)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        start = 0
        wanted = request.headers.get("Range")
        if wanted and self.ranges and request.headers.get("If-Range") == self.etag:
            start = int(wanted[len("bytes=") : -1])
        if start and start >= len(found):
            request.send_response(416)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(found) - 1}/{len(found)}")
        request.send_header("Content-Length", str(len(found) - start))
        if self.etag:
            request.send_header("ETag", self.etag)
        request.end_headers()
        body = found[start:]
        if self.cut_after:
            body = body[: self.cut_after.pop(0)]
            request.close_connection = True
        with contextlib.suppress(OSError):
            request.wfile.write(body)


@pytest.fixture
def server():
    running = Server()
    yield running
    running.close()


@pytest.fixture(autouse=True)
def no_proxy_and_no_pauses(monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(download_module.time, "sleep", lambda _seconds: None)


def test_a_file_is_downloaded_and_verified(server, tmp_path):
    dest = tmp_path / "a.tar"
    result = download(server.url + "/site.tar", str(dest), checksum=f"sha256:{SHA}")
    assert dest.read_bytes() == BODY
    assert (result.checksum, result.bytes, result.resumed) == (f"sha256:{SHA}", len(BODY), 0)
    assert os.listdir(tmp_path) == ["a.tar"]
    assert dest.stat().st_mode & 0o777 == 0o600


def test_without_checksum_the_digest_is_returned(server, tmp_path):
    assert download(server.url + "/site.tar", str(tmp_path / "a"), checksum=None).checksum == f"sha256:{SHA}"


def test_sha512(server, tmp_path):
    wanted = "sha512:" + hashlib.sha512(BODY).hexdigest()
    assert download(server.url + "/site.tar", str(tmp_path / "a"), checksum=wanted).checksum == wanted


def test_a_mismatch_names_both_digests_and_leaves_nothing(server, tmp_path):
    with pytest.raises(Refused) as caught:
        download(server.url + "/site.tar", str(tmp_path / "a"), checksum="sha256:" + "0" * 64)
    assert SHA in caught.value.message
    assert "0" * 64 in caught.value.message
    assert os.listdir(tmp_path) == []


def test_a_broken_connection_is_resumed_in_the_same_run(server, tmp_path):
    server.cut_after = [300_000, 200_000]
    result = download(server.url + "/site.tar", str(tmp_path / "a"), checksum=f"sha256:{SHA}")
    assert (tmp_path / "a").read_bytes() == BODY
    assert [headers.get("range") for _path, headers in server.seen] == [None, "bytes=300000-", "bytes=500000-"]
    assert result.bytes == len(BODY)


def test_a_later_run_resumes(server, tmp_path):
    server.cut_after = [100_000] * 4
    with pytest.raises(RunbookError, match=r"connection broke.*after 400000 bytes and 4 attempts; run again"):
        download(server.url + "/site.tar", str(tmp_path / "a"), checksum=f"sha256:{SHA}")
    assert not (tmp_path / "a").exists()
    result = download(server.url + "/site.tar", str(tmp_path / "a"), checksum=f"sha256:{SHA}")
    assert result.resumed == 400_000
    assert (tmp_path / "a").read_bytes() == BODY
    assert os.listdir(tmp_path) == ["a"]


def test_a_complete_part_is_not_fetched_again(server, tmp_path):
    server.cut_after = [len(BODY) - 1] + [0] * 3
    with pytest.raises(RunbookError):
        download(server.url + "/site.tar", str(tmp_path / "a"), checksum=f"sha256:{SHA}")
    with open(tmp_path / "a.partial", "ab") as stream:
        stream.write(BODY[-1:])
    count = len(server.seen)
    assert download(server.url + "/site.tar", str(tmp_path / "a"), checksum=f"sha256:{SHA}").bytes == len(BODY)
    assert len(server.seen) == count


@pytest.mark.parametrize("ranges", [True, False])
def test_a_file_that_changed_on_the_server_is_not_joined_to_the_old_part(server, tmp_path, ranges):
    """With If-Range the server starts over; one that ignores it serves a wrong joint, which the checksum finds."""
    server.cut_after = [100_000] * 4
    with pytest.raises(RunbookError):
        download(server.url + "/site.tar", str(tmp_path / "a"), checksum=f"sha256:{SHA}")
    other = b"other" * 200_000
    server.files["/site.tar"] = other
    if ranges:
        server.etag = '"two"'
    result = download(server.url + "/site.tar", str(tmp_path / "a"), checksum="sha256:" + hashlib.sha256(other).hexdigest())
    assert (tmp_path / "a").read_bytes() == other
    assert result.resumed == 0


def test_a_part_that_is_longer_than_the_file_is_thrown_away(server, tmp_path):
    server.cut_after = [100_000] * 4
    with pytest.raises(RunbookError):
        download(server.url + "/site.tar", str(tmp_path / "a"), checksum=f"sha256:{SHA}")
    server.files["/site.tar"] = b"short"
    download(server.url + "/site.tar", str(tmp_path / "a"), checksum="sha256:" + hashlib.sha256(b"short").hexdigest())
    assert (tmp_path / "a").read_bytes() == b"short"


def test_a_part_of_unknown_version_is_not_used(server, tmp_path):
    server.etag = 'W/"weak"'
    server.cut_after = [100_000] * 4
    with pytest.raises(RunbookError):
        download(server.url + "/site.tar", str(tmp_path / "a"), checksum=f"sha256:{SHA}")
    assert download(server.url + "/site.tar", str(tmp_path / "a"), checksum=f"sha256:{SHA}").resumed == 0
    assert all("range" not in headers for _path, headers in server.seen)


def test_a_part_of_another_url_is_not_used(server, tmp_path):
    server.cut_after = [100_000] * 4
    with pytest.raises(RunbookError):
        download(server.url + "/site.tar", str(tmp_path / "a"), checksum=f"sha256:{SHA}")
    server.files["/moved.tar"] = BODY
    assert download(server.url + "/moved.tar", str(tmp_path / "a"), checksum=f"sha256:{SHA}").resumed == 0
    assert "range" not in server.seen[-1][1]


def test_passing_errors_are_tried_again(server, tmp_path):
    server.files["/site.tar"] = 503
    with pytest.raises(RunbookError, match=r"answered 503 .*after 0 bytes and 4 attempts"):
        download(server.url + "/site.tar", str(tmp_path / "a"), checksum=f"sha256:{SHA}")
    server.files["/site.tar"] = lambda request: (server.files.update({"/site.tar": BODY}), request.send_error(503))
    assert download(server.url + "/site.tar", str(tmp_path / "a"), checksum=f"sha256:{SHA}").bytes == len(BODY)


@pytest.mark.parametrize("chunked", [True, False])
def test_too_large_is_refused(server, tmp_path, chunked):
    def endless(request):
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        with contextlib.suppress(OSError):
            while True:
                request.wfile.write(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")

    if chunked:
        server.files["/site.tar"] = endless
    size = "more" if chunked else len(BODY)
    with pytest.raises(Refused, match=rf"has {size} bytes, more than 100000 are allowed \(max_bytes\)"):
        download(server.url + "/site.tar", str(tmp_path / "a"), checksum=None, max_bytes=100_000)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("status", "hint"), [(404, "check the address"), (401, "username and password"), (403, "token"), (410, "for good")]
)
def test_errors_of_the_server_say_what_to_do(server, tmp_path, status, hint):
    server.files["/site.tar"] = status
    with pytest.raises(RunbookError, match=f"answered {status} .*{hint}"):
        download(server.url + "/site.tar", str(tmp_path / "a"), checksum=None)


def test_unreachable_servers(tmp_path):
    for url, match in [
        ("http://127.0.0.1:9/a", "can't be reached .*refused"),
        ("http://nowhere.invalid/a", "host name has no address"),
    ]:
        with pytest.raises(RunbookError, match=match) as caught:
            download(url, str(tmp_path / "a"), checksum=None)
        assert "\n" not in caught.value.message


def test_silent_servers_time_out(server, tmp_path):
    release = threading.Event()
    server.files["/site.tar"] = lambda request: release.wait(10)
    try:
        with pytest.raises(RunbookError, match=r"did not answer within 0\.2 s"):
            download(server.url + "/site.tar", str(tmp_path / "a"), checksum=None, timeout=0.2)
    finally:
        release.set()


def test_certificates_are_checked(tmp_path):
    key, cert = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=www.example.com", "-keyout", key, "-out", cert]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    running = Server(context)
    try:
        with pytest.raises(RunbookError, match=r"certificate is not trusted .*validate_certs"):
            download(running.url + "/site.tar", str(tmp_path / "a"), checksum=f"sha256:{SHA}")
        assert download(running.url + "/site.tar", str(tmp_path / "a"), checksum=f"sha256:{SHA}", validate_certs=False).bytes == len(BODY)
        with pytest.raises(RunbookError, match=r"TLS failed|can't be reached|connection broke"):
            download(running.url.replace("https", "http") + "/site.tar", str(tmp_path / "b"), checksum=None)
        running.files["/down"] = redirect_to("http://127.0.0.1:9/site.tar")
        with pytest.raises(Refused, match=r"redirects to http://127.0.0.1:9/site.tar, which is not followed"):
            download(running.url + "/down", str(tmp_path / "b"), checksum=None, validate_certs=False)
    finally:
        running.close()


def redirect_to(url):
    def answer(request):
        request.send_response(302)
        request.send_header("Location", url)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


def test_credentials_stay_with_their_server(server, tmp_path):
    other = Server()
    try:
        server.files["/same"] = redirect_to("/site.tar")
        server.files["/other"] = redirect_to(other.url + "/site.tar")
        access = {"username": "deploy", "password": "s3cret", "headers": {"Private-Token": "t0ken"}}
        download(server.url + "/same", str(tmp_path / "a"), checksum=f"sha256:{SHA}", **access)
        download(server.url + "/other", str(tmp_path / "b"), checksum=f"sha256:{SHA}", **access)
        for _path, headers in server.seen:
            assert headers["authorization"] == "Basic ZGVwbG95OnMzY3JldA=="
            assert headers["private-token"] == "t0ken"
        (_path, headers), *rest = other.seen
        assert not rest
        assert "authorization" not in headers
        assert "private-token" not in headers
    finally:
        other.close()


@pytest.mark.parametrize("where", ["file:///etc/passwd", "ftp://127.0.0.1/a", "data:text/plain,x"])
def test_redirects_leave_http_for_nothing(server, tmp_path, where):
    server.files["/go"] = redirect_to(where)
    with pytest.raises(RunbookError):
        download(server.url + "/go", str(tmp_path / "a"), checksum=None)
    assert os.listdir(tmp_path) == []


def test_the_environment_names_the_proxy(server, tmp_path, monkeypatch):
    server.files["http://builds.example.com/site.tar"] = BODY
    monkeypatch.setenv("http_proxy", server.url)
    download("http://builds.example.com/site.tar", str(tmp_path / "a"), checksum=f"sha256:{SHA}")
    assert [path for path, _headers in server.seen] == ["http://builds.example.com/site.tar"]


def test_secrets_are_in_no_message(server, tmp_path):
    server.files["/signed"] = 403
    with pytest.raises(RunbookError) as caught:
        download(
            server.url + "/signed?X-Signature=t0psecret&flag",
            str(tmp_path / "a"),
            checksum=None,
            password="s3cret",
            headers={"T": "t0ken"},
        )
    for secret in ("t0psecret", "s3cret", "t0ken"):
        assert secret not in caught.value.message
    assert "X-Signature=***&***" in caught.value.message


@pytest.mark.parametrize(
    ("url", "match"),
    [
        ("file:///etc/passwd", "neither http nor https"),
        ("/srv/site.tar", "neither http nor https"),
        ("http:///x", "names no host"),
        ("http://a b/", "a space or a control character"),
        ("http://a/\r\nX: y", "a space or a control character"),
        ("http://a:99999/", "malformed"),
        ("http://[::1/", "malformed"),
        ("https://user:pw@a.example.com/", "give them as username and password"),
        ("https://token@a.example.com/", "give them as username and password"),
    ],
)
def test_urls_that_are_refused(url, match):
    with pytest.raises(InvalidInput, match=match) as caught:
        checked_url(url)
    assert "pw" not in caught.value.message
    assert "\n" not in caught.value.message


def test_urls_become_ascii():
    assert checked_url("https://www.example.com/موقع.tar?a=ب") == "https://www.example.com/%D9%85%D9%88%D9%82%D8%B9.tar?a=%D8%A8"
    assert checked_url("https://[::1]:8443/a%20b#part") == "https://[::1]:8443/a%20b"


def test_safe_url_and_same_origin():
    assert safe_url("https://u:p@a.example.com/x?t=1&u#f") == "https://a.example.com/x?t=***&***"
    assert same_origin("https://a.example.com/x", "https://a.example.com:443/y")
    assert not same_origin("https://a.example.com/", "http://a.example.com/")
    assert not same_origin("https://a.example.com/", "https://b.example.com/")


def test_headers_with_line_breaks_are_refused(server, tmp_path):
    with pytest.raises(InvalidInput, match="line break"):
        download(server.url + "/site.tar", str(tmp_path / "a"), checksum=None, headers={"X": "a\r\nHost: b"})
    assert server.seen == []


# -- checksums -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("listing", ["{sha} *site.tar\n", "{sha}  ./site.tar\n", "SHA256 (site.tar) = {sha}\n", "{sha}\n"])
def test_checksum_lists(server, tmp_path, listing):
    other = "" if listing == "{sha}\n" else "0" * 64 + "  other.tar\n# a comment\n"
    server.files["/SHA256SUMS"] = (other + listing.format(sha=SHA)).encode()
    result = download(server.url + "/site.tar", str(tmp_path / "a"), checksum=f"sha256:{server.url}/SHA256SUMS", password="x")
    assert result.checksum == f"sha256:{SHA}"
    assert "authorization" in server.seen[0][1], "the list is on the same server"


def test_checksum_lists_on_other_servers_get_no_credentials(server, tmp_path):
    other = Server()
    try:
        other.files["/SHA256SUMS"] = f"{SHA}  site.tar".encode()
        download(server.url + "/site.tar", str(tmp_path / "a"), checksum=f"sha256:{other.url}/SHA256SUMS", password="x", headers={"T": "1"})
        assert "authorization" not in other.seen[0][1]
        assert "t" not in other.seen[0][1]
    finally:
        other.close()


def test_checksum_lists_that_do_not_help(server, tmp_path):
    server.files["/SHA256SUMS"] = b"0" * 64 + b"  other.tar\n"
    with pytest.raises(Refused, match=r"SHA256SUMS lists no checksum for site\.tar"):
        download(server.url + "/site.tar", str(tmp_path / "a"), checksum=f"sha256:{server.url}/SHA256SUMS")
    server.files["/SHA256SUMS"] = 503
    with pytest.raises(RunbookError, match=r"checksum list .* can't be read"):
        download(server.url + "/site.tar", str(tmp_path / "a"), checksum=f"sha256:{server.url}/SHA256SUMS")


def test_the_file_in_the_same_folder_comes_first():
    listing = f"{'1' * 64}  b/site.tar\n{'2' * 64}  site.tar\n"
    assert from_list("sha256", listing, ("site.tar", "a/site.tar"), "list") == Checksum("sha256", "2" * 64)


@pytest.mark.parametrize("text", ["", "sha256", "sha256:", "sha256:xyz", "sha256:" + "0" * 63, "sha256:" + "g" * 64, "crc32:1"])
def test_malformed_checksums(text):
    with pytest.raises(InvalidInput, match="hex digits"):
        parse_checksum(text)


def test_weak_checksums():
    with pytest.raises(InvalidInput, match="md5 is too weak"):
        parse_checksum("md5:" + "0" * 32)


def test_checksums_ignore_case():
    assert str(parse_checksum(f" SHA256:{SHA.upper()} ")) == f"sha256:{SHA}"
