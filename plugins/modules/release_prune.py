#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_prune
short_description: Remove old releases
version_added: 0.1.0
description:
  - Removes releases that are neither among the newest good ones nor needed otherwise.
  - Never removes the current release, the previous good one (what a rollback returns to), or one that is being staged.
  - Folders in C(releases/) that have no record are reported as RV(unknown) and never touched.
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.full
  - runbook.ops._attributes.actiongroup_release
  - runbook.ops._release
  - runbook.ops._backend
  - runbook.ops._release.holder
  - runbook.ops._release.retention
author:
  - runbook.ops contributors (@runbook-ops)
options: {}
"""

EXAMPLES = r"""
- name: Keep the newest five releases, and whatever is younger than two weeks
  runbook.ops.release_prune:
    path: /srv/www.example.com
    keep: 5
    keep_days: 14
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
  description: Each release with C(action) (V(keep) or V(remove)) and C(reason), newest first.
  returned: success
  type: list
  elements: dict
unknown:
  description: Folders in C(releases/) that this collection did not make.
  returned: success
  type: list
  elements: str
recovered:
  description: What an interrupted earlier run had left and how it was put right.
  returned: success
  type: str
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._release.options import PRUNE
from ansible_collections.runbook.ops.plugins.module_utils._release.prune import release_prune


def main() -> None:
    run_module(PRUNE, release_prune)


if __name__ == "__main__":
    main()
