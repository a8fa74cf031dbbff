# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of ``release_build`` and ``artifact_verify``."""

from __future__ import annotations

from .._common.argspec import ArgumentSpec
from .pack import FORMATS

BUILD = ArgumentSpec(
    {
        "src": {"type": "path", "required": True},
        "dest": {"type": "path", "required": True},
        "name": {"type": "str"},
        "format": {"type": "str", "choices": list(FORMATS), "default": "zip"},
        "include": {"type": "list", "elements": "str", "default": []},
        "exclude": {"type": "list", "elements": "str", "default": []},
        "allow_secrets": {"type": "list", "elements": "str", "default": [], "no_log": False},
        "version": {"type": "str"},
        "version_file": {"type": "str"},
        "source_date_epoch": {"type": "int"},
        "url": {"type": "str"},
        "metadata": {"type": "dict", "default": {}},
        "latest": {"type": "str", "default": "latest.json"},
        "overwrite": {"type": "bool", "default": False},
        "mode": {"type": "raw", "default": "0644"},
    },
    mutually_exclusive=[("version", "version_file")],
)

VERIFY = ArgumentSpec(
    {
        "path": {"type": "path"},
        "url": {"type": "str"},
        "documents": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "path": {"type": "path"},
                "url": {"type": "str"},
                "name": {"type": "str"},
                "fields": {"type": "dict", "default": {}},
            },
            "mutually_exclusive": [("path", "url")],
            "required_one_of": [("path", "url")],
        },
        "version": {"type": "str"},
        "max_age": {"type": "str"},
        "head": {"type": "bool", "default": True},
        "connect_to": {"type": "raw"},
        "headers": {"type": "dict"},
        "url_username": {"type": "str"},
        "url_password": {"type": "str", "no_log": True},
        "bearer_token": {"type": "str", "no_log": True},
        "validate_certs": {"type": "bool", "default": True},
        "ca_path": {"type": "path"},
        "client_cert": {"type": "path"},
        "client_key": {"type": "path", "no_log": False},
        "proxy": {"type": "str"},
        "timeout": {"type": "float", "default": 600},
        "fail": {"type": "bool", "default": True},
    }
)
