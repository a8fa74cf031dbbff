# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the controller and the agent on a host speak: what both of them have to know, and nothing that takes time to import."""

from __future__ import annotations

import base64
import json
import typing as t
import zlib

# Characters from which on a request is worth compressing.
LARGE = 4096
# What an agent that attends to a line begins its lines with, and after how many seconds without a request it leaves.
GREETING, REPLY = "runbook-agent-is-here", "runbook-agent-replies"
STAY = 60.0


def pack(use_case: str, options: t.Mapping[str, t.Any]) -> str:
    """A request as text that survives any transport: JSON, behind ``z:`` compressed when it is large."""
    text = json.dumps([use_case, options], separators=(",", ":"))
    return text if len(text) < LARGE else "z:" + base64.b64encode(zlib.compress(text.encode(), 6)).decode()
