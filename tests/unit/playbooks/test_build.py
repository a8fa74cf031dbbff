# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook that builds, as a user runs it: predicted, built, built again, refused."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest
from ansible_collections.runbook.ops import plugins

COLLECTION = pathlib.Path(next(iter(plugins.__path__))).parent


@pytest.fixture
def play(tmp_path):
    def go(*words, **variables):
        env = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE")}
        env |= {"ANSIBLE_COLLECTIONS_PATH": str(COLLECTION.parents[2]), "ANSIBLE_LOCAL_TEMP": str(tmp_path / "tmp"), "ANSIBLE_NOCOLOR": "1"}
        given = {"build_src": str(tmp_path / "site"), "build_dest": str(tmp_path / "dist"), "build_version": "1.4.2", **variables}
        command = [
            pathlib.Path(sys.executable).parent / "ansible-playbook",
            COLLECTION / "playbooks/build.yml",
            "-e",
            json.dumps(given),
            *words,
        ]
        done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False)
        return done.returncode, done.stdout + done.stderr

    (tmp_path / "site").mkdir()
    (tmp_path / "site/index.html").write_text("Release 1\n")
    return go


def test_build(play, tmp_path):
    code, said = play("--check", "--diff")
    assert (code, (tmp_path / "dist").exists()) == (0, False), said
    assert "+index.html" in said
    for changed in (1, 0):
        code, said = play(build_url="https://releases.example.com/")
        assert (code, f"changed={changed}" in said, "skipped=0" in said) == (0, True, True), said
    assert json.loads((tmp_path / "dist/latest.json").read_text())["url"] == "https://releases.example.com/site-1.4.2.zip"
    (tmp_path / "site/.env").write_text("A=1\n")
    code, said = play(build_version="1.4.3")
    assert (code, ".env:1 (environment file)" in " ".join(said.split())) == (2, True), said
