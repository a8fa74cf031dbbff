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
import os
import select
import sys
import traceback
import typing as t
import zlib

from .._common.errors import InvalidInput, RunbookError
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
# What an agent that attends to a line begins its lines with, and after how many seconds without a request it leaves.
GREETING, REPLY = "runbook-agent-is-here", "runbook-agent-replies"
STAY = 60.0

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

    ``call``: ``request``, ``check_mode``, ``diff``. Other errors than ours are defects and keep their traceback."""
    sys.stdout.write(_outcome(call) + "\n")


def attend(stay: float = STAY) -> None:
    """Serve requests as they come on standard input, one a line, each in a process of its own (see ``plugin_utils/_line.py``).

    A line is a number to repeat and ``main``'s call as JSON, or ``leave``. Ends too when the input does, and after ``stay`` seconds
    without a request."""
    _say(GREETING)
    received = b""
    while select.select([0], [], [], stay)[0]:
        data = os.read(0, 1 << 16)
        if not data:
            return
        *lines, received = (received + data).split(b"\n")
        for line in lines:
            number, _space, text = line.decode("ascii", "replace").partition(" ")
            if number == "leave":
                return
            try:
                call = json.loads(text)
            except ValueError:  # of a task that was killed while it wrote
                continue
            _serve_apart(number, call)


def _serve_apart(number: str, call: t.Mapping[str, t.Any]) -> None:
    """A request's memory, working folder and failures are its own."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # the next requests are nobody else's to read
            try:
                outcome = _outcome(call)
            except Exception as error:
                said = f"{type(error).__name__}: {error}"
                outcome = json.dumps({"failed": True, "msg": f"a defect of the collection: {said}", "module_stderr": traceback.format_exc()})
            _say(f"{REPLY} {number} {outcome}")
            status = 0
        finally:
            os._exit(status)
    status = os.waitpid(child, 0)[1]
    if status:
        how = f"signal {status & 127}" if status & 127 else f"status {status >> 8}"
        _say(f"{REPLY} {number} " + json.dumps({"failed": True, "msg": f"the host's process ended with {how} before its work was done"}))


def _say(line: str) -> None:
    sys.stdout.flush()
    left = memoryview(line.encode() + b"\n")
    while left:
        left = left[os.write(1, left) :]


def _outcome(call: t.Mapping[str, t.Any]) -> str:
    """The result of a call as JSON."""
    warnings: t.List[str] = []
    try:
        result = dict(serve(call, Run(check_mode=call["check_mode"], diff=call["diff"], warn=warnings.append)))
    except RunbookError as error:
        result = {"failed": True, "msg": error.message, **error.result}
    except OSError as error:
        result = {"failed": True, "msg": describe_os_error(error)}
    if warnings:
        result["warnings"] = warnings
    return json.dumps(printable({"changed": False, **result}))
