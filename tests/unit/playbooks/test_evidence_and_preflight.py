# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks as a user runs them, against a site that is a folder and a small web server of this process."""

from __future__ import annotations

import functools
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading
import zipfile

import pytest
from ansible_collections.runbook.ops import plugins

COLLECTION = pathlib.Path(next(iter(plugins.__path__))).parent
SECRET = "Tr0ub4dorHunter2"


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """An inventory with a site on this machine that is served, and a host that nobody can reach."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "build").mkdir()
    (folder / "build" / "index.html").write_text("Release 1\n")
    (folder / "app.log").write_text(f"kept\nDB_PASSWORD={SECRET}\n")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder / "www" / "current")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    inventory = {
        "prod": {
            "hosts": {
                "web1.example.com": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable},
                "gone.example.com": {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_ssh_extra_args": "-o ConnectTimeout=2"},
            },
            "vars": {
                "site_path": str(folder / "www"),
                "site_url": "http://www.example.com/",
                "deploy_src": str(folder / "build") + "/",
                "deploy_metadata": {"api_token": SECRET},
                "verify_connect_to": f"127.0.0.1:{server.server_port}",
                "verify_probes": [{"name": "home", "url": "/", "text": ["Release"]}],
                "evidence_folder": str(folder / "evidence"),
                "evidence_label": "../test",
                "evidence_logs": [{"src": str(folder / "app.log"), "name": "logs/app.log"}],
                "preflight_file": str(folder / "new" / "preflight.json"),
                "preflight_dns_names": ["localhost"],
                "preflight_env_files": [{"path": str(folder / ".env"), "required": ["DB_PASSWORD"]}],
            },
        }
    }
    (folder / "hosts.json").write_text(json.dumps(inventory))
    yield folder
    server.shutdown()
    server.server_close()


def play(site, playbook, *words):
    env = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE", "RUNBOOK"))}
    env |= {
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTION.parents[2]),
        "ANSIBLE_CALLBACKS_ENABLED": "runbook.ops.evidence",
        "ANSIBLE_LOCAL_TEMP": str(site / "tmp"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_SSH_RETRIES": "0",
        "RUNBOOK_EVIDENCE_FOLDER": str(site / "runs"),
    }
    command = [
        pathlib.Path(sys.executable).parent / "ansible-playbook",
        "-i",
        site / "hosts.json",
        COLLECTION / "playbooks" / playbook,
        *words,
    ]
    done = subprocess.run(command, env=env, cwd=site, capture_output=True, text=True, timeout=280, check=False)
    return done.returncode, done.stdout + done.stderr


def bundle(site):
    """The newest bundle's files."""
    path = max((site / "evidence").glob("*.zip"), key=lambda path: path.stat().st_mtime_ns)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_from_preflight_to_evidence(site):
    code, said = play(site, "preflight.yml", "-l", "web1.example.com")
    document = json.loads((site / "new" / "preflight.json").read_text())
    assert (code, document["ready"]) == (2, False), said
    assert ".env" in document["msg"] and "Not ready: " in said

    (site / ".env").write_text(f"DB_PASSWORD={SECRET}\n")
    code, said = play(site, "preflight.yml", "-l", "web1.example.com", "-e", "{preflight_checks: []}")
    document = json.loads((site / "new" / "preflight.json").read_text())
    items = {item["name"]: item for item in document["hosts"]["web1.example.com"]["checks"]}
    bad = [name for name, item in items.items() if item["status"] in ("failed", "crashed") and name not in ("room", "inodes", "memory")]
    assert bad == [], said
    assert items["releases"]["status"] == "warning" and items["name localhost"]["status"] == "ok"
    assert SECRET not in json.dumps(document) + said

    code, said = play(site, "evidence.yml", "-l", "web1.example.com")
    files = bundle(site)
    assert code == 0, said
    assert SECRET not in "".join(files.values())
    assert json.loads(files["outcome.json"])["status"] == "ok"
    host = {name.partition("/")[2]: text for name, text in files.items() if name.startswith("web1.example.com/")}
    assert "current ->" in host["after/site.txt"] and "index.html" in host["after/current.txt"]
    assert "before/site.txt" not in host and "before/releases.json" in host
    assert json.loads(host["probes.json"])["status"] == "ok"
    assert "DB_PASSWORD=[scrubbed]" in host["after/logs/app.log"]
    assert '"event":"task"' in files["run.jsonl"]
    assert [path.parent.name for path in site.rglob("*.zip")] == ["evidence"], "the label is no path"

    # A release whose probes fail is taken back, and that is evidence too; so is a host that is gone.
    (site / "build" / "index.html").write_text("broken\n")
    code, said = play(site, "evidence.yml", "-l", "web1.example.com")
    files = bundle(site)
    assert code == 2 and "The evidence is in" in said, said
    assert json.loads(files["outcome.json"])["status"] == "failed"
    assert json.loads(files["web1.example.com/outcome.json"])["trouble"]
    assert json.loads(files["web1.example.com/probes.json"])["status"] == "ok", "what is served again works"
    assert '"status":"failed"' in files["run.jsonl"]


def test_a_host_that_is_gone_is_told(site):
    code, said = play(site, "preflight.yml")
    document = json.loads((site / "new" / "preflight.json").read_text())
    assert (code, document["ready"], set(document["hosts"])) == (2, False, {"web1.example.com", "gone.example.com"}), said
    assert document["hosts"]["gone.example.com"]["checks"][0]["status"] == "crashed"
    before = len(list((site / "evidence").glob("*.zip")))
    # As an AWX survey gives it, a text.
    code, said = play(site, "evidence.yml", "-e", "evidence_deploy=false")
    assert "PLAY RECAP" in said and "TASK [runbook.ops.deploy : Begin]" not in said
    assert code != 0 and len(list((site / "evidence").glob("*.zip"))) == before + 1, said
    assert json.loads(bundle(site)["outcome.json"])["failures"] == ["gone.example.com: it could not be reached"]
