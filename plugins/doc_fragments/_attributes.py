# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attributes that every module of the collection declares the same way."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
  idempotent:
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
  platform:
    description: Target platforms that the module supports.
    support: full
    platforms: posix
"""

    # Together with the standard fragment: a module that changes something, predicts it and shows it.
    FULL = r"""
options: {}
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
"""

    # Together with the standard fragment: a module that only looks.
    INFO = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - This action does not modify state.
  diff_mode:
    support: N/A
    details:
      - This action does not modify state.
  idempotent:
    support: full
    details:
      - This action does not modify state.
"""

    ACTIONGROUP_DATABASE = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/runbook.ops.database) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - runbook.ops.database
"""

    ACTIONGROUP_RELEASE = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/runbook.ops.release) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - runbook.ops.release
"""
