# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is what was published what its documents say: size, sha256, version, address and age, locally and over HTTP."""

from __future__ import annotations

import dataclasses
import datetime
import os
import posixpath
import time
import typing as t
from urllib.parse import unquote

from .._common.errors import InvalidInput, RunbookError
from .._common.outcome import Outcome, Status, overall, summary
from .._common.runner import Run, in_one_line
from .._common.times import in_words, parse_duration
from .._http.address import Target
from .._source.checksum import file_digest
from .download import Download, Server, fetch
from .statement import MOST, Place, Statement, parse_places, parse_statement

Options = t.Mapping[str, t.Any]

# How far the clocks of who builds and who verifies may be apart, in seconds.
_SKEW = 300.0


@dataclasses.dataclass(frozen=True)
class Artifact:
    """What is really there: the last part of its name, its size in bytes and its sha256."""

    kind: str  # "file" or "download"
    where: str
    file: str
    size: int
    sha256: str
    target: Target | None = None


def artifact_verify(options: Options, run: Run) -> dict[str, t.Any]:
    """``{changed, status, msg, checks, artifacts, documents}``; check mode is the same, since nothing is changed.

    Raises ``InvalidInput`` before anything is read, and ``RunbookError`` with the same structure when a check failed or crashed and
    the option ``fail`` is not false.
    """
    places = parse_places(options["documents"])
    server = Server(options)
    server.validate()
    url = server.target(options["url"]) if options["url"] else None
    max_age = parse_duration(options["max_age"], "max_age") if options["max_age"] is not None else None
    checks: list[Outcome] = []
    statements = [statement for place in places if (statement := _document(place, server, checks))]
    artifacts = _artifacts(options, url, statements, server, checks)
    for statement in statements:
        checks += _compare(statement, statements[0], artifacts, options["version"], max_age)
    status = overall(check.status for check in checks)
    result = {
        "changed": False,
        "status": status,
        "checks": [check.to_dict() for check in checks],
        "artifacts": [{"kind": one.kind, "where": one.where, "size": one.size, "sha256": one.sha256} for one in artifacts],
        "documents": {one.place.name: dict(one.values) for one in statements},
    }
    message = summary(checks, "check")
    if status in ("failed", "crashed") and options["fail"]:
        raise RunbookError(message, **result)
    return {**result, "msg": message}


def _document(place: Place, server: Server, checks: list[Outcome]) -> Statement | None:
    """What a document says; its first check is that it says anything."""
    began = time.perf_counter()
    status: Status = "ok"
    statement = None
    try:
        if place.target:
            answer = fetch(server.probe(place.target, "GET"), MOST)
            if answer.status != 200 or answer.size > MOST:
                raise RunbookError(f"{answer.where} answered {answer.status} with {answer.size} bytes, not 200 with the document")
            data = answer.body
        else:
            with open(place.path, "rb") as stream:
                data = stream.read(MOST + 1)
            if len(data) > MOST:
                raise RunbookError(f"it has more than {MOST} bytes")
        statement = parse_statement(place, data)
        message = "is JSON"
    except (RunbookError, OSError) as error:
        status, message = "crashed", in_one_line(error)
    checks.append(Outcome(f"{place.name}: document", status, message, duration_ms=round((time.perf_counter() - began) * 1000, 3)))
    return statement


def _artifacts(
    options: Options, url: Target | None, statements: t.Sequence[Statement], server: Server, checks: list[Outcome]
) -> list[Artifact]:
    """The files that are really there: those that options name, else the one that the first document with a url leads to."""
    wanted: list[Target | str] = []
    if options["path"]:
        wanted.append(os.path.abspath(options["path"]))
    if url:
        wanted.append(url)
    source = None
    if not wanted:
        source = next((one for one in statements if one.values["url"] is not None), None)
        if source is None:
            checks.append(Outcome("artifact", "crashed", "no document that can be read says where it is; give path or url"))
            return []
        try:
            wanted.append(source.leads_to())
        except InvalidInput as error:
            checks.append(Outcome("artifact", "crashed", f"{source.place.name} leads nowhere: {error.message}"))
            return []
    found = [_local(one, checks) if isinstance(one, str) else _download(one, source, options, server, checks) for one in wanted]
    return [one for one in found if one]


