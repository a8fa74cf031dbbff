# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is asked: a command on the host, a URL or a database. All answer with bytes, and say in one line why they did not."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import typing as t
from urllib.parse import quote

from .._common.commands import parse
from .._common.errors import InvalidInput, RunbookError
from .._common.process import Command, ProgramFailed, find_program
from .._common.process import run as run_program
from .._evidence.scrub import Scrubber
from .._http.attempt import make_attempt
from .._http.client import Client, Keep
from .._http.options import REQUEST
from .._http.parse import parse_probes
from .._http.spec import Probe

Options = t.Mapping[str, t.Any]

JOB = "{job_id}"
# Nothing that ends a quotation, begins an option or leads out of a folder.
JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+=-]{0,199}")
# What an answer may be long.
_LONGEST = 64 << 20


class NotGranted(RunbookError):
    """The command ended with an error, or the server gave another answer than the one that was asked for."""


class Source(t.Protocol):
    """Answers one question."""

    @property
    def label(self) -> str:
        """What is asked, in words without secrets."""

    def ask(self, timeout: float) -> bytes:
        """The answer, within ``timeout`` seconds; ``NotGranted`` when it is refused, ``RunbookError`` when it can't be had."""


@dataclasses.dataclass(frozen=True)
class OfCommand:
    """What a program prints."""

    words: tuple[str, ...]
    folder: str | None
    ok: tuple[int, ...]
    label: str

    def ask(self, timeout: float) -> bytes:
        program = self.words[0] if "/" in self.words[0] else find_program([self.words[0]], f"that has {self.words[0]}")
        # With all of the task's environment: settings and credentials of such commands are there.
        command = Command((program, *self.words[1:]), env=dict(os.environ), folder=self.folder)
        try:
            return run_program(command, timeout=timeout, ok=self.ok)
        except ProgramFailed as error:
            raise NotGranted(error.message) from None


@dataclasses.dataclass(frozen=True)
class OfUrl:
    """The body of an answer that has an expected status."""

    probe: Probe
    client: Client
    label: str

    def ask(self, timeout: float) -> bytes:
        attempt = make_attempt(dataclasses.replace(self.probe, timeout=timeout), self.client, Keep(_LONGEST), ask_again=False)
        if attempt.failures:
            reasons = "; ".join(str(failure) for failure in attempt.failures)
            note = f"; {attempt.note}" if attempt.note else ""
            raise NotGranted(self.probe.redact(f"{reasons} from {self.probe.where}{note}"))
        exchange = attempt.exchange
        if exchange is None or exchange.undecodable or exchange.size > len(exchange.body):
            raise RunbookError(f"the answer of {self.probe.where} can't be read: {exchange.undecodable if exchange else ''} or too large")
        return exchange.body


@dataclasses.dataclass(frozen=True)
class OfDatabase:
    """The one value that a query finds."""

    options: Options
    label: str

    def ask(self, timeout: float) -> bytes:
        # Here, because few tests ask a database, and all that it takes is much.
        from .._database.ask import asker_of, kinds_of
        from .._database.checks import parse_checks

        (check,) = parse_checks({**self.options, "timeout": min(timeout, 3600.0)}, kinds_of(self.options["engine"]))
        asker = asker_of(self.options)
        try:
            asker.greet(check.timeout, check.database)
            value = asker.read(check).value
        finally:
            asker.close()
        if value is None:
            raise RunbookError("the query's value is NULL")
        return value if isinstance(value, bytes) else str(value).encode()


def scrubber(options: Options) -> Scrubber:
    """Knows every secret of the options; ``InvalidInput`` when one of ``scrub_values`` is too short to be found."""
    database = (options.get("poll") or {}).get("database") or {}
    mine = [options.get("url_password"), options.get("bearer_token"), options.get("proxy_password"), database.get("login_password")]
    mine.append((options.get("hmac") or {}).get("secret"))
    return Scrubber(values=[*options["scrub_values"], *(value for value in mine if value and len(value) >= 4)])


