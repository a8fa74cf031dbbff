#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: log_scan
short_description: Count what logs say
version_added: 0.1.0
description:
  - Counts errors, warnings, failed log-ins, suspicious requests and lines of your own patterns in logs, measures error rates and request
    times, and compares every number with its limits. Many scans are one task.
  - Rotated logs are part of a log, whether they were renamed, copied and emptied, or compressed with gzip, zstd, xz or bzip2.
  - With O(scans[].state) every line is counted once, whatever rotations did between two runs. Without it every run looks at the same
    window of time anew.
  - The beginning of a window is found by bisection, and what is read takes a constant amount of memory.
  - A check that fails or can't be evaluated fails the task, unless O(fail=false). It does not keep the others from being evaluated.
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.info
attributes:
  check_mode:
    details:
      - Logs are read and judged as ever, and O(scans[].state) is not written.
  idempotent:
    support: partial
    details:
      - Nothing is ever changed on the host. With O(scans[].state) a second run counts only what was written since the first.
author:
  - runbook.ops contributors (@runbook-ops)
requirements:
  - C(zstd) on the host for logs that it compressed, C(journalctl) for O(scans[].format=journald).
notes:
  - Patterns are Python's regular expressions over the bytes of a line, with UTF-8 for what is not ASCII. Some patterns, such as
    repetitions inside of repetitions, can take very long on some lines. O(timeout) ends them.
  - Messages in results have no numbers, no passwords and tokens where they can be recognised, and no queries of requests. Still they
    come from a log that visitors write to.
  - Of a line that is longer than 1 MiB only the beginning is looked at.
