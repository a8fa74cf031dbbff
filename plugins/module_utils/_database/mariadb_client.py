# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clients of MariaDB and MySQL: log-in files, quoting, statements and their answers.

Answers are read as the client's XML: of its formats the only one that tells NULL from the text ``NULL`` and whose values can
hold line breaks and tabs. (The client prints a NUL byte in a value as a space, in every format.)
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import select
import subprocess
import time
import typing as t

from .._common.errors import InvalidInput, RunbookError
from .._common.process import Command, Process, ProgramFailed, find_program, in_blocks, run, secret_file
from .model import Login

Row = t.Dict[str, t.Optional[str]]
SYSTEM_DATABASES = ("mysql", "information_schema", "performance_schema", "sys")
PACKAGE = "mariadb-client (or default-mysql-client)"
_GLOBAL_FILES = ("/etc/my.cnf", "/etc/mysql/my.cnf")
_ROW = re.compile(rb"<row>(.*?)</row>", re.DOTALL)
_FIELD = re.compile(rb'<field name="([^"]*)"(?: xsi:nil="true" />|>(.*?)</field>)', re.DOTALL)
_SAID = re.compile(r"(?:ERROR|[Ee]rror:?) (\d{4})(?: \([0-9A-Z]{5}\))?(?: at line \d+)?: (.*)")
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&"))


class SqlError(RunbookError):
    """The server or its client refused something; ``code`` is the server's error number, 0 when it gave none."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


def identifier(name: str) -> str:
    """A name in backticks."""
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    """A text in quotes, for sessions without NO_BACKSLASH_ESCAPES."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''").replace("\0", "\\0") + "'"


def check_name(name: str) -> None:
    """``InvalidInput`` when no database of a user can have that name."""
    problem = ""
    if not name:
        problem = "is empty"
    elif len(name) > 64:
        problem = "is longer than 64 characters"
    elif name != name.rstrip():
        problem = "ends with a space"
    elif any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        problem = "contains a control character"
    elif any(ord(letter) > 0xFFFF or 0xD800 <= ord(letter) < 0xE000 for letter in name):
        problem = "contains a character that the server does not allow in names"
    elif name.startswith("#mysql50#") or name.lower() in SYSTEM_DATABASES:
        problem = "belongs to the server"
    if problem:
        raise InvalidInput(f"the database name {name!r} {problem}; give another name")


def parse(answer: bytes) -> list[Row]:
    """The rows of what a client printed with ``--xml``, of all its results."""

    def text(raw: bytes) -> str:
        value = raw.decode("utf-8", "surrogateescape")
        if "&" in value:
            for entity, letter in _ENTITIES:
                value = value.replace(entity, letter)
        return value

    return [
        {text(field[1]): None if field[2] is None else text(field[2]) for field in _FIELD.finditer(row[1])} for row in _ROW.finditer(answer)
    ]


def option_file(login: Login, mariadb: bool, home: str = "") -> str:
    """A client's option file: the host's and the user's own are read before it, so that what the log-in says wins."""
    for what, value in (
        ("user", login.user),
        ("password", login.password),
        ("host", login.host),
        ("socket", login.unix_socket),
        ("config_file", login.config_file),
        ("ca_cert", login.ca_cert),
        ("client_cert", login.client_cert),
        ("client_key", login.client_key),
    ):
        if "\n" in value or "\r" in value or "\0" in value:
            raise InvalidInput(f"login_{what} contains a line break or NUL byte, which the client's option files can't hold")
    if login.config_file and not os.path.isfile(login.config_file):
        raise InvalidInput(f"config_file {login.config_file} is not there; name an option file of the client or leave it out")
    own = login.config_file or (os.path.join(home, ".my.cnf") if home else "")
    lines = [f"!include {path}" for path in (*_GLOBAL_FILES, own) if path and os.path.isfile(path)]
    lines.append("[client]")

    def say(name: str, value: str) -> None:
        if value:
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            lines.append(f'{name}="{escaped}"')

    say("user", login.user)
    say("password", login.password)
    say("host", login.host)
    say("socket", login.unix_socket)
    if login.port:
        say("port", str(login.port))
        if not login.unix_socket:
            # A client takes "localhost" for a socket; whoever gives a port means TCP.
            say("protocol", "tcp")
    say("ssl-ca", login.ca_cert)
    say("ssl-cert", login.client_cert)
    say("ssl-key", login.client_key)
    lines += _tls(login.ssl_mode, mariadb)
    return "\n".join(lines) + "\n"


def _tls(mode: str, mariadb: bool) -> list[str]:
    """libpq's words in the client's own; that a required encryption is there is asked of the server (``MariaDB.server``)."""
    if not mariadb:
        words = {"disable": "DISABLED", "require": "REQUIRED", "verify-ca": "VERIFY_CA", "verify-full": "VERIFY_IDENTITY"}
        return [f"ssl-mode={words.get(mode, 'PREFERRED')}"]
    if mode == "disable":
        return ["skip-ssl"]
    if mode in ("verify-ca", "verify-full"):
        # MariaDB's client can't verify the authority alone, so both verify the host's name too.
        return ["ssl", "ssl-verify-server-cert"]
    # Since 11.4 verifying is the client's default.
    return [*(["ssl"] if mode == "require" else []), "skip-ssl-verify-server-cert"]


