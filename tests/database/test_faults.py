# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups and restores of every engine that are killed, cut, filled up and raced: live data and the last good backup stay whole.

Each run is a process of its own, as Ansible starts one. RUNBOOK_SOAK=1 asks for the full number of rounds, RUNBOOK_SEED repeats one.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time
import typing as t

import pytest

sys.path.insert(0, os.path.dirname(__file__))
from subjects import SUBJECTS, Subject, sh

BESIDE = pathlib.Path(__file__).with_name("beside.py")
SEED = int(os.environ.get("RUNBOOK_SEED", "1"))
ROUNDS = 60 if os.environ.get("RUNBOOK_SOAK") else 3


class Place:
    """One engine's live database, a folder for backups, one for state, and the module runs on them."""

    def __init__(self, subject: Subject, root: pathlib.Path) -> None:
        self.subject, self.root = subject, root
        self.dest = root / "backups"
        self.stopped = root / "writers-stopped"
        self.writers = {"writer_stop_commands": [["touch", str(self.stopped)]], "writer_start_commands": [["rm", "-f", str(self.stopped)]]}

    def start(self, what: str, **options: t.Any) -> subprocess.Popen[str]:
        given = {"engine": self.subject.engine, "name": self.subject.name, "dest": str(self.dest), **self.subject.options}
        if what == "db_restore":
            given.update({"state_dir": str(self.root / "state"), "safety_backup": False, "keep_previous": "0", **self.writers})
        prefix = ["runuser", "-u", self.subject.user, "--"] if self.subject.user else []
        process = subprocess.Popen(
            [*prefix, "env", f"PYTHONPATH={os.environ['PYTHONPATH']}", sys.executable, str(BESIDE), what],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
            start_new_session=True,
        )
        assert process.stdin
        process.stdin.write(json.dumps({**given, **options}))
        process.stdin.close()
        process.stdin = None
        return process

    def run(self, what: str, **options: t.Any) -> dict[str, t.Any]:
        """A run that has to succeed; its result."""
        process = self.start(what, **options)
        out, err = process.communicate(timeout=180)
        assert process.returncode == 0, err[-2000:]
        return t.cast("dict[str, t.Any]", json.loads(out.splitlines()[-1])["result"])

    def fails(self, what: str, **options: t.Any) -> str:
        """A run that has to fail with one line for the operator, not by a defect; that line."""
        process = self.start(what, **options)
        _out, err = process.communicate(timeout=180)
        assert process.returncode == 3, f"ended with {process.returncode}: {err[-2000:]}"
        return err.strip().splitlines()[-1]

    def sidecars(self) -> list[pathlib.Path]:
        return sorted(path for path in self.dest.glob("*/*.json"))

    def check_backups(self, good: t.Iterable[pathlib.Path]) -> None:
        """Every backup that exists can be read to its end, and all of ``good`` are among them."""
        from ansible_collections.runbook.ops.plugins.module_utils._database import sidecar
        from ansible_collections.runbook.ops.plugins.module_utils._database.parts import Codec, read_part

        found = self.sidecars()
        assert set(good) <= set(found)
        for path in found:
            made = sidecar.read(str(path))
            for part in made.parts:
                with read_part(str(path.parent), part, Codec(made.compression), made.encrypted) as reader:
                    while reader.read(1 << 20):
                        pass

    def switching(self) -> bool:
        """Whether a restore has said that it is about to switch, and not that it has."""
        entries = [json.loads(path.read_text()).get("open") or {} for path in (self.root / "state").glob("restores/*.json")]
        return any(entry.get("phase") == "switching" for entry in entries)

    def no_leftovers(self) -> None:
        assert self.subject.names() == [self.subject.name]
        assert not self.stopped.exists()
        assert not list(self.dest.glob("*/.partial-*"))
        assert not [path for path in (self.root / "state").glob("restores/*.json") if "open" in json.loads(path.read_text())]


