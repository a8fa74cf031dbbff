# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stages that run the collection: unit tests, the demo, and scenarios on real hosts."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import shutil
import subprocess
import tempfile
import typing as t

from . import process
from .job import NEWEST, OLDEST, TARGET, Job, Skip, Stage, own_python
from .places import COLLECTIONS, JUNIT, ROOT, TESTS, WORK
from .report import Tally, gate, junit

UNITS = TESTS / "unit"
DEMO = ROOT / "inventories" / "demo" / "demo.py"
TESTBED = TESTS / "testbed" / "testbed.py"
# Where scenarios play; the lab is used by the database stage at the same time, also of other checkouts.
PLAYGROUND = ("web1", "web2", "web3", "db1", "db2")


def _units(job: Job) -> Tally:
    return job.pytest(job.venv("units", *OLDEST), "-n", "2", UNITS)


# Sweeps of kills, and the longest plays, tell nothing of another Python or ansible-core that the other tests do not.
_SWEEPS = ("plugins/module_utils/_logs/test_rotate_crash_points.py", "plugins/module_utils/_release/test_crash_points.py")
_PLAYS = ("playbooks/test_incident.py", "playbooks/test_smoke_tests_in_a_deploy.py", "playbooks/test_windows_tasks.py")


def _without(*names: str) -> list[str]:
    return [f"--ignore={UNITS / name}" for name in names]


def _units_newest(job: Job) -> Tally:
    return job.pytest(job.venv("newest", *NEWEST), "-n", "2", *_without(*_SWEEPS, *_PLAYS), UNITS)


def _units_target(job: Job) -> Tally:
    """Modules and what they import, on the oldest Python that a managed host may have.

    No ansible-core installs for both that Python and 2.19, but 2.19's own module_utils run there: that is what it
    sends to such hosts. So its package is borrowed from the other environment.
    """
    oldest = job.venv("units", *OLDEST)
    bin_folder = job.venv("target", *TARGET)
    core = next((oldest.parent / "lib").glob("python3.*/site-packages/ansible"))
    borrowed = WORK / "target-python"
    borrowed.mkdir(parents=True, exist_ok=True)
    link = borrowed / "ansible"
    link.unlink(missing_ok=True)
    link.symlink_to(core)
    tally = job.gate(bin_folder, "python", "-m", "compileall", "-q", "-f", "plugins/modules", "plugins/module_utils")
    folders = [folder for folder in (UNITS / "plugins/module_utils", UNITS / "plugins/modules") if any(folder.rglob("test_*.py"))]
    if not folders:
        return tally
    return tally + job.pytest(bin_folder, *_without(*_SWEEPS), *folders, env={"PYTHONPATH": f"{borrowed}{os.pathsep}{COLLECTIONS}"})


def _offsite(job: Job) -> Tally:
    path = os.pathsep.join([str(COLLECTIONS), str(TESTS)])
    return job.pytest(job.venv("offsite", *OLDEST), TESTS / "offsite", env={"PYTHONPATH": path})


def _demo(job: Job) -> Tally:
    if not DEMO.is_file():
        raise Skip("no inventories/demo/demo.py yet")
    # The second run finds what the first one left behind.
    first = gate(process.run(["make", "--no-print-directory", "demo"], job.log, seconds=300))
    return first + gate(process.run(["make", "--no-print-directory", "demo"], job.log, seconds=300))


@contextlib.contextmanager
def _sites_to_ourselves(job: Job) -> t.Iterator[None]:
    """Several checkouts may share the test hosts, but not the sites on them: one after the other."""
    with open(pathlib.Path(tempfile.gettempdir()) / f"runbook-testbed-{os.getuid()}.lock", "w") as lock:
        job.say("waiting until no other checkout uses the sites on the test hosts")
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _testbed(job: Job) -> Tally:
    return gate(process.run([own_python() / "python", TESTBED, "up"], job.log))


def _on_host(job: Job, host: str, usual: t.Sequence[str], *options: str) -> Tally:
    """Tests beside real servers, which they stop, kill and fill: they run on a host of their own, so that others can go on."""
    JUNIT.mkdir(parents=True, exist_ok=True)
    report = JUNIT / f"{pathlib.PurePath(usual[0]).name}.xml"
    report.unlink(missing_ok=True)
    if gate(process.run([own_python() / "python", TESTBED, "up", host], job.log)).failed:
        return Tally(failed=1, note="the test host did not start")
    chosen = os.environ.get("TARGET", "").split() or usual
    command: list[str | os.PathLike[str]] = [own_python() / "python", TESTBED, "pytest", *options, host, report, *chosen]
    limit = 7200 if os.environ.get("RUNBOOK_SOAK") else 3000
    return junit(report, process.run(command, job.log, seconds=limit))


