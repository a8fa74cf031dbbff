# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A line to the agent on a host that stays open from task to task.

Every execution through a shared SSH connection costs three round trips, and a Python that starts and compiles the agent. A line
is one ``ssh`` whose input and output are FIFOs in the run's own temporary folder, with an agent at its far end that serves
one request a line. A task's worker process writes its request and reads the reply: one round trip. Nobody has to be there while
the connection is being made, so that it can be asked for ahead of time (the module ``release_agent``).

Where there is no line, what it would have done is executed the ordinary way, and says what is wrong there. Lines end by
themselves: the agent leaves when nothing was asked for ``STAY`` seconds, when the connection breaks, or when told to.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import select
import shlex
import subprocess
import time
import typing as t

from ansible import constants as C
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.runbook.ops.plugins.module_utils._release.wire import GREETING, REPLY, STAY

display = Display()
# A line that was not used this long (seconds) is not used again: the agent could be leaving just now.
FRESH = STAY / 2
# What the pipe to ssh should hold: the agent's text fits while the connection is being made, and nobody waits.
PIPE = 1 << 17
# What ssh says that had no connection, or was not let in: nothing of what it was given has arrived.
_OUTSIDE = ("ssh: connect to host ", "ssh: Could not resolve hostname ", "Host key verification failed", "Permission denied (")
# Reads the agent's text, which follows its length, and nothing of the requests behind it. What it is going to import is
# imported while the text is under way.
_START = """\
import base64, concurrent.futures, ctypes, dataclasses, datetime, hashlib, json, os, secrets, select, shutil, traceback, typing, zlib
def take(size):
    text = b""
    while len(text) < size:
        text += os.read(0, size - len(text)) or exit(1)
    return text
exec(zlib.decompress(take(int(take(8)))))"""


def line_to(action: ActionBase, python: str, program: t.Callable[[], bytes]) -> Line | None:
    """The line for a task's host, user and environment; ``None`` where a task's connection is none that could be kept open.

    ``program`` gives what the agent's Python reads first, compressed; it must end in ``attend()``."""
    connection = action._connection
    if getattr(connection, "transport", "") not in ("ssh", "ansible.builtin.ssh") or not C.DEFAULT_LOCAL_TMP:
        return None
    try:
        # Passwords are asked for and answered by Ansible's own execution only.
        if any(_option(connection, name) for name in ("password", "pkcs11_provider", "private_key")) or action._play_context.password:
            return None
        become = connection.become
        if become is not None and become.get_option("become_pass"):
            return None
        connection.host = _option(connection, "host") or action._play_context.remote_addr

        start = f"{action._compute_environment_string()} {shlex.quote(python)} -c {shlex.quote(_START)}".strip()
        built = connection._build_command(_option(connection, "ssh_executable"), "ssh", connection.host, _wrapped(action, start))
        # Without a terminal nothing can be asked of a user; what needs an answer fails here, and is asked in the ordinary way.
        words = [os.fsencode(built[0]), b"-oBatchMode=yes", *map(os.fsencode, built[1:])]
        # Privilege escalation marks each command with a number of its own.
        plain = b"\0".join(words).replace(os.fsencode(getattr(become, "success", "") or "\0"), b"\0")
    except (AnsibleError, KeyError, AttributeError, TypeError, IndexError) as error:
        display.vvv(f"no line to the agent: {error}")
        return None
    folder = os.path.join(C.DEFAULT_LOCAL_TMP, f"line-{hashlib.sha256(plain).hexdigest()[:24]}")
    return Line(folder, words, program, str(connection.host))


def never_arrived(action: ActionBase, error: Exception) -> bool:
    """Whether a connection that failed was never made. Where Ansible tries several times, an earlier try may have been heard."""
    return _outside(str(error)) and not _option(action._connection, "reconnection_retries")


def _outside(said: str) -> bool:
    return any(sign in said for sign in _OUTSIDE)


def _option(connection: t.Any, name: str) -> t.Any:
    try:
        return connection.get_option(name)
    except KeyError:  # of another version of ansible-core
        return None


