# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example inventory of a site on shared hosting: its values can be used, and it names nobody."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import ipaddress
import json
import os
import pathlib
import re
import ssl
import subprocess
import sys
import threading
import time

import pytest
from ansible_collections.runbook.ops import plugins
from ansible_collections.runbook.ops.plugins.module_utils._jobs import schedule
from ansible_collections.runbook.ops.plugins.module_utils._windows.task import definition

COLLECTION = pathlib.Path(next(iter(plugins.__path__))).resolve().parent
INVENTORY = COLLECTION / "inventories" / "shared_hosting"
NAMES = re.findall(r"^vault_\w+", (INVENTORY / "group_vars" / "all" / "vault.yml.example").read_text(), re.MULTILINE)
VAULT = dict.fromkeys(NAMES, "made-up-0123456789abcdef")
DOCUMENTATION = [ipaddress.ip_network(net) for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "127.0.0.0/8")]


def play(tmp_path, *words):
    env = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE", "RUNBOOK"))}
    env |= {"ANSIBLE_COLLECTIONS_PATH": str(next(iter(plugins.__path__))).rpartition("/ansible_collections/")[0], "ANSIBLE_NOCOLOR": "1"}
    env["ANSIBLE_LOCAL_TEMP"] = str(tmp_path / "tmp")
    command = [pathlib.Path(sys.executable).parent / "ansible-playbook", "-i", INVENTORY / "hosts.yml", "-e", json.dumps(VAULT), *words]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def values(tmp_path_factory):
    """Each host's variables, with what they refer to put in."""
    folder = tmp_path_factory.mktemp("values")
    task = {
        "copy": {"content": "{{ chosen | to_json }}", "dest": f"{folder}/{{{{ inventory_hostname }}}}.json"},
        "delegate_to": "localhost",
        "become": False,
        "vars": {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "chosen": "{{ dict(names | zip(names | map('extract', vars))) }}",
            "names": "{{ vars.keys() | select('match', '(site|deploy|rollback|verify|evidence|windows_tasks|daily_checks)_') | sort }}",
        },
    }
    (folder / "show.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
    code, said = play(folder, folder / "show.yml")
    assert code == 0, said
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.example.com.json")}


def test_two_ways_to_one_site(values):
    prod, fallback = values["www.example.com"], values["www-cpanel.example.com"]
    assert (prod["site_backend"], fallback["site_backend"]) == ("sftp", "cpanel")
    assert prod["site_remote"]["host"] == "sftp.example.com" and prod["site_remote"]["offline"] is False
    assert set(fallback["site_remote"]) == {"host", "user", "token", "offline"} and fallback["site_shared_dirs"] == []
    assert prod["site_path"] == fallback["site_path"] and prod["site_url"] == fallback["site_url"]
    assert prod["deploy_src"].endswith("/") and prod["deploy_maintenance"] and prod["rollback_maintenance"]


def test_jobs_and_tasks_have_times(values):
    for job in values["ops1.example.com"]["site_jobs"]:
        assert schedule.parse(job["schedule"], job["name"]).cron
    found = [definition(task, ["OPS\\tasks"]) for task in values["pc1.example.com"]["site_windows_tasks"]]
    assert [task["arguments"]["triggers"][0].get("repetition", {}).get("interval") for task in found] == ["PT15M", "PT5M", None]
    assert {task["arguments"]["logon_type"] for task in found} == {"password"}


class Site(http.server.BaseHTTPRequestHandler):
    """The site's public side, as its runbook describes it: caching, ranges, signatures, a gate."""

    LATEST = json.dumps({"version": "1.4.2", "sha256": "0" * 64, "size": 4096}).encode()
    WORKER = bytes(range(256)) * 16
    MODIFIED = "Sat, 21 Nov 2026 10:15:00 GMT"

    def do_GET(self):
        if self.path == "/":
            self.answer(200, b"<h1>Welcome</h1>")
        elif self.path == "/api/latest.php":
            asked = self.headers.get("If-None-Match") == '"v142"' or self.headers.get("If-Modified-Since") == self.MODIFIED
            told = {"ETag": '"v142"', "Last-Modified": self.MODIFIED, "Cache-Control": "public, max-age=60"}
            self.answer(304 if asked else 200, b"" if asked else self.LATEST, **told)
        elif self.path == "/api/download_worker.php" and self.headers.get("Range"):
            first, last = (int(number) for number in self.headers["Range"].removeprefix("bytes=").split("-"))
            self.answer(206, self.WORKER[first : last + 1], **{"Content-Range": f"bytes {first}-{last}/{len(self.WORKER)}"})
        elif self.path == "/api/download_worker.php":
            self.answer(200, self.WORKER, **{"Accept-Ranges": "bytes"})
        elif self.path == "/api/pull_job.php":
            self.answer(204 if self.signed(b"") else 401)
        else:
            self.answer(403)

    do_HEAD = do_GET

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/api/heartbeat.php" and self.signed(body):
            self.answer(200, b'{"ok": true}')
        else:
            self.answer(401)

    def signed(self, body):
        words = [self.command, self.path, hashlib.sha256(body).hexdigest(), self.headers.get("X-Auth-TS", "")]
        expected = hmac.new(VAULT["vault_internal_secret"].encode(), "|".join(words).encode(), "sha256").hexdigest()
        return hmac.compare_digest(expected, self.headers.get("X-Auth-Sign", "")) and abs(time.time() - int(words[3])) < 300

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        if status not in (204, 304):
            headers["Content-Length"] = str(len(body))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    def date_time_string(self, timestamp=None):
        return super().date_time_string(time.time() + self.server.ahead)

    def log_message(self, *words):
        pass


@pytest.fixture
def served(tmp_path):
    cert = [tmp_path / "key.pem", tmp_path / "cert.pem"]
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "90", "-subj", "/CN=www.example.com"]
    subprocess.run([*words, "-keyout", cert[0], "-out", cert[1]], check=True, capture_output=True)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.ahead = 0
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert[1], cert[0])
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_the_probes_are_met_by_such_a_site(tmp_path, served):
    if "clock_skew" not in (COLLECTION / "plugins" / "modules" / "http_probe.py").read_text():
        pytest.skip("http_probe does not compare clocks")
    here = {"verify_connect_to": f"127.0.0.1:{served.server_port}", "verify_validate_certs": False, "verify_retries": 0}
    words = [COLLECTION / "playbooks" / "verify.yml", "-l", "prod", "-e", json.dumps(here)]
    code, said = play(tmp_path, *words)
    assert code == 0, said
    served.ahead = 400
    code, said = play(tmp_path, *words)
    assert code == 2 and "heartbeat" in said and "clock" in said, said
    assert VAULT["vault_internal_secret"] not in said


@pytest.mark.parametrize("path", sorted(path for path in INVENTORY.rglob("*") if path.is_file()), ids=lambda path: path.name)
def test_nobody_is_named(path):
    text = path.read_text().replace("https://www.gnu.org/licenses/", "")
    names = set(re.findall(r"\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:com|net|org|sa|dev|io)\b", text))
    assert all(name == "example.com" or name.endswith(".example.com") for name in names), names
    for address in re.findall(r"\b\d{1,3}(?:\.\d{1,3}){3}\b", text):
        assert any(ipaddress.ip_address(address) in net for net in DOCUMENTATION), address
    secrets = re.findall(r"(?im)^\s*\w*(?:password|token|secret|passphrase|webhook)\w*:\s*(.*)$", text)
    assert all(secret in ("", '""') or "vault_" in secret or "{{ site_" in secret for secret in secrets), secrets