def _database(job: Job) -> Tally:
    return _on_host(job, "lab1", ("tests/database", "tests/unit/plugins/module_utils/_database/test_use_cases.py"))


def _containers(job: Job) -> Tally:
    """Beside the engine that runs the test hosts, with its own containers."""
    path = os.pathsep.join([str(COLLECTIONS), str(TESTS), str(TESTBED.parent)])
    return job.pytest(job.venv("units", *OLDEST), TESTS / "containers", env={"PYTHONPATH": path})


def _operations(job: Job) -> Tally:
    return _on_host(job, "lab2", ("tests/operations",))


def _remote(job: Job) -> Tally:
    """Sites on hosts without a shell; the host is its own controller, so that nothing between the two hides what happens."""
    return _on_host(job, "lab2", ("tests/remote",), "--controller")


def scenarios() -> list[str]:
    """The names of the molecule scenarios, those that must come first in front."""
    found = sorted(path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))
    return sorted(found, key=lambda name: name != "testbed")


def _molecule(job: Job) -> Tally:
    wanted = os.environ.get("SCENARIO", "").split()
    names = [name for name in scenarios() if not wanted or name in wanted]
    if not names:
        raise Skip("no molecule scenario" + (f" named {' '.join(wanted)}" if wanted else " yet"))
    bin_folder = job.venv("molecule")
    up = gate(process.run([own_python() / "python", TESTBED, "up", *PLAYGROUND], job.log))
    if up.failed:
        return Tally(failed=len(names), note="the test hosts did not start")
    tally = Tally()
    with _sites_to_ourselves(job):
        for name in names:
            one = molecule_scenario(job, bin_folder, name)
            if one.failed:
                one.note = f"{name} failed"
            tally += one
    return tally


def molecule_scenario(job: Job, bin_folder: pathlib.Path, name: str) -> Tally:
    """Run one scenario; its own sequence is a gate, its verifier's tests are counted."""
    JUNIT.mkdir(parents=True, exist_ok=True)
    report = JUNIT / f"molecule-{name}.xml"
    report.unlink(missing_ok=True)
    # molecule remembers there that a scenario was prepared, also by a run that was ended.
    shutil.rmtree(WORK / "molecule" / name, ignore_errors=True)
    env = {
        "MOLECULE_EPHEMERAL_DIRECTORY": str(WORK / "molecule" / name),
        "PYTEST_ADDOPTS": f"--junitxml={report}",
    }
    limit = 3600 if os.environ.get("RUNBOOK_SOAK") else 900
    try:
        status = job.run(bin_folder, "molecule", "-c", ROOT / "molecule" / "config.yml", "test", "-s", name, env=env, seconds=limit)
    except process.TimeLimit as error:
        return Tally(failed=1, note=str(error))
    if report.is_file():
        tally = junit(report, 0)
    elif status == 0 and any((ROOT / "molecule" / name).rglob("test_*.py")):
        # molecule itself calls it a success when it finds no test.
        return Tally(failed=1, note="its tests were not run")
    else:
        tally = Tally()
    if status != 0:
        # A failing test ends the sequence too; it must not be counted twice.
        return tally if tally.failed else tally + Tally(failed=1)
    return tally + Tally(passed=1)


def _soak(job: Job) -> Tally:
    """The scenarios with RUNBOOK_SOAK=1, which asks their fault tests for the full number of rounds."""
    os.environ["RUNBOOK_SOAK"] = "1"
    return _molecule(job) + _database(job) + _operations(job) + _remote(job)


def seed_note() -> str:
    """The commit and whether the working tree has changes, for the head of a report."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    dirty = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=False)
    return f"{commit.stdout.strip() or 'no commit'}{' with changes' if dirty.stdout.strip() else ''}"


STAGES = [
    Stage("testbed", "test hosts: engine, image, containers", _testbed, uses=("testbed",)),
    Stage("units", "unit tests, ansible-core 2.19", _units),
    Stage("units-target", "unit tests of modules, Python 3.9", _units_target),
    Stage("units-newest", "unit tests, newest ansible-core", _units_newest),
    Stage("offsite", "copies of backups in S3, as moto serves it", _offsite),
    Stage("demo", "make demo, twice", _demo),
    Stage("molecule", "scenarios on the test hosts", _molecule, after=("testbed",), uses=("testbed",)),
    Stage("database", "engines, backups and restores on real servers", _database, after=("testbed",), uses=("lab",)),
    Stage("operations", "logs, checks and reports beside real services", _operations, after=("testbed",), uses=("lab2",)),
    Stage("containers", "checks of containers, by the engine itself", _containers, after=("testbed",)),
    Stage("remote", "sites on hosts without a shell", _remote, after=("testbed",), uses=("lab2",)),
    Stage("soak", "the random sweeps in full length", _soak, after=("testbed",), uses=("testbed", "lab", "lab2"), usual=False),
]
