#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_swap
short_description: Make another release current
version_added: 0.1.0
description:
  - Points C(current) to another release by one atomic rename, forward or back.
  - Refuses a release that was not staged completely, that was marked bad, or whose files are no longer what was staged.
  - A run that was killed is finished or undone by the next staging, swap or pruning, which says so in RV(recovered).
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.full
  - runbook.ops._attributes.actiongroup_release
  - runbook.ops._release
  - runbook.ops._backend
  - runbook.ops._release.holder
  - runbook.ops._release.assume
author:
  - runbook.ops contributors (@runbook-ops)
options:
  release:
    description:
      - The id of a release, or V(previous) for the good release that was current before this one.
      - V(none) takes the link away. That is the way back from a site's first release.
    type: str
    required: true
  reason:
    description:
      - Why, for the history.
    type: str
    default: ''
  mark_bad:
    description:
      - Whether to mark the release that is replaced as bad, so that nothing returns to it by itself.
    type: bool
    default: false
  allow_bad:
    description:
      - Whether a release that is marked bad may become current all the same. It counts as good again.
    type: bool
    default: false
  allow_drift:
    description:
      - Whether a release may become current although its files are no longer what was staged.
      - Files that a site added to a release while that was live never keep anybody from returning to it.
    type: bool
    default: false
  adopt_directory:
    description:
      - When C(current) is a real folder, keep it as a release of its own instead of refusing.
    type: bool
    default: false
  verify:
    description:
      - V(auto) hashes the release's files when any of them was touched since they were hashed last, V(full) always.
    type: str
    choices: [auto, full]
    default: auto
"""

EXAMPLES = r"""
- name: Make the staged release current
  runbook.ops.release_swap:
    path: /srv/www.example.com
    release: 20261121_101500

- name: Go back, and never return to this one
  runbook.ops.release_swap:
    path: /srv/www.example.com
    release: previous
    mark_bad: true
    reason: checkout answers 500
"""

RETURN = r"""
before:
  description: The release that was current, V(null) when there was none.
  returned: success
  type: str
after:
  description: The release that is current now, or would be.
  returned: success
  type: str
before_metadata:
  description: The metadata that the replaced release was staged with.
  returned: success
  type: dict
rolled_back:
  description: Whether the new release had been current before the old one.
  returned: when something changed
  type: bool
atomic:
  description:
    - Whether C(current) was at no time missing. Adopting a folder on an old kernel is not atomic, nor is any swap where the host can't replace a name
      in one step, or where C(current) is the folder of the release itself (O(backend)).
  returned: success
  type: bool
missing_ms:
  description: For how many milliseconds at most C(current) was missing.
  returned: success
  type: float
transcript:
  description: What would be done on the host, one line each.
  returned: with O(remote.offline=true)
  type: list
  elements: str
  sample: ["symlink /home/user/site/.runbook/next -> releases/20261121_101500"]
verified:
  description: Whether every file was hashed for this swap.
  returned: success
  type: bool
drift:
  description: How the release differs from what was staged, if it became current all the same. Empty when it does not.
  returned: success
  type: str
recovered:
  description: What an interrupted earlier run had left and how it was put right. Empty when there was nothing.
  returned: success
  type: str
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._release.options import SWAP
from ansible_collections.runbook.ops.plugins.module_utils._release.swap import release_swap


def main() -> None:
    run_module(SWAP, release_swap)


if __name__ == "__main__":
    main()
