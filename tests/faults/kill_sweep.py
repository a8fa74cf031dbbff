# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploy a small site again and again, kill the deploy at random moments, and watch what is served all the while.

    kill_sweep.py [--rounds 300] [--seed N] [--files 300] [--place FOLDER] [--json FILE]

needs the folder that holds ansible_collections on PYTHONPATH, and small_site.py beside it; no Ansible. A round stages a
release (with uploads, hard links and the lock), swaps to it, every third time swaps back and forth again, and prunes.
One run of it is killed by SIGKILL: half of the rounds at any moment of the whole, half at any moment of one of its
phases, so that short phases are hit as often as long ones. A reader resolves ``current`` without pause and
checks every byte of what it leads to. After each kill: the old or the new release is served, whole; a release that is
not ready can't be swapped to; the next run ends the round, says what it found, and leaves nothing behind.
Exit status 0 when no round broke a promise. The seed that is printed repeats the choice of moments.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import typing as t

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

PHASES = ("offer", "detail", "upload", "build", "swap", "swap back", "prune")


def content(version: int, files: int) -> dict[str, str]:
    """The files of a version; between two versions about a seventh of them changes."""
    named = {
        f"d{number % 7}/e{number % 3}/f{number}": f"{number} {(version + number) // 7}\n" * (1 + number % 40) for number in range(files)
    }
    return {**named, "VERSION": f"{version}\n"}


def release_name(version: int) -> str:
    return f"r{version:05}"


class Broken(Exception):
    """A promise was not kept."""


# -- the process that is killed -------------------------------------------------------------------------------------------


def work(place: str, version: int, files: int, owner: str) -> None:
    """One round; tells its phases on standard output, and its result at last."""
    from ansible_collections.runbook.ops.plugins.plugin_utils import _upload
    from small_site import Host, SmallSite

    _upload.INLINE, _upload.UPLOAD = 0, 3_000  # uploads as big sites have them

    def phase(name: str) -> None:
        sys.stdout.write(f"{name} {time.monotonic()}\n")
        sys.stdout.flush()

    class Telling(Host):
        def ask(self, message: str, once: bool = False) -> dict[str, t.Any]:
            from small_site import unpack

            phase(unpack(message)["step"])
            return super().ask(message, once)

        def put(self, upload: bytes) -> None:
            phase("upload")
            super().put(upload)

    site = SmallSite(place)
    source = site.source(release_name(version), content(version, files))
    release = release_name(version)
    said: list[str] = []
    holds = {"lock_owner": owner}
    phase("ready")
    done = site.stage(release, source, host=Telling(site.base), lock_ttl=600, lock_take_over=True, **holds)
    said += done["notes"]
    phase("swap")
    swapped = site.swap(release, **holds)
    said.append(swapped["recovered"])
    if version % 3 == 0:
        phase("swap back")
        said.append(site.swap("previous", **holds)["recovered"])
        site.swap(release, **holds)
    phase("prune")
    site.finish(release=release, outcome="deployed", keep=3, **holds)
    phase("end")
    sys.stdout.write("result " + json.dumps({"said": [line for line in said if line]}) + "\n")


