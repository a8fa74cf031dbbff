# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a test host, beside the servers: one module's use case, or a shell pipeline, timed where it runs.

``beside.py db_backup|db_restore|sh`` with JSON on standard input (a module's options, or a script); prints one line of JSON:
``{"seconds", "own_mb", "children_mb", "result"}``, the memory as the largest resident size of this process and of any child.
A use case that fails as it should, with one line, ends with 3. The result of ``db_restore`` has ``switched``, the moments between
which it switched, on the system's monotonic clock.

``beside.py watch`` with ``{"engine", "name", "table"}`` on the first line reads a row of a table over and over until standard input ends,
and prints ``{"reads", "gaps"}``: the [begin, end] of the longest times between two answers, by the same clock.
"""

from __future__ import annotations

import json
import resource
import select
import subprocess
import sys
import time
import typing as t


def main() -> None:
    if sys.argv[1] == "watch":
        watch(**json.loads(sys.stdin.readline()))
        return
    what, given = sys.argv[1], json.load(sys.stdin)
    result: t.Any = None
    if what == "sh":
        began = time.monotonic()
        subprocess.run(["bash", "-o", "pipefail", "-euc", given], check=True, stdout=subprocess.DEVNULL)
    else:
        from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError
        from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run, describe_os_error
        from ansible_collections.runbook.ops.plugins.module_utils._database import options, use_cases

        spec = {"db_backup": options.BACKUP, "db_restore": options.RESTORE}[what]
        chosen = {name: given.get(name, about.get("default")) for name, about in spec.options.items()}
        switched = _moments_of_switch()
        began = time.monotonic()
        try:
            result = getattr(use_cases, what)(chosen, Run())
        except RunbookError as error:
            print(error.message, file=sys.stderr)
            sys.exit(3)
        except OSError as error:
            print(describe_os_error(error), file=sys.stderr)
            sys.exit(3)
        if what == "db_restore":
            result["switched"] = switched
    seconds = time.monotonic() - began
    own, children = (resource.getrusage(who).ru_maxrss / 1000 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps({"seconds": seconds, "own_mb": own, "children_mb": children, "result": result}))


def _moments_of_switch() -> list[float]:
    """When the next restore begins and ends its switch, written into this list."""
    from ansible_collections.runbook.ops.plugins.module_utils._database import restore

    moments: list[float] = []
    switch = restore._Restore._switch

    def timed(self: restore._Restore) -> None:
        moments.append(time.monotonic())
        switch(self)
        moments.append(time.monotonic())

    restore._Restore._switch = timed  # type: ignore[method-assign]
    return moments


def watch(engine: str, name: str, table: str) -> None:
    """Read until standard input ends. Each read is a connection of its own: a switch may end those that are there."""
    words = {
        "mariadb": ["mariadb", "--batch", "--skip-column-names", name, "-e", f"SELECT id FROM {table} LIMIT 1"],
        "postgresql": ["psql", "-X", "-q", "-A", "-t", name, "-c", f"SELECT id FROM {table} LIMIT 1"],
    }[engine]
    reads, last, gaps = 0, time.monotonic(), []
    while not select.select([sys.stdin], [], [], 0)[0]:
        done = subprocess.run(words, capture_output=True, check=False)
        if done.returncode == 0 and done.stdout.strip():
            now = time.monotonic()
            reads += 1
            gaps = sorted([*gaps, (now - last, last, now)], reverse=True)[:200]
            last = now
    print(json.dumps({"reads": reads, "gaps": [[begin, end] for _length, begin, end in gaps]}))


if __name__ == "__main__":
    main()
