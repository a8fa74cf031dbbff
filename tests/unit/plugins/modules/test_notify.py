# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

import http.server
import threading

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._notify.options import MESSAGE, NOTIFY, TARGET
from ansible_collections.runbook.ops.plugins.modules import notify
from contract import complaints, run
from yaml import safe_load

URL_SECRET = "T024BE7LDxyzzy"


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.seen.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_args):
        pass


@pytest.fixture
def receiver():
    server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
    server.seen, server.status = [], 200
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_documentation_and_options_agree():
    assert complaints(notify, NOTIFY) == []
    documented = safe_load(notify.DOCUMENTATION)["options"]
    for name, spec in (("targets", TARGET), ("messages", MESSAGE)):
        suboptions = documented[name]["suboptions"]
        assert suboptions.keys() == spec.keys()
        for option, said in suboptions.items():
            assert said.get("choices") == spec[option].get("choices"), option
            assert said.get("default") == spec[option].get("default"), option
            assert bool(said.get("required")) == bool(spec[option].get("required")), option


def test_send_and_keep(receiver, tmp_path):
    url = f"http://127.0.0.1:{receiver.server_address[1]}/{URL_SECRET}"
    options = {
        "targets": [{"kind": "webhook", "url": url}],
        "messages": [{"key": "k", "title": "x"}],
        "state_dir": str(tmp_path / "state"),
    }
    status, result = run(notify, True, **options)
    assert (status, result["changed"], receiver.seen) == (0, True, [])
    receiver.status = 403
    status, result = run(notify, **options)
    assert (status, result["deliveries"][0]["result"]) == (1, "kept")
    assert URL_SECRET not in str(result)
    receiver.status = 200
    status, result = run(notify, **options)
    assert (status, result["msg"], len(receiver.seen)) == (0, "1 delivered, 1 no news", 2)


def test_one_line_for_bad_input():
    status, result = run(notify, fail=False, targets=[{"kind": "discord", "url": f"hooks.example.com/{URL_SECRET}"}])
    assert (status, "no absolute URL" in result["msg"], URL_SECRET in str(result)) == (1, True, False)
