# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that say through what a module reaches the site's host, and as whom."""

from __future__ import annotations

import typing as t

from .._common.argspec import ArgumentSpec

# How one logs in to an SSH server, for the host itself and for the one to go through.
_LOGIN: dict[str, dict[str, t.Any]] = {
    "host": {"type": "str"},
    "port": {"type": "int"},
    "user": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "private_key": {"type": "path"},
    "private_key_passphrase": {"type": "str", "no_log": True},
    "known_hosts": {"type": "path"},
    "fingerprint": {"type": "str"},
}

# No suboption is required: roles hand an empty dictionary over where the host is reached as usual.
_REMOTE: dict[str, dict[str, t.Any]] = {
    **_LOGIN,
    "use_agent": {"type": "bool"},
    "jump": {"type": "dict", "options": _LOGIN},
    "connections": {"type": "int", "default": 1},
    "bandwidth_limit": {"type": "int"},
    "timeout": {"type": "float", "default": 30},
    "fix_perms": {"type": "bool", "default": False},
    "offline": {"type": "bool", "default": False},
    "token": {"type": "str", "no_log": True},
    "validate_certs": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
}

BACKEND = ArgumentSpec(
    {
        "backend": {"type": "str", "choices": ["ssh", "sftp", "cpanel"], "default": "ssh"},
        "remote": {"type": "dict", "options": _REMOTE},
    },
    required_if=[("backend", "sftp", ("remote",)), ("backend", "cpanel", ("remote",))],
)
