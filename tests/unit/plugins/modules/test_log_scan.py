# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

import pytest
import yaml
from ansible_collections.runbook.ops.plugins.module_utils._logs.scan_options import MEASURE, OPTIONS, SCAN
from ansible_collections.runbook.ops.plugins.modules import log_scan
from contract import complaints, run

LINE = '203.0.113.7 - - [02/Jan/2026:10:00:00 +0000] "GET /cart/7 HTTP/1.1" {} 123 "-" "test" 0.250\n'


@pytest.fixture
def log(tmp_path):
    """Four requests, one of them an error."""
    path = tmp_path / "access.log"
    path.write_text("".join(LINE.format(status) for status in (200, 200, 503, 404)))
    return str(path)


def test_documentation_and_options_agree():
    assert complaints(log_scan, OPTIONS) == []


def test_documentation_of_what_is_inside_agrees():
    scans = yaml.safe_load(log_scan.DOCUMENTATION)["options"]["scans"]
    for documented, options in ((scans["suboptions"], SCAN), (scans["suboptions"]["measures"]["suboptions"], MEASURE)):
        assert documented.keys() == options.keys()
        for name, option in options.items():
            said = documented[name]["description"]
            assert all(isinstance(sentence, str) for sentence in ([said] if isinstance(said, str) else said)), name
            for key in ("type", "elements", "choices", "default", "required"):
                assert documented[name].get(key) == option.get(key), (name, key)


def test_counts_and_failure(log):
    measures = [{"pattern": "errors", "crit": 1}, {"measure": "rate", "pattern": "errors", "warn": 10}]
    for check in (True, False):
        status, result = run(log_scan, check, scans=[{"name": "shop", "paths": [log], "measures": measures}])
        assert (status, result["status"], result["changed"]) == (0, "warning", False)
        assert result["checks"][1]["message"] == '25 %, above warn 10, 1 of 4 requests, most often "503 GET /cart/N" (1)'
        status, result = run(log_scan, check, scans=[{"name": "shop", "paths": [log], "measures": [{"pattern": "errors", "crit": 0}]}])
        assert (status, result["status"]) == (1, "failed")
        assert result["msg"].startswith("1 of 1 check not ok - shop errors: 1 line, above crit 0")
    status, result = run(log_scan, fail=False, scans=[{"name": "gone", "paths": [f"{log}.gone"]}, {"name": "shop", "paths": [log]}])
    assert (status, [item["status"] for item in result["checks"]]) == (0, ["crashed", "ok"])


def test_check_mode_remembers_nothing(log, tmp_path):
    scan = {"name": "shop", "paths": [log], "state": str(tmp_path / "state" / "scan.json")}
    for check, value in ((True, 1), (False, 1), (True, 0), (False, 0)):
        status, result = run(log_scan, check, scans=[scan])
        assert (status, result["checks"][0]["value"], result["changed"]) == (0, value, False)
        assert (tmp_path / "state").exists() == (not check or value == 0)


@pytest.mark.parametrize(
    ("scan", "message"),
    [
        ({"paths": []}, "paths is empty"),
        ({"paths": ["access.log"]}, "is not absolute"),
        ({"since": "soon"}, "is not a moment"),
        ({"since": "1h", "until": "2h"}, "since is not before until"),
        ({"state": "/tmp/x", "until": "1h"}, "can't have until"),
        ({"units": ["ssh.service"]}, "format journald"),
        ({"time_zone": "Middle/Earth"}, "no zone"),
        ({"exclude": ["("]}, "no regular expression"),
        ({"request_time": "[0-9]+"}, "needs one group"),
        ({"against": "other"}, "no scan of this task"),
        ({"top": 1000}, "between 0 and 100"),
        ({"measures": [{"regex": "a(b"}]}, "no regular expression"),
        ({"measures": [{"measure": "rate"}]}, "either pattern or regex"),
        ({"measures": [{"measure": "p95", "pattern": "errors"}]}, "neither pattern nor regex"),
        ({"measures": [{"pattern": "errors", "warn": 5, "crit": 1}]}, "crit 1 is reached before warn 5"),
        ({"measures": [{"pattern": "errors"}, {"pattern": "errors"}]}, "two measures are called"),
        ({"measures": [{"pattern": "errors", "min_requests": 0}]}, "less than 1"),
    ],
)
def test_one_line_for_bad_input(log, scan, message):
    # Even without fail, what can never be right is an error.
    status, result = run(log_scan, fail=False, scans=[{"name": "shop", "paths": [log], **scan}])
    assert (status, message in result["msg"], "\n" in result["msg"]) == (1, True, False), result["msg"]
