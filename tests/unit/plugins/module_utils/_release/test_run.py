# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands in a release, and what sealing lets through."""

from __future__ import annotations

import os
import subprocess
import time

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.commands import parse
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, Refused, RunbookError
from faults.small_site import listing, write_tree


@pytest.fixture
def ready(www):
    """r1 is live, r2 waits and shares a folder with later releases."""
    www.deploy("r1", {"index.php": "1\n", "same.php": "same\n"}, shared_dirs=["up"])
    www.stage("r2", {"index.php": "2\n", "same.php": "same\n", "lib/a": "a\n"}, shared_dirs=["up"])
    return www


def test_what_commands_make_becomes_part_of_the_release(ready):
    result = ready.run("r2", ["sh -c 'echo built > cache'", ["rm", "lib/a"], ["sh", "-c", "echo 3 > new && mv new index.php"]], by="sam")
    assert (result["changed"], result["sealed"], result["changes"]) == (True, True, {"added": 1, "changed": 1, "removed": 1})
    assert [command["rc"] for command in result["commands"]] == [0, 0, 0]
    assert ready.swap("r2")["after"] == "r2"
    assert ready.served()["cache"] == b"built\n"
    assert ready.info(verify=True)["releases"][1]["verified"]
    assert "sealed" in [event["event"] for event in ready.info()["history"]]


def test_an_id_keeps_its_source_after_it_was_sealed(ready):
    ready.run("r2", ["touch cache"])
    assert ready.stage("r2", {"index.php": "2\n", "same.php": "same\n", "lib/a": "a\n"}, shared_dirs=["up"])["changed"] is False


def test_what_is_not_sealed_is_refused_by_the_swap(ready):
    result = ready.run("r2", ["touch cache"], seal=False)
    assert result["sealed"] is False
    with pytest.raises(Refused, match="1 extra"):
        ready.swap("r2")
    assert ready.run("r2", [])["sealed"]
    assert ready.swap("r2")["after"] == "r2"


def test_commands_that_change_nothing_seal_nothing(ready):
    before = ready.path(".runbook/manifests/r2.json").read_bytes()
    assert ready.run("r2", ["true"])["sealed"] is False
    assert ready.run("r2", ["touch index.php"])["sealed"] is False
    assert ready.path(".runbook/manifests/r2.json").read_bytes() == before
    assert ready.run("r2", [])["changed"] is False


def test_check_mode_runs_nothing(ready):
    before = listing(ready.base)
    result = ready.run("r2", ["touch cache", ["sh", "-c", "exit 1"]], check=True)
    assert listing(ready.base) == before
    assert result["changed"]
    assert result["commands"] == [{"command": "touch cache", "would_run": True}, {"command": "sh -c 'exit 1'", "would_run": True}]
    assert ready.run("r9", ["true"], check=True, assume_staged=True)["changed"]
    assert not ready.run("r2", [], check=True)["changed"]
    with pytest.raises(Refused, match="r9 is not on"):
        ready.run("r9", ["true"], check=True)


def test_a_failing_command_names_itself_and_stops_the_rest(ready):
    with pytest.raises(RunbookError) as caught:
        ready.run("r2", ["touch one", ["sh", "-c", "echo out; echo oh no >&2; exit 3"], "touch two"])
    assert caught.value.message == "sh -c 'echo out; echo oh no >&2; exit 3' ended with 3 in release r2: oh no"
    assert [command["rc"] for command in caught.value.result["commands"]] == [0, 3]
    assert not ready.path("releases/r2/two").exists()
    with pytest.raises(Refused):
        ready.swap("r2")


@pytest.mark.parametrize(
    ("command", "match"),
    [
        (["no-such-command", "a"], "no-such-command a ended with 127 in release r2: No such file or directory: no-such-command"),
        (["./index.php"], "ended with 127 .*Permission denied"),
        (["sh", "-c", "kill -9 $$"], "ended with 137 in release r2: it said nothing"),
        (["sh", "-c", "echo only out; exit 1"], "only out"),
    ],
)
def test_other_ends(ready, command, match):
    with pytest.raises(RunbookError, match=match):
        ready.run("r2", [command])


def test_a_timeout_kills_the_command_and_all_its_children(ready, quick):
    mark = os.path.join(quick, "alive")
    script = f"echo begun >&2; (while :; do date > {mark}; sleep 0.05; done) & sleep 60"
    began = time.monotonic()
    with pytest.raises(RunbookError, match="ended with 124 in release r2: killed after 0.6 s") as caught:
        ready.run("r2", [["sh", "-c", script]], timeout=0.6)
    assert time.monotonic() - began < 20
    assert caught.value.result["commands"][0]["stderr"].splitlines() == ["begun", "", "killed after 0.6 s"]
    assert os.path.exists(mark)
    time.sleep(0.2)
    os.unlink(mark)
    time.sleep(0.3)
    assert not os.path.exists(mark), "a child is still at work"