@pytest.fixture(params=list(SUBJECTS))
def place(request: pytest.FixtureRequest) -> t.Iterator[Place]:
    subject = SUBJECTS[request.param]
    root = pathlib.Path(f"/srv/rb_test_faults_{request.param}")
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(mode=0o750)
    if subject.user:
        shutil.chown(root, subject.user, subject.user)
    subject.wait()
    subject.make(1)
    yield Place(subject, root)
    subject.wait()
    subject.clear()
    shutil.rmtree(root, ignore_errors=True)


def _descendants(pid: int) -> list[int]:
    children = [int(word) for word in sh("pgrep", "-P", str(pid), check=False).split()]
    return [pid, *(one for child in children for one in _descendants(child))]


def _kill(place: Place, process: subprocess.Popen[str], victim: str) -> None:
    """SIGKILL the module, one of the clients that it started, or the server."""
    if victim == "server":
        place.subject.kill_server()
        return
    names = {}
    for pid in _descendants(process.pid):
        with contextlib.suppress(OSError):
            names[pid] = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
    modules = [pid for pid, name in names.items() if name.startswith("python")]
    clients = [pid for pid, name in names.items() if pid not in modules and name not in ("runuser", "env", "")]
    chosen = modules if victim == "module" or not clients else [random.choice(clients)]
    for pid in chosen:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def _victims(subject: Subject) -> list[str]:
    return ["module", "client"] + (["server"] if subject.service else [])


def test_round_trip(place: Place) -> None:
    before = place.subject.content()
    made = place.run("db_backup", compression="zstd")
    assert made["backup"]["consistent"]
    assert made["backup"]["rows"] >= 20_000
    place.subject.make(2)
    assert place.subject.content() != before
    done = place.run("db_restore")
    assert place.subject.content() == before
    assert [phase["name"] for phase in done["phases"]] == ["load", "verify", "stop writers", "switch", "start writers"]
    place.no_leftovers()


def test_backups_killed_at_any_moment(place: Place) -> None:
    chance = random.Random(f"{SEED} backup {place.subject.engine}")
    began = time.monotonic()
    place.run("db_backup")
    whole = time.monotonic() - began
    live = place.subject.content()
    for _round in range(ROUNDS):
        good = place.sidecars()
        process = place.start("db_backup")
        time.sleep(chance.uniform(0.05, whole))
        _kill(place, process, chance.choice(_victims(place.subject)))
        process.communicate(timeout=180)
        place.subject.wait()
        assert place.subject.content() == live
        place.check_backups(good)
        assert process.returncode != 0 or len(place.sidecars()) == len(good) + 1
    place.run("db_backup")
    place.no_leftovers()


def test_restores_killed_at_any_moment(place: Place) -> None:
    chance = random.Random(f"{SEED} restore {place.subject.engine}")
    restored, restored_rows, amid = place.subject.content(), place.subject.rows(), 0
    place.run("db_backup")
    good = place.sidecars()
    began = time.monotonic()
    place.run("db_restore")
    whole = time.monotonic() - began
    for number in range(ROUNDS):
        place.subject.make(number + 2)
        live, live_rows = place.subject.content(), place.subject.rows()
        process = place.start("db_restore")
        # Half of the rounds aim at the end, where the switch is.
        time.sleep(chance.uniform(0.05, whole) if number % 2 else chance.uniform(whole * 0.6, whole))
        _kill(place, process, chance.choice(_victims(place.subject)))
        process.communicate(timeout=180)
        place.subject.wait()
        seen = place.subject.content()
        if seen not in (live, restored):
            # Amid the switch. All rows move in one step, or are nowhere for a moment; what belongs to them is taken away before and
            # made again after it, while nobody writes.
            assert place.switching() and place.stopped.exists()
            assert seen == "absent" or place.subject.rows() in (live_rows, restored_rows)
            amid += 1
        assert process.returncode != 0 or seen == restored
        place.run("db_restore")
        assert place.subject.content() == restored
        place.no_leftovers()
        place.check_backups(good)
    print(f"{amid} of {ROUNDS} were killed amid the switch")


