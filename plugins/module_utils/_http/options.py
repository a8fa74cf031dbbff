# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of requests, for every module that asks a URL."""

from __future__ import annotations

import typing as t

from .sign import HMAC

# Options that a probe may have of its own; without one it takes the module's.
SHARED: dict[str, dict[str, t.Any]] = {
    "timeout": {"type": "float"},
    "validate_certs": {"type": "bool"},
    "ca_path": {"type": "path"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path", "no_log": False},
    "connect_to": {"type": "raw"},
    "headers": {"type": "dict"},
    "http_agent": {"type": "str"},
    "proxy": {"type": "str"},
    "proxy_username": {"type": "str"},
    "proxy_password": {"type": "str", "no_log": True},
    "max_body": {"type": "bytes"},
    "follow_redirects": {"type": "str", "choices": ["none", "safe", "all"]},
    "retries": {"type": "int"},
    "delay": {"type": "float"},
    "max_delay": {"type": "float"},
    "url_username": {"type": "str"},
    "url_password": {"type": "str", "no_log": True},
    "bearer_token": {"type": "str", "no_log": True},
    "hmac": {"type": "dict", "options": HMAC},
}

DEFAULTS: dict[str, t.Any] = {
    "timeout": 10.0,
    "validate_certs": True,
    "http_agent": "runbook.ops",
    "max_body": "4M",
    "follow_redirects": "none",
    "retries": 0,
    "delay": 1.0,
    "max_delay": 30.0,
}

# Of modules whose requests go to one server, documented by the fragment ``_request``.
REQUEST: dict[str, dict[str, t.Any]] = {
    "base_url": {"type": "str"},
    **{
        name: {**SHARED[name], **({"default": DEFAULTS[name]} if name in DEFAULTS else {})}
        for name in (
            "headers", "validate_certs", "ca_path", "client_cert", "client_key", "connect_to", "proxy", "proxy_username", "proxy_password",
            "url_username", "url_password", "bearer_token", "hmac",
        )
    },
}  # fmt: skip

# Of one request.
ASKED: dict[str, dict[str, t.Any]] = {
    "url": {"type": "str"},
    "method": {"type": "str", "default": "GET"},
    "body": {"type": "raw"},
    "body_format": {"type": "str", "choices": ["raw", "json", "form-urlencoded"], "default": "raw"},
    "status_code": {"type": "list", "elements": "str", "default": ["2xx"]},
}
