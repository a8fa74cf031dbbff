# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of ``smoke_test`` and ``acceptance_run``."""

from __future__ import annotations

import typing as t

from .._common.argspec import ArgumentSpec
from .._common.jsonquery import OPERATORS
from .._database.options import LOGIN
from .._http.options import ASKED, REQUEST

# A command on the host or a URL.
ASK: dict[str, dict[str, t.Any]] = {
    "command": {"type": "list", "elements": "str"},
    "chdir": {"type": "path"},
    "rc": {"type": "list", "elements": "int", "default": [0]},
    **ASKED,
}

_FIND: dict[str, t.Any] = {
    "type": "dict",
    "options": {"query": {"type": "str"}, "regex": {"type": "str"}},
    "mutually_exclusive": [["query", "regex"]],
    "required_one_of": [["query", "regex"]],
}

DATABASE: dict[str, t.Any] = {
    **LOGIN.options,
    "database": {"type": "str"},
    "query": {"type": "raw", "required": True},
    "column": {"type": "str"},
}

SMOKE_TEST = ArgumentSpec(
    {
        "name": {"type": "str", "default": "smoke test"},
        "enqueue": {
            "type": "dict",
            "required": True,
            "options": ASK,
            "mutually_exclusive": [["command", "url"]],
            "required_one_of": [["command", "url"]],
        },
        "job_id": _FIND,
        "poll": {
            "type": "dict",
            "required": True,
            "options": {
                **ASK,
                "database": {"type": "dict", "options": DATABASE, "required_together": LOGIN.required_together},
            },
            "mutually_exclusive": [["command", "url", "database"]],
            "required_one_of": [["command", "url", "database"]],
        },
        "job_status": _FIND,
        "done": {"type": "list", "elements": "str", "default": ["done", "completed", "success", "succeeded"]},
        "failed": {"type": "list", "elements": "str", "default": ["failed", "error", "dead", "cancelled"]},
        "working": {"type": "list", "elements": "str", "default": []},
        "interval": {"type": "float", "default": 5},
        "timeout": {"type": "float", "default": 120},
        "warn": {"type": "float"},
        "ask_timeout": {"type": "float", "default": 10},
        "look_at": {"type": "list", "elements": "str", "default": []},
        "log_files": {"type": "list", "elements": "path", "default": []},
        "log_lines": {"type": "int", "default": 20},
        "scrub_values": {"type": "list", "elements": "str", "no_log": True, "default": []},
        "fail": {"type": "bool", "default": True},
        **REQUEST,
    }
)

CONDITION: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str"},
    "query": {"type": "str", "required": True},
    "operator": {"type": "str", "choices": list(OPERATORS), "default": "eq"},
    "value": {"type": "raw"},
    "unit": {"type": "str", "default": ""},
}

ACCEPTANCE_RUN = ArgumentSpec(
    {
        "name": {"type": "str", "default": "acceptance run"},
        **ASK,
        "conditions": {"type": "list", "elements": "dict", "required": True, "options": CONDITION},
        "dest": {"type": "path"},
        "mode": {"type": "raw", "default": "0600"},
        "timeout": {"type": "float", "default": 600},
        "run_in_check_mode": {"type": "bool", "default": False},
        "scrub_values": {"type": "list", "elements": "str", "no_log": True, "default": []},
        "fail": {"type": "bool", "default": True},
        **REQUEST,
    },
    mutually_exclusive=[["command", "url"]],
    required_one_of=[["command", "url"]],
)
