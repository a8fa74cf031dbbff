#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_lock
short_description: Take or give back the lock of a site
version_added: 0.1.0
description:
  - Lets one run at a time change a site. The lock has an owner, a place, a beginning and an end.
  - A lock that has run out may be taken by anybody. One that has not is taken only with O(take_over=true).
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.full
  - runbook.ops._attributes.actiongroup_release
  - runbook.ops._release
  - runbook.ops._backend
author:
  - runbook.ops contributors (@runbook-ops)
options:
  state:
    description:
      - V(acquired) takes the lock, or renews it when O(owner) has it.
      - V(released) gives it back.
    type: str
    choices: [acquired, released]
    default: acquired
  owner:
    description:
      - Who takes the lock. Use a name that no other run uses, the other release modules take it as
        O(runbook.ops.release_swap#module:lock_owner).
    type: str
    required: true
  where:
    description:
      - Where the owner runs, for whoever finds the lock. The default is the name of the machine that the module runs on.
    type: str
    default: ''
  purpose:
    description:
      - What for.
    type: str
    default: ''
  ttl:
    description:
      - After how many seconds the lock runs out if it is not renewed.
    type: int
    default: 1800
  wait:
    description:
      - How many seconds to wait for another owner to finish.
    type: float
    default: 0
  take_over:
    description:
      - Whether to take the lock away from another owner, or to release another owner's lock.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Keep others from deploying while the disk is replaced
  runbook.ops.release_lock:
    path: /srv/www.example.com
    owner: disk replacement
    purpose: new disk on web1
    ttl: 7200

- name: Let them deploy again
  runbook.ops.release_lock:
    path: /srv/www.example.com
    owner: disk replacement
    state: released
"""

RETURN = r"""
lock:
  description: The lock as it is now, with C(owner), C(where), C(since), C(renewed), C(ttl), C(purpose) and C(expired). V(null) when free.
  returned: success
  type: dict
taken_from:
  description: The lock that was replaced, because it had run out or by O(take_over=true).
  returned: success
  type: dict
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._release.options import LOCK
from ansible_collections.runbook.ops.plugins.module_utils._release.release_lock import release_lock


def main() -> None:
    run_module(LOCK, release_lock)


if __name__ == "__main__":
    main()
