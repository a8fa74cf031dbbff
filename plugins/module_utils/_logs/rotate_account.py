# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that goes in two steps, in this process or, with its account's rights only, in another one."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import signal
import sys
import traceback
import typing as t

from .._common.errors import RunbookError
from .._common.runner import describe_os_error

# Says ``True`` when it wants something done between its steps (and what came of it does not concern it), ends with plain values for JSON.
Steps = t.Generator[bool, None, t.Dict[str, t.Any]]


class Here:
    """Steps in this process."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def first(self) -> bool:
        return next(self._steps)

    def rest(self) -> dict[str, t.Any]:
        try:
            next(self._steps)
        except StopIteration as end:
            return dict(end.value)
        raise AssertionError("there are two steps")

    def close(self) -> None:
        """Give back what the steps hold, if they were not ended."""
        self._steps.close()


class Elsewhere:
    """Steps in a process that has become the account ``uid`` for good, and ends with this one."""

    def __init__(self, uid: int, steps: Steps) -> None:
        self._uid = uid
        asking, self._ask = os.pipe()
        self._answers, answering = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self._child = os.fork()
        if self._child == 0:
            os.close(self._ask)
            os.close(self._answers)
            _be_child(uid, steps, asking, answering)
        os.close(asking)
        os.close(answering)
        self._stream = os.fdopen(self._answers, "rb")

    def first(self) -> bool:
        return bool(self._answer())

    def rest(self) -> dict[str, t.Any]:
        try:
            with contextlib.suppress(BrokenPipeError):
                os.write(self._ask, b"\n")
            return dict(self._answer())
        finally:
            self.close()

    def close(self) -> None:
        """End the process, if it has not ended."""
        if self._child:
            os.close(self._ask)
            self._stream.close()
            os.waitpid(self._child, 0)
            self._child = 0

    def _answer(self) -> t.Any:
        line = self._stream.readline()
        if not line:
            self.close()
            raise RunbookError(f"the process that acted as user {_account(self._uid)} ended before its work was done; run the task again")
        said = json.loads(line)
        if "error" in said:
            self.close()
            raise RunbookError(said["error"])
        return said["value"]


def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _become(uid: int) -> None:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise RunbookError(
            f"user {uid} has a log folder but no account on this host; create the account, or change the folder's owner"
        ) from None
    os.initgroups(entry.pw_name, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(uid)


def _be_child(uid: int, steps: Steps, asking: int, answering: int) -> t.NoReturn:
    """Say a line for each step, wait for one before the second."""

    def say(what: str, value: t.Any) -> None:
        data = json.dumps({what: value}).encode() + b"\n"
        while data:
            data = data[os.write(answering, data) :]

    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _become(uid)
        here = Here(steps)
        say("value", here.first())
        if os.read(asking, 1):
            say("value", here.rest())
    except RunbookError as error:
        say("error", error.message)
    except OSError as error:
        with contextlib.suppress(OSError):
            say("error", describe_os_error(error))
    except BaseException as error:
        traceback.print_exc()
        with contextlib.suppress(OSError):
            say("error", f"a defect: {error!r}")
    os._exit(0)