def _local(path: str, checks: list[Outcome]) -> Artifact | None:
    began = time.perf_counter()
    try:
        artifact = Artifact("file", path, os.path.basename(path), os.path.getsize(path), file_digest(path))
    except OSError as error:
        checks.append(Outcome("file", "failed", in_one_line(error), unit="bytes"))
        return None
    duration = round((time.perf_counter() - began) * 1000, 3)
    checks.append(Outcome("file", "ok", f"{path} was read", artifact.size, "bytes", duration_ms=duration))
    return artifact


def _download(target: Target, source: Statement | None, options: Options, server: Server, checks: list[Outcome]) -> Artifact | None:
    """The artifact as a visitor gets it: its whole body is read, and thrown away as it comes."""
    began = time.perf_counter()
    trusted = source is None or source.place.target is None or source.place.target.trusts(target)
    same_host = source is None or source.place.target is None or source.place.target.host == target.host
    try:
        got = fetch(server.probe(target, "GET", trusted=trusted, pinned=same_host), 2048)
    except RunbookError as error:
        checks.append(Outcome("download", "failed", error.message, duration_ms=round((time.perf_counter() - began) * 1000, 3)))
        return None
    good = got.status == 200 and not got.trouble
    message = f"{got.status} from {got.where}"
    if not good:
        message = f"expected status 200 with the whole file, got {got.trouble or got.status} from {got.where}"
    duration = round((time.perf_counter() - began) * 1000, 3)
    checks.append(Outcome("download", "ok" if good else "failed", message, got.size, "bytes", duration_ms=duration))
    if not good:
        return None
    checks.append(_length("download: length", got, got.size))
    if options["head"]:
        checks += _head(target, got, server, trusted, same_host)
    file = posixpath.basename(unquote(got.target.path.partition("?")[0]))
    return Artifact("download", got.where, file, got.size, got.sha256, target)


def _length(name: str, answer: Download, size: int) -> Outcome:
    """Does Content-Length announce the file's size? What is compressed on its way has another one, and tools that resume fail with it."""
    said, packed = answer.header("Content-Length"), answer.header("Content-Encoding")
    if packed and packed.lower() != "identity":
        return Outcome(
            name, "failed", f"is sent with Content-Encoding {packed[:40]}; switch that off for archives", unit="bytes", crit=size
        )
    if said is None:
        return Outcome(name, "skipped", "no Content-Length was sent", unit="bytes", crit=size)
    good = said.strip() == str(size)
    value = int(said) if said.strip().isdigit() else said[:40]
    return Outcome(name, "ok" if good else "failed", f"Content-Length is {value}, the file has {size} bytes", value, "bytes", crit=size)


def _head(target: Target, got: Download, server: Server, trusted: bool, same_host: bool) -> list[Outcome]:
    """What HEAD says, which is all that a program looks at that asks whether there is something new."""
    try:
        head = fetch(server.probe(target, "HEAD", trusted=trusted, pinned=same_host), 0)
    except RunbookError as error:
        return [Outcome("download: HEAD", "failed", error.message)]
    if head.status != got.status:
        return [Outcome("download: HEAD", "failed", f"HEAD answers {head.status}, GET {got.status}", head.status, crit=got.status)]
    found = [_length("download: HEAD", head, got.size)]
    tags = (got.header("ETag"), head.header("ETag"))
    if tags == (None, None):
        found.append(Outcome("download: ETag", "skipped", "no ETag was sent"))
    else:
        same = tags[0] == tags[1]
        found.append(Outcome("download: ETag", "ok" if same else "failed", f"GET has {tags[0]}, HEAD has {tags[1]}", tags[0]))
    return found


