# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that the release modules share, and what each of them takes."""

from __future__ import annotations

from .._common.argspec import ArgumentSpec
from .._remote.options import BACKEND

PATH = ArgumentSpec({"path": {"type": "path", "required": True}}).merge(BACKEND)
HOLDER = ArgumentSpec({"lock_owner": {"type": "str"}, "by": {"type": "str", "default": ""}})

_SHARED = {"type": "list", "elements": "raw", "default": []}

STAGE = PATH.merge(HOLDER).merge(
    ArgumentSpec(
        {
            "src": {"type": "path"},
            "remote_src": {"type": "bool", "default": False},
            "url": {"type": "str"},
            "checksum": {"type": "str"},
            "release": {"type": "str"},
            "exclude": {"type": "list", "elements": "str", "default": []},
            "shared_dirs": _SHARED,
            "shared_files": _SHARED,
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "file_mode": {"type": "raw"},
            "dir_mode": {"type": "raw"},
            "metadata": {"type": "dict", "default": {}},
            "hardlink": {"type": "bool", "default": True},
            "reuse_current": {"type": "bool", "default": False},
            "compress": {"type": "str", "choices": ["auto", "always", "never"], "default": "auto"},
            "strip_components": {"type": "int", "default": 0},
            "max_size": {"type": "int", "default": 10240},
            "timeout": {"type": "float", "default": 60},
            "cache_dir": {"type": "path"},
            "lock_ttl": {"type": "int"},
            "lock_take_over": {"type": "bool", "default": False},
            "swap": {"type": "bool", "default": False},
            "reason": {"type": "str", "default": ""},
        },
        mutually_exclusive=[("src", "url")],
        required_one_of=[("src", "url")],
        required_by={"lock_ttl": ("lock_owner",), "url": ("checksum",), "checksum": ("url",)},
    )
)

ASSUME = ArgumentSpec({"assume_staged": {"type": "bool", "default": False}})

SWAP = (
    PATH.merge(HOLDER)
    .merge(ASSUME)
    .merge(
        ArgumentSpec(
            {
                "release": {"type": "str", "required": True},
                "reason": {"type": "str", "default": ""},
                "mark_bad": {"type": "bool", "default": False},
                "allow_bad": {"type": "bool", "default": False},
                "allow_drift": {"type": "bool", "default": False},
                "adopt_directory": {"type": "bool", "default": False},
                "verify": {"type": "str", "choices": ["auto", "full"], "default": "auto"},
            }
        )
    )
)

RETENTION = ArgumentSpec(
    {
        "keep": {"type": "int", "default": 5},
        "keep_days": {"type": "float"},
        "keep_bad": {"type": "int", "default": 1},
    }
)

PRUNE = PATH.merge(HOLDER).merge(RETENTION)

INFO = PATH.merge(
    ArgumentSpec(
        {
            "verify": {"type": "bool", "default": False},
            "history": {"type": "int", "default": 20},
            "listing": {"type": "bool", "default": False},
        }
    )
)

LOCK = PATH.merge(
    ArgumentSpec(
        {
            "state": {"type": "str", "choices": ["acquired", "released"], "default": "acquired"},
            "owner": {"type": "str", "required": True},
            "where": {"type": "str", "default": ""},
            "purpose": {"type": "str", "default": ""},
            "ttl": {"type": "int", "default": 1800},
            "wait": {"type": "float", "default": 0},
            "take_over": {"type": "bool", "default": False},
        }
    )
)

FINISH = (
    PATH.merge(HOLDER)
    .merge(RETENTION)
    .merge(
        ArgumentSpec(
            {
                "release": {"type": "str"},
                "outcome": {"type": "str", "default": ""},
                "mark_bad": {"type": "bool", "default": False},
                "started": {"type": "float"},
                "details": {"type": "dict", "default": {}},
                "prune": {"type": "bool", "default": True},
            }
        )
    )
)

RUN = (
    PATH.merge(HOLDER)
    .merge(ASSUME)
    .merge(
        ArgumentSpec(
            {
                "release": {"type": "str", "required": True},
                "commands": {"type": "list", "elements": "raw", "default": []},
                "environment_vars": {"type": "dict", "default": {}},
                "environment_secrets": {"type": "dict", "default": {}, "no_log": True},
                "timeout": {"type": "float", "default": 1800},
                "seal": {"type": "bool", "default": True},
            }
        )
    )
)
