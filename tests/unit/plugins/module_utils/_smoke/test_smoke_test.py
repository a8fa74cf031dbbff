# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job given to a real system, by a command, a URL and beside a database, and what is said of it."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
import threading
import time

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, RunbookError

HMAC = {
    "secret": "s3cret-key",
    "header": "X-Auth-Sign",
    "timestamp_header": "X-Auth-TS",
    "parts": ["method", "path_without_query", "body_sha256", "timestamp"],
    "separator": "|",
}


def test_a_job_that_is_done(system):
    result = system.test(**system.commands("queued", "processing", "done"))
    (item,) = result["checks"]
    assert (result["status"], result["changed"], result["job_id"], result["job_status"], result["polls"]) == ("ok", True, "1", "done", 3)
    assert result["msg"].startswith("smoke test: PASS: job 1 is done after ") and result["msg"].endswith(" s (3 looks)")
    assert (item["name"], item["status"], item["unit"], item["crit"], item["value"] < 10) == ("smoke test", "ok", "s", 10, True)
    assert item["duration_ms"] > 0
    assert [line.partition(",")[0] for line in system.lines] == ["smoke test: job 1 is queued", "smoke test: job 1 is processing"]
    assert result["logs"] == []


def test_a_job_that_fails_says_where_to_look(system, tmp_path):
    log = tmp_path / "service.log"
    log.write_text(
        "".join(f"line {number}\n" for number in range(50)) + "DB_PASSWORD=hunter2hunter2\nworker: \x1b[31mcan't reach my-own-secret\n"
    )
    look = {"look_at": ["table job_attempts"], "log_files": [str(log), str(tmp_path / "none.log")], "log_lines": 3}
    with pytest.raises(RunbookError) as caught:
        system.test(**system.commands("queued", "Failed"), **look, scrub_values=["my-own-secret"], fail=True)
    result = caught.value.result
    assert caught.value.message.startswith("smoke test: FAIL: job 1 is Failed after ")
    assert caught.value.message.endswith(f"; look at table job_attempts, {log}, {tmp_path / 'none.log'}")
    assert (result["status"], result["changed"], result["checks"][0]["status"]) == ("failed", True, "failed")
    assert result["logs"][0]["lines"] == ["line 49", "DB_PASSWORD=[scrubbed]", "worker:  [31mcan't reach [scrubbed]"]
    assert result["logs"][1] == {"path": str(tmp_path / "none.log"), "lines": [], "message": "No such file or directory"}


def test_a_job_that_takes_too_long(system):
    began = time.monotonic()
    result = system.test(**system.commands("queued"), timeout=2, interval=0.2)
    assert 2 <= time.monotonic() - began < 8
    assert (result["status"], result["checks"][0]["value"] >= 2, result["polls"] > 1) == ("failed", True, True)
    assert f"FAIL: job 1 is queued after 2 s and {result['polls']} looks" in result["msg"]


def test_slow_is_a_warning(system):
    result = system.test(**system.commands("queued", "done"), warn=0.1, interval=0.2)
    assert (result["status"], "PASS, but slowly" in result["msg"]) == ("warning", True)


def test_processing_may_be_enough(system):
    assert system.test(**system.commands("queued", "PROCESSING", "failed"), done=["processing", "done"])["status"] == "ok"


def test_a_status_that_nobody_knows(system):
    result = system.test(**system.commands("queued", "paused"), working=["queued"])
    assert (result["status"], result["polls"]) == ("crashed", 2)
    assert "is paused after" in result["msg"] and "in none of the lists (done is completed, done, succe" in result["msg"]


def test_check_mode_enqueues_nothing(system, server):
    for options in (system.commands("done"), _by_url(server, "done")):
        result = system.test(check_mode=True, **options)
        assert (result["status"], result["changed"], result["polls"], system.jobs) == ("skipped", True, 0, 0)
        assert "would enqueue by " in result["msg"] and "every 0.01 s for up to 10 s" in result["msg"]
    assert server.seen == []