def _compare(
    statement: Statement, first: Statement, artifacts: t.Sequence[Artifact], version: str | None, max_age: float | None
) -> t.Iterator[Outcome]:
    name = statement.place.name
    for field in ("sha256", "size"):
        if not artifacts or statement.values[field] is None:
            yield _unsaid(statement, field, "there is no file to compare it with")
            continue
        for artifact in artifacts:
            yield _content(statement, field, artifact, f"{name}: {field}" + (f" of the {artifact.kind}" if len(artifacts) > 1 else ""))
    said = statement.values["version"]
    if said is None:
        yield _unsaid(statement, "version")
    else:
        expected = version if version is not None else first.values["version"]
        good = str(said) == str(expected)
        message = (
            f"is {_shown(said)}"
            if good
            else f"is {_shown(said)}, not {_shown(expected)}" + ("" if version is not None else f" as {first.place.name} says")
        )
        yield Outcome(f"{name}: version", "ok" if good else "failed", message, said, crit=expected)
    yield _address(statement, artifacts)
    yield _age(statement, max_age, needed=max_age is not None and statement is first)


def _unsaid(statement: Statement, field: str, why: str = "") -> Outcome:
    """The check of a field that a document does not have, or that can't be compared."""
    name, expected = f"{statement.place.name}: {field}", field in statement.expected
    if statement.values[field] is not None:
        return Outcome(name, "crashed", why)
    own = statement.place.fields.get(field, field)
    return Outcome(name, "failed" if expected else "skipped", f"it says no {field}" + (f" (no {own})" if own not in ("", field) else ""))


def _shown(value: t.Any) -> str:
    """What a document says, in one short line."""
    text = " ".join(str(value).split())
    return text if len(text) <= 80 else text[:77] + "..."


def _content(statement: Statement, field: str, artifact: Artifact, name: str) -> Outcome:
    """``sha256`` or ``size`` of one artifact."""
    said: t.Any = statement.sha256 if field == "sha256" else statement.size
    there: t.Any = getattr(artifact, field)
    unit = "bytes" if field == "size" else ""
    if said is None:
        return Outcome(name, "failed", "is no number of bytes", there, unit, crit=_shown(statement.values[field]))
    good = said == there
    message = f"is {there}" if good else f"says {_shown(said)}, {artifact.where} has {there}"
    return Outcome(name, "ok" if good else "failed", message, there, unit, crit=said)


def _address(statement: Statement, artifacts: t.Sequence[Artifact]) -> Outcome:
    """Does its url lead to what was verified?"""
    name = f"{statement.place.name}: url"
    if statement.values["url"] is None or not artifacts:
        return _unsaid(statement, "url", "there is no file to compare it with")
    try:
        leads = statement.leads_to()
    except InvalidInput as error:
        return Outcome(name, "failed", error.message)
    shown = leads.display if isinstance(leads, Target) else _shown(leads)
    for artifact in artifacts:
        if isinstance(leads, Target) and artifact.target:
            if leads != artifact.target:
                return Outcome(name, "failed", f"leads to {shown}, not to {artifact.target.display}", shown)
            continue
        file = posixpath.basename(unquote(leads.path.partition("?")[0]) if isinstance(leads, Target) else leads)
        if file != artifact.file:
            return Outcome(name, "failed", f"names {_shown(file) or 'no file'}, not {artifact.file}", shown)
    return Outcome(name, "ok", f"leads to {shown}", shown)


def _age(statement: Statement, max_age: float | None, *, needed: bool) -> Outcome:
    """Was it made recently enough, and not in the future?"""
    name = f"{statement.place.name}: time"
    if statement.values["time"] is None:
        found = _unsaid(statement, "time")
        return dataclasses.replace(found, status="failed") if needed else found
    try:
        age = (datetime.datetime.now(datetime.timezone.utc) - statement.moment()).total_seconds()
    except InvalidInput as error:
        return Outcome(name, "crashed" if max_age is not None else "failed", error.message, unit="s", crit=max_age)
    if age < -_SKEW:
        return Outcome(name, "failed", f"is {in_words(-age)} in the future; check the clocks", round(age), "s", crit=max_age)
    old = max_age is not None and age > max_age
    message = f"is {in_words(max(age, 0))} old" + (f", more than {in_words(max_age or 0)}" if old else "")
    return Outcome(name, "failed" if old else "ok", message, max(0, round(age)), "s", crit=max_age)
