# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The receiving end: whole files or nothing, at every byte that a stream may be cut at."""

from __future__ import annotations

import hashlib
import io
import os
import zlib

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._release.receive import receive

FILES = [b"one", b"", b"three" * 30]


def digest(data):
    return hashlib.sha256(data).hexdigest()


STREAM = b"".join(f"{digest(data)} {len(data)}\n".encode() + data for data in FILES)


def whole(folder):
    """The names that have been given, each to what it says."""
    names = [name for name in os.listdir(folder) if not name.endswith(".partial")]
    assert all(digest((folder / name).read_bytes()) == name for name in names)
    return len(names)


def test_every_cut_leaves_whole_files_only(tmp_path):
    ends = {sum(len(part) for part in (f"{digest(data)} {len(data)}\n".encode() + data for data in FILES[:count])) for count in range(4)}
    for cut in range(len(STREAM)):
        folder = tmp_path / str(cut)
        folder.mkdir()
        if cut in ends:
            receive(io.BytesIO(STREAM[:cut]), str(folder))
        else:
            with pytest.raises(ValueError, match=r"^the upload was cut "):
                receive(io.BytesIO(STREAM[:cut]), str(folder))
        assert receive(io.BytesIO(STREAM), str(folder)) == 3
        assert whole(folder) == 3 == len(os.listdir(folder))


def test_every_cut_of_a_compressed_stream(tmp_path):
    stream = b"zlib\n" + zlib.compress(STREAM)
    for cut in range(6, len(stream)):
        folder = tmp_path / str(cut)
        folder.mkdir()
        try:
            receive(io.BytesIO(stream[:cut]), str(folder))
        except ValueError:
            pass
        whole(folder)
        assert receive(io.BytesIO(stream), str(folder)) == 3


@pytest.mark.parametrize(
    "stream",
    [
        STREAM[:-1] + b"?",
        b"x" * 300,
        b"zlib\nno zlib at all",
        b"\xff" * 80 + b"\n",
        b"0" * 64 + b" x\n",
        b"0" * 64 + b"\n",
        b"../../x 1\nx",
    ],
    ids=lambda stream: stream[:12],
)
def test_nonsense_is_refused_and_leaves_no_name(tmp_path, stream):
    with pytest.raises(ValueError):
        receive(io.BytesIO(stream), str(tmp_path))
    whole(tmp_path)