def test_a_command_that_does_not_enqueue(system):
    script = "import sys; sys.exit('no room, password=hunter2hunter2')"
    result = system.test(**{**system.commands("done"), "enqueue": {"command": [sys.executable, "-c", script]}})
    assert (result["status"], result["changed"], result["polls"], result["checks"][0]["value"]) == ("failed", True, 0, None)
    assert "FAIL: nothing was enqueued by " in result["msg"] and "no room, password=[scrubbed]" in result["msg"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["no-such-program-at-all"], "no-such-program-at-all is not installed on this host"),
        ([sys.executable, "-c", "print('nothing to do, token=hunter2hunter2')"], "told no job's id: the answer has nothing that matches"),
        ([sys.executable, "-c", "print('job -rf')"], "'-rf' is no id"),
        ([sys.executable, "-c", "print('job ../../etc')"], "is no id"),
        ([sys.executable, "-c", "import time; time.sleep(60)"], "was still running after 3 s and was stopped"),
    ],
)
def test_an_enqueuing_that_tells_nothing(system, command, message):
    options = {**system.commands("done"), "enqueue": {"command": command}, "job_id": {"regex": r"job (\S+)"}, "ask_timeout": 3}
    result = system.test(**options)
    assert (result["status"], message in result["msg"]) == ("crashed", True), result["msg"]
    assert result["changed"] is ("not installed" not in message)
    assert "hunter2" not in str(result)


def test_no_shell(system, tmp_path):
    """What a shell would obey arrives as it is, in an argument and in the job's id."""
    enqueue = {"command": [sys.executable, "-c", "import sys; print(sys.argv[1])", f"$(touch {tmp_path}/a);`touch {tmp_path}/b` job 7"]}
    show = {"command": [sys.executable, "-c", "import sys; print('done' if sys.argv[1:] == ['--id=7'] else 'failed')", "--id={job_id}"]}
    assert system.test(enqueue=enqueue, poll=show, job_id={"regex": r"job (\d+)"})["status"] == "ok"
    assert not (tmp_path / "a").exists() and not (tmp_path / "b").exists()


def test_folder_and_exit_status(system, tmp_path):
    (tmp_path / "state").write_text("done\n")
    poll = {"command": [sys.executable, "-c", "print(open('state').read()); raise SystemExit(3)"], "chdir": str(tmp_path), "rc": [0, 3]}
    result = system.test(enqueue={"command": system.program("enqueue", str(system.folder), "done")}, poll=poll)
    assert (result["status"], result["job_id"]) == ("ok", None)
    assert "PASS: the job is done" in result["msg"]


def _by_url(server, *course, base=""):
    return {
        "base_url": f"{server.url}{base}",
        "enqueue": {"url": "jobs", "method": "POST", "body": {"course": list(course)}, "body_format": "json", "status_code": ["201"]},
        "job_id": {"query": "job.id"},
        "poll": {"url": "jobs/{job_id}"},
        "job_status": {"query": "job.status"},
    }


def test_by_url(system, server):
    result = system.test(**_by_url(server, "queued", "503", "done"))
    assert (result["status"], result["polls"], result["job_id"]) == ("ok", 3, "1")
    assert server.seen == [("POST", "/jobs"), ("GET", "/jobs/1"), ("GET", "/jobs/1"), ("GET", "/jobs/1")]
    assert "smoke test: job 1 was queued when last seen, " in system.lines[1]


def test_signed_by_url(system, server):
    options = _by_url(server, "queued", "done", base="signed/")
    assert system.test(**options, hmac=HMAC)["status"] == "ok"
    for other in ({"secret": "another-secret"}, {"separator": ","}):
        result = system.test(**options, hmac={**HMAC, **other})
        assert (result["status"], "got 401" in result["msg"], HMAC["secret"] in str(result)) == ("failed", True, False)


def test_a_server_that_goes_away(system, server):
    options = _by_url(server, "queued")
    options["poll"] = {"url": "http://127.0.0.1:1/{job_id}"}
    result = system.test(**options, timeout=0.2)
    assert (result["status"], result["job_id"]) == ("crashed", "1")
    assert "FAIL: job 1 has told no status after 0.2 s and " in result["msg"] and "connection refused" in result["msg"]
    assert system.test(**{**options, "enqueue": {"url": "http://127.0.0.1:1/"}})["status"] == "failed"


