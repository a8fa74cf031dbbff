# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A published file against what announces it, on disk and from a real server that can be told to lie."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
import time

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._build.options import VERIFY
from ansible_collections.runbook.ops.plugins.module_utils._build.verify import artifact_verify
from ansible_collections.runbook.ops.plugins.module_utils._common import clock
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run

DATA = bytes(range(256)) * 500
NAME = "site-1.4.2.zip"


def document(**more):
    said = {"version": "1.4.2", "sha256": hashlib.sha256(DATA).hexdigest(), "size": len(DATA), "url": NAME, "time": clock.now(), **more}
    return {name: value for name, value in said.items() if value is not None}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / NAME).write_bytes(DATA)
    (tmp_path / "latest.json").write_text(json.dumps(document()))
    return tmp_path


@pytest.fixture
def verify(filled):
    return lambda **options: artifact_verify(filled(VERIFY.options, {"fail": False, **options}), Run())


def bad(result):
    """Names and messages of what is not ok, and not skipped either."""
    return {one["name"]: one["message"] for one in result["checks"] if one["status"] in ("failed", "crashed")}


def statuses(result):
    return {one["name"]: one["status"] for one in result["checks"]}


def test_what_was_built_is_what_it_says(folder, verify):
    result = verify(documents=[{"path": str(folder / "latest.json")}], version="1.4.2", max_age="1h")
    assert (result["status"], result["changed"]) == ("ok", False)
    assert list(statuses(result)) == ["latest.json: document", "file"] + [
        f"latest.json: {field}" for field in ("sha256", "size", "version", "url", "time")
    ]
    assert result["artifacts"] == [
        {"kind": "file", "where": str(folder / NAME), "size": len(DATA), "sha256": hashlib.sha256(DATA).hexdigest()}
    ]
    assert result["documents"]["latest.json"]["version"] == "1.4.2"


@pytest.mark.parametrize(
    ("change", "options", "failing"),
    [
        ({"sha256": "0" * 64}, {}, {"sha256": "says 000"}),
        ({"sha256": "SHA256:" + hashlib.sha256(DATA).hexdigest().upper()}, {}, {}),
        ({"size": len(DATA) + 1}, {}, {"size": f"says {len(DATA) + 1}"}),
        ({"size": str(len(DATA))}, {}, {}),
        ({"size": True}, {}, {"size": "is no number of bytes"}),
        ({"size": "large"}, {}, {"size": "is no number of bytes"}),
        ({"size": None}, {}, {"size": "it says no size"}),
        ({"sha256": None, "version": None}, {}, {"sha256": "it says no sha256", "version": "it says no version"}),
        ({}, {"version": "1.4.3"}, {"version": "is 1.4.2, not 1.4.3"}),
        ({"version": "1.4\n.2" * 50}, {"version": "1.4.2"}, {"version": "is 1.4 .21.4 .2"}),
        ({"url": "other.zip"}, {"path": NAME}, {"url": "names other.zip, not " + NAME}),
        ({"url": f"https://releases.example.com/x/{NAME}"}, {"path": NAME}, {}),
        ({"time": None}, {}, {}),
        ({"time": None}, {"max_age": "1d"}, {"time": "it says no time"}),
        ({"time": clock.stamp(time.time() - 90000)}, {"max_age": "1d"}, {"time": "is 25 hours old, more than"}),
        ({"time": clock.stamp(time.time() - 90000)}, {"max_age": "26h"}, {}),
        ({"time": clock.stamp(time.time() + 36000)}, {}, {"time": " in the future"}),
        ({"time": clock.stamp(time.time() + 100)}, {}, {}),
        ({"time": int(time.time())}, {"max_age": "1h"}, {}),
        ({"time": "yesterday"}, {}, {"time": "is not a moment"}),
    ],
)
def test_what_does_not_fit(folder, change, options, failing, verify):
    (folder / "latest.json").write_text(json.dumps(document(**change)))
    if "path" in options:
        options = {"path": str(folder / NAME)}
    found = bad(verify(documents=[{"path": str(folder / "latest.json")}], **options))
    assert "\n" not in "".join(found.values())
    assert found.keys() == {f"latest.json: {name}" for name in failing}
    for name, message in failing.items():
        assert message in found[f"latest.json: {name}"]


def test_a_file_that_is_cut_or_gone(folder, verify):
    (folder / NAME).write_bytes(DATA[:-1])
    found = bad(verify(documents=[{"path": str(folder / "latest.json")}]))
    assert found.keys() == {"latest.json: sha256", "latest.json: size"}
    (folder / NAME).unlink()
    result = verify(documents=[{"path": str(folder / "latest.json")}])
    assert statuses(result)["file"] == "failed"
    assert statuses(result)["latest.json: sha256"] == "crashed"
    with pytest.raises(RunbookError, match="4 of 7 checks not ok - file: No such file") as caught:
        verify(documents=[{"path": str(folder / "latest.json")}], fail=True)
    assert caught.value.result["status"] == "crashed"


