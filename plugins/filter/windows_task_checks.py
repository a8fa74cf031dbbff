# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: windows_task_checks
short_description: Compare scheduled tasks with those that are wanted
version_added: 0.1.0
description:
  - Says of scheduled tasks of a Windows machine whether they are there, do what they should, when and as whom they should, and how their
    last run ended.
author:
  - runbook.ops contributors (@runbook-ops)
options:
  _input:
    description:
      - The C(results) of a loop of C(community.windows.win_scheduled_task_stat) over what P(runbook.ops.windows_task#filter) returned.
    type: list
    elements: dict
    required: true
seealso:
  - plugin: runbook.ops.windows_task
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Look at tasks
  community.windows.win_scheduled_task_stat:
    name: "{{ item.name }}"
    path: "{{ item.folder }}"
  loop: "{{ tasks | map('runbook.ops.windows_task') }}"
  register: found

- name: Say whether they are what they should be
  ansible.builtin.debug:
    msg: "{{ (found.results | runbook.ops.windows_task_checks).msg }}"
"""

RETURN = r"""
_value:
  description:
    - C(status) (the worst), C(msg) (one line) and C(checks), each with C(name), C(status), C(value), C(unit), C(warn), C(crit), C(message).
  type: dict
"""

import typing as t

from ansible_collections.runbook.ops.plugins.module_utils._windows.compare import compare


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"windows_task_checks": compare}
