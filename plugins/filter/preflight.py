# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: preflight
short_description: Say whether all hosts are ready
version_added: 0.1.0
description:
  - Makes one document of what the tasks of C(playbooks/preflight.yml) have found on each host.
  - A task that should have answered and did not is V(crashed), never V(ok).
author:
  - runbook.ops contributors (@runbook-ops)
options:
  _input:
    description:
      - For each host the registered results C(facts) (of M(ansible.builtin.setup)), C(releases) (of M(runbook.ops.release_info)), C(dns)
        (of a loop of M(ansible.builtin.getent)), C(host) (of M(runbook.ops.host_check)), C(env) (of a loop of
        M(runbook.ops.env_check)), C(database) (of M(runbook.ops.db_query)) and C(probes) (of M(runbook.ops.http_probe)).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Say whether all is ready
  ansible.builtin.debug:
    msg: "{{ ({'web1': {'facts': facts, 'host': checked}} | runbook.ops.preflight).msg }}"
"""

RETURN = r"""
_value:
  description:
    - C(format), C(at), C(status) (the worst of all checks), C(ready), C(msg) (one line), and C(hosts) with C(status) and C(checks) of each.
  type: dict
"""

import typing as t

from ansible_collections.runbook.ops.plugins.plugin_utils._preflight import document


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"preflight": document}
