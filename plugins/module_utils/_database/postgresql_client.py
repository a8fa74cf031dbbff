# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Speaking to a PostgreSQL server through psql: logging in, quoting, asking, and what its errors mean."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import re
import secrets
import subprocess
import threading
import typing as t

from .._common.errors import InvalidInput, RunbookError
from .._common.process import Command, Process, ProgramFailed, find_program, run, secret_file
from .model import Login

PACKAGE = "postgresql-client"
Row = t.Dict[str, t.Optional[str]]

# Only what must hold before the first statement; a database's or role's own settings could say otherwise.
_OPTIONS = "-c standard_conforming_strings=on -c client_min_messages=warning -c default_transaction_read_only=off"
# A session that holds a snapshot is idle for hours, and a checksum of a large table takes long. Not every server knows every name.
_PINNED = """SELECT pg_catalog.set_config(s.name, v.value, false) FROM pg_catalog.pg_settings s JOIN (VALUES ('search_path', ''),
('statement_timeout', '0'), ('lock_timeout', '0'), ('idle_in_transaction_session_timeout', '0'), ('idle_session_timeout', '0'),
('transaction_timeout', '0'), ('DateStyle', 'ISO, YMD'), ('IntervalStyle', 'postgres'), ('TimeZone', 'UTC'), ('bytea_output', 'hex'),
('extra_float_digits', '3'), ('xmlbinary', 'base64'), ('row_security', 'off'), ('quote_all_identifiers', 'off'))
v(name, value) ON s.name = v.name"""
# ``psql:<stdin>:12: ERROR:  …`` and ``psql: error: …``
_LOST = re.compile("server closed the connection|SSL SYSCALL error|PQgetCopyData|no connection to the server|terminating connection")
_PREFIX = re.compile(r"^(?:(?:psql|pg_dump|pg_restore)(?::<stdin>:\d+)?: )?(?:error: )?")


def identifier(name: str) -> str:
    """A name as SQL writes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL writes it (standard_conforming_strings is on in our sessions)."""
    return "'" + text.replace("'", "''") + "'"