def line(scrub: Scrubber, text: str, longest: int = 300) -> str:
    """Anybody's words as one printable line without secrets."""
    clean = " ".join("".join(char if char.isprintable() else " " for char in scrub.text(text)).split())
    return clean if len(clean) <= longest else clean[: longest - 3] + "..."


def source_of(asked: Options, options: Options, what: str, scrub: Scrubber, job: str | None = None) -> Source:
    """Who ``asked`` names; ``{job_id}`` becomes ``job``. ``InvalidInput``, naming ``what``, for options that make no sense.

    Connections are those of ``options``, which are the module's.
    """
    if asked.get("chdir") and asked.get("command") is None:
        raise InvalidInput(f"{what}: chdir needs a command; leave it out")
    if asked.get("command") is not None:
        return _command(asked, what, scrub, job)
    if asked.get("url") is not None:
        return _url(asked, options, what, scrub, job)
    return _database(asked["database"], what, job)


def mentions_job(asked: Options) -> bool:
    """Whether ``{job_id}`` is in what is asked."""
    return JOB in repr([asked.get(name) for name in ("command", "url", "body")] + [(asked.get("database") or {}).get("query")])


def _command(asked: Options, what: str, scrub: Scrubber, job: str | None) -> OfCommand:
    (words,) = parse([asked["command"]])
    folder = asked.get("chdir")
    if folder is not None and not os.path.isdir(folder):
        raise InvalidInput(f"{what}: chdir {folder} is no folder on this host; correct it")
    label = line(scrub, shlex.join(words), 120)
    return OfCommand(tuple(_filled(words, job, str)), folder, tuple(asked["rc"]), label)


def _url(asked: Options, options: Options, what: str, scrub: Scrubber, job: str | None) -> OfUrl:
    shared = {name: options.get(name) for name in REQUEST}
    request = {
        "name": what,
        "url": _filled(asked["url"], job, lambda text: quote(text, safe="")),
        "method": asked["method"],
        "body": _filled(asked.get("body"), job, str),
        "body_format": asked["body_format"],
        "status": asked["status_code"],
    }
    (probe,) = parse_probes({**shared, "probes": [request]})
    client = Client()
    if probe.target.scheme == "https":
        client.context(probe.route.tls)  # a ca_path that can't be read is bad input, not a failing server
    return OfUrl(probe, client, line(scrub, f"{probe.method} {probe.target.display}", 120))


def _database(asked: Options, what: str, job: str | None) -> OfDatabase:
    from .._database.ask import kinds_of
    from .._database.check_options import CHECK
    from .._database.checks import parse_checks

    query = asked["query"]
    if isinstance(query, str) and asked["engine"] not in ("redis", "mongodb"):
        if re.search(rf"['\"`]{re.escape(JOB)}|{re.escape(JOB)}['\"`]", query):
            raise InvalidInput(f"{what}: {JOB} is put into the query as a quoted text; take the quotes around it away")
        # Quoted, because a job's id has neither quote nor backslash (JOB_ID), and databases compare such a text with a number too.
        query = _filled(query, job, lambda text: f"'{text}'")
    else:
        query = _filled(query, job, str)
    login = {name: value for name, value in asked.items() if name not in ("query", "column")}
    check = {**{name: option.get("default") for name, option in CHECK.items()}, "name": what, "query": query, "column": asked["column"]}
    options = {**login, "checks": [check], "timeout": 10.0}
    parse_checks(options, kinds_of(options["engine"]))
    return OfDatabase(options, f"a query of {asked['engine']}")


def _filled(value: t.Any, job: str | None, write: t.Callable[[str], str]) -> t.Any:
    """``value`` with the job's id, as ``write`` writes it, in all of its texts; without an id as it is."""
    if job is None:
        return value
    if isinstance(value, str):
        return value.replace(JOB, write(job))
    if isinstance(value, (list, tuple)):
        return [_filled(item, job, write) for item in value]
    if isinstance(value, t.Mapping):
        return {key: _filled(item, job, write) for key, item in value.items()}
    return value
