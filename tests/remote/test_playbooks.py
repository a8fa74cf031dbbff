# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WordPress on a host without a shell, by the playbooks as people run them."""

from __future__ import annotations

import http.client
import json
import os
import pathlib
import shutil
import subprocess
import zipfile

import pytest
from remote.tenant import tree_of

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What the page says that proves a release: made of files at both ends of the tree.
_PAGE = """<?php
$one = trim(file_get_contents(__DIR__ . '/wp-admin/release.txt'));
$other = trim(file_get_contents(__DIR__ . '/wp-includes/release.txt'));
if ($one !== $other) { http_response_code(500); }
require __DIR__ . '/wp-includes/version.php';
echo "WordPress $wp_version $one";
"""


class Runs:
    """``ansible-playbook`` against one site; ``last`` is what it wrote."""

    def __init__(self, hosting, place, folder):
        self.hosting, self.place, self.folder, self.last = hosting, place, folder, ""
        self.source = folder / "wordpress"
        variables = {
            "site_path": place.remote_base,
            "site_backend": "sftp",
            "site_remote": hosting.options(),
            "site_url": f"http://127.0.0.1:{place.web_port}",
            "site_web_server": "apache",
            "maintenance_web_path": str(place.base),
            "verify_connect_to": "127.0.0.1",
            "verify_probes": [
                {"name": "home", "url": f"http://127.0.0.1:{place.web_port}/release.php", "status": [200], "text": "WordPress"}
            ],
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        # Nothing listens at this address: who tries to reach the host by SSH fails.
        hosts = {"shop": {"ansible_host": "127.0.0.1", "ansible_port": 1, **variables}}
        (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))

    def write(self, release, broken=False):
        if not self.source.exists():
            shutil.copytree(os.environ["RUNBOOK_WORDPRESS"], self.source)
        (self.source / "release.php").write_text("<?php http_response_code(500);" if broken else _PAGE)
        for folder in ("wp-admin", "wp-includes"):
            (self.source / folder / "release.txt").write_text(release)

    def play(self, name, *words, fails=False, **variables):
        command = [
            "ansible-playbook",
            ROOT / "playbooks" / f"{name}.yml",
            "-i",
            self.folder / "hosts.json",
            *words,
            "-e",
            json.dumps(variables),
        ]
        env = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCALHOST_WARNING": "0", "XDG_CACHE_HOME": str(self.folder / "cache")}
        done = subprocess.run(
            ["python3", "-m", "ansible", "playbook", *command[1:]], env=env, capture_output=True, text=True, timeout=240, check=False
        )
        self.last = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, self.last[-6000:]
        assert self.hosting.password not in self.last
        assert "Traceback" not in self.last, self.last[-6000:]
        return self.last

    def deploy(self, release, *words, **variables):
        return self.play("deploy", *words, deploy_src=str(self.source), deploy_release=release, **variables)


@pytest.fixture(scope="module")
def runs(hosting, tmp_path_factory):
    return Runs(hosting, hosting.site(flag=False), tmp_path_factory.mktemp("playbooks"))


def home(tenantless):
    connection = http.client.HTTPConnection("127.0.0.1", tenantless.place.web_port, timeout=10)
    connection.request("GET", "/release.php")
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found


def test_wordpress(runs):
    """Check, install the block for maintenance, deploy twice, a broken one, maintenance, roll back, look."""
    runs.write("one")
    runs.deploy("20260101_000001", "--check", "--diff")
    assert list(runs.place.base.iterdir()) == []
    runs.play("maintenance", maintenance_state="installed")
    runs.deploy("20260101_000001")
    assert home(runs)[1].endswith(" one")
    current = runs.place.path("current")
    assert tree_of(current.resolve()) == tree_of(runs.source)
    assert len(tree_of(runs.source)) > 2800

    runs.write("two")
    runs.deploy("20260101_000002", deploy_maintenance=True)
    assert home(runs)[1].endswith(" two")
    one, two = (runs.place.path("releases", f"20260101_00000{number}", "wp-login.php") for number in (1, 2))
    assert one.stat().st_ino == two.stat().st_ino

    runs.write("three", broken=True)
    said = runs.play("deploy", deploy_src=str(runs.source), deploy_release="20260101_000003", fails=True)
    assert "20260101_000003" in said
    assert home(runs)[1].endswith(" two")
    record = json.loads(runs.place.path(".runbook", "releases", "20260101_000003.json").read_text())
    assert record["state"] == "bad"
    assert not runs.place.path(".runbook", "lock").exists()

    runs.play("maintenance", maintenance_state="present", maintenance_message="Back at noon")
    status, body = home(runs)
    assert status == 503
    assert "Back at noon" in body
    runs.play("maintenance", maintenance_state="absent")
    assert home(runs)[1].endswith(" two")

    runs.play("rollback")
    assert home(runs)[1].endswith(" one")
    runs.play("verify")


def test_a_host_that_cannot_run_anything_says_so(runs):
    runs.write("four")
    said = runs.play(
        "deploy", deploy_src=str(runs.source), deploy_release="20260101_000009", deploy_after_stage_commands=["true"], fails=True
    )
    assert "nothing can be executed" in " ".join(said.split()) or "without a shell" in said
    assert home(runs)[0] == 200


def test_evidence(runs):
    """Before and after of a host that only SFTP reaches, in one bundle."""
    runs.write("five")
    before = os.readlink(runs.place.path("current"))
    bundles = runs.folder / "evidence"
    variables = {"evidence_folder": str(bundles), "evidence_label": "shown"}
    runs.play("evidence", deploy_src=str(runs.source), deploy_release="20260101_000010", **variables)
    assert home(runs)[1].endswith(" five")
    (bundle,) = bundles.glob("*_shown.zip")
    with zipfile.ZipFile(bundle) as opened:
        names = opened.namelist()
        (old,), (new,) = ([name for name in names if name.endswith(f"shop/{when}/listing.txt")] for when in ("before", "after"))
        assert before in opened.read(old).decode()
        assert "current -> releases/20260101_000010" in opened.read(new).decode()
        assert all(runs.hosting.password.encode() not in opened.read(name) for name in names)
