#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_finish
short_description: Close a deploy
version_added: 0.1.0
description:
  - Prunes old releases, writes the deploy's line into the site's history and gives the lock back, in one call.
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.actiongroup_release
  - runbook.ops._release
  - runbook.ops._backend
  - runbook.ops._release.holder
  - runbook.ops._release.retention
author:
  - runbook.ops contributors (@runbook-ops)
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: none
    details:
      - Every call with O(outcome) appends a line to the history.
options:
  release:
    description:
      - The release that the deploy was about.
    type: str
  outcome:
    description:
      - How the deploy ended, for example V(deployed) or V(rolled back).
      - Without it no line is written. That is for a deploy that found nothing to do.
    type: str
    default: ''
  mark_bad:
    description:
      - Whether to mark O(release) as bad, unless it is current.
    type: bool
    default: false
  started:
    description:
      - When the deploy began, in seconds since the epoch, for its duration.
    type: float
  details:
    description:
      - What else the history line shall say, such as C(commit), C(summary) and C(tester).
    type: dict
    default: {}
  prune:
    description:
      - Whether to remove old releases as M(runbook.ops.release_prune) does.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Close the deploy
  runbook.ops.release_finish:
    path: /srv/www.example.com
    release: 20261121_101500
    outcome: deployed
    lock_owner: deploy 4711
    details:
      commit: 5f2c9e1
      tester: sam
"""

RETURN = r"""
removed:
  description: The releases that were, or would be, removed.
  returned: success
  type: list
  elements: str
kept:
  description: The releases that stay.
  returned: success
  type: list
  elements: str
plan:
  description: Each release with C(action) and C(reason), newest first.
  returned: success
  type: list
  elements: dict
unknown:
  description: Folders in C(releases/) that this collection did not make.
  returned: success
  type: list
  elements: str
marked_bad:
  description: Whether the release was marked bad by this call.
  returned: success
  type: bool
released:
  description: Whether the lock was given back.
  returned: success
  type: bool
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._release.finish import release_finish
from ansible_collections.runbook.ops.plugins.module_utils._release.options import FINISH


def main() -> None:
    run_module(FINISH, release_finish)


if __name__ == "__main__":
    main()
