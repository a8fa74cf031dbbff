# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that modules about backups share, as in ``_database/prune.py``."""

from __future__ import annotations


class ModuleDocFragment:
    # Where database backups are.
    DOCUMENTATION = r"""
options:
  dest:
    description:
      - The folder of backups, as given to M(runbook.ops.db_backup). Each database has a folder of its own in it.
    type: path
    required: true
  name:
    description:
      - The database. Without it, all that have backups in O(dest).
    type: str
"""

    # Which backups outlive pruning.
    RETENTION = r"""
options:
  keep_last:
    description:
      - How many of the newest good backups to keep.
    type: int
  keep_hourly:
    description:
      - Of how many hours (in UTC, those that have a good backup) to keep the newest one.
    type: int
  keep_daily:
    description:
      - Of how many days to keep the newest one.
    type: int
  keep_weekly:
    description:
      - Of how many weeks, which begin on Monday, to keep the newest one.
    type: int
  keep_monthly:
    description:
      - Of how many months to keep the newest one.
    type: int
  keep_yearly:
    description:
      - Of how many years to keep the newest one.
    type: int
  min_good:
    description:
      - The floor. As many good backups stay whatever the other options say. At least 1.
      - Keeping fewer than this by the other options together is refused.
    type: int
    default: 2
  max_age:
    description:
      - When the newest good backup is older, backups have stopped or a clock has jumped, and nothing is deleted.
      - V(0) for no limit.
    type: str
    default: 10d
"""
