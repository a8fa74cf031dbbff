# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""restic: a repository of snapshots, and the few of its commands that are needed.

The password and the repository's address (which may hold another password) reach restic in 0600 files, credentials of a store in
the environment of its process. Facts about restic 0.14 and later: exit status 3 is a snapshot without some unreadable files.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import select
import subprocess
import tempfile
import time
import typing as t

from .._common.errors import InvalidInput, RunbookError
from .._common.process import Command, Process, ProgramFailed, find_program, secret_file
from .._common.times import parse_moment

# What a snapshot is called until all was verified, and afterwards. Only the latter counts.
PENDING, VERIFIED = "runbook-pending", "runbook-verified"
INCOMPLETE = 3
# How often (in seconds) it is looked at what restic says, and how many of its own tries are enough for a repository on a disk.
_GLANCE, _TRIES = 1.0, 3
# Seconds in which nothing that restic counts has changed, after which it is stopped: after an error it can stand still for ever (0.14, a
# full disk). Where a repository is reached by network, restic's own tries take a quarter of an hour.
STILL, STILL_FAR = 300.0, 1200.0
_ABSENT = re.compile(r"no such file|does not exist|not exist|not found|NoSuchKey|NoSuchBucket", re.IGNORECASE)


class NoRepository(RunbookError):
    """There is no repository at that place (which was reached)."""


@dataclasses.dataclass(frozen=True)
class Location:
    """Where a repository is and what opens it."""

    repository: str
    password: str = dataclasses.field(repr=False)
    environment: t.Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    sftp_command: str = ""

    def check(self) -> None:
        """``InvalidInput`` for what restic would misunderstand."""
        if not self.repository or self.repository.startswith("-") or any(letter in self.repository for letter in "\n\r\0"):
            raise InvalidInput(f"repository {self.repository!r} is no address of a repository")
        if not self.repository.startswith("/") and not re.match(r"[a-z0-9]+:.", self.repository):
            raise InvalidInput(
                f"repository {self.repository!r} is neither an absolute path nor an address such as sftp:user@host:/path or s3:…"
            )
        if not self.password or any(letter in self.password for letter in "\n\r\0"):
            raise InvalidInput("the repository's password is empty or has a line break")
        for name, value in self.environment.items():
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(name)) or "\0" in str(value):
                raise InvalidInput(f"repository_env: {name!r} is no name of an environment variable")

    @property
    def shown(self) -> str:
        """For messages: without a user and password in an address."""
        return re.sub(r"//[^/@]*@", "//", self.repository)


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """A snapshot as the repository lists it. ``original`` is the id that it had before its tags were changed."""

    id: str
    time: str
    paths: tuple[str, ...]
    host: str
    tags: tuple[str, ...]
    original: str

    @property
    def short(self) -> str:
        return self.id[:8]

    @property
    def taken(self) -> float:
        """Seconds since the epoch."""
        return parse_moment(self.time, "the time of a snapshot").timestamp()

    @classmethod
    def from_json(cls, item: t.Mapping[str, t.Any]) -> Snapshot:
        tags = tuple(item.get("tags") or ())
        return cls(item["id"], item["time"], tuple(item["paths"]), item.get("hostname", ""), tags, item.get("original") or item["id"])

    def summary(self) -> dict[str, t.Any]:
        """What modules return."""
        own = [tag for tag in self.tags if tag not in (PENDING, VERIFIED)]
        return {
            "id": self.short,
            "time": self.time,
            "paths": list(self.paths),
            "host": self.host,
            "tags": own,
            "verified": VERIFIED in self.tags,
        }


