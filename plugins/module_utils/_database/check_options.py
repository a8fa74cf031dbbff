# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of ``db_query`` and ``db_maintain``."""

from __future__ import annotations

import typing as t

from .._common.argspec import ArgumentSpec
from .checks import KINDS
from .conditions import OPERATORS
from .dialect import UNITS
from .options import LOGIN
from .upkeep import ACTIONS

WHERE: dict[str, t.Any] = {
    "type": "list",
    "elements": "dict",
    "options": {
        "column": {"type": "str", "required": True, "aliases": ["field"]},
        "operator": {"type": "str", "choices": list(OPERATORS), "default": "eq"},
        "value": {"type": "raw"},
    },
}

CHECK: dict[str, t.Any] = {
    "name": {"type": "str"},
    "kind": {"type": "str", "choices": list(KINDS), "default": "query"},
    "measure": {"type": "str", "choices": sorted({measure for kind in KINDS.values() for measure in kind.measures})},
    "database": {"type": "str"},
    "query": {"type": "raw"},
    "column": {"type": "str", "aliases": ["path"]},
    "max_rows": {"type": "int"},
    "table": {"type": "str", "aliases": ["collection", "key"]},
    "where": WHERE,
    "age_column": {"type": "str", "aliases": ["age_field"]},
    "age_unit": {"type": "str", "choices": list(UNITS)},
    "time_zone": {"type": "str", "choices": ["utc", "server"], "default": "utc"},
    "tables": {"type": "list", "elements": "str"},
    "min_rows": {"type": "int"},
    "longer_than": {"type": "str"},
    "replicas": {"type": "int"},
    "warn": {"type": "raw"},
    "crit": {"type": "raw"},
    "direction": {"type": "str", "choices": ["above", "below"], "default": "above"},
    "unit": {"type": "str"},
    "timeout": {"type": "float"},
}

QUERY = LOGIN.merge(
    ArgumentSpec(
        {
            "checks": {"type": "list", "elements": "dict", "required": True, "options": CHECK},
            "database": {"type": "str"},
            "timeout": {"type": "float", "default": 10},
            "fail": {"type": "bool", "default": True},
        }
    )
)

DELETION: dict[str, t.Any] = {
    "table": {"type": "str", "required": True, "aliases": ["collection"]},
    "column": {"type": "str", "required": True, "aliases": ["field"]},
    "older_than": {"type": "str", "required": True},
    "unit": {"type": "str", "choices": list(UNITS), "default": "time"},
    "time_zone": {"type": "str", "choices": ["utc", "server"], "default": "utc"},
    "where": WHERE,
    "batch": {"type": "int", "default": 1000},
    "max_rows": {"type": "int", "default": 100000},
    "pause": {"type": "float", "default": 0},
}

MAINTAIN = LOGIN.merge(
    ArgumentSpec(
        {
            "name": {"type": "str", "required": True},
            "tables": {"type": "list", "elements": "str", "default": [], "aliases": ["collections"]},
            "actions": {"type": "list", "elements": "str", "choices": list(ACTIONS), "default": []},
            "delete_older_than": {"type": "list", "elements": "dict", "default": [], "options": DELETION},
            "fresh_for": {"type": "str", "default": "0"},
            "lock_timeout": {"type": "float", "default": 5},
        }
    )
)
