# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of a dump's bytes to the disk and back: hashed, compressed, encrypted, written, in constant memory.

    engine's reader -> sha256 of the plain bytes -> zstd or gzip -> age -> partial file -> sha256 of the stored bytes

Between the programs lie pipes, no shell: each program's exit status counts, and a reader that ends early is an error of its program.
A dump takes all the processor time that there is, so what lies between it and the disk must take little: one buffer for all bytes, no
copy that can be avoided, and the last program writes the file itself, which is hashed and flushed while it grows.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
import threading
import time
import typing as t

from .._common.errors import InvalidInput, RunbookError
from .._common.process import Command, Process, find_program, secret_file
from .engine import Part, Reader
from .sidecar import StoredPart
from .streams import CHUNK, Descriptor, Growing, Hash, Hashing, Tick, pieces

# Dump programs write 4 KB at a time. To be woken for each of them costs both sides more than the bytes do; in so many seconds no
# program fills its pipe.
_GATHER = 0.004
_SUFFIX = {"zstd": ".zst", "gzip": ".gz", "none": ""}


class Stopped(RunbookError):
    """Another part failed, so this one ended too; the other's error is the one to tell."""


class WrongKey(RunbookError):
    """A backup that was encrypted for other keys: nothing is said against it."""


@dataclasses.dataclass(frozen=True)
class Codec:
    """How plain bytes become stored ones. ``level`` 0 is the program's default; ``identity`` is age's secret key, for reading."""

    compression: str = "zstd"
    level: int = 0
    threads: int = 1
    recipients: tuple[str, ...] = ()
    identity: str = dataclasses.field(default="", repr=False)

    @property
    def suffix(self) -> str:
        return _SUFFIX[self.compression] + (".age" if self.recipients else "")

    def check(self) -> None:
        """The programs are here and accept what they are given; else one line that says what to install or correct."""
        limits = {"zstd": (0, 19), "gzip": (0, 9), "none": (0, 0)}[self.compression]
        if not limits[0] <= self.level <= limits[1]:
            raise InvalidInput(f"compression_level {self.level} is not one of {self.compression}'s, {limits[0]} to {limits[1]}")
        with contextlib.ExitStack() as stack:
            self._writers(stack)
        for recipient in self.recipients:
            if not recipient.startswith(("age1", "ssh-ed25519 ", "ssh-rsa ")) or "\n" in recipient:
                raise InvalidInput(f"{recipient[:30]!r} is no age recipient; they begin with age1, ssh-ed25519 or ssh-rsa")

    def _writers(self, stack: contextlib.ExitStack) -> list[Command]:
        commands = []
        level = [f"-{self.level}"] if self.level else []
        if self.compression == "zstd":
            words = [find_program(["zstd"], "zstd"), "-q", "-c", f"-T{self.threads}", *(level or ["-3"])]
            commands.append(Command(tuple(words)))
        elif self.compression == "gzip":
            program = find_program(["pigz", "gzip"] if self.threads > 1 else ["gzip"], "gzip")
            threads = ["-p", str(self.threads)] if program.endswith("pigz") else []
            commands.append(Command((program, "-c", *threads, *level)))
        if self.recipients:
            # Recipients are public, but long lists of them do not belong into a process list.
            listed = stack.enter_context(secret_file("\n".join(self.recipients) + "\n"))
            commands.append(Command((find_program(["age"], "age"), "-e", "-R", listed)))
        return commands

    def _readers(self, stack: contextlib.ExitStack, encrypted: bool) -> list[Command]:
        commands = []
        if encrypted:
            if not self.identity:
                raise InvalidInput("the backup is encrypted; give encryption_identity, the age identity that can read it")
            key = stack.enter_context(secret_file(self.identity.rstrip("\n") + "\n"))
            commands.append(Command((find_program(["age"], "age"), "-d", "-i", key)))
        if self.compression == "zstd":
            # A dump may have been made with a window larger than zstd's default limit for reading.
            commands.append(Command((find_program(["zstd"], "zstd"), "-q", "-d", "-c", "--memory=2048MB")))
        elif self.compression == "gzip":
            commands.append(Command((find_program(["gzip"], "gzip"), "-d", "-c")))
        return commands


def write_part(part: Part, path: str, codec: Codec, stop: threading.Event, tick: Tick, check_end: t.Callable[[bytes], None]) -> StoredPart:
    """Write one part to ``path``, which must not exist, and flush it; what was written is described by the result.

    Whatever goes wrong, at the producer, a program between or the disk, is raised; ``path`` may then be incomplete.
    """
    plain = Hash()
    # 0600: it is readable by others only when it is a backup, if the caller wants that.
    out = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with contextlib.ExitStack() as stack, part.open() as reader:
            commands = codec._writers(stack)
            if commands:
                stored = _through(commands, reader, plain, out, stop, tick)
            else:
                # The same bytes, hashed once.
                stored = plain
                for data in _passing(reader, plain, stop, tick):
                    _write_all(out, data)
        check_end(plain.tail)
        os.fsync(out)
    finally:
        os.close(out)
    return StoredPart(part.name, os.path.basename(path), plain.size, plain.digest(), stored.size, stored.digest())