def _wrapped(action: ActionBase, command: str) -> str:
    """A command as Ansible would execute it on the host: with privilege escalation, in the user's shell."""
    connection = action._connection
    seen: list[str] = []

    def look(cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        seen.append(cmd)
        return 0, b"", b""

    connection.exec_command = look
    try:
        action._low_level_execute_command(command, in_data=b"-")
    finally:
        del connection.exec_command
    return seen[0]


class Line:
    """Two FIFOs in ``folder`` and the ``ssh`` between them, for all worker processes of one run."""

    def __init__(self, folder: str, words: t.Sequence[bytes], program: t.Callable[[], bytes], host: str) -> None:
        self._folder, self._words, self._program, self._host = folder, words, program, host
        self._in, self._out, self._err = (os.path.join(folder, name) for name in ("in", "out", "err"))
        self._greeted, self._used = os.path.join(folder, "greeted"), os.path.join(folder, "used")

    def open(self) -> bool:
        """Start connecting, unless there is a line already; does not wait for it. Whether there may be one now."""
        try:
            os.makedirs(self._folder, 0o700, exist_ok=True)
            with self._alone():
                # One that was started and never greeted failed: a host that is away is not waited for twice.
                again = os.path.exists(self._greeted) or not os.path.exists(self._in)
                return self._alive() or (again and self._start())
        except OSError as error:
            display.vvv(f"no line to the agent: {error}", host=self._host)
            return False

    def ask(self, call: t.Mapping[str, t.Any], *, repeatable: bool, last: bool, once: bool = False) -> dict[str, t.Any] | None:
        """The reply to a request; ``None`` when there is no line and nothing was asked.

        ``repeatable``: the request may be asked again even if it was served unseen, so it is sent before the agent said that it
        is there. ``last``: nothing more is going to be asked. ``once``: what was sent is not repeated without being told, so that a line
        that breaks before the agent has greeted is a failure too.
        """
        if not os.path.isdir(self._folder):
            return None
        with self._alone():
            if not self._alive():
                return None
            number = secrets.token_hex(8)
            # The first line break ends what a task that was killed may have left unfinished.
            words = f"\n{number} {json.dumps(call)}\n" + ("leave\n" if last else "")
            display.vvv(f"AGENT: ASK {len(words)} bytes", host=self._host)
            reply = self._talk(number, words.encode(), repeatable, once)
            with open(self._used, "w"):
                pass
            return reply

    @contextlib.contextmanager
    def _alone(self) -> t.Iterator[None]:
        fd = os.open(os.path.join(self._folder, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def _alive(self) -> bool:
        """Whether an ssh holds the line and its agent can't have left for want of requests."""
        try:
            if time.time() - os.stat(self._used).st_mtime > FRESH:
                return False
        except OSError:
            return False
        return self._held()

    def _held(self) -> bool:
        try:
            os.close(os.open(self._in, os.O_WRONLY | os.O_NONBLOCK))  # refused where nobody reads
        except OSError:
            return False
        return True

    def _start(self) -> bool:
        for path in (self._in, self._out, self._greeted):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        with contextlib.ExitStack() as ends:
            fds = []
            for path in (self._in, self._out):
                os.mkfifo(path, 0o600)
                # Both ways: ssh must see no end of its input, and no broken pipe, while no task is asking.
                fds.append(os.open(path, os.O_RDWR | os.O_CLOEXEC))
                ends.callback(os.close, fds[-1])
            with contextlib.suppress(OSError, AttributeError):
                fcntl.fcntl(fds[0], fcntl.F_SETPIPE_SZ, PIPE)
            err = os.open(self._err, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            ends.callback(os.close, err)
            display.vvv(f"SSH: EXEC {shlex.join(os.fsdecode(word) for word in self._words)}", host=self._host)
            environment = {**os.environ, "SSH_ASKPASS_REQUIRE": "never"}
            # Its end is seen at the FIFOs; it outlives this worker process.
            subprocess.Popen(self._words, stdin=fds[0], stdout=fds[1], stderr=err, start_new_session=True, env=environment)
            program = self._program()
            self._write(b"%08d" % len(program) + program)
        with open(self._used, "w"):
            pass
        return True

    def _talk(self, number: str, words: bytes, repeatable: bool, once: bool) -> dict[str, t.Any] | None:
        greeted = os.path.exists(self._greeted)
        asked = False
        with contextlib.ExitStack() as ends:
            out = os.open(self._out, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            ends.callback(os.close, out)
            received = b""
            try:
                if greeted or repeatable:
                    self._write(words)
                    asked = True
                while True:
                    # An ssh that ended just before the FIFO was opened is not seen to end there.
                    if not select.select([out], [], [], 1)[0] and self._held():
                        continue
                    data = os.read(out, 1 << 16)
                    if not data:
                        raise BrokenPipeError
                    *lines, received = (received + data).split(b"\n")
                    for line in lines:
                        kind, _space, rest = line.partition(b" ")
                        if kind == GREETING.encode():
                            greeted = True
                            with open(self._greeted, "w"):
                                pass
                        elif kind == REPLY.encode() and rest.startswith(number.encode()):
                            return t.cast("dict[str, t.Any]", json.loads(rest.partition(b" ")[2]))
                    if greeted and not asked:
                        self._write(words)
                        asked = True
            except (BrokenPipeError, BlockingIOError):
                pass
        said = self._said()
        if not greeted and (not (asked and once) or _outside(said)):  # what was asked, if anything, may be asked again
            display.vvv(f"no line to the agent: {said}", host=self._host)
            return None
        raise AnsibleConnectionFailure(f"the connection broke while the host was at work ({said}); run the same command again")

    def _write(self, words: bytes) -> None:
        try:
            fd = os.open(self._in, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:  # nobody reads
            raise BrokenPipeError from error
        try:
            os.set_blocking(fd, True)
            left = memoryview(words)
            while left:
                left = left[os.write(fd, left) :]
        finally:
            os.close(fd)

    def _said(self) -> str:
        with contextlib.suppress(OSError), open(self._err, encoding="utf-8", errors="replace") as stream:
            lines = stream.read().strip().splitlines()
            return lines[-1] if lines else "ssh said nothing"
        return "ssh said nothing"
