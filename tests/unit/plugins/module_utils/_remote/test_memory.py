# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._remote.memory import Memory


@pytest.fixture
def asked():
    return []


@pytest.fixture
def ask(asked):
    def ask(names):
        asked.extend(names)
        return [f"answer {len(asked)}" if name != "none" else None for name in names]

    return ask


def test_nothing_is_kept_before_the_beginning_and_after_the_end(asked, ask):
    memory = Memory()
    for _again in range(2):
        memory.each("read", ["a"], ask)
    memory.keep("read", "b", "kept")
    assert memory.known("read", "b") is None and asked == ["a", "a"]
    memory.begin()
    memory.keep("read", "b", "kept")
    assert memory.each("read", ["a", "b", "none", "a", "none"], ask)[1:3] == ["kept", None]
    memory.each("read", ["a", "none"], ask)
    assert asked == ["a", "a", "a", "none"], "that there is nothing is an answer too"
    memory.each("stat", ["a"], ask)
    assert asked[-1] == "a" and len(asked) == 5, "another question"
    memory.end()
    memory.each("read", ["b"], ask)
    assert asked[-1] == "b"


@pytest.mark.parametrize(
    ("further_up", "left"),
    [(True, {"x", "x/y/sibling"}), (False, {"x", "x/y/sibling", "", "state"})],
)
def test_a_change_is_forgotten_with_what_is_in_it_and_around_it(further_up, left):
    memory = Memory()
    memory.begin()
    names = ["", "state", "state/folder", "state/folder/file", "state/folder/file/inner", "x", "x/y/sibling"]
    for name in names:
        memory.keep("entries", name, name)
    memory.changed("state/folder/file", further_up=further_up)
    assert {name for name in names if memory.known("entries", name) is not None} == left


def test_what_is_not_in_a_known_folder_is_absent_with_all_below_it():
    memory = Memory()
    assert not memory.absent("releases/r1")
    memory.begin()
    memory.keep("entries", "releases", {"r1": "folder"})
    names = ["releases", "releases/r1", "releases/r1/index.php", "releases/r2", "releases/r2/a/b"]
    assert [name for name in names if memory.absent(name)] == ["releases/r2", "releases/r2/a/b"]