class Repository:
    """An opened repository; ``opened`` makes it."""

    def __init__(self, location: Location, program: str, environment: dict[str, str]) -> None:
        self.where = location.shown
        options = ["-o", f"sftp.command={location.sftp_command}"] if location.sftp_command else []
        self._words = (program, *options)
        self._environment = environment
        self._local = location.repository.startswith("/")

    def run(self, *words: str) -> bytes:
        """A command's output; ``RunbookError`` with restic's reason when it fails."""
        try:
            return self._run(words)
        except ProgramFailed as failed:
            if "already locked" not in failed.stderr:
                raise self._explain(failed) from None
        try:
            # Locks of processes that are gone, and only those, are removed.
            self._run(["unlock"])
            return self._run(words)
        except ProgramFailed as failed:
            raise self._explain(failed) from None

    def _run(self, words: t.Sequence[str]) -> bytes:
        with tempfile.TemporaryFile() as printed:
            process = Process(self._command(words), stdout=printed)
            try:
                while not self._ended(process):
                    # A disk does not get better by waiting, but restic would try for a quarter of an hour.
                    tries = [line for line in process.last_words().splitlines() if "returned error, retrying" in line]
                    if self._local and len(tries) >= _TRIES:
                        raise RunbookError(f"repository {self.where} is damaged or can't be read: {tries[-1].strip()}")
            finally:
                process.kill()
            printed.seek(0)
            return printed.read()

    @staticmethod
    def _ended(process: Process) -> bool:
        try:
            process.finish(_GLANCE)
        except ProgramFailed:
            raise
        except RunbookError:
            return False
        return True

    def lines(self, *words: str) -> t.Iterator[dict[str, t.Any]]:
        """The JSON lines of a command while it prints them. ``ProgramFailed`` after the last one when it fails, ``RunbookError`` when it
        stands still."""
        limit = STILL if self._local else STILL_FAR
        with Process(self._command(words), stdout=subprocess.PIPE) as process:
            counted: t.Any = None
            waited = 0.0  # here; what whoever reads this does meanwhile is not restic's time
            rest = b""
            while True:
                began = time.monotonic()
                select.select([process.stdout], [], [], max(0.0, limit - waited))
                waited += time.monotonic() - began
                if waited >= limit:
                    raise RunbookError(
                        f"repository {self.where}: restic {words[0]} did nothing for {limit:.0f} s and was stopped;"
                        " see whether the repository can be written to and has space, then run again"
                    )
                data = os.read(process.stdout.fileno(), 1 << 16)
                if not data:
                    break
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    item = _document(line)
                    if item is None:
                        continue
                    counts = {name: value for name, value in item.items() if not name.startswith("seconds_")}
                    if counts != counted:
                        counted, waited = counts, 0.0
                    yield item

    def _command(self, words: t.Sequence[str]) -> Command:
        return Command((*self._words, *words), self._environment)

    def _explain(self, failed: ProgramFailed) -> RunbookError:
        said = failed.stderr
        if "wrong password" in said:
            return RunbookError(f"the password does not open the repository {self.where}")
        if "unable to open config file" in said and _ABSENT.search(said):
            return NoRepository(f"there is no repository at {self.where}; correct the address, mount its disk, or let init: true make one")
        return RunbookError(f"repository {self.where}: {failed.message}")

    def snapshots(self, tags: t.Sequence[str], host: str = "", path: str = "") -> list[Snapshot]:
        """Those with all of the tags, of a host and path if given, oldest first. ``NoRepository`` when there is none."""
        words = [*(["--tag", ",".join(tags)] if tags else []), *(["--host", host] if host else []), *(["--path", path] if path else [])]
        try:
            found = [Snapshot.from_json(item) for item in json.loads(self.run("snapshots", "--json", *words) or b"[]") or []]
        except (ValueError, KeyError, TypeError) as error:
            raise RunbookError(f"repository {self.where} lists its snapshots in a way that is not understood ({error!r})") from None
        return sorted(found, key=lambda snapshot: snapshot.taken)

    def nodes(self, snapshot: str) -> t.Iterator[dict[str, t.Any]]:
        """Everything in a snapshot, folders before what is in them: ``path``, ``type``, ``size``, ``mtime``, ``mode``."""
        try:
            yield from (item for item in self.lines("ls", "--json", snapshot) if item.get("struct_type") == "node")
        except ProgramFailed as failed:
            raise self._explain(failed) from None

    def explain(self, failed: ProgramFailed) -> RunbookError:
        """One line about a failure of ``lines``."""
        return self._explain(failed)


def _document(line: bytes) -> dict[str, t.Any] | None:
    """A line of JSON; ``None`` for a word to people between."""
    try:
        item = json.loads(line)
    except ValueError:
        return None
    return item if isinstance(item, dict) else None


@contextlib.contextmanager
def opened(location: Location) -> t.Iterator[Repository]:
    """A repository, whether it exists or not."""
    location.check()
    program = find_program(["restic"], "restic")
    with secret_file(location.password + "\n") as password, secret_file(location.repository + "\n") as address:
        environment = {str(name): str(value) for name, value in location.environment.items()}
        environment.update({"RESTIC_PASSWORD_FILE": password, "RESTIC_REPOSITORY_FILE": address, "RESTIC_PROGRESS_FPS": "0.5"})
        yield Repository(location, program, environment)


def check_tags(tags: t.Sequence[str]) -> None:
    """``InvalidInput`` for what can't be a tag or would be taken for one of ours."""
    for tag in tags:
        if not tag or "," in tag or tag != tag.strip() or not tag.isprintable() or tag in (PENDING, VERIFIED):
            raise InvalidInput(f"{tag!r} can't be a tag; use words such as site=www.example.com")
