#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: acceptance_run
short_description: Hold a run's JSON results against conditions and keep them
version_added: 0.1.0
description:
  - Runs a command on the host, or asks a URL, that answers with one JSON document, holds conditions against it, such as an accuracy of at
    least 0.98, and keeps the document in a file, without its secrets, whatever the conditions say.
  - A value that is not there, or of a kind that can't be compared, is V(crashed), never V(ok). So is every condition when there is no
    answer, or when it is not JSON (V(NaN) is not).
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._request
attributes:
  check_mode:
    support: partial
    details:
      - Nothing is run, and a change of O(dest) is predicted, unless O(run_in_check_mode=true). O(dest) is never written.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - O(dest) is not changed by a run that gives the same results. Results with times in them rarely are the same.
author:
  - runbook.ops contributors (@runbook-ops)
requirements:
  - jmespath, on the host that runs the task.
options:
  name:
    description:
      - What the run is called in messages.
    type: str
    default: acceptance run
  command:
    description:
      - The program and its arguments; no shell is involved. It gets the task's environment and no input, and must print nothing but JSON
        to its standard output.
    type: list
    elements: str
  chdir:
    description:
      - The folder that the command runs in.
    type: path
  rc:
    description:
      - The exit statuses of the command after which its output is looked at. Add the one with which it says that it is not satisfied
        itself.
    type: list
    elements: int
    default: [0]
  url:
    description:
      - The URL, absolute or relative to O(base_url).
    type: str
  method:
    description:
      - The request method.
    type: str
    default: GET
  body:
    description:
      - The request body. A mapping or list needs a suitable O(body_format).
    type: raw
  body_format:
    description:
      - How O(body) is written and which C(Content-Type) is sent with it.
    type: str
    choices: [raw, json, form-urlencoded]
    default: raw
  status_code:
    description:
      - The accepted status codes, each a code (V(200)), a range (V(200-299)) or a class (V(2xx)).
    type: list
    elements: str
    default: [2xx]
  conditions:
    description:
      - What must hold of the answer, as O(runbook.ops.http_probe#module:probes[].json) has it.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - What the condition is called in results and messages. Names must differ. Defaults to the condition itself.
        type: str
      query:
        description:
          - A JMESPath expression.
        type: str
        required: true
      operator:
        description:
          - How the result of the query is compared with O(conditions[].value).
          - V(lt), V(le), V(gt), V(ge) compare numbers with numbers and texts with texts; anything else is V(crashed).
          - V(contains) looks for an item of a list, a part of a text or a key of an object; V(in) expects a list as value.
          - V(matches) takes a Python regular expression.
          - V(exists) and V(absent) take no value. With every other operator a result of C(null) is V(crashed).
        type: str
        choices: [eq, ne, lt, le, gt, ge, contains, not_contains, in, not_in, matches, exists, absent]
        default: eq
      value:
        description:
          - What the result is compared with. C(true) does not equal C(1), and the text C("1") does not either.
        type: raw
      unit:
        description:
          - The value's unit, for results and messages, such as V(ms).
        type: str
        default: ''
  dest:
    description:
      - A file on the host in which the answer is kept, replaced in one step. Its folder must be there. What a secret's name holds, and what
        looks like a secret, is taken out of it.
    type: path
  mode:
    description:
      - The file's permissions, such as V('0640').
    type: raw
    default: '0600'
  timeout:
    description:
      - Seconds that the run may take. The command and all its children are killed then.
    type: float
    default: 600
  run_in_check_mode:
    description:
      - Whether to run in check mode too, because the run changes nothing.
    type: bool
    default: false
  scrub_values:
    description:
      - Further secrets, of at least 4 characters, that the answer may have.
    type: list
    elements: str
    default: []
  fail:
    description:
      - Whether a condition of status V(failed) or V(crashed) fails the task.
      - Invalid options always do.
    type: bool
    default: true
seealso:
  - module: runbook.ops.smoke_test
  - module: runbook.ops.http_probe
"""

EXAMPLES = r"""
- name: The map finds what it should, and quickly
  runbook.ops.acceptance_run:
    name: geo acceptance
    command: [php, tools/geo/acceptance_test.php]
    chdir: /srv/www.example.com/current
    rc: [0, 1]
    conditions:
      - {name: accuracy, query: accuracy, operator: ge, value: 0.98}
      - {name: median time, query: p50_ms, operator: le, value: 50, unit: ms}
      - {name: enough points, query: points, operator: ge, value: 100, unit: points}
    dest: /srv/www.example.com/shared/storage/data/geo/sa/acceptance_results.json

- name: The same from the application itself, also when nothing may be changed
  runbook.ops.acceptance_run:
    url: https://www.example.com/api/acceptance
    bearer_token: "{{ vault_acceptance_token }}"
    run_in_check_mode: true
    conditions:
      - {query: "results[?status!='passed'] | length(@)", value: 0}
      - {query: length(results), operator: ge, value: 100}
  delegate_to: localhost
"""

RETURN = r"""
status:
  description: The worst status of all conditions, V(ok), V(failed) or V(crashed), or V(skipped) in check mode.
  returned: when the options are valid
  type: str
  sample: failed
msg:
  description: One line that names every condition that does not hold, or says why there was nothing to judge.
  returned: always
  type: str
  sample: "geo acceptance: 1 of 3 conditions not ok - accuracy: accuracy is 0.97, expected accuracy ge 0.98"
checks:
  description: One item for each condition, in their order.
  returned: when the options are valid
  type: list
  elements: dict
  contains:
    name:
      description: The condition's name.
      type: str
      returned: always
    status:
      description: V(ok), V(failed), V(crashed) when it could not be evaluated, or V(skipped).
      type: str
      returned: always
    value:
      description: What the query found, if that is a number.
      type: float
      returned: always
    unit:
      description: The condition's unit.
      type: str
      returned: always
    warn:
      description: Always V(null).
      type: float
      returned: always
    crit:
      description: What it is compared with, if that is a number.
      type: float
      returned: always
    message:
      description: What was found, and what was expected if it does not hold.
      type: str
      returned: always
    duration_ms:
      description: How long the run took, in milliseconds.
      type: float
      returned: always
dest:
  description: The file in which the answer is kept, V(null) if there is none.
  returned: when the options are valid
  type: str
scrubbed:
  description: How many secrets were taken out of the answer.
  returned: when the options are valid
  type: int
duration_ms:
  description: How long the run took, in milliseconds.
  returned: when the options are valid
  type: float
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._smoke.acceptance_run import acceptance_run
from ansible_collections.runbook.ops.plugins.module_utils._smoke.options import ACCEPTANCE_RUN


def main() -> None:
    run_module(ACCEPTANCE_RUN, acceptance_run)


if __name__ == "__main__":
    main()
