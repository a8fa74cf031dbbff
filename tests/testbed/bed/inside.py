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
from .shell import ROOT, run

_PLACE = "/srv/runbook-tests"
_BASE = f"{_PLACE}/ansible_collections/runbook/ops"
_TREE = ("plugins", "tests/database", "tests/faults", "tests/unit/plugins/module_utils/_database", "pyproject.toml")
# What the tests may be told.
_SETTINGS = ("RUNBOOK_SOAK", "RUNBOOK_SEED")


def pytest(host: str, words: t.Sequence[str], report: pathlib.Path) -> int:
    """Run pytest with ``words`` on the host, in the collection's folder; its exit status. The JUnit report is at ``report``."""
    container = engine()
    (chosen,) = named([host])
    inside = [*container.words, "exec", "--interactive", chosen.container]
    run([*inside, "sh", "-c", f"rm -rf {_PLACE} && mkdir -p {_BASE}"])
    tar = subprocess.Popen(
        ["tar", "-C", ROOT, "--exclude=__pycache__", "-cf", "-", *[name for name in _TREE if (ROOT / name).exists()]],
        stdout=subprocess.PIPE,
    )
    subprocess.run([*inside, "tar", "-C", _BASE, "--no-same-owner", "-xf", "-"], stdin=tar.stdout, check=True)
    if tar.wait() != 0:
        return 1
    settings = [f"{name}={os.environ[name]}" for name in _SETTINGS if name in os.environ]
    command = [
        *("env", "PYTHONDONTWRITEBYTECODE=1", f"PYTHONPATH={_PLACE}:{_BASE}/tests", *settings),
        *("python3", "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={_PLACE}/report.xml", *words),
    ]
    status = subprocess.run(
        [*inside, "sh", "-c", f'cd {_BASE} && exec "$@"', "sh", *command], stdin=subprocess.DEVNULL, check=False
    ).returncode
    sys.stdout.flush()
    report.write_text(run([*inside, "sh", "-c", f"cat {_PLACE}/report.xml 2>/dev/null || true"]))
    return status
