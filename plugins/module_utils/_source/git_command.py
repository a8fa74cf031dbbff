# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running git so that it can't ask, can't execute what a repository brings, and tells no secret."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shlex
import subprocess
import tempfile
import typing as t
import urllib.parse

from .._common.errors import InvalidInput, RunbookError
from .address import safe_url

# A repository set by the caller's environment must not replace the one we mean.
_FOREIGN_ENV = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_SHALLOW_FILE",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_TRACE",
    "GIT_TRACE_CURL",
    "GIT_CURL_VERBOSE",
    "SSH_ASKPASS",
)
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "protocol.ext.allow=never",
    # Small fetches are kept as packs too: a pack appears whole, loose objects one by one, and a killed fetch leaves some.
    "fetch.unpackLimit=1",
    "transfer.unpackLimit=1",
    "gc.auto=0",
    "maintenance.auto=false",
    "fetch.writeCommitGraph=false",
    "fetch.recurseSubmodules=false",
    "log.showSignature=false",
    "advice.detachedHead=false",
    "http.lowSpeedLimit=1",
)


@dataclasses.dataclass(frozen=True)
class Login:
    """How to get at a repository. Each git command may take ``timeout`` seconds, and be without data for ``stall`` seconds."""

    key_file: str | None = None
    accept_hostkey: bool = False
    username: str | None = None
    password: str | None = None
    validate_certs: bool = True
    timeout: float = 1800.0
    stall: float = 30.0


class GitFailed(RunbookError):
    """Git ended with an error, given in its own words."""


class Git:
    """Git on the bare repository ``path``, which stands for ``repo``. The processes inherit ``pass_fds``."""

    def __init__(self, path: str, repo: str, login: Login, pass_fds: tuple[int, ...] = ()) -> None:
        self.path = path
        self.repo = repo
        self.shown = safe_url(repo)
        self._login = login
        self._pass_fds = pass_fds

    def init(self, path: str) -> None:
        """Make an empty bare repository without hooks."""
        self._run(["git", "init", "--quiet", "--bare", "--template=", "--", path])

    def local(self, *arguments: str, check: bool = True, ok: str = "") -> str:
        """Standard output of a local git command; with ``check`` false, empty (or ``ok`` on success) instead of an error."""
        try:
            return self._run(self._command(*arguments)) or ok
        except GitFailed:
            if check:
                raise
            return ""

    def remote(self, *arguments: str) -> str:
        """Standard output of a git command that talks to the repository, logged in by a file that only we can read."""
        login = self._login
        if login.username is None and login.password is None:
            return self._run(self._command(*arguments))
        parts = urllib.parse.urlsplit(self.repo)
        if parts.scheme not in ("http", "https"):
            raise InvalidInput(f"username and password are for http(s) repositories; {self.shown} takes key_file")
        pair = f"{urllib.parse.quote(login.username or '', safe='')}:{urllib.parse.quote(login.password or '', safe='')}"
        fd, path = tempfile.mkstemp(prefix="login-", dir=self.path)  # mode 0600
        try:
            with os.fdopen(fd, "w", encoding="ascii") as stream:
                stream.write(f"{parts.scheme}://{pair}@{parts.netloc}\n")
            settings = ("credential.helper=", f"credential.helper=store --file={shlex.quote(path)}", "credential.useHttpPath=false")
            return self._run(self._command(*arguments, settings=settings))
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    @contextlib.contextmanager
    def stream(self, *arguments: str) -> t.Iterator[tuple[t.Callable[[int], bytes], t.Callable[[], None]]]:
        """A local command as (a reader of its output, a function that waits for its end and raises if it failed)."""
        with tempfile.TemporaryFile() as stderr:
            process = self._start(self._command(*arguments), stderr)
            stdout = t.cast("t.IO[bytes]", process.stdout)  # a pipe, as asked for

            def complete() -> None:
                if process.wait() != 0:
                    stderr.seek(0)
                    raise GitFailed(f"git can't read {self.shown}: {self._said(stderr.read(4000).decode('utf-8', 'replace'))}")

            try:
                yield stdout.read, complete
            finally:
                _end(process)

    def _command(self, *arguments: str, settings: t.Sequence[str] = ()) -> list[str]:
        command = ["git", f"--git-dir={self.path}"]
        for setting in (*_SETTINGS, f"http.lowSpeedTime={self._login.stall:.0f}", *settings):
            command += ["-c", setting]
        return command + list(arguments)

    def _environment(self) -> dict[str, str]:
        env = {name: value for name, value in os.environ.items() if name not in _FOREIGN_ENV}
        env.update(
            LC_ALL="C.UTF-8",
            GIT_TERMINAL_PROMPT="0",
            GIT_ALLOW_PROTOCOL="file:git:http:https:ssh",
            GIT_NO_REPLACE_OBJECTS="1",
            GIT_OPTIONAL_LOCKS="0",
            SSH_ASKPASS_REQUIRE="never",
            GCM_INTERACTIVE="never",
        )
        if self._login.key_file or self._login.accept_hostkey:
            command = ["ssh", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={max(1, round(self._login.stall))}"]
            if self._login.key_file:
                command += ["-i", self._login.key_file, "-o", "IdentitiesOnly=yes"]
            if self._login.accept_hostkey:
                command += ["-o", "StrictHostKeyChecking=accept-new"]
            env["GIT_SSH_COMMAND"] = " ".join(shlex.quote(word) for word in command)
        if not self._login.validate_certs:
            env["GIT_SSL_NO_VERIFY"] = "1"
        return env

    def _start(self, command: list[str], stderr: t.Any) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=self._environment(),
                pass_fds=self._pass_fds,
                start_new_session=True,  # no terminal: nothing can ask for a password
            )
        except FileNotFoundError:
            raise RunbookError("the git command is not on the controller (this machine); install the package git") from None

    def _run(self, command: list[str]) -> str:
        process = self._start(command, subprocess.PIPE)
        try:
            out, err = process.communicate(timeout=self._login.timeout)
        except subprocess.TimeoutExpired:
            raise RunbookError(f"git did not finish with {self.shown} within {self._login.timeout:g} s; check the network") from None
        finally:
            _end(process)
        if process.returncode != 0:
            raise GitFailed(f"git can't read {self.shown}: {self._said(err.decode('utf-8', 'replace'))}")
        return out.decode("utf-8", "surrogateescape")

    def _said(self, text: str) -> str:
        """What git complained of, on one line, without secrets."""
        lines = [line.strip() for line in text.splitlines()]
        telling = [line for line in lines if line and not line.startswith(("warning:", "hint:", "remote: Enumerating"))]
        said = " ".join(telling)[:400] or "no reason given"
        said = re.sub(r"(?<=://)[^/\s@']*@", "", said)
        for secret in (self._login.password, urllib.parse.quote(self._login.password or "", safe="")):
            if secret:
                said = said.replace(secret, "***")
        if re.search(r"Authentication failed|could not read (Username|Password)|Permission denied \(publickey", said):
            said += "; give username and password (https) or key_file (ssh)"
        elif "Host key verification failed" in said:
            said += "; add the host to known_hosts, or set accept_hostkey"
        return "".join(c if c.isprintable() else "?" for c in said)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the command and of what it started (ssh, upload-pack)."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()
    for stream in (process.stdout, process.stderr):
        if stream:
            stream.close()
