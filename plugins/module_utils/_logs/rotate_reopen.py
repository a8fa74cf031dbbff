# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the writers to open their logs anew: a signal to the process of a pid file or unit, or a command."""

from __future__ import annotations

import dataclasses
import os
import signal
import stat
import typing as t

from .._common import commands
from .._common.errors import InvalidInput, Refused, RunbookError
from .._common.process import Command, find_program, run

_TIMEOUT = 60.0


@dataclasses.dataclass(frozen=True)
class Reopen:
    """One of ``pid_file``, ``unit`` and ``command`` is set; ``number`` is the signal for the first two."""

    pid_file: str = ""
    unit: str = ""
    command: tuple[str, ...] = ()
    number: int = signal.SIGHUP

    @classmethod
    def of(cls, given: t.Mapping[str, t.Any] | None) -> Reopen | None:
        """What the option ``reopen`` says, checked; nothing is asked of anybody yet."""
        if not given:
            return None
        if sum(bool(given.get(key)) for key in ("pid_file", "unit", "command")) != 1:
            raise InvalidInput("reopen needs exactly one of pid_file, unit and command")
        name = str(given.get("signal") or "HUP").upper()
        name = name if name.startswith("SIG") else f"SIG{name}"
        if name not in signal.Signals.__members__:
            raise InvalidInput(f"reopen: {name} is no signal; programs reopen their logs on HUP, USR1 or USR2")
        if name in ("SIGKILL", "SIGSTOP", "SIGTERM", "SIGINT", "SIGQUIT", "SIGABRT", "SIGSEGV"):
            raise InvalidInput(f"reopen: {name} ends or stops a program; programs reopen their logs on HUP, USR1 or USR2")
        words = commands.parse([given["command"]])[0] if given.get("command") else []
        return cls(given.get("pid_file") or "", given.get("unit") or "", tuple(words), signal.Signals[name])

    def ask(self) -> str:
        """Do it; an empty text, or why nobody was asked. ``RunbookError`` when it failed."""
        if self.command:
            ran = commands.run_one(list(self.command), "/", {}, _TIMEOUT)
            if ran.rc != 0:
                said = (ran.stderr or ran.stdout).strip().splitlines()
                raise RunbookError(f"reopen: {ran.command} ended with {ran.rc}: {said[-1] if said else 'it said nothing'}")
            return ""
        if self.unit:
            words = (find_program(["systemctl"], "systemd"), "show", "--property=MainPID", "--value", "--", self.unit)
            pid = int(run(Command(words), timeout=_TIMEOUT).strip() or 0)
            return self._signal(pid) if pid else f"unit {self.unit} has no main process"
        return self._by_file()

    def _by_file(self) -> str:
        try:
            fd = os.open(self.pid_file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return f"{self.pid_file} is not there"
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode) or status.st_mode & stat.S_IWOTH:
                raise Refused(f"reopen: {self.pid_file} may be written by everybody, so it names anybody's process; correct its mode")
            text = os.read(fd, 64).decode("ascii", "replace").strip()
        finally:
            os.close(fd)
        if not text.isdigit() or int(text) < 2:
            raise RunbookError(f"reopen: {self.pid_file} holds no process number ({text[:20]!r}); is this the right file?")
        pid = int(text)
        if status.st_uid != 0:
            # Its owner could name any process.
            try:
                owner = os.stat(f"/proc/{pid}").st_uid
            except FileNotFoundError:
                return f"process {pid} of {self.pid_file} is gone"
            if owner != status.st_uid:
                raise Refused(
                    f"reopen: {self.pid_file} does not belong to the user of process {pid} that it names; use a file of root's, or unit"
                )
        return self._signal(pid)

    def _signal(self, pid: int) -> str:
        try:
            os.kill(pid, self.number)
        except ProcessLookupError:
            return f"process {pid} is gone"
        except PermissionError:
            raise RunbookError(f"reopen: process {pid} may not be signalled by this account; run the task as root") from None
        return ""
