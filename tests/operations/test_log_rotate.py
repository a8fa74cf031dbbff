# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real writers of five kinds, and ``log_rotate`` run again and again, also killed: every line is found exactly once."""

from __future__ import annotations

import collections
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError
from faults.small_logs import content, files, hidden, rotate
from operations.disks import mounted

SOAK = bool(os.environ.get("RUNBOOK_SOAK"))
SEED = int(os.environ.get("RUNBOOK_SEED") or random.randrange(10**6))
ROTATIONS = 40 if SOAK else 3
KILLS = 200 if SOAK else 12
RATES = (2000, 20000)
HERE = pathlib.Path("/srv/rb_rotate")
WRITERS = pathlib.Path(__file__).parent / "log_writers"
HOLDING = ("php", "python", "shell")
SERVERS = ("nginx", "apache")
# For whom which method is meant; what a server logs can be cut without asking it, too.
METHODS = [(kind, "collapse") for kind in (*HOLDING, *SERVERS)]
METHODS += [(kind, "pause") for kind in (*HOLDING, *SERVERS)]
METHODS += [(kind, "rename") for kind in (*SERVERS, "python", "php")]
METHODS += [("shell_each", "auto"), ("shell_each", "pause")]


@pytest.fixture
def folder():
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir(mode=0o755)
    print(f"RUNBOOK_SEED={SEED}")
    yield HERE
    shutil.rmtree(HERE, ignore_errors=True)


class Writer:
    """A process that writes numbered lines until it is told to end; it says how many there are, and reopens its log on USR1."""

    def __init__(self, kind: str, log: pathlib.Path, rate: int) -> None:
        self.log, self.reopen = log, {"pid_file": str(HERE / "writer.pid"), "signal": "USR1"}
        words = {
            "php": ["php", WRITERS / "writer.php"],
            "python": ["python3", WRITERS / "writer.py"],
            "shell": ["bash", WRITERS / "writer.sh", "hold"],
            "shell_each": ["bash", WRITERS / "writer.sh", "each"],
        }[kind]
        self.process = subprocess.Popen([*words, log, str(rate)], stdout=subprocess.PIPE, text=True)
        (HERE / "writer.pid").write_text(str(self.process.pid))

    def end(self) -> tuple[int, set[int]]:
        """How many lines it wrote, and those of which it does not know whether it did."""
        self.process.send_signal(signal.SIGTERM)
        said, _nothing = self.process.communicate(timeout=30)
        return int(said), set()


