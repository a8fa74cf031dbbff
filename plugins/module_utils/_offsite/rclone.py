# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rclone: names and sizes of what a remote holds, bytes there and bytes back.

What a remote says about checksums is not believed (an ETag is none): whoever wants to know reads the bytes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import re
import subprocess
import typing as t

from .._common.errors import InvalidInput, RunbookError
from .._common.process import Command, Process, ProgramFailed, find_program, run, secret_file

CHUNK = 256 << 10
# rclone's exit status when a folder is not there; many stores have no folders and list nothing instead.
_NO_FOLDER = 3
_NAME = re.compile(r"[\w.+@ -]+")
Tick = t.Callable[[int], None]


@dataclasses.dataclass(frozen=True)
class Remote:
    """``where`` as rclone writes it, ``s3:bucket/path``, or an absolute path. ``config`` has rclone's own sections, by name."""

    where: str
    config: t.Mapping[str, t.Mapping[str, t.Any]] = dataclasses.field(default_factory=dict, repr=False)
    config_file: str = ""
    retries: int = 3

    def check(self) -> None:
        """``InvalidInput`` for what rclone would misunderstand."""
        name, colon, _path = self.where.partition(":")
        if any(letter in self.where for letter in "\n\r\0") or not (self.where.startswith("/") or (colon and _NAME.fullmatch(name))):
            raise InvalidInput(f"remote {self.where!r} is neither NAME:path with the name of an rclone remote nor an absolute path")
        if self.where.startswith("-"):
            raise InvalidInput(f"remote {self.where!r} begins with a dash")
        if self.config and colon and name not in self.config:
            raise InvalidInput(f"remote {self.where!r} is of {name}, but config has {', '.join(map(str, self.config))}")
        if colon and not self.where.startswith("/") and not self.config and not self.config_file:
            raise InvalidInput(f"nothing says what {name} is; give config or config_file")
        if self.retries < 1:
            raise InvalidInput(f"retries: {self.retries} would never try; use 1 or more")
        self.text()

    def text(self) -> str:
        """The configuration as rclone's file has it."""
        lines = []
        for name, section in self.config.items():
            if not _NAME.fullmatch(str(name)) or not isinstance(section, t.Mapping):
                raise InvalidInput(f"config: {name!r} is no name with a mapping of options")
            lines.append(f"[{name}]")
            for key, value in section.items():
                text = str(value).lower() if isinstance(value, bool) else str(value)
                if not re.fullmatch(r"\w+", str(key)) or "\n" in text or "\r" in text:
                    raise InvalidInput(f"config: {name}: {key!r} is no option, or its value has a line break")
                lines.append(f"{key} = {text}")
        return "\n".join(lines) + "\n"

    @property
    def unchecked_host(self) -> str:
        """The name of an SFTP remote whose host's key nobody compares; empty when there is none."""
        for name, section in self.config.items():
            if section.get("type") == "sftp" and not section.get("known_hosts_file"):
                return str(name)
        return ""


class Rclone:
    """A remote that can be talked to; ``connected`` makes it. Names are relative to the remote's path."""

    def __init__(self, program: str, remote: Remote, config: str) -> None:
        self._program, self.where, self._config = program, remote.where, config
        self.retries = remote.retries

    def list(self, folder: str = "") -> dict[str, int]:
        """Names below a folder with their sizes; nothing when the folder is not there."""
        try:
            words = ["lsjson", "--recursive", "--files-only", "--no-modtime", "--no-mimetype", self.path(folder)]
            listed = json.loads(run(self._command(*words)) or b"[]")
            return {str(item["Path"]): int(item["Size"]) for item in listed}
        except ProgramFailed as failed:
            if failed.rc == _NO_FOLDER:
                return {}
            raise self._explain(failed) from None
        except (ValueError, KeyError, TypeError) as error:
            raise RunbookError(f"what {self.where} holds is told in a way that is not understood ({error!r})") from None

    def send(self, file: str, name: str) -> None:
        """Copy a local file, whatever is there under that name already."""
        self._run("copyto", "--ignore-times", "--retries", str(self.retries), file, self.path(name))

    def remove(self, name: str) -> None:
        """Remove one file, which is there."""
        self._run("deletefile", self.path(name))

    @contextlib.contextmanager
    def reading(self, name: str) -> t.Iterator[t.BinaryIO]:
        """A file's bytes. Leaving the context without an error proves that rclone had no trouble, not that the bytes are right."""
        try:
            with Process(self._command("cat", self.path(name)), stdout=subprocess.PIPE) as process:
                yield process.stdout
        except ProgramFailed as failed:
            raise self._explain(failed) from None

    def digest(self, name: str, tick: Tick = lambda count: None) -> tuple[int, str]:
        """Size and sha256 of a file, read back in constant memory."""
        sha, size = hashlib.sha256(), 0
        with self.reading(name) as stream:
            while data := stream.read(CHUNK):
                sha.update(data)
                size += len(data)
                tick(len(data))
        return size, sha.hexdigest()

    def content(self, name: str, limit: int) -> bytes:
        """A small file; raises when it is larger than ``limit``."""
        found = b""
        with self.reading(name) as stream:
            while data := stream.read(CHUNK):
                found += data
                if len(found) > limit:
                    raise RunbookError(f"{self.path(name)} is larger than a sidecar can be")
        return found

    def path(self, name: str) -> str:
        """What rclone calls a name of the remote."""
        if not name:
            return self.where
        return self.where + name if self.where.endswith((":", "/")) else f"{self.where}/{name}"

    def _run(self, *words: str) -> bytes:
        try:
            return run(self._command(*words))
        except ProgramFailed as failed:
            raise self._explain(failed) from None

    def _command(self, *words: str) -> Command:
        common = ("--contimeout", "15s", "--timeout", "2m", "--low-level-retries", "3")
        return Command((self._program, words[0], *common, *words[1:]), {"RCLONE_CONFIG": self._config})

    def _explain(self, failed: ProgramFailed) -> RunbookError:
        """rclone dates its lines; the reason stands behind."""
        message = re.sub(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d (?:ERROR|NOTICE|Failed)?\s*:?\s*", "", failed.message)
        return RunbookError(f"{self.where}: {message}")


@contextlib.contextmanager
def connected(remote: Remote) -> t.Iterator[Rclone]:
    """rclone with its configuration, which is in a 0600 file for as long."""
    remote.check()
    program = find_program(["rclone"], "rclone")
    if remote.config_file:
        yield Rclone(program, remote, remote.config_file)
        return
    with secret_file(remote.text(), ".conf") as config:
        yield Rclone(program, remote, config)
