# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stages that hand a copy of the collection to ansible-test, or to what judges a built one."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess

from . import process, venvs
from .job import NEWEST, OLDEST, Job, Skip, Stage
from .places import COPIES, DIST, ROOT, TESTS
from .report import Tally, gate


def copy_collection(name: str) -> pathlib.Path:
    """The working tree, with what is not committed yet, at ansible_collections/runbook/ops in a repository of its own.

    ansible-test insists on both: on the path, and on git to tell it which files count.
    """
    top = COPIES / name
    copy = top / "ansible_collections" / "runbook" / "ops"
    shutil.rmtree(top, ignore_errors=True)
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True
    ).stdout
    for entry in sorted(set(listing.decode().split("\0")) - {""}):
        source = ROOT / entry
        if not source.is_symlink() and not source.is_file():
            continue  # deleted, but not yet in the index
        target = copy / entry
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)
    for words in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", "-c", "core.hooksPath=/dev/null", *words], cwd=copy, check=True, capture_output=True)
    return copy


def _version(bin_folder: pathlib.Path) -> str:
    return next(path.name for path in sorted((bin_folder.parent / "lib").glob("python3.*"))).replace("python", "")


def _sanity(job: Job, bin_folder: pathlib.Path) -> Tally:
    copy = copy_collection(job.name)
    home = venvs.ansible_test_home(bin_folder)
    words = ["ansible-test", "sanity", "--requirements", "--color", "no", "--python", _version(bin_folder)]
    status = job.run(bin_folder, *words, cwd=copy, env={"HOME": str(home)})
    text = job.log.read_text(errors="replace")
    ran = len(set(re.findall(r'^Running sanity test "([^"]+)"', text, re.MULTILINE)))
    broken = re.findall(r"The (\d+) sanity test\(s\) listed below \(out of (\d+)\) failed", text)
    if broken:
        # The log ends with pages of installing; what is wrong is said once more where it will be seen.
        job.say("\n".join(line for line in text.splitlines() if line.startswith("ERROR: ")))
        return Tally(passed=int(broken[-1][1]) - int(broken[-1][0]), failed=int(broken[-1][0]))
    if status != 0 or not ran:
        return Tally(failed=1, note=f"exit status {status}")
    return Tally(passed=ran)


def _sanity_oldest(job: Job) -> Tally:
    return _sanity(job, job.venv("units", *OLDEST))


def _sanity_newest(job: Job) -> Tally:
    return _sanity(job, job.venv("newest", *NEWEST))


def _integration(job: Job) -> Tally:
    if not any((TESTS / "integration" / "targets").glob("*/tasks/main.y*ml")):
        raise Skip("no integration target yet")
    bin_folder = job.venv("units", *OLDEST)
    copy = copy_collection(job.name)
    home = venvs.ansible_test_home(bin_folder)
    targets = sorted(path.parents[1].name for path in (copy / "tests/integration/targets").glob("*/tasks/main.y*ml"))
    wanted = os.environ.get("TARGET", "").split()
    tally = Tally()
    for target in targets:
        if wanted and target not in wanted:
            continue
        aliases = copy / "tests/integration/targets" / target / "aliases"
        if target.startswith("setup_") or (aliases.is_file() and re.search(r"^(hidden|disabled)", aliases.read_text(), re.MULTILINE)):
            continue
        words = ["ansible-test", "integration", "--color", "no", "--python", _version(bin_folder), "--allow-destructive", target]
        try:
            one = gate(job.run(bin_folder, *words, cwd=copy, env={"HOME": str(home)}, seconds=300))
        except process.TimeLimit as error:
            one = Tally(failed=1)
            job.say(str(error))
        if one.failed:
            one.note = f"{target} failed"
        tally += one
    return tally


def _galaxy(job: Job) -> Tally:
    bin_folder = job.venv("galaxy")
    copy = copy_collection(job.name)
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir(parents=True)
    if job.run(bin_folder, "ansible-galaxy", "collection", "build", "--output-path", DIST, cwd=copy) != 0:
        return Tally(failed=1)
    (tarball,) = DIST.glob("*.tar.gz")
    # The importer reads its settings from here; flake8 and doc building would repeat other stages.
    settings = DIST / "galaxy-importer.cfg"
    settings.write_text("[galaxy-importer]\nCHECK_REQUIRED_TAGS = True\nRUN_ANSIBLE_TEST = False\nCHECK_CHANGELOG = True\n")
    env = {"GALAXY_IMPORTER_CONFIG": str(settings)}
    status = job.run(bin_folder, "python", "-m", "galaxy_importer.main", tarball, cwd=DIST, env=env)
    text = job.log.read_text(errors="replace")
    complaints = [line for line in text.splitlines() if line.startswith(("ERROR", "WARNING"))]
    good = status == 0 and "Importer processing completed successfully" in text
    tally = Tally(passed=1) if good else Tally(failed=1)
    return tally + (Tally(failed=1, note=f"{len(complaints)} complaints of the importer") if complaints else Tally(passed=1))


STAGES = [
    Stage("sanity", "ansible-test sanity, ansible-core 2.19", _sanity_oldest),
    Stage("sanity-newest", "ansible-test sanity, newest ansible-core", _sanity_newest, after=("sanity",)),
    Stage("integration", "ansible-test integration on localhost", _integration),
    Stage("galaxy", "the built tarball, as Galaxy would import it", _galaxy),
]