def _through(commands: list[Command], reader: Reader, plain: Hash, out: int, stop: threading.Event, tick: Tick) -> Hash:
    """Feed ``reader`` to a chain of programs, the last of which writes to ``out``; what it wrote."""
    with Growing(out) as growing, contextlib.ExitStack() as stack:
        chain = _start(stack, commands, out)
        first = chain[0]
        try:
            for data in _passing(reader, plain, stop, tick):
                first.write(data)
        except BrokenPipeError:
            # The program that failed says why, here; what comes before it in the chain only lost its reader.
            for process in reversed(chain):
                process.finish()
            raise RunbookError(f"{first.command.name} stopped reading before the dump's end") from None
        first.stdin.close()
        for process in reversed(chain):
            process.finish()
        return growing.whole()


def _start(stack: contextlib.ExitStack, commands: list[Command], out: int = subprocess.PIPE) -> list[Process]:
    """A chain of programs, each reading what the one before it prints; the last one prints to ``out``."""
    chain: list[Process] = []
    for number, command in enumerate(commands, 1):
        source: t.Any = chain[-1].stdout if chain else subprocess.PIPE
        process = stack.enter_context(Process(command, stdin=source, stdout=out if number == len(commands) else subprocess.PIPE))
        if chain:
            # Only the next program holds this end, so that it hears of the other's end and the other of its.
            chain[-1].stdout.close()
        chain.append(process)
    return chain


@contextlib.contextmanager
def read_part(folder: str, part: StoredPart, codec: Codec, encrypted: bool, tick: Tick = lambda count: None) -> t.Iterator[Reader]:
    """A part's plain bytes. Leaving the context without an error proves that all of them were read and are those that were dumped."""
    path = os.path.join(folder, part.file)
    source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, source)
        size = os.fstat(source).st_size
        if size != part.stored_bytes:
            raise RunbookError(f"{path} has {size:,} bytes instead of {part.stored_bytes:,}: it was cut or replaced; use another backup")
        plain, stored = Hash(), Hash()
        files = contextlib.ExitStack()
        stack.enter_context(files)
        commands = codec._readers(files, encrypted)
        if not commands:
            yield Descriptor(source, stored, tick)
            _proof(path, part, stored, stored)
            return
        yield from _decoded(path, part, commands, source, plain, stored, tick)


def _decoded(
    path: str, part: StoredPart, commands: list[Command], source: int, plain: Hash, stored: Hash, tick: Tick
) -> t.Iterator[Reader]:
    failure: list[BaseException] = []
    with contextlib.ExitStack() as stack:
        chain = _start(stack, commands)

        def feed() -> None:
            try:
                for data in pieces(Descriptor(source, stored, tick)):
                    chain[0].write(data)
            except BrokenPipeError:
                pass  # the program's own end says why
            except BaseException as error:
                failure.append(error)
            finally:
                with contextlib.suppress(OSError):
                    chain[0].stdin.close()

        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()

        def abandon() -> None:
            for process in chain:
                process.terminate()
            feeder.join()

        def ended_well() -> None:
            feeder.join()
            if failure:
                raise failure[0]
            try:
                for process in chain:
                    process.finish()
            except RunbookError as error:
                if "no identity matched" in error.message:
                    raise WrongKey(f"{path} was encrypted for other keys than encryption_identity; give one of those") from None
                if "age: error: reading " in error.message:
                    raise InvalidInput(f"the encryption_identity is no secret key of age or OpenSSH: {error.message}") from None
                raise RunbookError(f"{path} is damaged ({error.message}); use another backup") from None
            _proof(path, part, plain, stored)

        reader = Hashing(t.cast(Reader, chain[-1].stdout), plain)
        try:
            yield reader
        except Exception:
            # Who was given less than there should be chokes on it; that it was less is what has to be told.
            if reader.ended:
                ended_well()
            else:
                abandon()
            raise
        except BaseException:
            abandon()
            raise
        if chain[-1].stdout.read(1):
            abandon()
            raise RunbookError(f"{path} was not read to its end")
        ended_well()


def _proof(path: str, part: StoredPart, plain: Hash, stored: Hash) -> None:
    if (stored.size, stored.digest()) != (part.stored_bytes, part.stored_sha256):
        raise RunbookError(f"{path} is not what was written (its sha256 differs from the sidecar's); use another backup")
    if (plain.size, plain.digest()) != (part.plain_bytes, part.plain_sha256):
        raise RunbookError(f"{path} does not contain what was dumped (the plain bytes' sha256 differs); use another backup")


def stored_as_written(folder: str, part: StoredPart, tick: Tick = lambda count: None) -> None:
    """Hash a part's file as it lies there; raises unless it is what was written."""
    path = os.path.join(folder, part.file)
    try:
        source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise RunbookError(f"{path} is missing, only its sidecar is there; use another backup") from None
    try:
        stored = Hash()
        for _data in pieces(Descriptor(source, stored, tick)):
            pass
    finally:
        os.close(source)
    if (stored.size, stored.digest()) != (part.stored_bytes, part.stored_sha256):
        raise RunbookError(f"{path} is not what was written (size or sha256 differ from the sidecar's); use another backup")


def _passing(reader: Reader, seen: Hash, stop: threading.Event, tick: Tick) -> t.Iterator[memoryview]:
    """What a dump prints, hashed and counted."""
    for data in pieces(reader):
        if stop.is_set():
            raise Stopped("another part of the dump failed")
        seen.update(data)
        tick(len(data))
        yield data
        if len(data) < CHUNK // 2:
            time.sleep(_GATHER)


def _write_all(fd: int, data: memoryview) -> None:
    while data:
        data = data[os.write(fd, data) :]
