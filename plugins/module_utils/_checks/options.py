# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of ``host_check``."""

from __future__ import annotations

import typing as t

from .._common.argspec import ArgumentSpec
from .._common.jsonquery import OPERATORS

STATE_FILE = "/var/lib/runbook/host_check.json"

# What every kind takes.
_EVERY: dict[str, t.Any] = {
    "name": {"type": "str"},
    "kind": {"type": "str", "required": True},
    "measure": {"type": "str"},
    "warn": {"type": "raw"},
    "crit": {"type": "raw"},
    "direction": {"type": "str", "choices": ["above", "below"]},
    "unit": {"type": "str"},
    "timeout": {"type": "float"},
    "for": {"type": "str"},
    "times": {"type": "int"},
}
COMMON = frozenset(_EVERY)

CHECK: dict[str, t.Any] = {
    **_EVERY,
    "service": {"type": "str"},
    "enabled": {"type": "bool"},
    "ignore": {"type": "list", "elements": "str"},
    "process": {"type": "str"},
    "user": {"type": "str"},
    "arguments": {"type": "str"},
    "path": {"type": "str"},
    "manifest": {"type": "path"},
    "exact": {"type": "bool"},
    "server": {"type": "str"},
    "max_age": {"type": "str"},
    "port": {"type": "int"},
    "address": {"type": "str"},
    "protocol": {"type": "str", "choices": ["tcp", "udp"]},
    "timer": {"type": "str"},
    "dest": {"type": "path"},
    "database": {"type": "str"},
    "verify": {"type": "str", "choices": ["none", "checksum", "deep"]},
    "container": {"type": "str"},
    "socket": {"type": "path"},
    "key": {"type": "str", "no_log": False},
    "queue": {"type": "str"},
    "vhost": {"type": "str"},
    "url": {"type": "str"},
    "login_host": {"type": "str"},
    "login_port": {"type": "int"},
    "login_user": {"type": "str"},
    "login_password": {"type": "str", "no_log": True},
    "login_unix_socket": {"type": "path"},
    "login_db": {"type": "str"},
    "ca_cert": {"type": "path"},
    "ssl_mode": {"type": "str", "choices": ["disable", "prefer", "require", "verify-ca", "verify-full"]},
    "command": {"type": "raw"},
    "query": {"type": "str"},
    "operator": {"type": "str", "choices": list(OPERATORS)},
    "value": {"type": "raw"},
    "rc": {"type": "list", "elements": "int"},
}

HOST_CHECK = ArgumentSpec(
    {
        "checks": {"type": "list", "elements": "dict", "required": True, "options": CHECK},
        "timeout": {"type": "float", "default": 10},
        "state_file": {"type": "path", "default": STATE_FILE},
        "fail": {"type": "bool", "default": True},
    }
)