class Worker:
    """Runs ``work`` in a process of its own and follows its phases."""

    def __init__(self, place: str, version: int, files: int, owner: str) -> None:
        words = [
            sys.executable,
            os.path.abspath(__file__),
            "--work",
            place,
            "--version",
            str(version),
            "--files",
            str(files),
            "--owner",
            owner,
        ]
        self.phases: list[tuple[str, float]] = []
        self.result: dict[str, t.Any] = {}
        self.changed = threading.Condition()
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self.process = subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.thread = threading.Thread(target=self._follow, daemon=True)
        self.thread.start()

    def _follow(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            name, _space, rest = line.rstrip("\n").rpartition(" ")
            with self.changed:
                if line.startswith("result "):
                    self.result = json.loads(line[7:])
                elif line.endswith("\n"):
                    self.phases.append((name, float(rest)))
                self.changed.notify_all()

    def wait_for(self, phase: str) -> bool:
        """Wait until the phase begins; ``False`` when the process ends without it."""
        with self.changed:
            while phase not in [name for name, _at in self.phases]:
                if not self.thread.is_alive():
                    return False
                self.changed.wait(0.2)
        return True

    def kill(self) -> str:
        """Kill the process. Returns the phase that it was in, empty when it had ended."""
        self.process.send_signal(signal.SIGKILL)
        self._end()
        return "" if self.process.returncode == 0 else self.phases[-1][0]

    def finish(self) -> None:
        self._end()
        if self.process.returncode:
            raise Broken(f"a run failed: {(self.error.strip().splitlines() or ['?'])[-1]}")

    def _end(self) -> None:
        assert self.process.stderr
        self.error = self.process.stderr.read()
        self.process.wait()
        self.thread.join()


# -- what watches ---------------------------------------------------------------------------------------------------------


def release_is(folder: str, version: int, files: int) -> str:
    """What is wrong with a release folder; empty when it is the version, whole."""
    expected = content(version, files)
    for name, data in expected.items():
        try:
            with open(os.path.join(folder, name), encoding="ascii") as stream:
                if stream.read() != data:
                    return f"{name} has other bytes"
        except OSError as error:
            return f"{name}: {error.strerror}"
    found = sum(len(names) for _folder, _folders, names in os.walk(folder))
    return "" if found == len(expected) else f"{found} files instead of {len(expected)}"


class Reader(threading.Thread):
    """Resolves ``current`` again and again: it always leads to one whole release."""

    def __init__(self, base: str, files: int) -> None:
        super().__init__(daemon=True)
        self.base, self.files = base, files
        self.looks, self.troubles = 0, collections.deque[str](maxlen=5)
        self.stop = False

    def run(self) -> None:
        link = os.path.join(self.base, "current")
        while not self.stop:
            try:
                target = os.readlink(link)
                # One name through current itself: what a server opens is there at any moment.
                os.stat(os.path.join(link, "VERSION"))
            except OSError as error:
                self.troubles.append(f"current can't be followed: {error.strerror}")
                continue
            trouble = release_is(os.path.join(self.base, target), int(target.rpartition("r")[2]), self.files)
            # Pruned since means swapped away from long ago: only what is current still has to be whole.
            if trouble and os.readlink(link) == target:
                self.troubles.append(f"{target} is not whole: {trouble}")
            self.looks += 1
            time.sleep(0.001)  # the process that is killed shall get somewhere, too


def current_version(base: str) -> int:
    return int(os.readlink(os.path.join(base, "current")).rpartition("r")[2])


def check_after_kill(place: str, version: int, files: int) -> bool:
    """The promises at any moment. Returns whether a swap was announced and not closed."""
    from ansible_collections.runbook.ops.plugins.module_utils._common.errors import Refused
    from small_site import SmallSite

    site = SmallSite(place)
    now = current_version(site.base)
    if now not in (version, version - 1):
        raise Broken(f"{now} is served, neither {version - 1} nor {version}")
    trouble = release_is(os.path.realpath(site.path("current")), now, files)
    if trouble:
        raise Broken(f"what is served is not whole: {trouble}")
    for release, state in site.states().items():
        if state == "staging":
            try:
                site.swap(release, check=True, lock_owner=f"deploy {version}")
            except Refused:
                continue
            raise Broken(f"the interrupted {release} could be swapped to")
    site.info(history=0)
    return site.path(".runbook/swap.json").exists()


def check_after_run(place: str, version: int, files: int, announced: bool, said: t.Sequence[str]) -> None:
    """The promises after a run that was not killed."""
    from small_site import SmallSite

    site = SmallSite(place)
    if current_version(site.base) != version:
        raise Broken(f"the next run ended with {current_version(site.base)} instead of {version}")
    trouble = release_is(str(site.path("releases", release_name(version))), version, files)
    if trouble:
        raise Broken(f"the next run left a release that is not whole: {trouble}")
    if site.leftovers():
        raise Broken(f"the next run left {site.leftovers()}")
    if announced and not any("an interrupted run had" in line for line in said):
        raise Broken("the next run did not say that it found an interrupted swap")
    facts = site.info(history=0)
    if facts["lock"] or facts["interrupted"] or facts["problem"]:
        raise Broken(f"after the next run: lock {facts['lock']}, interrupted {facts['interrupted']}, {facts['problem']}")
    if facts["previous"] != (release_name(version - 1) if version > 1 else None) or facts["history"][-1]["event"] != "deploy":
        raise Broken(f"previous is {facts['previous']}, the last event {facts['history'][-1]}")
    for line in site.path(".runbook/history.jsonl").read_bytes().splitlines():
        try:
            json.loads(line)
        except ValueError:
            pass  # torn by a kill; the lines after it are whole, or the last event would not have been found
    states = site.states()
    if states[release_name(version)] != "live" or "staging" in states.values():
        raise Broken(f"states are {states}")


def sweep(rounds: int, seed: int, files: int, place: str, say: t.Callable[[str], None]) -> dict[str, t.Any]:
    """Run the sweep. Returns what was hit; raises ``Broken``."""
    chance = random.Random(seed)
    began = time.monotonic()
    spans: dict[str, float] = {}  # the shortest that a phase took: most kills shall find it still at work
    whole = 0.0
    for version in range(1, 4):  # measured on runs that nobody disturbs; every phase occurs in them
        worker = Worker(place, version, files, f"deploy {version}")
        worker.finish()
        for (name, at), (_next, until) in zip(worker.phases, worker.phases[1:]):
            spans[name] = min(spans.get(name, 60.0), until - at)
        whole = max(whole, worker.phases[-1][1] - worker.phases[0][1])
        check_after_run(place, version, files, False, [])
    hit: collections.Counter[str] = collections.Counter()
    finished = undone = 0
    reader = Reader(os.path.join(place, "www"), files)
    reader.start()
    for number in range(rounds):
        version = number + 4
        worker = Worker(place, version, files, f"deploy {version}")
        worker.wait_for("ready")
        if number % 2:
            phase = chance.choice([name for name in PHASES if name != "swap back" or version % 3 == 0])
            delay = chance.uniform(0, spans.get(phase, whole))
            worker.wait_for(phase)
        else:
            delay = chance.uniform(0, whole)
        time.sleep(delay)
        phase = worker.kill()
        hit[phase or "ended before"] += 1
        try:
            announced = check_after_kill(place, version, files)
            after = Worker(place, version, files, f"deploy {version} again")
            after.finish()
            said = after.result.get("said", [])
            check_after_run(place, version, files, announced, said)
            if reader.troubles:
                raise Broken(f"the reader saw: {'; '.join(reader.troubles)}")
        except Broken as broken:
            raise Broken(f"round {number} (seed {seed}), killed in {phase or 'nothing'} after {delay:.4f} s: {broken}") from None
        finished += any("had already made" in line for line in said)
        undone += any("without making it" in line for line in said)
        shutil.rmtree(os.path.join(place, f"source-{release_name(version)}"), ignore_errors=True)
        if number % 25 == 24:
            say(f"{number + 1} of {rounds} rounds, {reader.looks} looks at current, killed in {dict(hit)}")
    reader.stop = True
    reader.join()
    return {
        "rounds": rounds,
        "seed": seed,
        "files": files,
        "seconds": round(time.monotonic() - began, 1),
        "looks": reader.looks,
        "killed_in": dict(hit),
        "swaps_finished": finished,
        "swaps_undone": undone,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--place", help="an empty folder on the file system to test; the default is a temporary one")
    parser.add_argument("--json", help="write the result there")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--version", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--owner", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(given.work, given.version, given.files, given.owner)
        return 0
    seed = random.SystemRandom().randrange(1 << 32) if given.seed is None else given.seed
    print(f"kill sweep: {given.rounds} rounds, seed {seed}", flush=True)
    place = given.place or tempfile.mkdtemp(prefix="kill-sweep-")
    try:
        result = sweep(given.rounds, seed, given.files, place, lambda line: print(line, flush=True))
    except Broken as broken:
        print(f"BROKEN: {broken}; the site is left in {place}", file=sys.stderr)
        return 1
    print(json.dumps(result), flush=True)
    if given.json:
        with open(given.json, "w", encoding="utf-8") as stream:
            json.dump(result, stream)
    if not given.place:
        shutil.rmtree(place, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
