# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other people's programs: found by name, started from an argument list, their exit status and last words always read.

A secret goes to a program in a 0600 file (``secret_file``) or on its standard input, never in an argument.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import typing as t

from .errors import RunbookError

# Of what a program says on stderr, the end is where the reason is.
LAST_WORDS = 4000
# A pipe's size in bytes, so that its two ends rarely wait for each other.
PIPE = 1 << 20
# The part of GNU stdbuf that works inside of a program, and how much is to be printed at once.
_BLOCKS = ("/usr/libexec/coreutils/libstdbuf.so", "/usr/lib/coreutils/libstdbuf.so")
_BLOCK = 64 << 10
_F_SETPIPE_SZ = 1031  # named in fcntl since Python 3.10
# Where clients live that are not on every service account's PATH.
_MORE_PLACES = ("/usr/local/bin", "/usr/bin", "/usr/local/sbin", "/usr/sbin")


class ProgramMissing(RunbookError):
    """A program that is needed is not installed here."""


class ProgramFailed(RunbookError):
    """A program ended with an error. ``rc`` as a shell reports it (128 + signal), ``stderr`` the end of what it said."""

    def __init__(self, message: str, rc: int, stderr: str) -> None:
        super().__init__(message)
        self.rc = rc
        self.stderr = stderr


@dataclasses.dataclass(frozen=True)
class Command:
    """A program with its arguments. ``env`` is added to a small, fixed environment; ``fds`` are inherited; ``folder`` is where it runs."""

    words: tuple[str, ...]
    env: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    fds: tuple[int, ...] = ()
    folder: str | None = None

    @property
    def name(self) -> str:
        return os.path.basename(self.words[0])