options:
  scans:
    description:
      - The scans. Results keep their order, with one item for every measure of a scan.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What the scan is called in results and messages, and in O(scans[].state). Names must differ.
        type: str
        required: true
      paths:
        description:
          - The logs, as absolute paths or patterns (V(/var/log/nginx/*.log)). For O(scans[].format=journald) the journal's files,
            if not the host's own.
          - A log that can't be read makes the scan's checks V(crashed).
        type: list
        elements: str
        default: []
      units:
        description: Of journald, the entries of these units only.
        type: list
        elements: str
        default: []
      format:
        description:
          - What the lines look like. V(auto) recognises each file by its beginning; what it does not know is V(plain).
          - V(nginx) and V(apache) are their access logs (common, combined, with a virtual host before or more behind) and their error
            logs, V(laravel) also other Monolog lines, V(syslog) with or without a year, V(jsonl) one JSON object a line, V(plain) any
            text, with a time at its beginning if there are to be windows.
          - V(journald) asks the journal. Patterns see its entries as lines of C(<priority>seconds identifier[pid]) and the message, with a
            colon between them.
        type: str
        choices: [auto, plain, nginx, apache, laravel, syslog, journald, jsonl]
        default: auto
      rotated:
        description: Whether to read what rotations made of the logs, in the same folder, too. Name other folders in O(scans[].paths).
        type: bool
        default: true
      allow_missing:
        description: Whether a path may match nothing. A scan without any log is V(skipped) then, and otherwise V(crashed).
        type: bool
        default: false
      since:
        description:
          - Count only lines from then on. A duration before now (V(24h), V(1d12h)), V(today), V(yesterday), ISO 8601 with its zone, or
            seconds since 1970.
          - With O(scans[].state) this limits only what is read for the first time.
          - Lines without a time belong to the line before them.
        type: str
      until:
        description: Count only lines before then, written as O(scans[].since). Not with O(scans[].state).
        type: str
      time_zone:
        description:
          - The zone of times that name none, V(local), V(utc), an offset (V(+02:00)) or a name (V(Europe/Berlin)).
          - The host's own unless given, for Laravel V(utc), which is its default.
        type: str
      state:
        description:
          - A file in which the scan remembers what it has read, by inode, fingerprint and place. Several scans may share one.
          - What was written to a log that is gone before it could be read makes the scan's checks V(warning) at least.
        type: path
      measures:
        description: What is measured, each with its own limits. The number of V(errors) unless given.
        type: list
        elements: dict
        suboptions:
          name:
            description: Behind the scan's name, what the check is called. Defaults to the pattern and the measure.
            type: str
          measure:
            description:
              - V(count), the number of lines with the pattern.
              - V(rate), that number in percent of the requests in the scan's access logs, or in those of O(scans[].against).
              - V(requests), the number of requests.
              - V(p50), V(p95), V(p99) and V(max), milliseconds that requests took, from access logs that say so.
            type: str
            choices: [count, rate, requests, p50, p95, p99, max]
            default: count
          pattern:
            description:
              - A ready-made pattern.
              - V(errors), status 5xx in access logs, otherwise the level error and worse, or words such as C(error), C(fatal),
                C(exception) where lines have no level.
              - V(warnings), status 4xx, the level warning, or the word.
              - V(failed_logins), status 401, log-in forms that were answered 403, 419, 422 or 429, and the messages of sshd, PAM, sudo,
                databases, nginx, Apache and Laravel.
              - V(suspicious_requests), requests as scanners and attackers make them.
            type: str
            choices: [errors, warnings, failed_logins, suspicious_requests]
          regex:
            description: A regular expression instead of a ready-made pattern. A line counts once.
            type: str
          ignore_case:
            description: Whether O(scans[].measures[].regex) finds capital letters as small ones.
            type: bool
            default: false
          warn:
            description: Above this the check has status V(warning).
            type: float
          crit:
            description: Above this the check fails. Must not be reached before O(scans[].measures[].warn).
            type: float
          direction:
            description: With V(below) values under the limits are the bad ones.
            type: str
            choices: [above, below]
            default: above
          min_requests:
            description: With fewer requests than this a rate or a request time is V(skipped).
            type: int
            default: 1
      exclude:
        description: Regular expressions. Lines with one of them are not looked at, and are no requests.
        type: list
        elements: str
        default: []
      against:
        description: The name of the scan of this task whose requests a V(rate) is measured against, such as errors of PHP against an
          access log.
        type: str
      request_time:
        description:
          - A regular expression with one group, around the time that a request took.
          - Unless given, C(rt=) or C(request_time=) anywhere, nginx's C($request_time) or Apache's C(%D) behind the user agent, or a
            JSON field C(request_time) (seconds) or C(duration_ms) is looked for.
        type: str
      request_time_unit:
        description: The unit of O(scans[].request_time).
        type: str
        choices: [s, ms, us]
        default: s
      top:
        description: How many of the most frequent messages to return for each pattern.
        type: int
        default: 5
  timeout:
    description:
      - Seconds that one scan may take. One that takes longer is V(crashed).
    type: float
    default: 300
  fail:
    description:
      - Whether a check of status V(failed) or V(crashed) fails the task.
      - Invalid options always do.
    type: bool
    default: true
seealso:
  - module: runbook.ops.db_query
  - module: runbook.ops.http_probe
"""

EXAMPLES = r"""
- name: The last day's logs of the shop
  runbook.ops.log_scan:
    scans:
      - name: shop access
        paths: [/var/log/nginx/shop.access.log]
        format: nginx
        since: 24h
        measures:
          - {measure: rate, pattern: errors, warn: 1, crit: 5}
          - {measure: p95, warn: 800, crit: 1500, min_requests: 100}
          - {measure: count, pattern: suspicious_requests, warn: 100}
      - name: shop application
        paths: ["/srv/shop/shared/storage/logs/laravel*.log"]
        format: laravel
        since: 24h
        against: shop access
        exclude: ['The given data was invalid']
        measures:
          - {pattern: errors, warn: 0, crit: 50}
          - {measure: rate, pattern: errors, crit: 1}
          - {name: lost database, regex: 'SQLSTATE\[(?:HY000|08)', crit: 0}

- name: What is new since the last run, for an alert
  runbook.ops.log_scan:
    scans:
      - name: log-ins
        format: journald
        units: [ssh.service]
        since: 1h
        state: /var/lib/runbook/log_scan.json
        measures:
          - {pattern: failed_logins, warn: 20, crit: 200}
      - name: php
        paths: [/var/log/php8.2-fpm.log]
        since: 1h
        state: /var/lib/runbook/log_scan.json

- name: Yesterday's errors, for a report that decides itself
  runbook.ops.log_scan:
    fail: false
    scans:
      - name: nginx
        paths: [/var/log/nginx/error.log]
        since: yesterday
        until: today
        top: 20
  register: yesterday
"""

RETURN = r"""
status:
  description: The worst status of all checks, V(ok), V(warning), V(failed), V(crashed) or V(skipped).
  returned: when the options are valid
  type: str
msg:
  description: One line that names every check that is not ok, or counts them.
  returned: always
  type: str
checks:
  description: One item for every measure of every scan, in their order.
  returned: when the options are valid
  type: list
  elements: dict
  contains:
    name:
      description: The scan's name and the measure's.
      type: str
      returned: always
    status:
      description: V(ok), V(warning), V(failed), V(crashed) or V(skipped).
      type: str
      returned: always
    value:
      description: The value, a number. V(null) when there is none.
      type: float
      returned: always
    unit:
      description: The value's unit.
      type: str
      returned: always
    warn:
      description: The limit of a warning.
      type: float
      returned: always
    crit:
      description: The limit of a failure.
      type: float
      returned: always
    message:
      description: What was found, or why nothing could be.
      type: str
      returned: always
    duration_ms:
      description: How long the scan took, with all its measures, in milliseconds.
      type: float
      returned: always
    scan:
      description: The scan.
      type: str
      returned: always
    measure:
      description: What was measured.
      type: str
      returned: always
    pattern:
      description: The ready-made pattern or the regular expression.
      type: str
      returned: always
    count:
      description: How many lines have the pattern.
      type: int
      returned: for patterns, when the logs could be read
    requests:
      description: How many requests there were.
      type: int
      returned: for measures of requests, when the logs could be read
    top:
      description: The most frequent messages with the pattern, with V(N) for numbers and ids.
      type: list
      elements: dict
      contains:
        message: {description: The message., type: str}
        count: {description: How often., type: int}
      returned: for patterns, when the logs could be read
    files:
      description: Of how many files the logs are made.
      type: int
      returned: when the logs could be read
    bytes:
      description: How much of their contents was read.
      type: int
      returned: when the logs could be read
    formats:
      description: What the files were recognised as.
      type: list
      elements: str
      returned: when the logs could be read
    since:
      description: The beginning of the window. V(null) without one.
      type: str
      returned: when the logs could be read
    until:
      description: The end of the window. V(null) without one.
      type: str
      returned: when the logs could be read
    gaps:
      description: What could not be read because it is gone.
      type: list
      elements: str
      returned: when there is something
  sample:
    - {name: shop access errors rate, status: warning, value: 1.32, unit: '%', warn: 1, crit: 5, message: '1.32 %, above warn 1, 66 of
      5000 requests', duration_ms: 31.4, scan: shop access, measure: rate, pattern: errors, count: 66, requests: 5000, files: 3, bytes:
      1048576, formats: [access], since: '2026-01-02T03:04:05Z', until: null, top: [{message: '502 GET /cart/N', count: 60}]}
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._logs.scan import log_scan
from ansible_collections.runbook.ops.plugins.module_utils._logs.scan_options import OPTIONS


def main() -> None:
    run_module(OPTIONS, log_scan)


if __name__ == "__main__":
    main()
