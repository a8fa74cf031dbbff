# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: windows_task
short_description: Turn a scheduled task into module arguments and XML
version_added: 0.1.0
description:
  - Checks one scheduled task of a Windows machine and says it twice - as arguments of C(community.windows.win_scheduled_task), and as the
    XML (schema 1.2) that C(schtasks /Create /XML) reads.
  - The collection C(community.windows) is not needed for that.
author:
  - runbook.ops contributors (@runbook-ops)
options:
  _input:
    description:
      - The task, a dictionary as in O(runbook.ops.windows_tasks#role:main:windows_tasks_list).
    type: dict
    required: true
  password_users:
    description:
      - The accounts whose password is going to be given to the module. Tasks of others run without one.
    type: list
    elements: str
    default: []
  state:
    description:
      - With V(absent) only the name and the folder of the task are looked at, and there is no XML.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - plugin: runbook.ops.windows_task_checks
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Write a task's definition for a machine that Ansible does not reach
  ansible.builtin.copy:
    dest: /tmp/places.xml
    mode: "0644"
    content: "{{ (task | runbook.ops.windows_task).xml }}"
  vars:
    task:
      name: places
      command: [php.exe, tools/ops/run_places_queue.php, --max, "5"]
      chdir: C:\sites\shop
      schedule: every 15 minutes
"""

RETURN = r"""
_value:
  description:
    - C(name), C(folder), C(arguments) (of C(community.windows.win_scheduled_task), without any password) and C(xml).
  type: dict
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._windows.task import definition, removal


def windows_task(task: t.Any, password_users: t.Collection[str] = (), state: str = "present") -> dict[str, t.Any]:
    try:
        return removal(task) if state == "absent" else definition(task, password_users)
    except RunbookError as error:
        raise AnsibleFilterError(error.message) from None


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"windows_task": windows_task}