class Server:
    """nginx or Apache with a log of its own, asked over HTTP for numbered paths."""

    def __init__(self, kind: str, log: pathlib.Path, rate: int) -> None:
        self.log, pid = log, HERE / "server.pid"
        self.reopen = {"pid_file": str(pid), "signal": "USR1"}
        port = 8471 if kind == "nginx" else 8472
        text = (WRITERS / f"{kind}.conf").read_text().replace("@HERE@", str(HERE)).replace("@PORT@", str(port)).replace("@LOG@", str(log))
        (HERE / "server.conf").write_text(text)
        program = ["nginx", "-c"] if kind == "nginx" else ["apache2", "-f"]
        subprocess.run([*program, HERE / "server.conf"], check=True)
        self.stop = [*program, HERE / "server.conf", *(["-s", "quit"] if kind == "nginx" else ["-k", "graceful-stop"])]
        deadline = time.monotonic() + 10
        while not pid.exists() or not pid.read_text().strip():
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.02)
        self.process = subprocess.Popen(["python3", WRITERS / "visitor.py", str(port), str(rate)], stdout=subprocess.PIPE, text=True)

    def end(self) -> tuple[int, set[int]]:
        self.process.send_signal(signal.SIGTERM)
        said, _nothing = self.process.communicate(timeout=30)
        number = (HERE / "server.pid").read_text().strip()
        subprocess.run(self.stop, check=True, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while os.path.exists(f"/proc/{number}"):
            assert time.monotonic() < deadline, "the server does not end"
            time.sleep(0.02)
        asked, unsure = json.loads(said)
        assert len(unsure) < asked / 2
        return asked, set(unsure)


def begin(kind: str, rate: int):
    log = HERE / f"{kind}.log"
    log.touch(mode=0o644)
    writer = (Server if kind in SERVERS else Writer)(kind, log, rate)
    deadline = time.monotonic() + 10
    while log.stat().st_size == 0:
        assert time.monotonic() < deadline and writer.process.poll() is None, "nothing is written"
        time.sleep(0.02)
    return writer


def options_for(writer, method: str, **more):
    given = {"paths": [str(writer.log)], "method": method, "wait": 1.0, **more}
    if method == "rename":
        given["reopen"] = writer.reopen
    return given


def rotation(given: dict) -> subprocess.Popen[str]:
    """A run in a process of its own, as Ansible starts it; the collection's path is inherited."""
    script = "import json, sys\nfrom faults.small_logs import rotate\nprint(json.dumps(rotate(**json.loads(sys.argv[1]))))\n"
    words = [sys.executable, "-c", script, json.dumps(given)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(run: subprocess.Popen[str]) -> dict:
    said, trouble = run.communicate(timeout=120)
    assert run.returncode == 0, trouble
    return json.loads(said)


def count(log: pathlib.Path) -> collections.Counter[int]:
    """How often each number is found; a line that is not whole has none, and stops the test."""
    found: collections.Counter[int] = collections.Counter()
    for path in files(HERE, log.name):
        data = content(path)
        assert not data or data.endswith(b"\n"), f"{path} ends within a line"
        for line in data.split(b"\n"):
            if line.strip(b" "):
                words = line.split(b" ")
                assert words[0] == b"line" and words[-1] == b"end", f"{path}: {line!r}"
                found[int(words[1])] += 1
    return found


def every_line_once(log: pathlib.Path, written: int, unsure: set[int]) -> None:
    found = count(log)
    lost = [number for number in range(written) if not found[number] and number not in unsure]
    twice = [number for number, times in found.items() if times > 1]
    assert (lost[:5], twice[:5]) == ([], []), f"{len(lost)} of {written} lost, {len(twice)} found twice"
    assert set(found) <= set(range(written))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(("kind", "method"), METHODS)
def test_every_line_exactly_once(folder, kind, method, rate):
    rotated_while_written(kind, method, rate)


@pytest.mark.parametrize("system", ["ext4", "xfs"])
def test_every_line_exactly_once_on(folder, system):
    """Both file systems that can take blocks off the beginning of a file."""
    with mounted(system, 400, folder):
        for kind in ("python", "shell"):
            assert rotated_while_written(kind, "collapse", 20000) == {"collapse": ROTATIONS}


def rotated_while_written(kind: str, method: str, rate: int) -> collections.Counter[str]:
    """How often it was rotated by each method, while a writer wrote lines that are all found again."""
    writer = begin(kind, rate)
    cut = collections.Counter()
    try:
        tries = 0
        while sum(cut.values()) < ROTATIONS:
            tries += 1
            assert tries < 40 * ROTATIONS, f"it is not rotated: {cut}"
            for entry in ended(rotation(options_for(writer, method)))["logs"]:
                if entry["action"] == "rotated":
                    cut[entry["method"]] += 1
                    assert entry.get("after") in (None, entry.get("before")), entry
    finally:
        written, unsure = writer.end()
    last = ended(rotation(options_for(writer, "rename")))
    assert not last["deferred"]
    every_line_once(writer.log, written, unsure)
    assert hidden(HERE) == []
    print(f"{kind} {method} {rate}/s: {written} lines, {dict(cut)}")
    return cut


@pytest.mark.parametrize(("kind", "method"), [("python", "collapse"), ("php", "pause"), ("nginx", "rename"), ("shell_each", "auto")])
def test_killed_at_random_moments(folder, kind, method):
    rng = random.Random(SEED)
    writer = begin(kind, 5000)
    killed = 0
    suffix = rng.choice(["date", "number"])
    try:
        for _round in range(KILLS // 4):
            run = rotation(options_for(writer, method, suffix=suffix, keep=1000, wait=0.2))
            time.sleep(rng.uniform(0.05, 0.25))
            run.kill()
            killed += run.wait() == -signal.SIGKILL
            run.communicate()
            time.sleep(0.02)
            state = pathlib.Path(f"/proc/{writer.process.pid}/stat").read_text().rpartition(")")[2].split()[0]
            assert state != "T", "the writer stays paused"
    finally:
        written, unsure = writer.end()
    ended(rotation(options_for(writer, "rename", suffix=suffix)))
    every_line_once(writer.log, written, unsure)
    assert hidden(HERE) == []
    print(f"{kind} {method}: {killed} of {KILLS // 4} killed, {written} lines")


def test_the_method_that_is_called_lossy_says_so(folder):
    writer = begin("python", 20000)
    try:
        for _round in range(3):
            (entry,) = ended(rotation(options_for(writer, "copytruncate", allow_loss=True)))["logs"]
    finally:
        written, unsure = writer.end()
    found = count_loosely(writer.log)
    assert 0 < sum(found.values()) <= written
    assert max(found.values()) == 1


def count_loosely(log: pathlib.Path) -> collections.Counter[bytes]:
    found: collections.Counter[bytes] = collections.Counter()
    for path in files(HERE, log.name):
        found.update(line for line in content(path).split(b"\n") if line.startswith(b"line ") and line.endswith(b" end"))
    return found


def test_a_log_in_memory_is_not_collapsed():
    place = pathlib.Path("/srv/small/rb_rotate")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o755)
    try:
        (place / "a.log").write_bytes(b"line 0 end\n" * 1000)
        before = (place / "a.log").read_bytes()
        with pytest.raises(RunbookError, match=r"a\.log: its file system \(tmpfs\) can't collapse a file; ext4 and xfs can"):
            rotate(paths=[str(place / "a.log")], method="collapse")
        with open(place / "a.log", "ab"), pytest.raises(RunbookError, match="give reopen, or allow_pause, or allow_loss"):
            rotate(paths=[str(place / "a.log")])
        assert (place / "a.log").read_bytes() == before
        assert os.listdir(place) == ["a.log"]
    finally:
        shutil.rmtree(place, ignore_errors=True)


def test_what_belongs_to_an_account_is_done_as_that_account(folder):
    site = folder / "site"
    site.mkdir()
    shutil.chown(site, "www-data", "www-data")
    (site / "a.log").write_bytes(b"line 0 end\n" * 10)
    shutil.chown(site / "a.log", "www-data", "www-data")
    (folder / "precious").write_bytes(b"root's\n")
    (entry,) = rotate(paths=[f"{site}/*.log"])["logs"]
    assert (entry["action"], entry["after"]) == ("rotated", {"bytes": 110, "lines": 10})
    assert {path.owner() for path in site.iterdir()} == {"www-data"}
    # What that account puts in the way leads it nowhere that it may not go itself.
    os.symlink(folder, site / "old")
    (site / "a.log").write_bytes(b"line 0 end\n" * 10)
    with pytest.raises(RunbookError):
        rotate(paths=[f"{site}/*.log"], dest="old")
    assert sorted(path.name for path in folder.iterdir()) == ["precious", "site"]


def test_parallel_runs_wait_for_each_other(folder):
    writer = begin("python", 5000)
    try:
        for _round in range(3):
            runs = [rotation(options_for(writer, "collapse")) for _number in range(4)]
            for run in runs:
                ended(run)
    finally:
        written, unsure = writer.end()
    every_line_once(writer.log, written, unsure)