def test_other_names_for_the_fields(folder, verify):
    meta = {"app": {"version": "1.4.2"}, "files": [{"hash": hashlib.sha256(DATA).hexdigest()}], "bytes": len(DATA), "built.at": clock.now()}
    (folder / "installer_meta.json").write_text(json.dumps(meta))
    fields = {"version": "app.version", "sha256": "files.0.hash", "size": "bytes", "url": "", "time": "built.at"}
    both = [{"path": str(folder / "latest.json")}, {"path": str(folder / "installer_meta.json"), "fields": fields}]
    result = verify(documents=both)
    assert result["status"] == "ok"
    assert statuses(result)["installer_meta.json: url"] == "skipped"
    meta["app"]["version"] = "1.4.1"
    (folder / "installer_meta.json").write_text(json.dumps(meta))
    assert bad(verify(documents=both)) == {"installer_meta.json: version": "is 1.4.1, not 1.4.2 as latest.json says"}
    both[1]["fields"] = {**fields, "time": "made"}
    assert "it says no time (no made)" in bad(verify(documents=both))["installer_meta.json: time"]


@pytest.mark.parametrize(
    ("text", "message"), [("{", "it is not JSON"), ("[]", "no JSON object"), ("[" * 100000, "it is not JSON"), (None, "No such file")]
)
def test_documents_that_can_not_be_read(folder, text, message, verify):
    if text is None:
        (folder / "latest.json").unlink()
    else:
        (folder / "latest.json").write_text(text)
    found = bad(verify(documents=[{"path": str(folder / "latest.json")}]))
    assert message in found["latest.json: document"]
    assert "no document that can be read says where it is" in found["artifact"]


@pytest.mark.parametrize("url", ["../secret.zip", "/etc/passwd", "ftp://www.example.com/x", ""])
def test_addresses_that_lead_nowhere(folder, url, verify):
    (folder / "latest.json").write_text(json.dumps(document(url=url)))
    assert "leads nowhere" in bad(verify(documents=[{"path": str(folder / "latest.json")}]))["artifact"]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"documents": []}, "documents is empty"),
        ({"documents": [{"path": "x", "fields": {"digest": "y"}}]}, "fields has 'digest'"),
        ({"documents": [{"url": "latest.json"}]}, "is relative"),
        ({"documents": [{"path": "x"}], "url": "https://u:p@www.example.com/"}, "user information"),
        ({"documents": [{"path": "x"}], "max_age": "soon"}, "max_age 'soon' is no duration"),
        ({"documents": [{"url": "https://www.example.com/latest.json"}], "connect_to": "a b"}, "names no host"),
        ({"documents": [{"url": "https://www.example.com/latest.json"}], "timeout": 0}, "timeout 0"),
        ({"documents": [{"path": "x"}], "ca_path": "/nowhere.pem"}, "ca_path /nowhere.pem can't be used"),
    ],
)
def test_bad_input(options, match, verify):
    with pytest.raises(InvalidInput, match=match) as caught:
        verify(**options)
    assert "\n" not in caught.value.message


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves /latest.json and the artifact; ``server.lies`` says how it does not do that well."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments):
        pass

    def do_GET(self):
        lies = self.server.lies
        self.server.seen.append((self.command, self.path, dict(self.headers)))
        if self.path.partition("?")[0].endswith(".json"):
            return self.answer(json.dumps(document(**self.server.document)).encode())
        if lies.get("redirect") and self.path == "/" + NAME:
            return self.answer(b"", 302, {"Location": lies["redirect"]})
        if lies.get("big"):
            return self.big(lies["big"])
        head = self.command == "HEAD"
        data = lies.get("data", DATA)
        headers = {"ETag": lies.get("head_etag", '"v1"') if head else '"v1"', **lies.get("headers", {})}
        if head and "head_status" in lies:
            return self.answer(b"", lies["head_status"])
        return self.answer(data, lies.get("status", 200), headers, lies.get("head_length") if head else lies.get("length"))

    do_HEAD = do_GET

    def answer(self, data, status=200, headers=None, length=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            if value is not None:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)
        self.close_connection = True

    def big(self, size):
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        if self.command == "GET":
            for _count in range(size >> 20):
                self.wfile.write(b"\0" * (1 << 20))
        self.close_connection = True


@pytest.fixture
def server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.lies, server.document, server.seen = {}, {}, []
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def published(server, verify):
    """What is served, asked for by the name that it has for visitors."""

    def go(**options):
        options = {"documents": [{"url": "http://releases.example.com/latest.json"}], **options}
        return verify(connect_to=f"127.0.0.1:{server.server_address[1]}", timeout=20, **options)

    return go


