# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scanning a gigabyte of access log against ``grep -c`` with the same pattern, on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import time
import typing as t

from bed.shell import ROOT
from race import BenchError

_PATTERN = '" 5[0-9][0-9] '
# Half past ten on a day in 2026; the log is of the 24 hours before.
_END = 1790073000
_DAY = 86400
# Runs one scan as the module does, without Ansible's own start.
_SCRIPT = """
import json, resource, sys, time
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._logs.scan import log_scan
from ansible_collections.runbook.ops.plugins.module_utils._logs.scan_options import MEASURE, OPTIONS, SCAN
complete = lambda spec, given: {**{name: option.get("default") for name, option in spec.items()}, **given}
scan = complete(SCAN, json.loads(sys.argv[1]))
scan["measures"] = [complete(MEASURE, measure) for measure in scan["measures"]]
began = time.perf_counter()
result = log_scan(complete(OPTIONS.options, {"scans": [scan]}), Run())
took = time.perf_counter() - began
print(json.dumps([took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6, result["checks"]]))
"""


class Measured(t.NamedTuple):
    """One scan: seconds, MB resident at most, and the first item's value."""

    seconds: float
    mb: float
    value: float


class AccessLog:
    """A day's access log of ``size`` bytes, evenly spread, one answer of a hundred an error. Use it in a ``with`` block."""

    def __init__(self, size: int) -> None:
        self._folder = pathlib.Path("/var/tmp/runbook-bench-logs")
        self._size = size
        self.path = self._folder / "access.log"

    def __enter__(self) -> AccessLog:
        if shutil.disk_usage("/var/tmp").free < 2 * self._size:
            raise BenchError(f"/var/tmp has no room for {2 * self._size / 1e9:.0f} GB; make some")
        self._folder.mkdir(exist_ok=True)
        choice = random.Random(1)
        agents = ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36", "curl/8.1")
        answers = [200] * 90 + [304] * 5 + [404] * 4 + [502]
        # A line is about 185 bytes.
        a_second = max(1, round(self._size / _DAY / 185))
        with self.path.open("w") as stream:
            for second in range(_END - _DAY, _END):
                stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(second))
                stream.write(
                    "".join(
                        f'203.0.113.{number % 250} - - [{stamp}] "GET /shop/item/{choice.randrange(99999)}?page={number % 7} HTTP/1.1" '
                        f"{answers[choice.randrange(100)]} {choice.randrange(99999)} "
                        f'"https://www.example.com/shop/list" "{agents[number % 2]}" {choice.random() * 0.4:.3f}\n'
                        for number in range(a_second)
                    )
                )
        return self

    def __exit__(self, *_error: object) -> None:
        with contextlib.suppress(OSError):
            shutil.rmtree(self._folder)

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def grep(self) -> tuple[float, int]:
        """Seconds that ``grep -c`` takes for all of it, in the C locale, and what it counts."""
        began = time.monotonic()
        done = subprocess.run(
            ["grep", "-c", _PATTERN, str(self.path)], env={**os.environ, "LC_ALL": "C"}, capture_output=True, text=True, check=True
        )
        return time.monotonic() - began, int(done.stdout)

    def scan(self, *measures: dict[str, t.Any], **more: t.Any) -> Measured:
        """One scan in a process of its own; the number of the pattern's lines unless other measures are given."""
        given = {"name": "bench", "paths": [str(self.path)], "measures": list(measures) or [{"regex": _PATTERN}], **more}
        environment = {**os.environ, "PYTHONPATH": str(ROOT / ".venv" / "collections")}
        words = [sys.executable, "-c", _SCRIPT, json.dumps(given)]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchError(f"the scan failed: {done.stderr.strip()[-400:]}")
        seconds, mb, checks = json.loads(done.stdout)
        return Measured(seconds, mb, checks[0]["value"])

    def last_hour(self) -> Measured:
        return self.scan(since=str(_END - 3600))
