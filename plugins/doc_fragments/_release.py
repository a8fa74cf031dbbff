# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that the release modules share, as in ``_release/options.py``."""

from __future__ import annotations


class ModuleDocFragment:
    # The site that a module works on.
    DOCUMENTATION = r"""
options:
  path:
    description:
      - The site's base folder, below which C(releases/), C(shared/) and C(current) lie.
      - Must be absolute and not a folder of the system.
    type: path
    required: true
"""

    # Together with the standard fragment: who works on it.
    HOLDER = r"""
options:
  lock_owner:
    description:
      - Who this run is, as given to M(runbook.ops.release_lock).
      - Without it, or with another name, the module refuses to work on a site that somebody holds the lock of.
    type: str
  by:
    description:
      - Who does this, for the history.
    type: str
    default: ''
"""

    # Which releases outlive pruning.
    RETENTION = r"""
options:
  keep:
    description:
      - How many good releases to keep, the newest ones. At least 2.
      - Bad and unfinished releases do not count.
    type: int
    default: 5
  keep_days:
    description:
      - Good releases beyond O(keep) are removed only when they are also older than this many days.
    type: float
  keep_bad:
    description:
      - How many releases that were marked bad to keep, the newest ones, to be looked at.
    type: int
    default: 1
"""

    # For modules that follow release_stage in a play.
    ASSUME = r"""
options:
  assume_staged:
    description:
      - In check mode, treat a release that is not known as one that an earlier task of the play would have staged.
    type: bool
    default: false
"""