def test_an_id_is_no_path(system, server):
    options = {**_by_url(server, "done"), "job_id": {"regex": '"(.*)"'}, "enqueue": {"command": [sys.executable, "-c", "print('\"1?x\"')"]}}
    assert "is no id" in system.test(**options)["msg"]
    options["enqueue"] = {"command": [sys.executable, "-c", "print('\"a@b+c=d\"')"]}
    system.test(**options, timeout=0.05)
    assert server.seen[-1] == ("GET", "/jobs/a%40b%2Bc%3Dd")


def _enqueue(job):
    return {"enqueue": {"command": [sys.executable, "-c", f"print('job {job}')"]}, "job_id": {"regex": r"job (\S+)"}}


def test_by_a_database(system, database):
    poll = {"database": {"engine": "sqlite", "database": database, "query": "SELECT status FROM jobs WHERE id = {job_id}"}}

    def work():
        while not system.lines:  # until somebody has looked
            time.sleep(0.01)
        with contextlib.closing(sqlite3.connect(database, timeout=10)) as connection:
            connection.execute("UPDATE jobs SET status = 'done' WHERE id = 1")
            connection.commit()

    worker = threading.Thread(target=work)
    worker.start()
    result = system.test(**_enqueue(1), poll=poll, interval=0.05)
    worker.join()
    assert (result["status"], result["polls"] > 1) == ("ok", True)
    assert "the query's value is NULL" in system.test(**_enqueue(3), poll=poll, timeout=0.05)["msg"]
    result = system.test(**_enqueue(9), poll=poll, timeout=0.05)
    assert (result["status"], "the query answers no row" in result["msg"]) == ("crashed", True)


def test_a_database_is_only_read(system, database):
    query = "DELETE FROM jobs WHERE id = {job_id}"
    result = system.test(**_enqueue(1), poll={"database": {"engine": "sqlite", "database": database, "query": query}}, timeout=0.05)
    assert result["status"] == "crashed"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM jobs").fetchone() == (3,)


COMMAND = {"command": ["true"]}
BAD = [
    ({"poll": {"command": ["x", "{job_id}"]}}, "job_id does not say where"),
    ({"enqueue": {"command": ["x", "{job_id}"]}}, "there is no {job_id} before"),
    ({"enqueue": {"command": []}}, "a command is empty"),
    ({"enqueue": {"url": "jobs"}}, "base_url"),
    ({"enqueue": {"url": "http://www.example.com/", "chdir": "/tmp"}}, "chdir needs a command"),
    ({"enqueue": {"command": ["x"], "chdir": "/nowhere/at/all"}}, "is no folder on this host"),
    ({"poll": {"url": "http://www.example.com/", "status_code": ["2000"]}}, "neither a code"),
    ({"job_id": {"regex": "("}}, "job_id: regex '\\('"),
    ({"job_id": {"regex": ".*"}}, "matches an empty text"),
    ({"job_status": {"query": "a["}}, "job_status: json query 'a\\[' is not valid"),
    ({"done": []}, "done is empty"),
    ({"failed": ["Done"]}, "'done' is both in done and in failed"),
    ({"interval": 0}, "interval 0 is not from"),
    ({"timeout": float("nan")}, "timeout nan"),
    ({"warn": 200}, "warn 200 is above timeout 10"),
    ({"log_lines": 501}, "log_lines 501"),
    ({"scrub_values": ["abc"]}, "fewer than 4 characters"),
    ({"hmac": {"secret": ""}, "poll": {"url": "http://www.example.com/"}}, "secret is empty"),
    (
        {"job_id": {"regex": "a"}, "poll": {"database": {"engine": "sqlite", "query": "SELECT '{job_id}'"}}},
        "take the quotes around it away",
    ),
    ({"poll": {"database": {"engine": "sqlite"}}}, "query"),
    ({"poll": {"command": ["x"], "url": "http://www.example.com/"}}, "mutually exclusive"),
    ({"poll": {}}, "one of the following is required"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_bad_input_enqueues_nothing(system, tmp_path, options, message):
    marker = {"command": [sys.executable, "-c", f"open({str(tmp_path / 'ran')!r}, 'w')"]}
    for check_mode in (True, False):
        with pytest.raises(InvalidInput, match=message) as caught:
            system.test(check_mode=check_mode, **{"enqueue": marker, "poll": COMMAND, **options})
        assert "\n" not in caught.value.message
    assert not (tmp_path / "ran").exists()
