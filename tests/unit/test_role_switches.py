# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``-e switch=false`` and the answers of surveys are texts. A condition on one of them is an error, or true whatever it says."""

from __future__ import annotations

import pathlib
import re

import pytest
import yaml

ROLES = pathlib.Path(__file__).parents[2] / "roles"


def switches(role):
    options = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"].get("options", {})
    return [name for name, option in options.items() if option.get("type") == "bool"]


def conditions(name):
    """Where a name is a condition by itself: in ``when``, behind ``not`` and ``if``, beside ``and`` and ``or``."""
    unread = r"(?!\s*\|\s*(bool|default))"
    return re.compile(rf"(\b(not|if|and|or|when:)\s+\(?{name}\b{unread})|(\b{name}\b\s+(and|or|else)\b)|(^\s*-\s+{name}\s*$)", re.MULTILINE)


@pytest.mark.parametrize("role", sorted(path.parent.parent for path in ROLES.glob("*/meta/argument_specs.yml")), ids=lambda role: role.name)
def test_switches_are_read_as_switches(role):
    wrong = []
    for path in [*role.glob("tasks/*.yml"), *role.glob("vars/*.yml"), *role.glob("handlers/*.yml")]:
        text = path.read_text()
        for name in switches(role):
            wrong += [f"{path.relative_to(ROLES)}: {match.group().strip()}" for match in conditions(name).finditer(text)]
    assert not wrong, wrong


def test_the_search_finds_what_it_is_for():
    find = conditions("x_on").search
    for text in ("when: x_on", "  - x_on", "{{ not x_on }}", "a or x_on", "x_on and b", "{{ 1 if x_on else 2 }}"):
        assert find(text), text
    for text in ("when: x_on | bool", "  - x_on | bool", "{{ not x_on | bool }}", "state: '{{ x_on }}'", "x_on: true", "x_only and b"):
        assert not find(text), text
