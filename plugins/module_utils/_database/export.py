# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The use case of ``db_export``: many rows into one CSV file, which is there when it is complete and proven."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import threading
import time
import typing as t

from .._common.errors import InvalidInput, Refused, RunbookError
from .._common.files import fsync_folder
from .._common.progress import Progress
from .._common.runner import Run
from .engine import Part
from .export_csv import CsvReader, Style
from .export_request import Snapshot, Wanted, wanted_of
from .options import login_of, mode_of
from .parts import Codec, write_part
from .sidecar import StoredPart
from .streams import CHUNK
from .work import private_folder

_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
_LINE_ENDS = {"lf": "\n", "crlf": "\r\n"}


def db_export(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """Count the rows, write them, prove that all are there, give the file its name.

    ``{changed, dest, rows, bytes, sha256, …}``; in check mode the rows are counted only. ``dest`` is left as it is when anything fails,
    and when it holds these very bytes.
    """
    wanted, mode = wanted_of(options), mode_of(options, 0o600, "an export")
    dest = _check_dest(options["dest"])
    codec = Codec({".gz": "gzip", ".zst": "zstd"}.get(os.path.splitext(dest)[1], "none"))
    codec.check()
    began = time.monotonic()
    what = wanted.table or "the query"
    with open_snapshot(options, wanted) as snapshot:
        count = snapshot.count() if options["check_count"] or run.check_mode or options["max_rows"] is not None else None
        result: dict[str, t.Any] = {"changed": True, "dest": dest, "columns": [field.header for field in wanted.fields], "count": count}
        result["consistent"] = snapshot.consistent
        if options["max_rows"] is not None and count is not None and count > options["max_rows"]:
            raise Refused(f"{what} has {count:,} rows to export, more than max_rows ({options['max_rows']:,}); {dest} is as it was")
        if not snapshot.consistent:
            run.warn(f"the server can't hold one moment for {what}: rows that change meanwhile may be missing or there twice")
        if run.check_mode:
            return {**result, "rows": count, "msg": f"{count:,} rows would be exported to {dest}", **_diff(run, dest, f"{count} rows")}
        with _writing(dest), private_folder(os.path.dirname(dest), ".runbook-export-") as folder:
            partial = os.path.join(folder, os.path.basename(dest))
            reader, stored = _write(snapshot, wanted, options, codec, partial, count or 0, run)
            if options["check_count"] and reader.rows != count:
                raise RunbookError(_differs(what, reader.rows, count or 0, snapshot.consistent, wanted, dest))
            diff = _diff(run, dest, f"{reader.rows} rows, {stored.stored_bytes} bytes, sha256 {stored.stored_sha256}")
            result["changed"] = _place(partial, dest, mode, stored)
    result.update(
        rows=reader.rows,
        bytes=stored.stored_bytes,
        sha256=stored.stored_sha256,
        plain_bytes=stored.plain_bytes,
        plain_sha256=stored.plain_sha256,
        escaped=reader.escaped,
        seconds=round(time.monotonic() - began, 3),
    )
    verb = "exported to" if result["changed"] else "are what is in"
    return {**result, "msg": f"{reader.rows:,} rows {verb} {dest}", **diff}


def open_snapshot(options: t.Mapping[str, t.Any], wanted: Wanted) -> contextlib.AbstractContextManager[Snapshot]:
    """One moment of the database that the options name. Only that engine's code is loaded."""
    kind, login = options["engine"], login_of(options)
    if kind in ("mariadb", "mysql"):
        from . import export_mariadb

        return export_mariadb.snapshot(login, wanted)
    if kind == "postgresql":
        from . import export_postgresql

        return export_postgresql.snapshot(login, wanted)
    if kind == "mongodb":
        from . import export_mongodb

        return export_mongodb.snapshot(login, wanted)
    if kind == "sqlite":
        from . import export_sqlite

        return export_sqlite.snapshot(wanted)
    raise InvalidInput(f"{kind} has no rows to export; the engines are mariadb, mysql, postgresql, mongodb and sqlite")


def _check_dest(dest: str) -> str:
    folder, name = os.path.split(dest)
    if not folder.startswith("/") or not name or "\n" in dest or "\0" in dest:
        raise InvalidInput(f"dest {dest!r} is not the absolute path of a file")
    if not os.path.isdir(folder):
        raise InvalidInput(f"the folder {folder} does not exist on this host; create it, it is where {name} goes")
    if os.path.lexists(dest) and not stat.S_ISREG(os.lstat(dest).st_mode):
        raise Refused(f"{dest} is there and is no plain file; give another dest")
    return dest


@contextlib.contextmanager
def _writing(dest: str) -> t.Iterator[None]:
    """Trouble with the file is told as such, whatever is at work around; a pipe that breaks is a client's."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise RunbookError(f"{dest} could not be written and is as it was: {error.strerror or error}") from None


def _write(
    snapshot: Snapshot, wanted: Wanted, options: t.Mapping[str, t.Any], codec: Codec, partial: str, count: int, run: Run
) -> tuple[CsvReader, StoredPart]:
    style = Style(
        bom=options["bom"],
        header=options["header"],
        delimiter=_DELIMITERS[options["delimiter"]],
        line_end=_LINE_ENDS[options["line_end"]],
        null=options["null"],
        escape=options["formulas"] == "escape",
    )
    reader = CsvReader(snapshot.rows(), wanted.fields, style, snapshot.json)
    progress = Progress(f"exporting {wanted.table or 'a query'}", run.say, files=count, noun="rows")
    said = 0

    def tick(_size: int) -> None:
        nonlocal said
        progress.advance(reader.rows - said, 0)
        said = reader.rows

    part = Part("data", lambda: contextlib.nullcontext(reader))
    return reader, write_part(part, partial, codec, threading.Event(), tick, lambda _tail: None)


def _place(partial: str, dest: str, mode: int, stored: StoredPart) -> bool:
    """Give the file its name, unless what has it is the same; whether anything was changed."""
    os.chmod(partial, mode)
    if os.path.exists(dest) and os.path.getsize(dest) == stored.stored_bytes and _sha256(dest) == stored.stored_sha256:
        if stat.S_IMODE(os.stat(dest).st_mode) == mode:
            return False
        os.chmod(dest, mode)
        return True
    os.rename(partial, dest)
    fsync_folder(os.path.dirname(dest))
    return True


def _sha256(path: str) -> str:
    seen = hashlib.sha256()
    with open(path, "rb") as stream:
        while data := stream.read(CHUNK):
            seen.update(data)
    return seen.hexdigest()


def _differs(what: str, rows: int, count: int, consistent: bool, wanted: Wanted, dest: str) -> str:
    why = "rows changed meanwhile" if not consistent or wanted.table else "it does not answer the same twice"
    return f"{what} gave {rows:,} rows, though the server had counted {count:,} ({why}?); {dest} is as it was"


def _diff(run: Run, dest: str, after: str) -> dict[str, t.Any]:
    if not run.diff:
        return {}
    before = f"{os.path.getsize(dest)} bytes\n" if os.path.exists(dest) else ""
    return {"diff": {"before_header": dest, "after_header": dest, "before": before, "after": f"{after}\n"}}
