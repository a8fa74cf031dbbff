# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A system with jobs: real processes, a real web server, a real database."""

from __future__ import annotations

import contextlib
import importlib.util
import pathlib
import sqlite3
import sys
import threading
import types
import typing as t

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.argspec import ArgumentSpec, complete
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._smoke.acceptance_run import acceptance_run
from ansible_collections.runbook.ops.plugins.module_utils._smoke.options import ACCEPTANCE_RUN, SMOKE_TEST
from ansible_collections.runbook.ops.plugins.module_utils._smoke.smoke_test import smoke_test

PROGRAM = pathlib.Path(__file__).resolve().parents[4] / "integration/targets/smoke_test/files/job_system.py"


def _load() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("job_system", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    sys.modules["job_system"] = module
    spec.loader.exec_module(module)
    return module


job_system = _load()


class System:
    """A folder of jobs; ``lines`` is what was said while a test ran."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.lines: list[str] = []

    @property
    def jobs(self) -> int:
        return len(list(self.folder.glob("job-*")))

    @staticmethod
    def program(*words: str) -> list[str]:
        """The system's command as an argument list."""
        return [sys.executable, str(PROGRAM), *words]

    def commands(self, *course: str) -> dict[str, t.Any]:
        """The options of a test by commands."""
        return {
            "enqueue": {"command": self.program("enqueue", str(self.folder), *course)},
            "job_id": {"regex": r"job (\d+)"},
            "poll": {"command": self.program("status", str(self.folder), "{job_id}")},
        }

    def test(self, check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
        """The result of a smoke test with quick looks; one that fails does not raise."""
        return self._call(SMOKE_TEST, smoke_test, check_mode, {"interval": 0.01, "timeout": 10, "fail": False, **options})

    def accept(self, check_mode: bool = False, diff: bool = False, **options: t.Any) -> dict[str, t.Any]:
        """The result of an acceptance run; one that fails does not raise."""
        return self._call(ACCEPTANCE_RUN, acceptance_run, check_mode, {"fail": False, **options}, diff)

    def _call(self, spec: ArgumentSpec, use_case: t.Any, check_mode: bool, options: t.Any, diff: bool = False) -> dict[str, t.Any]:
        return dict(use_case(complete(spec, options, "options"), Run(check_mode=check_mode, diff=diff, say=self.lines.append)))


@pytest.fixture
def system(tmp_path: pathlib.Path) -> System:
    (tmp_path / "jobs").mkdir()
    return System(tmp_path / "jobs")


@pytest.fixture
def server(system: System) -> t.Iterator[t.Any]:
    server = job_system.Server(str(system.folder))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def database(tmp_path: pathlib.Path) -> str:
    path = str(tmp_path / "jobs.db")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE jobs (id INTEGER PRIMARY KEY, status TEXT)")
        connection.execute("INSERT INTO jobs VALUES (1, 'queued'), (2, 'done'), (3, NULL)")
        connection.commit()
    return path
