# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests that run on a test host, as root, beside its servers: the tree is copied there, the report comes back."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import typing as t

from .engine import engine
from .hosts import named
from .shell import ROOT, TestbedError, run

PLACE = "/srv/runbook-tests"
# Of the collection, below such a place.
COLLECTION = "ansible_collections/runbook/ops"
BASE = f"{PLACE}/{COLLECTION}"
_TREE = (
    "plugins",
    "tests/database",
    "tests/faults",
    "tests/fixtures",
    "tests/operations",
    "tests/unit/plugins/module_utils/_database",
    "pyproject.toml",
)
# What the tests may be told.
_SETTINGS = ("RUNBOOK_SOAK", "RUNBOOK_SEED")


def copy_tree(host: str, place: str = PLACE) -> list[str]:
    """Copy what the tests need to the host; the words that run a command there."""
    base = f"{place}/{COLLECTION}"
    container = engine()
    (chosen,) = named([host])
    inside = [*container.words, "exec", "--interactive", chosen.container]
    run([*inside, "sh", "-c", f"rm -rf {place} && mkdir -p {base}"])
    names = [name for name in _TREE if (ROOT / name).exists()]
    tar = subprocess.Popen(["tar", "-C", ROOT, "--exclude=__pycache__", "-cf", "-", *names], stdout=subprocess.PIPE)
    unpacked = subprocess.run([*inside, "tar", "-C", base, "--no-same-owner", "-xf", "-"], stdin=tar.stdout, check=False)
    if tar.wait() != 0 or unpacked.returncode != 0:
        raise TestbedError(f"the tree could not be copied to {host}")
    return inside


def pytest(host: str, words: t.Sequence[str], report: pathlib.Path) -> int:
    """Run pytest with ``words`` on the host, in the collection's folder; its exit status. The JUnit report is at ``report``."""
    inside = copy_tree(host)
    settings = [f"{name}={os.environ[name]}" for name in _SETTINGS if name in os.environ]
    command = [
        *("env", "PYTHONDONTWRITEBYTECODE=1", f"PYTHONPATH={PLACE}:{BASE}/tests", *settings),
        *("python3", "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={PLACE}/report.xml", *words),
    ]
    status = subprocess.run(
        [*inside, "sh", "-c", f'cd {BASE} && exec "$@"', "sh", *command], stdin=subprocess.DEVNULL, check=False
    ).returncode
    sys.stdout.flush()
    report.write_text(run([*inside, "sh", "-c", f"cat {PLACE}/report.xml 2>/dev/null || true"]))
    return status
