#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_info
short_description: List the releases of a site
version_added: 0.1.0
description:
  - Tells which releases a site has, in which state, which of them is current, who holds the lock, and what happened last.
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.info
  - runbook.ops._attributes.actiongroup_release
  - runbook.ops._release
  - runbook.ops._backend
author:
  - runbook.ops contributors (@runbook-ops)
options:
  verify:
    description:
      - Whether to hash every file of every complete release and list what differs from what was staged.
    type: bool
    default: false
  history:
    description:
      - How many events of the history to return. V(0) returns all.
    type: int
    default: 20
  listing:
    description:
      - Whether to list what stands in C(releases/) and in C(current), as C(ls -l) does, for the evidence of what a deploy changed.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Look at the releases
  runbook.ops.release_info:
    path: /srv/www.example.com
    verify: true
  register: releases
"""

RETURN = r"""
exists:
  description: Whether the site's base folder exists.
  returned: success
  type: bool
current:
  description: The current release, V(null) when there is none.
  returned: success
  type: str
previous:
  description: The release that V(previous) means to M(runbook.ops.release_swap).
  returned: success
  type: str
releases:
  description:
    - The releases, oldest first, with C(id), C(state) (V(staging), V(ready), V(live), V(retired) or V(bad)), C(files), C(bytes),
      C(age_seconds), C(metadata), C(reason), C(by) and more.
    - With O(verify=true) also C(verified) and the paths that are C(drifted), C(missing) or C(extra).
  returned: success
  type: list
  elements: dict
unknown:
  description: Folders in C(releases/) that this collection did not make.
  returned: success
  type: list
  elements: str
lock:
  description: Who holds the lock, V(null) when nobody does.
  returned: success
  type: dict
history:
  description: The last events, oldest first.
  returned: success
  type: list
  elements: dict
interrupted:
  description: The swap that a killed run had announced, V(null) when there is none. The next swap or stage puts it right.
  returned: success
  type: dict
listing:
  description:
    - C(releases/), C(current), and what is in the folder that C(current) leads to, one line each, with permissions, size, time of change in
      UTC and name. Of a folder at most 500 names.
  returned: when O(listing) is true
  type: list
  elements: str
  sample:
    - "releases/:"
    - drwxr-xr-x 4096 2030-01-31T22:30:00Z 20300131_223000
    - ""
    - "current:"
    - lrwxrwxrwx 24 2030-01-31T22:31:00Z current -> releases/20300131_223000
    - ""
    - "current/:"
    - -rw-r--r-- 405 2030-01-31T22:30:00Z index.php
problem:
  description: Why C(current) can't be used as it is. Empty when it can.
  returned: success
  type: str
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._release.info import release_info
from ansible_collections.runbook.ops.plugins.module_utils._release.options import INFO


def main() -> None:
    run_module(INFO, release_info)


if __name__ == "__main__":
    main()