def test_what_is_served_is_what_it_says(published, server):
    result = published(version="1.4.2", max_age="1h")
    assert result["status"] == "ok", bad(result)
    assert {"download: length", "download: HEAD", "download: ETag"} <= statuses(result).keys()
    assert [(method, path) for method, path, _headers in server.seen] == [
        ("GET", "/latest.json"),
        ("GET", "/" + NAME),
        ("HEAD", "/" + NAME),
    ]
    assert {headers["Host"] for _method, _path, headers in server.seen} == {"releases.example.com"}


@pytest.mark.parametrize(
    ("lies", "failing"),
    [
        ({"data": DATA[:-1]}, {"latest.json: sha256", "latest.json: size"}),
        ({"data": DATA[:-1] + b"x"}, {"latest.json: sha256"}),
        ({"length": len(DATA) + 5}, {"download", "latest.json: sha256", "latest.json: size", "latest.json: url"}),
        ({"status": 404}, {"download", "latest.json: sha256", "latest.json: size", "latest.json: url"}),
        ({"head_status": 405}, {"download: HEAD"}),
        ({"head_length": 7}, {"download: HEAD"}),
        ({"head_etag": '"v2"'}, {"download: ETag"}),
        ({"headers": {"ETag": None}}, set()),
        ({"data": gzip.compress(DATA), "headers": {"Content-Encoding": "gzip"}}, {"download: length", "download: HEAD"}),
    ],
)
def test_what_a_server_does_wrong(published, server, lies, failing):
    server.lies = lies
    assert bad(published()).keys() == failing


def test_head_need_not_be_asked(published, server):
    server.lies = {"head_status": 405}
    assert published(head=False)["status"] == "ok"


def test_an_address_is_followed(published, server):
    server.document = {"url": f"http://releases.example.com/old/{NAME}"}
    assert published()["status"] == "ok"
    # Compared with the address that was asked for.
    found = bad(published(url=f"http://releases.example.com/{NAME}"))
    assert found == {"latest.json: url": f"leads to http://releases.example.com/old/{NAME}, not to http://releases.example.com/{NAME}"}
    server.lies = {"redirect": f"/mirror/{NAME}"}
    server.document = {}
    assert published()["status"] == "ok"


def test_both_the_file_and_the_download(published, folder, server):
    options = {"path": str(folder / NAME), "url": f"http://releases.example.com/{NAME}"}
    assert published(**options)["status"] == "ok"
    server.lies = {"data": DATA[:-1]}
    assert bad(published(**options)).keys() == {"latest.json: sha256 of the download", "latest.json: size of the download"}


def test_secrets_stay_with_the_host_that_they_are_for(server, verify):
    port = server.server_address[1]
    other = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    other.lies, other.document, other.seen = {}, {}, []
    threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        server.document = {"url": f"http://localhost:{other.server_address[1]}/{NAME}"}
        options = {"bearer_token": "geheim-geheim", "headers": {"X-Api-Key": "geheim2"}}
        result = verify(documents=[{"url": f"http://127.0.0.1:{port}/latest.json?key=geheim3"}], **options)
        assert result["status"] == "ok", bad(result)
        assert server.seen[0][2]["Authorization"] == "Bearer geheim-geheim"
        for _method, _path, headers in other.seen:
            assert not {"authorization", "x-api-key"} & {name.lower() for name in headers}
        assert "geheim" not in json.dumps(result)
    finally:
        other.shutdown()
        other.server_close()


def test_nobody_answers(verify):
    found = bad(verify(documents=[{"url": "http://127.0.0.1:9/latest.json"}], timeout=2))
    assert "connection refused" in found["latest.json: document"]


def test_memory_does_not_grow_with_the_file(server, tmp_path, filled):
    server.lies = {"big": 200 << 20}
    (tmp_path / "latest.json").write_text(json.dumps(document(size=200 << 20)))
    script = (
        "import json, re, sys\n"
        "from ansible_collections.runbook.ops.plugins.module_utils._build.verify import artifact_verify\n"
        "from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run\n"
        "result = artifact_verify(json.loads(sys.argv[1]), Run())\n"
        # Not ru_maxrss, which counts what the process was before it became this program.
        "print(result['artifacts'][0]['size'], re.search('VmHWM: *([0-9]+)', open('/proc/self/status').read().replace('\\t', ' '))[1])\n"
    )
    options = {
        "documents": [{"path": str(tmp_path / "latest.json")}],
        "url": f"http://127.0.0.1:{server.server_address[1]}/{NAME}",
        "fail": False,
    }
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(filled(VERIFY.options, options))], env=env, capture_output=True, check=True, text=True
    )
    size, kilobytes = map(int, done.stdout.split())
    assert size == 200 << 20
    assert kilobytes < 100_000
