# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stages that read the collection without running it."""

from __future__ import annotations

import os
import pathlib
import sys

from .job import Job, Stage, tools
from .places import COLLECTION, ROOT
from .report import Tally

# What mypy holds to its strict rules. A folder that does not exist yet is left out.
_TYPED = ("plugins/module_utils", "plugins/plugin_utils", "plugins/action", "plugins/callback", "plugins/filter", "plugins/modules")
_TYPED_TESTS = ("tests/run.py", "tests/runner/policy.py", "tests/testbed/testbed.py")


def _ruff(job: Job) -> Tally:
    bin_folder = tools(job)
    return job.gate(bin_folder, "ruff", "check", ".") + job.gate(bin_folder, "ruff", "format", "--check", ".")


def _mypy(job: Job) -> Tally:
    bin_folder = tools(job)
    # The symlink makes one module reachable twice: it is entered through the symlink only, by every file's name there.
    # (Naming packages checks next to nothing, plugins/ holds no __init__.py.)
    found = [path.relative_to(ROOT).as_posix() for folder in _TYPED for path in sorted((ROOT / folder).rglob("*.py"))]
    env = {"MYPYPATH": str(COLLECTION.parents[2])}
    files = [f"{COLLECTION.relative_to(ROOT)}/{name}" for name in found]
    tally = job.gate(bin_folder, "mypy", "--cache-dir", ".work/mypy", *files, env=env)
    scripts = [script for script in _TYPED_TESTS if (ROOT / script).is_file()]
    env = {"MYPYPATH": os.pathsep.join(["tests", "tests/testbed"])}
    return tally + job.gate(bin_folder, "mypy", "--cache-dir", ".work/mypy-tests", *scripts, env=env)


def _ansible_lint(job: Job) -> Tally:
    return job.gate(tools(job), "ansible-lint", "--offline", "--profile", "production", "--strict")


def _yamllint(job: Job) -> Tally:
    return job.gate(tools(job), "yamllint", "--strict", ".")


def _docs(job: Job) -> Tally:
    bin_folder = tools(job)
    words = ["antsibull-docs", "lint-collection-docs", "--plugin-docs", "--skip-rstcheck", "--validate-collection-refs", "self"]
    # It wants to be in a folder named like the collection: the link that `make setup` made is one.
    return job.gate(bin_folder, *words, ".", cwd=COLLECTION)


def _changelog(job: Job) -> Tally:
    return job.gate(tools(job), "antsibull-changelog", "lint", cwd=COLLECTION)


STAGES = [
    Stage("ruff", "Python: faults and format", _ruff),
    Stage("yamllint", "YAML: form", _yamllint),
    Stage("mypy", "Python: types, strict", _mypy),
    Stage("changelog", "changelog fragments", _changelog),
    Stage("docs", "documentation of plugins", _docs),
    Stage("ansible-lint", "roles and playbooks, production profile", _ansible_lint),
]


def reformat() -> int:
    """Rewrite files the way ``ruff`` wants them."""
    from .places import LOGS

    LOGS.mkdir(parents=True, exist_ok=True)
    job = Job("format")
    bin_folder = tools(job)
    status = job.run(bin_folder, "ruff", "check", "--fix", ".") | job.run(bin_folder, "ruff", "format", ".")
    sys.stdout.write(pathlib.Path(job.log).read_text())
    return status