def test_where_and_with_what_commands_run(ready):
    result = ready.run("r2", [["sh", "-c", "pwd; echo $GREETING; cat; echo $0 '$HOME'"]], environment_vars={"GREETING": "hello", "N": 1})
    assert result["commands"][0]["stdout"].splitlines() == [str(ready.path("releases/r2").resolve()), "hello", "sh $HOME"]
    assert ready.run("current", ["cat index.php"])["commands"][0]["stdout"] == "1\n"


def test_only_the_end_of_long_output_is_kept(ready):
    ran = ready.run("r2", [["sh", "-c", "seq 1 5000"]])["commands"][0]
    assert ran["stdout"].startswith("... ")
    assert ran["stdout"].endswith("4999\n5000\n")
    assert len(ran["stdout"]) <= 4004


def test_output_that_is_no_text(ready):
    assert ready.run("r2", [["printf", "\\377\\0x"]])["commands"][0]["stdout"] == "\ufffd\0x"


@pytest.mark.parametrize("what", ["rm up", "rm up && mkdir up && touch up/file", "ln -sfn /tmp up", "ln -sfn ../../shared up"])
def test_a_replaced_link_to_shared_data_is_refused(ready, what):
    with pytest.raises(Refused, match="a command replaced the link to shared data up in release r2; its data would be lost"):
        ready.run("r2", [["sh", "-c", what]])
    with pytest.raises(Refused):
        ready.swap("r2")


def test_a_link_of_the_source_that_only_looks_shared_may_be_replaced(www):
    www.stage("r1", {"shared/lib/x": "x", "lib": "->shared/lib"})
    assert www.run("r1", [["sh", "-c", "rm lib && cp -r shared/lib lib"]])["sealed"]


def test_a_file_changed_in_place_that_the_live_release_shares_is_refused(ready):
    with pytest.raises(Refused, match=r"a command changed same.php in place, and with it release r1, .* hardlink: false"):
        ready.run("r2", [["sh", "-c", "echo oops >> same.php"]])
    with pytest.raises(Refused):
        ready.swap("r2")


def test_a_file_that_is_replaced_leaves_the_live_release_alone(ready):
    assert ready.run("r2", [["sh", "-c", "cp same.php t && echo more >> t && mv t same.php"]])["sealed"]
    assert ready.served()["same.php"] == b"same\n"


def test_hard_links_inside_the_release_are_fine(ready):
    assert ready.run("r2", [["sh", "-c", "rm index.php; echo x > index.php; ln index.php other"]])["sealed"]


def test_a_live_release_is_not_sealed(ready):
    result = ready.run("r1", ["touch cache"])
    assert (result["changed"], result["sealed"]) == (True, False)


def test_a_process_that_still_writes_is_noticed(ready, monkeypatch):
    from ansible_collections.runbook.ops.plugins.module_utils._release import run

    real = run.manifest_of

    def slow(folder, rules):
        found = real(folder, rules)
        write_tree(folder, {"index.php": "changed meanwhile"})
        return found

    monkeypatch.setattr(run, "manifest_of", slow)
    with pytest.raises(Refused, match="r2 still changes after its commands ended"):
        ready.run("r2", ["touch cache"])


@pytest.mark.parametrize("commands", [[""], [[]], ["echo 'open"], [1], [None], [{"cmd": "ls"}], [["a\0b"]]], ids=str)
def test_nonsense_is_refused(ready, commands):
    before = listing(ready.base)
    with pytest.raises(InvalidInput) as caught:
        ready.run("r2", commands)
    assert "\n" not in caught.value.message
    assert listing(ready.base) == before


@pytest.mark.parametrize("env", [{"A=B": "x"}, {"A": "x\0y"}])
def test_environments_that_cannot_be(ready, env):
    with pytest.raises(RunbookError, match="the environment can't be used"):
        ready.run("r2", ["true"], environment_vars=env)


def test_parse():
    assert parse(["a 'b c' $HOME", ["d e", 1]]) == [["a", "b c", "$HOME"], ["d e", "1"]]


@pytest.mark.parametrize(
    ("release", "match"),
    [("r9", "release r9 is not on"), ("r2", "is bad; commands run only in complete releases"), ("../r1", "can't be a release id")],
)
def test_where_nothing_may_run(ready, release, match):
    ready.swap("r2")
    ready.swap("r1", mark_bad=True)
    with pytest.raises(RunbookError, match=match):
        ready.run(release, ["touch cache"])


def test_a_locked_site(ready):
    ready.lock("one")
    with pytest.raises(Refused, match="locked by one"):
        ready.run("r2", ["true"])
    assert ready.run("r2", ["true"], lock_owner="one")["commands"]


def test_a_run_that_is_killed_leaves_a_release_that_is_refused_or_whole(ready):
    """The next run seals what the commands made."""
    process = subprocess.run(["sh", "-c", f"echo half > {ready.path('releases/r2/cache')}"], check=True)
    assert process.returncode == 0
    with pytest.raises(Refused):
        ready.swap("r2")
    assert ready.run("r2", ["sh -c 'echo whole > cache'"])["sealed"]
    assert ready.swap("r2")["changed"]
