# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SSH library, which is looked for only when it is needed: modules must load where it is not installed."""

from __future__ import annotations

import logging
import typing as t

from .._common.errors import RunbookError


def ssh_library() -> t.Any:
    """The module ``paramiko``, or ``RunbookError`` that says that it is not installed."""
    try:
        import paramiko
    except ImportError:
        from ansible.module_utils.basic import missing_required_lib

        raise RunbookError(missing_required_lib("paramiko", reason="for backend sftp", url="https://www.paramiko.org")) from None
    # It reports what it also raises; without any handler Python would print that, with tracebacks.
    logger = logging.getLogger("paramiko")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return paramiko
