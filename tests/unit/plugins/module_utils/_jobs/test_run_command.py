# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import pwd

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import Refused, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._jobs.run_command import command

ME = pwd.getpwuid(os.geteuid()).pw_name


def run(*argv, **more):
    return command({"argv": list(argv), **more}, Run())


def test_environment_input_and_folder(tmp_path):
    said = run("sh", "-c", 'cat; echo "$A $LOGNAME"; pwd', user=ME, environment={"A": "100% $x"}, stdin="in\n", chdir=str(tmp_path))[
        "stdout"
    ]
    assert said == f"in\n100% $x {ME}\n{tmp_path}\n"


def test_the_callers_environment_is_not_the_users(monkeypatch):
    monkeypatch.setenv("SECRET", "geheim")
    assert run("sh", "-c", 'echo "[$SECRET]"', user=ME, chdir="/")["stdout"] == "[]\n"
    assert run("sh", "-c", 'echo "[$SECRET]"')["stdout"] == "[geheim]\n"


def test_output_is_appended_and_its_end_is_the_reason(tmp_path):
    tmp_path.chmod(0o755)
    path = tmp_path / "logs" / "out"
    run("echo", "before", output=str(path))
    with pytest.raises(RunbookError, match=r"ended with 3: why$") as caught:
        run("sh", "-c", "echo one; echo why >&2; exit 3", output=str(path))
    assert caught.value.result["rc"] == 3
    assert path.read_text() == "before\none\nwhy\n"
    with pytest.raises(RunbookError, match="it said nothing"):
        run("false", output=str(path))


def test_output_that_others_could_turn_elsewhere_is_refused(tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(Refused, match="others may write"):
        run("true", output=str(tmp_path / "open" / "x"))
    tmp_path.chmod(0o755)
    (tmp_path / "x").touch()
    os.link(tmp_path / "x", tmp_path / "y")
    with pytest.raises(Refused, match="no plain file"):
        run("true", output=str(tmp_path / "x"))
    os.symlink(tmp_path / "x", tmp_path / "z")
    with pytest.raises(OSError, match="z"):
        run("true", output=str(tmp_path / "z"))


def test_nobody_of_that_name():
    with pytest.raises(RunbookError, match="no user no-such-user"):
        run("true", user="no-such-user")


def test_what_can_not_be_started_says_so():
    with pytest.raises(RunbookError, match="No such file or directory: /nowhere"):
        run("/nowhere")
