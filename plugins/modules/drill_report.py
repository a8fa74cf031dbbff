#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: drill_report
short_description: Judge a drill and leave evidence
version_added: 0.1.0
description:
  - Compares what a drill took with its targets and writes C(<evidence_dir>/<moment>_<scenario>.json) and a page for people beside it,
    which needs nothing from elsewhere and shows the phases and the trend of earlier drills.
  - Fails after that when the recovery failed or a target was missed.
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.full
attributes:
  diff_mode:
    support: N/A
  idempotent:
    support: partial
    details:
      - A drill is known by O(started). One that is reported again, with the same results, leaves nothing new.
author:
  - runbook.ops contributors (@runbook-ops)
options:
  scenario:
    description:
      - What was rehearsed, a word of small letters, digits and C(_).
    type: str
    required: true
  subject:
    description:
      - What it was rehearsed with, such as the database's name. Drills of the same scenario and subject make a trend.
    type: str
    required: true
  evidence_dir:
    description:
      - The folder of evidence on the host.
    type: path
    default: /var/lib/runbook/evidence
  started:
    description:
      - When the drill began, as V(2026-11-21T10:15:00Z).
    type: str
  phases:
    description:
      - What took how long, each with C(name), C(status), C(value) in seconds, C(message), and C(recovery), whether it counts
        for the time to recover (V(true) unless said).
    type: list
    elements: dict
    default: []
  checks:
    description:
      - Further expectations, in the schema of probes and checks.
    type: list
    elements: dict
    default: []
  rpo_seconds:
    description:
      - How old the recovered data was.
    type: float
  rto_target:
    description:
      - How long the recovery may take, such as V(4h). V(0) for no target.
    type: str
    default: '0'
  rpo_target:
    description:
      - How old the data may be, such as V(1h). V(0) for no target.
    type: str
    default: '0'
  error:
    description:
      - Why the drill could not be finished.
    type: str
    default: ''
  details:
    description:
      - What else should be known, names and values.
    type: dict
    default: {}
  fail:
    description:
      - Whether to fail when the drill did.
    type: bool
    default: true
seealso:
  - module: runbook.ops.drill_restore
"""

EXAMPLES = r"""
- name: Leave evidence
  runbook.ops.drill_report:
    scenario: backup_restore
    subject: shop
    phases: "{{ rehearsed.phases }}"
    rpo_seconds: "{{ rehearsed.rpo_seconds }}"
    started: "{{ rehearsed.started }}"
    rto_target: 4h
    rpo_target: 1h
"""

RETURN = r"""
evidence:
  description: The path of the JSON document. Empty in check mode.
  returned: always
  type: str
  sample: /var/lib/runbook/evidence/20261121_101500_backup_restore.json
page:
  description: The path of the page. Empty in check mode.
  returned: always
  type: str
report:
  description:
    - What the document says - C(status), C(message), C(rto_seconds), C(rpo_seconds), C(targets), C(phases), C(checks) and C(details).
  returned: always
  type: dict
status:
  description: The drill's status, V(ok), V(warning), V(failed) or V(crashed).
  returned: always
  type: str
msg:
  description: One line about it.
  returned: always
  type: str
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._drill.report import REPORT, drill_report


def main() -> None:
    run_module(REPORT, drill_report)


if __name__ == "__main__":
    main()
