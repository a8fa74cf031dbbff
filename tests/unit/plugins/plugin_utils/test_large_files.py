# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are larger than an upload travel in parts; nothing of them has a name before all parts are there and right."""

from __future__ import annotations

import hashlib
import io
import os

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.progress import Progress
from ansible_collections.runbook.ops.plugins.module_utils._release.receive import receive
from ansible_collections.runbook.ops.plugins.module_utils._release.walk import Rules, manifest_of
from ansible_collections.runbook.ops.plugins.plugin_utils import _upload

CONTENT = os.urandom(1000) * 4


@pytest.fixture(name="place")
def a_place(tmp_path, monkeypatch):
    monkeypatch.setattr(_upload, "UPLOAD", 1000)
    (tmp_path / "src").mkdir()
    (tmp_path / "blobs").mkdir()
    (tmp_path / "src" / "large").write_bytes(CONTENT + b"end")
    (tmp_path / "src" / "small").write_bytes(b"small")
    return tmp_path


def uploads(place, compress="never"):
    manifest = manifest_of(str(place / "src"), Rules())
    lacking = [entry.digest for entry in manifest.files.values()]
    found = []
    sender = _upload.Uploads(str(place / "src"), manifest, lacking, compress)
    sender.send(found.append, Progress("test", lambda line: None))
    return found


def stored(place):
    return {path.name: path.read_bytes() for path in (place / "blobs").iterdir()}


@pytest.mark.parametrize("compress", ["never", "always"])
def test_parts_become_the_file(place, compress):
    found = uploads(place, compress)
    assert max(map(len, found)) < 1200 and len(found) == 6
    for upload in found:
        receive(io.BytesIO(upload), str(place / "blobs"))
    assert stored(place) == {hashlib.sha256(data).hexdigest(): data for data in (CONTENT + b"end", b"small")}


def test_a_cut_part_is_sent_again_and_nothing_is_named_before_the_last(place):
    parts = [upload for upload in uploads(place) if b"small" not in upload]
    folder = str(place / "blobs")
    receive(io.BytesIO(parts[0]), folder)
    with pytest.raises(ValueError, match="cut"):
        receive(io.BytesIO(parts[1][:-5]), folder)
    for part in parts[1:-1]:
        receive(io.BytesIO(part), folder)
        assert [name for name in stored(place) if not name.endswith(".partial")] == []
    receive(io.BytesIO(parts[-1]), folder)
    assert list(stored(place).values()) == [CONTENT + b"end"]


def test_a_part_that_is_missing_is_noticed(place):
    parts = [upload for upload in uploads(place) if b"small" not in upload]
    receive(io.BytesIO(parts[0]), str(place / "blobs"))
    with pytest.raises(ValueError, match="before the one that it follows"):
        receive(io.BytesIO(parts[2]), str(place / "blobs"))


def test_a_damaged_part_is_noticed_at_the_end(place):
    parts = [upload for upload in uploads(place) if b"small" not in upload]
    parts[1] = parts[1][:-3] + b"xyz"
    for part in parts[:-1]:
        receive(io.BytesIO(part), str(place / "blobs"))
    with pytest.raises(ValueError, match="a file arrived as"):
        receive(io.BytesIO(parts[-1]), str(place / "blobs"))
    assert stored(place) == {}


def test_a_source_that_changes_meanwhile_is_never_completed(place):
    manifest = manifest_of(str(place / "src"), Rules())
    large = manifest.files["large"].digest

    def put(upload):
        receive(io.BytesIO(upload), str(place / "blobs"))
        (place / "src" / "large").write_bytes(CONTENT + b"END")

    with pytest.raises(RunbookError, match="changed while it was being deployed"):
        _upload.Uploads(str(place / "src"), manifest, [large], "never").send(put, Progress("test", lambda line: None))
    assert large not in stored(place)
