# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uploads: bounded, each useful by itself, and refused when the source is no longer what was described."""

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
from ansible_collections.runbook.ops.plugins.plugin_utils._upload import Uploads
from faults.small_site import write_tree

CONTENT = {"a": "a" * 100, "b": "b" * 100, "c/d": "d" * 5000, "e": "", "same": "a" * 100}


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.setattr(_upload, "UPLOAD", 400)
    write_tree(tmp_path / "source", CONTENT)
    (tmp_path / "blobs").mkdir()
    return tmp_path


def uploads(source, compress="never"):
    manifest = manifest_of(str(source / "source"), Rules())
    return Uploads(str(source / "source"), manifest, sorted({entry.digest for entry in manifest.files.values()}), compress)


@pytest.mark.parametrize("compress", ["never", "always", "auto"])
def test_all_that_is_lacking_arrives(source, compress):
    parts = []
    sender = uploads(source, compress)
    sender.send(parts.append, Progress("x", print))
    assert len(parts) > 1
    assert sender.sent_bytes == sum(map(len, parts))
    assert sum(receive(io.BytesIO(part), str(source / "blobs")) for part in parts) == sender.files == 4
    assert sorted(os.listdir(source / "blobs")) == sorted({hashlib.sha256(data.encode()).hexdigest() for data in CONTENT.values()})


def test_small_ones_travel_inside_a_message(source, monkeypatch):
    assert receive(io.BytesIO(uploads(source).inline()), str(source / "blobs")) == 4
    monkeypatch.setattr(_upload, "INLINE", 100)
    assert uploads(source).inline() is None


@pytest.mark.parametrize("data", ["A" * 100, "a" * 99, "a" * 101])
def test_a_source_that_changed_is_refused(source, data):
    sender = uploads(source)
    for name in ("a", "same"):
        (source / "source" / name).write_text(data)
    with pytest.raises(RunbookError, match="changed while it was being deployed"):
        sender.inline()


def test_a_host_that_asks_for_what_is_not_there(source):
    manifest = manifest_of(str(source / "source"), Rules())
    with pytest.raises(RunbookError, match="asks for 1 files that the source does not have"):
        Uploads(str(source / "source"), manifest, ["0" * 64], "never")
