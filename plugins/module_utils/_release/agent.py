# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that the release modules do on a host, behind one door.

A deploy calls three of them. Packing a module costs the controller a quarter of a second for each different one, so
their actions all send this one, which is packed once a run.
"""

from __future__ import annotations

import base64
import contextlib
import gc
import json
import os
import select
import sys
import traceback
import typing as t
import zlib

from .._common.errors import InvalidInput, RunbookError
from .._common.progress_file import reporting
from .._common.runner import Later, Run, UseCase, describe_os_error, printable
from .wire import GREETING, REPLY, STAY

# What a deploy asks for later on: an agent that stays makes ready for it while the controller is busy.
FOLLOWING = ("release_swap", "release_finish")


def use_case(name: str) -> UseCase:
    """The use case of that name, ``KeyError`` for none. Imported when asked for: a host has to compile what it is sent."""
    if name == "stage":
        from . import stage

        return stage.answer
    if name == "release_swap":
        from . import swap

        return swap.release_swap
    if name == "release_finish":
        from . import finish

        return finish.release_finish
    if name == "release_info":
        from . import info

        return info.release_info
    if name == "release_lock":
        from . import release_lock

        return release_lock.release_lock
    if name == "release_prune":
        from . import prune

        return prune.release_prune
    if name == "release_run":
        from . import run

        return run.release_run
    raise KeyError(name)


def understand(request: str) -> tuple[UseCase, t.Mapping[str, t.Any]]:
    """A request that ``pack`` made: the use case and its options."""
    try:
        name, options = json.loads(zlib.decompress(base64.b64decode(request[2:])) if request.startswith("z:") else request)
        return use_case(name), options
    except (ValueError, TypeError, KeyError, AttributeError, zlib.error) as error:
        raise InvalidInput(f"the request can't be read ({error}); controller and host run different versions of the collection") from None


def serve(options: t.Mapping[str, t.Any], run: Run) -> t.Mapping[str, t.Any]:
    """Run the use case that a request names, with its options; without a request there is nothing to do."""
    if options["request"] is None:
        return {"changed": False}
    asked, inner = understand(options["request"])
    return asked(inner, run)


def main(call: t.Mapping[str, t.Any]) -> None:
    """Serve a request without Ansible around, and print the result as a module would (see ``plugin_utils/_agent_call.py``).

    ``call``: ``request``, ``check_mode``, ``diff``, and ``progress``, the path of a ``ProgressFile`` or nothing.
    Other errors than ours are defects and keep their traceback."""
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
            with contextlib.suppress(InvalidInput):  # which is said in a moment
                understand(call["request"])  # what it imports is there for all that follow
            _serve_apart(number, call)
            for name in FOLLOWING:
                use_case(name)


def _serve_apart(number: str, call: t.Mapping[str, t.Any]) -> None:
    """A request's memory, working folder and failures are its own."""
    child = os.fork()
    if child == 0:
        status = 1
        gc.disable()  # a short life, and manifests are many small objects without cycles
        try:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # the next requests are nobody else's to read
            left: t.List[t.Callable[[], object]] = []
            try:
                outcome = _outcome(call, left.append)
            except Exception as error:
                said = f"{type(error).__name__}: {error}"
                outcome = json.dumps(
                    {"failed": True, "rc": 1, "msg": f"a defect of the collection: {said}", "module_stderr": traceback.format_exc()}
                )
            _say(f"{REPLY} {number} {outcome}")
            status = 0
            for work in left:
                with contextlib.suppress(OSError):
                    work()
        finally:
            os._exit(status)
    status = os.waitpid(child, 0)[1]
    if status:
        how = f"signal {status & 127}" if status & 127 else f"status {status >> 8}"
        _say(
            f"{REPLY} {number} "
            + json.dumps({"failed": True, "rc": status, "msg": f"the host's process ended with {how} before its work was done"})
        )


def _say(line: str) -> None:
    sys.stdout.flush()
    left = memoryview(line.encode() + b"\n")
    while left:
        left = left[os.write(1, left) :]


def _outcome(call: t.Mapping[str, t.Any], later: Later | None = None) -> str:
    """The result of a call as JSON."""
    warnings: t.List[str] = []
    try:
        with reporting(call["progress"]) as say:
            run = Run(check_mode=call["check_mode"], diff=call["diff"], warn=warnings.append, say=say, later=later)
            result = dict(serve(call, run))
    except RunbookError as error:
        result = {"failed": True, "msg": error.message, **error.result}
    except OSError as error:
        result = {"failed": True, "msg": describe_os_error(error)}
    if warnings:
        result["warnings"] = warnings
    return json.dumps(printable({"changed": False, **result}))
