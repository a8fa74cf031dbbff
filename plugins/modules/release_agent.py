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
  - A task without O(request) connects ahead of time. It does not wait for the connection; the release modules' tasks that follow for the
    same host, user and environment then find the agent running, and need one round trip each. It never fails. Where the connection
    is not C(ssh), needs a password, or has no pipelining, it does nothing.
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
"""

EXAMPLES = r"""
- name: Connect ahead, before tasks that take their time on the controller
  runbook.ops.release_agent:

- name: Ask for the releases the long way; use runbook.ops.release_info instead
  runbook.ops.release_agent:
    request: "{{ ['release_info', {'path': '/srv/www.example.com', 'verify': false, 'history': 20}] | to_json }}"
"""

RETURN = r"""
changed:
  description: As the module that the request is for. So are all other values.
  returned: success
  type: bool
ahead:
  description: Whether a connection is being made or there.
  returned: when no request was given
  type: bool
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.argspec import ArgumentSpec
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._release.agent import serve

SPEC = ArgumentSpec({"request": {"type": "str", "no_log": True}})


def main() -> None:
    run_module(SPEC, serve)


if __name__ == "__main__":
    main()
