#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_agent
short_description: The host's half of the release modules
version_added: 0.1.0
description:
  - For the collection's own use. The actions of M(runbook.ops.release_stage), M(runbook.ops.release_swap) and the other release
    modules send it to the host, so that one module is packed for all of them.
extends_documentation_fragment:
  - runbook.ops._attributes
author:
  - runbook.ops contributors (@runbook-ops)
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - As the module that the request is for.
options:
  request:
    description:
      - A JSON list of the module whose work to do and a mapping of all its options, as that module's action packs it.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Ask for the releases the long way; use runbook.ops.release_info instead
  runbook.ops.release_agent:
    request: "{{ ['release_info', {'path': '/srv/www.example.com', 'verify': false, 'history': 20}] | to_json }}"
"""

RETURN = r"""
changed:
  description: As the module that the request is for. So are all other values.
  returned: success
  type: bool
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.argspec import ArgumentSpec
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._release.agent import serve

SPEC = ArgumentSpec({"request": {"type": "str", "required": True, "no_log": True}})


def main() -> None:
    run_module(SPEC, serve)


if __name__ == "__main__":
    main()