@pytest.mark.parametrize("how", ["bit", "cut", "gone", "sidecar gone", "sidecar exchanged"])
def test_damaged_backups_are_refused(place: Place, how: str) -> None:
    first = place.run("db_backup")
    place.subject.make(2)
    live = place.subject.content()
    second = place.run("db_backup")
    data = pathlib.Path(second["path"], second["backup"]["parts"][0]["file"])
    if how == "bit":
        content = bytearray(data.read_bytes())
        content[len(content) // 2] ^= 4
        data.write_bytes(bytes(content))
    elif how == "cut":
        os.truncate(data, data.stat().st_size * 2 // 3)
    elif how == "gone":
        data.unlink()
    elif how == "sidecar gone":
        os.unlink(second["sidecar"])
    else:
        shutil.copy(first["sidecar"], second["sidecar"])
    message = place.fails("db_restore", src=second["id"])
    assert "backup" in message
    assert place.subject.content() == live
    place.no_leftovers()


@pytest.mark.parametrize("place", ["mariadb", "postgresql", "sqlite", "mongodb"], indirect=True)
def test_a_full_disk_leaves_no_backup(place: Place) -> None:
    """A large dump that does not fit, and a small one that does not either: both are failures and leave nothing."""
    small = pathlib.Path("/srv/small/rb_test_faults")
    shutil.rmtree(small, ignore_errors=True)
    small.mkdir()
    if place.subject.user:
        shutil.chown(small, place.subject.user, place.subject.user)
    filler = small / "filler"
    place.dest = small / "backups"
    place.run("db_backup", compression="none")
    good = place.sidecars()
    try:
        for left in (1 << 20, 2 << 10):
            free = os.statvfs(small).f_bavail * os.statvfs(small).f_frsize
            with open(filler, "ab") as stream:
                stream.write(b"\0" * max(0, free - left))
            message = place.fails("db_backup", compression="none", check_space=False)
            assert "No space left" in message or "disk is full" in message
            assert place.sidecars() == good
            refused = place.fails("db_backup", compression="none")
            assert "free but the backup" in refused
        filler.unlink()
        place.check_backups(good)
        place.run("db_backup")
    finally:
        shutil.rmtree(small)


def test_two_runs_at_once(place: Place) -> None:
    place.run("db_backup")
    live = place.subject.content()
    running = [place.start("db_backup") for _number in range(3)]
    ends = [process.communicate(timeout=180) and process.returncode for process in running]
    assert set(ends) <= {0, 3} and 0 in ends
    running = [place.start("db_restore") for _number in range(3)]
    ends = [process.communicate(timeout=180) and process.returncode for process in running]
    assert set(ends) <= {0, 3} and 0 in ends
    assert place.subject.content() == live
    place.run("db_restore")
    place.no_leftovers()
    place.check_backups([])


@pytest.mark.parametrize("place", ["mariadb", "postgresql", "mongodb"], indirect=True)
def test_encrypted_backups(place: Place) -> None:
    key = sh("age-keygen")
    public = next(line.split()[-1] for line in key.splitlines() if "public key" in line)
    secret = key.splitlines()[-1]
    before = place.subject.content()
    made = place.run("db_backup", encryption_recipients=[public])
    data = pathlib.Path(made["path"], made["backup"]["parts"][0]["file"]).read_bytes()
    assert data.startswith(b"age-encryption.org")
    place.subject.make(2)
    assert "encryption_identity" in place.fails("db_restore")
    wrong = sh("age-keygen").splitlines()[-1]
    assert "was encrypted for other keys" in place.fails("db_restore", encryption_identity=wrong)
    assert "is no secret key" in place.fails("db_restore", encryption_identity="AGE-SECRET-KEY-1XX")
    place.run("db_restore", encryption_identity=secret)
    assert place.subject.content() == before
    assert secret not in json.dumps([path.read_text() for path in (place.root / "state").rglob("*") if path.is_file()])
