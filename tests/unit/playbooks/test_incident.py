# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rollback decision tree, as a user runs it, against a site that is a folder and a small web server of this process."""

from __future__ import annotations

import functools
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading

import pytest
from ansible_collections.runbook.ops import plugins

COLLECTION = pathlib.Path(next(iter(plugins.__path__))).parent
TOKEN = "unit-test-token_0123456789"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves ``current``, answers 503 under maintenance but to who has a token, and 500 when the site's data is broken."""

    def do_GET(self):
        site = pathlib.Path(self.directory).parent
        token = self.headers.get("X-Maintenance-Bypass", "none")
        if (site / "maintenance.flag").exists() and not (site / "maintenance.d" / "token" / pathlib.Path(token).name).exists():
            return self.send_error(503)
        if (site.parent / "broken").exists():
            return self.send_error(500)
        return super().do_GET()

    def log_message(self, *words):
        pass


@pytest.fixture
def site(tmp_path):
    (tmp_path / "build").mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(tmp_path / "www" / "current")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    inventory = {
        "prod": {
            "hosts": {"web1.example.com": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}},
            "vars": {
                "site_path": str(tmp_path / "www"),
                "site_url": "http://www.example.com/",
                "deploy_src": str(tmp_path / "build") + "/",
                "verify_connect_to": f"127.0.0.1:{server.server_port}",
                "verify_probes": [{"name": "home", "url": "/", "text": ["Release"]}],
            },
        }
    }
    (tmp_path / "hosts.json").write_text(json.dumps(inventory))
    yield tmp_path
    server.shutdown()
    server.server_close()


def play(site, playbook, *words, **variables):
    env = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE", "RUNBOOK"))}
    env |= {"ANSIBLE_COLLECTIONS_PATH": str(COLLECTION.parents[2]), "ANSIBLE_LOCAL_TEMP": str(site / "tmp"), "ANSIBLE_NOCOLOR": "1"}
    command = [
        pathlib.Path(sys.executable).parent / "ansible-playbook",
        "-i",
        site / "hosts.json",
        COLLECTION / "playbooks" / f"{playbook}.yml",
        "-e",
        json.dumps(variables),
        *words,
    ]
    done = subprocess.run(command, env=env, cwd=site, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def deploy(site, number, works=True, **variables):
    (site / "build" / "index.html").write_text(f"{'Release' if works else 'broken'} {number}\n")
    return play(site, "deploy", deploy_maintenance=True, deploy_release=f"20260101_00000{number}", **variables)


def live(site):
    return os.readlink(site / "www" / "current").rpartition("_")[2]


def flag(site):
    path = site / "www" / "maintenance.flag"
    return json.loads(path.read_text()) if path.exists() else None


def test_an_incident_stays_until_it_is_closed(site):
    code, said = deploy(site, 1)
    assert (code, live(site), flag(site)) == (0, "000001", None), said
    code, said = play(site, "incident")
    assert code == 2 and "Nothing was changed" in said and flag(site) is None, said
    code, said = play(site, "incident", incident_state="open")
    assert code == 2 and flag(site) is None, said
    opening = {"incident_state": "open", "incident_reason": "Orders are lost", "maintenance_bypass_token": TOKEN}
    code, said = play(site, "incident", "--check", **opening)
    assert code == 0 and "changed=1" in said and flag(site) is None, said
    code, said = play(site, "incident", **opening)
    assert code == 0 and flag(site)["incident"]["reason"] == "Orders are lost", said
    code, said = play(site, "incident", **opening)
    assert code == 0 and "changed=0" in said, said
    opened = flag(site)

    # What cures is deployed, and rolled back, behind the page; nobody ends it by the way.
    code, said = deploy(site, 2, maintenance_bypass_token=TOKEN)
    assert (code, live(site), flag(site)["incident"]) == (0, "000002", opened["incident"]), said
    code, said = play(site, "rollback", rollback_maintenance=True, maintenance_bypass_token=TOKEN)
    assert (code, live(site), flag(site)["incident"]) == (0, "000001", opened["incident"]), said
    code, said = play(site, "maintenance", maintenance_state="absent")
    assert code == 2 and "an incident is open since" in said and "(Orders are lost)" in said and flag(site), said

    code, said = play(site, "incident", incident_state="closed", incident_leave_maintenance=True)
    assert code == 0 and flag(site) and "incident" not in flag(site), said
    code, said = play(site, "maintenance", maintenance_state="absent")
    assert code == 0 and flag(site) is None, said
    code, said = play(site, "incident", incident_state="closed")
    assert code == 0 and "changed=0" in said, said


def test_an_incident_that_is_opened_while_a_deploy_runs(site):
    assert deploy(site, 1)[0] == 0
    tasks = site / "open.yml"
    path = site / "www"
    task = {"name": "Meanwhile", "runbook.ops.maintenance": {"path": str(path), "incident": "open", "reason": "Orders are lost"}}
    tasks.write_text(json.dumps([task]))
    code, said = deploy(site, 2, deploy_after_verify_tasks=str(tasks))
    assert (code, live(site)) == (0, "000002") and "an incident is open" in said, said
    assert flag(site)["incident"]["reason"] == "Orders are lost"
    assert not (path / ".runbook" / "lock").exists(), "the deploy finished"


def test_what_fails_leaves_an_incident_where_that_is_wanted(site):
    assert deploy(site, 1)[0] == 0
    code, said = deploy(site, 8, works=False)
    assert (code, live(site), flag(site)) == (2, "000001", None), said
    code, said = deploy(site, 9, works=False, site_incident_on_failure=True)
    assert code == 2 and live(site) == "000001" and "An incident is open: maintenance stays on" in said, said
    assert "failed on web1.example.com and was taken back" in flag(site)["incident"]["reason"]
    assert play(site, "incident", incident_state="closed")[0] == 0 and flag(site) is None

    # Its own maintenance ends with a rollback that works, and stays on when what was returned to does not work either.
    assert deploy(site, 2)[0] == 0
    assert deploy(site, 3)[0] == 0
    code, said = play(site, "rollback", rollback_maintenance=True)
    assert (code, live(site), flag(site)) == (0, "000002", None), said
    (site / "broken").touch()
    code, said = play(site, "rollback", rollback_maintenance=True, rollback_mark_bad=False)
    assert code == 2 and live(site) == "000001" and "Maintenance stays on" in said and "incident" not in flag(site), said
    code, said = play(site, "rollback", rollback_release="20260101_000002", site_incident_on_failure=True)
    assert code == 2 and "An incident is open" in said and "does not pass its probes either" in flag(site)["incident"]["reason"], said