def conninfo(database: str) -> str:
    """A database as ``--dbname`` wants it, where a bare name with ``=`` would be taken for settings."""
    return "dbname='" + database.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Session:
    """One psql that stays open. A failing statement ends it."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._answers = io.BufferedReader(t.cast(io.RawIOBase, process.stdout), 1 << 16)
        self._null = secrets.token_hex(12)
        self._lock = threading.Lock()
        self.rows(f"\\pset null {self._null}\n{_PINNED}")

    def rows(self, sql: str) -> list[Row]:
        """What one trusted statement returns."""
        return _parse(self._answer(sql), self._null)

    def lists(self, sql: str) -> tuple[list[list[str | None]], int]:
        """The same as values without names, and how many bytes they took: for many rows, fetched some at a time."""
        answer = self._answer(sql)
        _header, rows = _table(answer)
        null = self._null
        return [[None if value == null else value for value in row] for row in rows], len(answer)

    def terminate(self) -> None:
        """End the session from another thread."""
        self._process.terminate()

    def _answer(self, sql: str) -> bytes:
        end = secrets.token_hex(12)
        with self._lock:
            # A broken pipe is told by the process's last words, when it is left.
            stream = memoryview(f"{sql}\n;\n\\echo {end}\n".encode("utf-8", "surrogateescape"))
            while stream:
                stream = stream[self._process.stdin.write(stream) :]
            lines: list[bytes] = []
            mark = f"{end}\n".encode()
            while True:
                line = self._answers.readline()
                if line == mark:
                    return b"".join(lines)
                if not line:
                    self._process.finish()
                    raise RunbookError("psql ended before it had answered")
                lines.append(line)

    def value(self, sql: str) -> str:
        """The first value of the first row; empty when there is none or it is NULL."""
        for row in self.rows(sql):
            return next(iter(row.values()), None) or ""
        return ""


class Client:
    """Runs the clients with one log-in. All errors are ``RunbookError`` with one line."""

    def __init__(self, login: Login) -> None:
        for what, text in (("host", login.host), ("user", login.user), ("password", login.password)):
            if any(char in text for char in "\n\r\0"):
                raise InvalidInput(f"the {what} to log in with has a line break or NUL byte, which PostgreSQL's clients can't be given")
        self.login = login
        self.maintenance = login.database or "postgres"

    @contextlib.contextmanager
    def environment(self, database: str, application: str = "runbook", options: str = "") -> t.Iterator[dict[str, str]]:
        """What a client needs to log in to a database; the password is in a file as long as the context lasts."""
        login = self.login
        folder, port = login.unix_socket, str(login.port or "")
        if os.path.basename(folder).startswith(".s.PGSQL."):
            folder, name = os.path.split(folder)
            port = name.rpartition(".")[2]
        wanted = {
            "PGHOST": folder or login.host,
            "PGPORT": port,
            "PGUSER": login.user,
            "PGDATABASE": database,
            "PGPASSFILE": login.config_file,
            "PGSSLMODE": login.ssl_mode,
            "PGSSLROOTCERT": login.ca_cert,
            "PGSSLCERT": login.client_cert,
            "PGSSLKEY": login.client_key,
            "PGCLIENTENCODING": "UTF8",
            "PGCONNECT_TIMEOUT": "10",
            "PGAPPNAME": application,
            "PGOPTIONS": f"{_OPTIONS} {options}".strip(),
        }
        environment = {name: value for name, value in wanted.items() if value}
        with contextlib.ExitStack() as stack:
            if login.password:
                escaped = login.password.replace("\\", "\\\\").replace(":", "\\:")
                environment["PGPASSFILE"] = stack.enter_context(secret_file(f"*:*:*:*:{escaped}\n"))
            yield environment

    @contextlib.contextmanager
    def started(
        self,
        program: str,
        *arguments: str,
        database: str,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.DEVNULL,
        application: str = "runbook",
        options: str = "",
        more: t.Mapping[str, str] | None = None,
    ) -> t.Iterator[Process]:
        """A client at work, with ``more`` in its environment; leaving waits for it and raises unless it ended well."""
        path = find_program([program], PACKAGE)
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.explained(database))
            environment = {**stack.enter_context(self.environment(database, application, options)), **(more or {})}
            yield stack.enter_context(Process(Command((path, "--no-password", *arguments), environment), stdin=stdin, stdout=stdout))

    @contextlib.contextmanager
    def session(self, database: str, application: str = "runbook") -> t.Iterator[Session]:
        arguments = ("-X", "-q", "--csv", "-v", "ON_ERROR_STOP=1")
        with self.started(
            "psql", *arguments, database=database, stdin=subprocess.PIPE, stdout=subprocess.PIPE, application=application
        ) as process:
            yield Session(process)

    def trusted(self, database: str, *statements: str) -> list[Row]:
        """Run statements that this collection wrote; what the last one returns."""
        with self.session(database) as session:
            return [session.rows(statement) for statement in statements][-1]

    def rows(self, database: str, sql: str, timeout: float) -> list[Row]:
        """What one statement of a user's returns. The server keeps it from writing, and from being more than one statement.

        The text is opened as a cursor in a read-only transaction: neither psql's backslash commands nor a ``COMMIT`` in it work.
        ``timeout`` in seconds.
        """
        null = secrets.token_hex(12)
        script = f"\\pset null {null}\nSET statement_timeout = {max(1, int(timeout * 1000))};\n{cursor(sql)}"
        path = find_program(["psql"], PACKAGE)
        with self.explained(database), self.environment(database) as environment:
            arguments = ("--no-password", "-X", "-q", "--csv", "-v", "ON_ERROR_STOP=1")
            answer = run(Command((path, *arguments), environment), script.encode("utf-8", "surrogateescape"), timeout + 15)
        return _parse(answer, null)

    @contextlib.contextmanager
    def explained(self, database: str) -> t.Iterator[None]:
        """Turn a client's last words into one line that says what to do."""
        try:
            yield
        except ProgramFailed as failed:
            raise RunbookError(self._explain(failed, database)) from None

    def _explain(self, failed: ProgramFailed, database: str) -> str:
        said, where = failed.stderr, self.login.where
        lines = [_PREFIX.sub("", line.strip()) for line in said.splitlines() if line.strip()]
        reason = next((line for line in lines if re.search(r"\b(ERROR|FATAL|PANIC):", line)), lines[0] if lines else failed.message)
        told = re.search(r"Error message from server: (.*)", said)
        if told and told[1] not in reason:
            reason = f"{reason} {told[1]}"
        reason = re.sub(r"^.*?\b(?:ERROR|FATAL|PANIC): +", "", reason)
        # A server that still says why it ends a connection says that first.
        if _LOST.search(said):
            reason = f"the connection was lost: {reason}"
        if f'database "{database}" does not exist' in said:
            return f"there is no database {database!r} on {where}"
        if "Peer authentication failed" in said or ('role "' in said and "does not exist" in said and "FATAL" in said):
            return f"PostgreSQL on {where} refused the log-in: {reason}; over a local socket the task must run as that user (become_user)"
        if "no pg_hba.conf entry" in said or "password authentication failed" in said or "no password supplied" in said:
            return f"PostgreSQL on {where} refused the log-in of {self.login.user or 'this user'}: {reason}"
        if "valid client certificate" in said or "certificate authentication failed" in said:
            who = self.login.user or "this user"
            return f"PostgreSQL on {where} refused the log-in of {who}: {reason}; give client_cert and client_key for that account"
        if "server version mismatch" in said:
            return f"the client on this host does not fit the server on {where}: {lines[-1]}; install the server's version of {PACKAGE}"
        if "connection to server" in said and "failed" in said and "FATAL" not in said:
            return f"PostgreSQL on {where} does not answer: {reason}"
        return f"PostgreSQL on {where}, database {database}: {reason}"


def cursor(sql: str, begin: str = "BEGIN READ ONLY;") -> str:
    """A script that returns one statement's rows and can do nothing else; in a read-only transaction it needs no ``begin``."""
    return f"{begin}\n{opened(sql)};\nFETCH ALL FROM runbook;\n"


def opened(sql: str) -> str:
    """A statement that opens the cursor ``runbook`` for one statement of a user's: it can be nothing else, and no second one."""
    tag = f"$q{secrets.token_hex(8)}$"
    text = f"{tag}{sql.strip().rstrip(';')}{tag}"
    block = tag.replace("$q", "$b")
    return f"DO {block} DECLARE c refcursor := 'runbook'; BEGIN OPEN c FOR EXECUTE {text}; END {block}"


def _parse(answer: bytes, null: str) -> list[Row]:
    header, rows = _table(answer)
    return [{key: None if value == null else value for key, value in zip(header, row)} for row in rows]


def _table(answer: bytes) -> tuple[list[str], t.Iterator[list[str]]]:
    """Names and rows of what psql printed."""
    csv.field_size_limit(1 << 30)
    table = csv.reader(io.StringIO(answer.decode("utf-8", "surrogateescape"), newline=""))
    # A lone empty text is an empty line.
    return next(table, []), (row or [""] for row in table)