def find_program(names: t.Sequence[str], package: str) -> str:
    """The path of the first of ``names`` that is installed; else ``ProgramMissing``, naming the package that has it."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *_MORE_PLACES])
    for name in names:
        found = shutil.which(name, path=path)
        if found:
            return found
    raise ProgramMissing(f"{' or '.join(names)} is not installed on this host; install the package {package}")


def in_blocks() -> dict[str, str]:
    """Environment for a program that prints much: it does so in blocks of 64 KB instead of 4, where this system has what that takes."""
    library = next((path for path in _BLOCKS if os.path.exists(path)), "")
    return {"LD_PRELOAD": library, "_STDBUF_O": str(_BLOCK)} if library else {}


@contextlib.contextmanager
def secret_file(text: str, suffix: str = "") -> t.Iterator[str]:
    """The path of a file with ``text`` that only this user can read, gone afterwards."""
    data = text.encode("utf-8", "surrogateescape")
    fd = _in_memory(data)
    if fd is not None:
        # By this process's number: the program that reads it, and what that one starts, need not inherit anything.
        try:
            yield f"/proc/{os.getpid()}/fd/{fd}"
        finally:
            os.close(fd)
        return
    folder = tempfile.mkdtemp(prefix="runbook-")  # mode 0700
    path = os.path.join(folder, f"secret{suffix}")
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "wb") as stream:
            stream.write(data)
        yield path
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _in_memory(data: bytes) -> int | None:
    """A file without a name that ends with this process, however it ends: nothing secret is left after a kill. None where there is none."""
    if not hasattr(os, "memfd_create"):
        return None
    try:
        # A process that has given up its privileges without starting anew owns its /proc no more, and its children may not look into it.
        if os.stat(f"/proc/{os.getpid()}/fd").st_uid != os.geteuid():
            return None
        fd = os.memfd_create("runbook")
    except OSError:
        return None
    # Clients refuse a file with secrets, or ignore one with settings, that others may write.
    os.fchmod(fd, 0o600)
    os.write(fd, data)
    return fd


class Process:
    """A running program; leaving the ``with`` block without an error waits for it and raises ``ProgramFailed`` unless it ended well.

    Leaving it by an error kills the program and its children. ``stdin`` and ``stdout`` are raw pipes where asked for.
    """

    def __init__(self, command: Command, *, stdin: int | t.IO[bytes] = subprocess.DEVNULL, stdout: int | t.IO[bytes] = subprocess.DEVNULL):
        self.command = command
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by kill()
        try:
            self._popen = subprocess.Popen(
                list(command.words),
                bufsize=0,
                cwd=command.folder,
                stdin=stdin,
                stdout=stdout,
                stderr=self._stderr,
                env=_environment(command.env),
                pass_fds=command.fds,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            self._stderr.close()
            reason = error.strerror if isinstance(error, OSError) else error
            raise RunbookError(f"{command.name} could not be started: {reason}") from None
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe:
                # Not every system allows it, and each user only so much.
                with contextlib.suppress(OSError):
                    fcntl.fcntl(pipe.fileno(), _F_SETPIPE_SZ, PIPE)

    @property
    def stdin(self) -> t.BinaryIO:
        return t.cast(t.BinaryIO, self._popen.stdin)

    @property
    def stdout(self) -> t.BinaryIO:
        return t.cast(t.BinaryIO, self._popen.stdout)

    @property
    def pid(self) -> int:
        return self._popen.pid

    def __enter__(self) -> Process:
        return self

    def __exit__(self, kind: t.Any, error: t.Any, trace: t.Any) -> None:
        try:
            if error is None:
                self.finish()
            elif isinstance(error, BrokenPipeError):
                # Why it stopped reading says more than that it did.
                self.finish()
        finally:
            self.kill()

    def write(self, data: bytes | memoryview) -> None:
        """Give it all of ``data`` to read; ``BrokenPipeError`` when it has stopped reading."""
        view = memoryview(data)
        while view:
            view = view[self.stdin.write(view) :]

    def finish(self, timeout: float | None = None) -> None:
        """Close its input, wait for its end; ``ProgramFailed`` unless that was 0."""
        if self._popen.stdin and not self._popen.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self._popen.stdin.close()
        try:
            code = self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise RunbookError(f"{self.command.name} was still running after {timeout:g} s and was stopped") from None
        if code != 0:
            said = self.last_words()
            how = f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
            raise ProgramFailed(f"{self.command.name} {how}: {_reason(said)}", 128 - code if code < 0 else code, said)

    def terminate(self) -> None:
        """Kill the program and its children; for other threads, which keep the pipes."""
        with contextlib.suppress(ProcessLookupError):
            if self._popen.poll() is None:
                os.killpg(self._popen.pid, signal.SIGKILL)

    def kill(self) -> None:
        """End the program and its children, if it still runs, and close what belongs to it."""
        if self._popen.poll() is None:
            self.terminate()
            self._popen.wait()
        for stream in (self._popen.stdin, self._popen.stdout):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()
        self._stderr.close()

    def last_words(self) -> str:
        """The end of what it said on stderr so far."""
        size = os.fstat(self._stderr.fileno()).st_size
        return os.pread(self._stderr.fileno(), LAST_WORDS, max(0, size - LAST_WORDS)).decode("utf-8", "replace").strip()


def run(command: Command, stdin: bytes = b"", timeout: float | None = None, ok: t.Container[int] = (0,)) -> bytes:
    """All that a program prints, for short answers; ``ProgramFailed`` when its exit status is not in ``ok``."""
    with tempfile.TemporaryFile() as given:
        given.write(stdin)
        given.seek(0)
        with tempfile.TemporaryFile() as printed:
            process = Process(command, stdin=given, stdout=printed)
            try:
                process.finish(timeout)
            except ProgramFailed as failed:
                if failed.rc not in ok:
                    raise
            finally:
                process.kill()
            printed.seek(0)
            return printed.read()


def _environment(more: t.Mapping[str, str]) -> dict[str, str]:
    """Predictable messages and no settings of the caller's that change what a client does."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TZ") if name in os.environ}
    return {"PATH": os.defpath, **kept, "LC_ALL": "C.UTF-8", **more}


def _reason(said: str) -> str:
    """The line that tells most: the last that is not only a summary of others."""
    # age ends with an invitation to report errors, whatever was wrong.
    lines = [line.strip() for line in said.splitlines() if line.strip() and "filippo.io/age/report" not in line]
    for line in reversed(lines):
        if "error" in line.lower() or "fatal" in line.lower():
            return line
    return lines[-1] if lines else "it said nothing"
