# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site's mornings: all is well, something is not and is told once, it is well again; logs rotated under requests.

The tests are one story and run in this order.
"""

from __future__ import annotations

import http.server
import json
import pathlib
import threading

import driver
import pytest

SCENARIO = pathlib.Path(__file__).resolve().parents[1]
LOGS = "/var/log/rb_ops"
PORT = 8078


@pytest.fixture(scope="module")
def told():
    """What a receiver of JSON messages on this machine was told, and where it is."""

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_words):
            pass

    received = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    received_at = f"http://127.0.0.1:{server.server_port}/"
    yield received, received_at
    server.shutdown()


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    return tmp_path_factory.mktemp("reports")


@pytest.fixture
def morning(told, reports):
    targets = [{"name": "receiver", "kind": "webhook", "url": told[1]}]

    def check(*arguments):
        variables = {"daily_checks_dest": str(reports), "daily_checks_notify_targets": targets}
        words = ["ansible-playbook", "runbook.ops.daily_checks", "-l", "operated", *arguments, "-e", json.dumps(variables)]
        return driver.Running(words, [SCENARIO / "inventory"]).wait()

    return check


def found(reports):
    """The status of each host, as the report has it."""
    return {host["name"]: host["status"] for host in json.loads((reports / "report.json").read_text())["hosts"]}


def alerts(received):
    return [alert for message in received for alert in message["alerts"]]


def test_a_job_runs_without_ansible_and_leaves_its_heartbeat(web1, web2, web3):
    for host in (web1, web2, web3):
        unit = host("systemctl list-timers --all --no-legend 'runbook-operated-*tick*' | grep -o 'runbook-operated-[^ ]*tick.service'")
        host(f"systemctl start {unit}")
        host("test -e /srv/rb_ops/ticked")
        assert json.loads(host("cat /srv/rb_ops/state/jobs/operated/tick.heartbeat"))["status"] == "ok"


def test_a_good_morning_tells_nobody(morning, reports, told, web1):
    web1("for i in $(seq 20); do curl -sf -o /dev/null http://127.0.0.1:8078/; done")
    done = morning()
    assert done.rc == 0, done
    assert found(reports) == dict.fromkeys(("web1", "web2", "web3"), "ok")
    assert told[0] == []
    page = (reports / "index.html").read_text()
    assert all(name in page for name in ("web1", "web2", "web3"))
    assert "http-equiv" not in page.lower() or "refresh" not in page.lower()


def test_check_mode_stores_and_tells_nothing(morning, reports, told):
    before = {path: path.read_bytes() for path in reports.rglob("*") if path.is_file()}
    assert morning("--check").rc == 0
    assert {path: path.read_bytes() for path in reports.rglob("*") if path.is_file()} == before
    assert told[0] == []


def test_a_stopped_server_fails_the_run_and_is_told_once(morning, reports, told, web2):
    web2("systemctl stop nginx")
    try:
        for _time in range(2):
            done = morning()
            assert done.rc != 0
            assert found(reports) in ({"web1": "ok", "web2": bad, "web3": "ok"} for bad in ("failed", "crashed"))
    finally:
        web2("systemctl start nginx")
    firing = [alert for alert in alerts(told[0]) if alert["state"] == "firing"]
    assert firing, "nobody was told"
    assert all("web2" in json.dumps(alert) for alert in firing)
    assert len({alert["key"] for alert in firing}) == len(firing), "something was told twice"


def test_recovery_is_told(morning, reports, told):
    done = morning()
    assert done.rc == 0, done
    states = {}
    for alert in alerts(told[0]):
        states[alert["key"]] = alert["state"]
    assert states
    assert set(states.values()) == {"resolved"}


def test_a_host_that_does_not_answer_is_no_gap_in_the_report(morning, reports, web3):
    web3.direct("systemctl", "stop", "ssh.service", "ssh.socket")
    try:
        # Connections that are open already would still work.
        web3.direct("pkill", "-f", "sshd: root")
        done = morning()
    finally:
        web3.direct("systemctl", "start", "ssh.service")
    assert done.rc != 0
    assert found(reports) == {"web1": "ok", "web2": "ok", "web3": "crashed"}


@pytest.mark.parametrize("name", ["web1", "web3"])
def test_no_line_is_lost_when_logs_are_rotated_under_requests(name, web1, web3):
    host = {"web1": web1, "web3": web3}[name]
    host(f"rm -f {LOGS}/*.log-*")
    before = int(host(f"grep -c number= {LOGS}/access.log || true") or 0)
    # wrk would not say which requests were answered: each line has a number of its own here.
    request = f'curl -s -o /dev/null "http://127.0.0.1:{PORT}/?number=$i"'
    script = f"i=0; while [ ! -e /srv/rb_ops/stop ]; do i=$((i+1)); {request} || exit 1; done; echo $i"
    host("rm -f /srv/rb_ops/stop")
    running = host.start(script)
    try:
        for _time in range(3):
            sets = [
                {
                    "paths": [f"{LOGS}/access.log"],
                    "keep": 5,
                    "suffix": "number",
                    "reopen": {"unit": "apache2" if name == "web3" else "nginx", "signal": "USR1"},
                }
            ]
            words = ["ansible-playbook", "runbook.ops.rotate_logs", "-l", name, "-e", json.dumps({"log_rotation_sets": sets})]
            done = driver.Running(words, [SCENARIO / "inventory"]).wait()
            assert done.rc == 0, done
    finally:
        host("touch /srv/rb_ops/stop")
    sent = int(running.communicate(timeout=60)[0].split()[-1])
    text = host(f"cat {LOGS}/access.log; for f in {LOGS}/access.log.*; do case $f in *.gz) zcat $f;; *) cat $f;; esac; done")
    numbers = [int(line.split("number=")[1].split()[0]) for line in text.splitlines() if "number=" in line]
    assert before == 0
    assert sorted(numbers) == list(range(1, sent + 1))
    assert len(host(f"ls {LOGS}").split()) >= 4
