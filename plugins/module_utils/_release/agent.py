# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that the release modules do on a host, behind one door.

A deploy calls three of them. Packing a module costs the controller a quarter of a second for each different one, so
their actions all send this one, which is packed once a run.
"""

from __future__ import annotations

import base64
import json
import sys
import typing as t
import zlib

from .._common.errors import InvalidInput, RunbookError
from .._common.progress_file import reporting
from .._common.runner import Run, describe_os_error, printable
from .finish import release_finish
from .info import release_info
from .prune import release_prune
from .release_lock import release_lock
from .run import release_run
from .stage import answer
from .swap import release_swap

# Characters from which on a request is worth compressing.
LARGE = 4096

UseCase = t.Callable[[t.Mapping[str, t.Any], Run], t.Mapping[str, t.Any]]

USE_CASES: dict[str, UseCase] = {
    "release_finish": release_finish,
    "release_info": release_info,
    "release_lock": release_lock,
    "release_prune": release_prune,
    "release_run": release_run,
    "release_swap": release_swap,
    "stage": answer,
}


def pack(use_case: str, options: t.Mapping[str, t.Any]) -> str:
    """A request as text that survives any transport: JSON, behind ``z:`` compressed when it is large."""
    text = json.dumps([use_case, options], separators=(",", ":"))
    return text if len(text) < LARGE else "z:" + base64.b64encode(zlib.compress(text.encode(), 6)).decode()


def serve(options: t.Mapping[str, t.Any], run: Run) -> t.Mapping[str, t.Any]:
    """Run the use case that a request names, with its options."""
    try:
        text = options["request"]
        name, inner = json.loads(zlib.decompress(base64.b64decode(text[2:])) if text.startswith("z:") else text)
        use_case = USE_CASES[name]
    except (ValueError, TypeError, KeyError, zlib.error) as error:
        raise InvalidInput(f"the request can't be read ({error}); controller and host run different versions of the collection") from None
    return use_case(inner, run)


def main(call: t.Mapping[str, t.Any]) -> None:
    """Serve a request without Ansible around, and print the result as a module would (see ``plugin_utils/_agent_call.py``).

    ``call``: ``request``, ``check_mode``, ``diff``, and ``progress``, the path of a ``ProgressFile`` or nothing.
    Other errors than ours are defects and keep their traceback."""
    warnings: t.List[str] = []
    try:
        with reporting(call["progress"]) as say:
            result = dict(serve(call, Run(check_mode=call["check_mode"], diff=call["diff"], warn=warnings.append, say=say)))
    except RunbookError as error:
        result = {"failed": True, "msg": error.message, **error.result}
    except OSError as error:
        result = {"failed": True, "msg": describe_os_error(error)}
    if warnings:
        result["warnings"] = warnings
    sys.stdout.write(json.dumps(printable({"changed": False, **result})) + "\n")
