# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a test host, beside the servers: one module's use case, or a shell pipeline, timed where it runs.

``beside.py db_backup|db_restore|sh`` with JSON on standard input (a module's options, or a script); prints one line of JSON:
``{"seconds", "own_mb", "children_mb", "result"}``, the memory as the largest resident size of this process and of any child.
A use case that fails as it should, with one line, ends with 3.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
import typing as t


def main() -> None:
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
        began = time.monotonic()
        try:
            result = getattr(use_cases, what)(chosen, Run())
        except RunbookError as error:
            print(error.message, file=sys.stderr)
            sys.exit(3)
        except OSError as error:
            print(describe_os_error(error), file=sys.stderr)
            sys.exit(3)
    seconds = time.monotonic() - began
    own, children = (resource.getrusage(who).ru_maxrss / 1000 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps({"seconds": seconds, "own_mb": own, "children_mb": children, "result": result}))


if __name__ == "__main__":
    main()
