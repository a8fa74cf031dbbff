# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of ``maintenance``, for the module and for its action."""

from __future__ import annotations

from .._common.argspec import ArgumentSpec
from .._remote.options import BACKEND

MAINTENANCE = BACKEND.merge(
    ArgumentSpec(
        {
            "path": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["present", "absent", "installed"], "default": "present"},
            "message": {"type": "str"},
            "retry_after": {"type": "int"},
            "until": {"type": "str"},
            "allow_ips": {"type": "list", "elements": "str"},
            "bypass_token": {"type": "str", "no_log": True},
            "incident": {"type": "str", "choices": ["open", "closed"]},
            "reason": {"type": "str"},
            "by": {"type": "str"},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "htaccess": {"type": "path"},
            "snippet": {"type": "str"},
        },
        required_if=[("state", "installed", ("snippet",))],
    )
)
