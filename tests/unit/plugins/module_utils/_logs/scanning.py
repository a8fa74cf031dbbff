# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Scans as tests ask for them: the module's options with their defaults, and only what a test is about said."""

from __future__ import annotations

import time

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._logs.scan import log_scan
from ansible_collections.runbook.ops.plugins.module_utils._logs.scan_options import MEASURE, OPTIONS, SCAN


def _complete(spec, given):
    return {**{name: option.get("default") for name, option in spec.items()}, **given}


def scan_all(*scans, run=None, **more):
    """The module's result for some scans, never a failure."""
    options = {**_complete(OPTIONS.options, {}), "fail": False, **more}
    options["scans"] = [_complete(SCAN, {"name": "log", **given}) for given in scans]
    for given in options["scans"]:
        if given["measures"] is not None:
            given["measures"] = [_complete(MEASURE, measure) for measure in given["measures"]]
    return log_scan(options, run or Run())


def scan(*paths, run=None, **given):
    """The only item of a scan."""
    (item,) = scan_all({"paths": [str(path) for path in paths], **given}, run=run)["checks"]
    return item


def count(*paths, regex="ERROR", **given):
    """How many lines have a pattern."""
    item = scan(*paths, measures=[{"regex": regex}], **given)
    assert item["status"] in ("ok", "warning"), item["message"]
    return item["value"]


def access(moment, status=200, path="/cart/7", more="0.250"):
    """A line of an access log."""
    stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(moment))
    return f'203.0.113.7 - - [{stamp}] "GET {path} HTTP/1.1" {status} 123 "-" "test" {more}\n'
