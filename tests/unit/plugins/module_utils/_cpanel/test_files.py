# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.runbook.ops.plugins.module_utils._cpanel.calls import safe, split
from ansible_collections.runbook.ops.plugins.module_utils._cpanel.facts import Item, contents, item, listing, version


@pytest.mark.parametrize(
    ("data", "major"),
    [
        ({"version": "11.136.0.5"}, 136),
        ({"version": "136.0.5"}, 136),
        ([{"name": "cpanelversion", "value": "110.0 (build 17)"}], 110),
        ([{"name": "cpanelversion", "value": "11.110.0.17"}], 110),
        ([], 0),
        ({}, 0),
        (None, 0),
        ({"version": "unknown"}, 0),
    ],
)
def test_versions(data: t.Any, major: int) -> None:
    assert version(data) == major


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"type": "file", "size": "12", "mode": "33188", "mtime": 5}, Item("file", 12, 0o644, 5)),
        ({"type": "dir", "size": 4096, "mode": 16877, "mtime": "5"}, Item("folder", 4096, 0o755, 5)),
        ({"type": "link", "nicemode": "0777"}, Item("link", 0, 0o777, 0)),
        ({"type": "file", "nicemode": 600, "size": None}, Item("file", 0, 0o600, 0)),
        ({"type": "fifo", "nicemode": "odd"}, Item("other", 0, 0, 0)),
    ],
)
def test_items(found: dict[str, t.Any], expected: Item) -> None:
    assert item(found) == expected


def test_listings_in_both_shapes() -> None:
    folder, file = {"file": "d", "type": "dir", "nicemode": "0755"}, {"file": "f", "type": "file", "size": 1}
    noise = [
        {"file": ".", "type": "dir"},
        {"file": "..", "type": "dir"},
        {"file": "up", "isparent": 1},
        {"file": "gone", "exists": "0"},
        {},
    ]
    expected = {"d": Item("folder", 0, 0o755, 0), "f": Item("file", 1, 0, 0)}
    assert listing([folder, file, *noise]) == listing({"dirs": [folder, *noise], "files": [file]}) == expected
    assert listing(None) == {} == listing({"dirs": None})


def test_a_text_may_stand_for_several_contents() -> None:
    assert contents("plain") == [b"plain"]
    assert contents(None) == [b""]
    assert contents("\xc3\xa9") == [b"\xc3\xa9", "\xc3\xa9".encode()], "bytes as characters first"
    assert contents("\xe9", 2) == ["é".encode()], "the server decoded it itself"
    assert contents("مرحبا") == ["مرحبا".encode()]
    assert contents("\ufffd", 1) == []


@pytest.mark.parametrize("path", ["a,b", "a\nb", "a/../b", "/a", "a//b", "", "a/.", "a\x7fb"])
def test_paths_that_can_not_be_sent(path: str) -> None:
    with pytest.raises(InvalidInput):
        safe(path)


def test_paths_that_can() -> None:
    assert safe("example.com/.runbook/Ünï code") == "example.com/.runbook/Ünï code"
    assert split("a/b/c") == ("a/b", "c") and split("a") == (".", "a")
