# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: installed_collection
short_description: Is a collection installed on the controller
version_added: 0.1.0
description:
  - True for the name of a collection that Ansible finds, so that a role can say what is missing before it needs it.
author:
  - runbook.ops contributors (@runbook-ops)
options:
  _input:
    description:
      - The name, such as C(community.windows).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Say what is missing
  ansible.builtin.assert:
    that: "'community.windows' is runbook.ops.installed_collection"
    fail_msg: "install it with: ansible-galaxy collection install community.windows"
"""

RETURN = r"""
_value:
  description:
    - Whether it is installed.
  type: bool
"""

import importlib.util
import re
import typing as t


def installed_collection(name: str) -> bool:
    if not re.fullmatch(r"[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*", name):
        return False
    try:
        return importlib.util.find_spec(f"ansible_collections.{name}") is not None
    except ImportError:
        # Its namespace is not there either.
        return False


class TestModule:
    def tests(self) -> dict[str, t.Callable[..., bool]]:
        return {"installed_collection": installed_collection}
