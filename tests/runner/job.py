# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stage is, and what it is given."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import sys
import typing as t

from . import process, venvs
from .places import COLLECTIONS, JUNIT, LOGS, VENVS
from .report import Tally, gate, junit

# The controller Pythons that the oldest supported ansible-core runs on, best first: the oldest is the one promised.
OLDEST = ("3.11", "3.12", "3.13")
NEWEST = ("3.13", "3.12", "3.14")
TARGET = ("3.9",)


class Skip(Exception):
    """The stage has nothing to do or lacks what it needs here; the message says which."""


@dataclasses.dataclass
class Job:
    """One run of one stage: its log, and the ways to start commands in it."""

    name: str

    @property
    def log(self) -> pathlib.Path:
        return LOGS / f"{self.name}.log"

    def say(self, text: str) -> None:
        """Add a line to the log."""
        with open(self.log, "a", encoding="utf-8") as stream:
            stream.write(text + "\n")

    def venv(self, name: str, *pythons: str) -> pathlib.Path:
        """The bin folder of a tool environment (see ``venvs.ensure``)."""
        python = venvs.find_python(*(pythons or OLDEST))
        if python is None:
            raise Skip(f"no Python {' or '.join(pythons or OLDEST)} on this machine")
        return venvs.ensure(name, python)

    def run(self, bin_folder: pathlib.Path, *words: str | os.PathLike[str], **options: t.Any) -> int:
        """Run a command of an environment, with that environment first on PATH, so that its own children find it too."""
        env = {
            "PATH": f"{bin_folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "VIRTUAL_ENV": str(bin_folder.parent),
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_NOCOLOR": "1",
            "NO_COLOR": "1",
            "PYTHONUNBUFFERED": "1",
            **options.pop("env", {}),
        }
        return process.run([bin_folder / words[0], *words[1:]], self.log, env=env, **options)

    def gate(self, bin_folder: pathlib.Path, *words: str | os.PathLike[str], **options: t.Any) -> Tally:
        """``run`` a command that either passes or fails."""
        return gate(self.run(bin_folder, *words, **options))

    def pytest(self, bin_folder: pathlib.Path, *words: str | os.PathLike[str], report: str = "", **options: t.Any) -> Tally:
        """Run pytest and count its tests."""
        JUNIT.mkdir(parents=True, exist_ok=True)
        path = JUNIT / f"{report or self.name}.xml"
        path.unlink(missing_ok=True)
        status = self.run(bin_folder, "python", "-m", "pytest", f"--junitxml={path}", "-o", "cache_dir=.work/pytest", *words, **options)
        return junit(path, status)


@dataclasses.dataclass(frozen=True)
class Stage:
    """A named part of `make test`.

    ``after`` names stages that must have ended before this one starts, when they are part of the same run;
    ``uses`` names things that only one stage may use at a time.
    """

    name: str
    summary: str
    action: t.Callable[[Job], Tally]
    after: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    # Part of a plain `make test`; the others run when they are named.
    usual: bool = True


def tools(job: Job) -> pathlib.Path:
    """The environment of the linters."""
    return job.venv("tools")


def own_python() -> pathlib.Path:
    """The folder of the Python that runs this, .venv/bin."""
    return pathlib.Path(sys.executable).parent


__all__ = ["NEWEST", "OLDEST", "TARGET", "VENVS", "Job", "Skip", "Stage", "own_python", "tools"]
