#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_run
short_description: Run commands inside a release
version_added: 0.1.0
description:
  - Runs a list of commands, one after another, in a release's folder. Stops at the first that fails.
  - A release that is not live yet is sealed afterwards, which makes what the commands changed part of what later checks compare with.
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.actiongroup_release
  - runbook.ops._release
  - runbook.ops._backend
  - runbook.ops._release.holder
  - runbook.ops._release.assume
author:
  - runbook.ops contributors (@runbook-ops)
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details:
      - What a command will do is not known before it runs.
  idempotent:
    support: none
    details:
      - Commands are run every time.
options:
  release:
    description:
      - The id of a complete release, or V(current).
    type: str
    required: true
  commands:
    description:
      - The commands, each a list of arguments, or text that is split into arguments as a shell does. No shell expands anything.
      - An empty list only seals the release.
    type: list
    elements: raw
    default: []
  environment_vars:
    description:
      - Environment variables for the commands.
    type: dict
    default: {}
  environment_secrets:
    description:
      - The same for values that are secret. They are taken out of what the commands say.
    type: dict
    default: {}
  timeout:
    description:
      - Seconds after which a command is killed.
    type: float
    default: 1800
  seal:
    description:
      - Whether what the commands changed in a release that is not live yet becomes part of it. A release that is changed and not
        sealed is refused by M(runbook.ops.release_swap).
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Build inside the staged release
  runbook.ops.release_run:
    path: /srv/www.example.com
    release: 20261121_101500
    commands:
      - composer install --no-dev
      - [php, artisan, "config:cache"]
"""

RETURN = r"""
commands:
  description: Each command with C(rc), the end of C(stdout) and C(stderr), and C(duration_ms).
  returned: always
  type: list
  elements: dict
sealed:
  description: Whether the release's content was recorded anew.
  returned: success
  type: bool
changes:
  description: How many paths the commands C(added), C(changed) and C(removed).
  returned: when the release was sealed
  type: dict
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._release.options import RUN
from ansible_collections.runbook.ops.plugins.module_utils._release.run import release_run


def main() -> None:
    run_module(RUN, release_run)


if __name__ == "__main__":
    main()