class Client:
    """The programs that talk to one server, with one log-in."""

    def __init__(self, login: Login) -> None:
        self.login = login
        self._mariadb: bool | None = None

    @property
    def mariadb(self) -> bool:
        """Whether the installed client is MariaDB's; MySQL's has other options."""
        if self._mariadb is None:
            self._mariadb = b"MariaDB" in run(Command((self._sql(), "--version")), timeout=30)
        return self._mariadb

    def _sql(self) -> str:
        return find_program(("mariadb", "mysql"), PACKAGE)

    @contextlib.contextmanager
    def sql(self, database: str, *options: str) -> t.Iterator[Command]:
        """The command that reads statements from its standard input; it stops at the first error."""
        with secret_file(option_file(self.login, self.mariadb, os.environ.get("HOME", "")), ".cnf") as path:
            words = [self._sql(), f"--defaults-file={path}", "--batch", "--default-character-set=utf8mb4", "--binary-mode", "--comments"]
            # Statements of a dump can be as long as the server takes.
            words += ["--max-allowed-packet=1G", *options, *([f"--database={database}"] if database else [])]
            yield Command(tuple(words))

    @contextlib.contextmanager
    def dump(self, *arguments: str) -> t.Iterator[Command]:
        """The command that prints tables' data."""
        with secret_file(option_file(self.login, self.mariadb, os.environ.get("HOME", "")), ".cnf") as path:
            yield Command((find_program(("mariadb-dump", "mysqldump"), PACKAGE), f"--defaults-file={path}", *arguments), in_blocks())

    def rows(self, database: str, sql: str, timeout: float) -> list[Row]:
        """What one statement answers, values as text. ``timeout`` in seconds; the server ends it then and allows no writing."""
        end = f"$rb{secrets.token_hex(4)}$"
        # Each product executes one of the comments and ignores the other.
        limit = f"/*!50708 , SESSION max_execution_time={int(timeout * 1000)} */ /*M!100101 , SESSION max_statement_time={timeout:g} */"
        given = f"SET @runbook=1 {limit}{end}SET SESSION TRANSACTION READ ONLY{end}\n{sql}\n{end}\n"
        with self.sql(database, "--xml", f"--delimiter={end}") as command:
            try:
                return parse(run(command, given.encode("utf-8", "surrogateescape"), timeout + 5))
            except ProgramFailed as failed:
                raise self.explain(failed) from None

    def explain(self, failed: ProgramFailed) -> SqlError:
        """One line with what to do about a client's failure."""
        said = [match for line in failed.stderr.splitlines() if (match := _SAID.search(line))]
        if not said:
            return SqlError(failed.message)
        code, reason = int(said[-1][1]), said[-1][2].strip().rstrip(".")
        where = self.login.where
        if code in (1045, 1698):
            return SqlError(f"the server at {where} refused the log-in: {reason}; check login_user and login_password", code)
        if code in (2002, 2003, 2005):
            return SqlError(f"nobody answers at {where}: {reason}; is the server running?", code)
        if code == 1049:
            return SqlError(f"the server at {where} has no such database: {reason}", code)
        if code in (2006, 2013):
            return SqlError(f"the server at {where} went away: {reason}; see its log", code)
        return SqlError(f"the server at {where} refused: {reason} (error {code})", code)


class Session:
    """One session of the server, kept open. After an error it is over: nothing more can be asked."""

    def __init__(self, client: Client, database: str = "") -> None:
        self._client = client
        self._end = f"$rb{secrets.token_hex(4)}$"
        self._stack = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            command = stack.enter_context(client.sql(database, "--xml", "--unbuffered", f"--delimiter={self._end}"))
            self._process = Process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            stack.callback(self._process.kill)
            # Without modes of the server's own, texts are quoted and definitions are shown in one way.
            self.run("SET SESSION sql_mode='', time_zone='+00:00'")
            self._stack = stack.pop_all()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the session; the server gives up what it held."""
        self._stack.close()

    def run(self, sql: str, timeout: float | None = None) -> list[Row]:
        """The rows that a statement answers; ``SqlError`` when it fails, or takes longer than ``timeout`` seconds."""
        token = secrets.token_hex(8)
        data = f"{sql}{self._end}SELECT '{token}' AS runbook_end{self._end}\n".encode("utf-8", "surrogateescape")
        try:
            while data:
                data = data[self._process.stdin.write(data) :]
        except BrokenPipeError:
            raise self._ended() from None
        last = f'<field name="runbook_end">{token}</field>'.encode()
        answer = bytearray()
        deadline = None if timeout is None else time.monotonic() + timeout
        seen = 0
        while (at := answer.find(last, seen)) < 0 or answer.find(b"</resultset>\n", at) < 0:
            seen = max(0, len(answer) - len(last))
            if deadline is not None and not select.select([self._process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
                self.close()
                raise SqlError(f"the server at {self._client.login.where} did not answer within {timeout:g} s: {sql[:60]}")
            data = self._process.stdout.read(1 << 16)
            if not data:
                raise self._ended()
            answer += data
        return parse(bytes(answer))[:-1]

    def _ended(self) -> SqlError:
        try:
            self._process.finish(30)
        except ProgramFailed as failed:
            return self._client.explain(failed)
        except RunbookError as error:
            return SqlError(error.message)
        return SqlError(f"{self._process.command.name} ended without an error, before it answered")
