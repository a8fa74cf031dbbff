# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written is what was read, and what is said of it is what lies there."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import pathlib
import threading
import typing as t

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.process import Command, Process, in_blocks
from ansible_collections.runbook.ops.plugins.module_utils._database import parts
from ansible_collections.runbook.ops.plugins.module_utils._database.engine import Part, Reader
from ansible_collections.runbook.ops.plugins.module_utils._database.streams import pieces

# Not a multiple of anything, and more than several buffers.
DATA = b"".join(hashlib.sha256(b"%d" % number).hexdigest().encode() for number in range(20_000)) + b"end"


class Crumbs:
    """Gives only what it is asked for, in pieces of its own size, and can't fill a buffer."""

    def __init__(self, data: bytes, size: int) -> None:
        self._source, self._size = io.BytesIO(data), size

    def read(self, size: int, /) -> bytes:
        return self._source.read(min(size, self._size))


def _part(reader: Reader) -> Part:
    return Part("data", lambda: contextlib.nullcontext(reader))


def _write(path: pathlib.Path, reader: Reader, codec: parts.Codec, stop: threading.Event | None = None) -> tuple[t.Any, int]:
    ticks: list[int] = []
    stored = parts.write_part(_part(reader), str(path), codec, stop or threading.Event(), ticks.append, lambda tail: None)
    return stored, sum(ticks)


@pytest.mark.parametrize("compression", ["zstd", "gzip", "none"])
@pytest.mark.parametrize("reader", [lambda: io.BytesIO(DATA), lambda: Crumbs(DATA, 400_000)], ids=["fills buffers", "reads only"])
def test_there_and_back(tmp_path: pathlib.Path, compression: str, reader: t.Callable[[], Reader]) -> None:
    path = tmp_path / "data"
    codec = parts.Codec(compression)
    stored, seen = _write(path, reader(), codec)
    assert (stored.plain_bytes, stored.plain_sha256, seen) == (len(DATA), hashlib.sha256(DATA).hexdigest(), len(DATA))
    assert (stored.stored_bytes, stored.stored_sha256) == (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
    parts.stored_as_written(str(tmp_path), stored)
    with parts.read_part(str(tmp_path), stored, codec, False) as back:
        assert b"".join(bytes(piece) for piece in pieces(back)) == DATA
    with parts.read_part(str(tmp_path), stored, codec, False) as back:
        assert b"".join(iter(lambda: back.read(70_000), b"")) == DATA


@pytest.mark.parametrize("how", ["cut", "bit"])
def test_damage_is_noticed_whoever_reads(tmp_path: pathlib.Path, how: str) -> None:
    path = tmp_path / "data"
    codec = parts.Codec("zstd")
    stored, _seen = _write(path, io.BytesIO(DATA), codec)
    content = bytearray(path.read_bytes())
    if how == "cut":
        del content[-100:]
    else:
        content[len(content) // 2] ^= 4
    path.write_bytes(bytes(content))
    with pytest.raises(RunbookError, match="use another backup"), parts.read_part(str(tmp_path), stored, codec, False) as back:
        for _piece in pieces(back):
            pass


@pytest.mark.parametrize(
    "script", ["head -c 1000 > /dev/null; echo 'error: no room' >&2; exit 3", "cat; echo 'error: no room' >&2; exit 3"]
)
def test_a_program_that_fails_says_why(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """In the middle and at the end, and also when what it fails for shows at the program before it."""
    for chain in ([script], ["cat", script]):
        commands = [Command(("/bin/sh", "-c", words)) for words in chain]
        monkeypatch.setattr(parts.Codec, "_writers", lambda self, stack, commands=commands: commands)
        path = tmp_path / f"data{len(chain)}"
        with pytest.raises(RunbookError, match="no room"):
            _write(path, io.BytesIO(DATA * 3), parts.Codec())


def test_a_program_that_stops_reading_without_an_error_is_an_error(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts.Codec, "_writers", lambda self, stack: [Command(("/bin/sh", "-c", "head -c 1000"))])
    with pytest.raises(RunbookError, match="stopped reading before the dump's end"):
        _write(tmp_path / "data", io.BytesIO(DATA * 3), parts.Codec())


def test_another_parts_failure_ends_it(tmp_path: pathlib.Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(parts.Stopped):
        _write(tmp_path / "data", io.BytesIO(DATA), parts.Codec(), stop)


def test_a_file_that_can_not_be_read_back_is_no_backup(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_fd: int, _buffers: object, _offset: int) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "preadv", broken)
    with pytest.raises(OSError, match="Input/output"):
        _write(tmp_path / "data", io.BytesIO(DATA), parts.Codec())


def test_blocks_do_not_disturb_a_program() -> None:
    with Process(Command(("/bin/sh", "-c", "echo one; echo two >&2"), in_blocks()), stdout=-1) as process:
        assert process.stdout.read(100) == b"one\n"
        process.finish()
        assert process.last_words() == "two"
