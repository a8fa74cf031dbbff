# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module file: its documentation, its options, and the way from them to the use case and back."""

from __future__ import annotations

import sys

import pytest
import yaml
from ansible_collections.runbook.ops.plugins.doc_fragments._request import ModuleDocFragment
from ansible_collections.runbook.ops.plugins.module_utils._common.argspec import complete
from ansible_collections.runbook.ops.plugins.module_utils._http.sign import HMAC
from ansible_collections.runbook.ops.plugins.module_utils._smoke.options import SMOKE_TEST
from ansible_collections.runbook.ops.plugins.modules import http_probe, notify, smoke_test
from contract import complaints, run

SECRETS = ("scrub_values", "proxy_password", "url_password", "bearer_token")


def test_documentation_and_options_agree():
    assert complaints(smoke_test, SMOKE_TEST, secrets=SECRETS) == []
    options = yaml.safe_load(smoke_test.DOCUMENTATION)["options"]
    compare(options, SMOKE_TEST.options, "smoke_test")


def compare(documented, specified, where):
    for name in documented:
        text, option = documented[name], specified[name]
        for key in ("type", "required", "default", "choices", "elements"):
            assert text.get(key) == option.get(key), f"{where}.{name} {key}"
        if "suboptions" in text:
            assert set(text["suboptions"]) == set(option["options"]), f"{where}.{name}"
            compare(text["suboptions"], option["options"], f"{where}.{name}")


def test_a_signature_is_described_in_the_same_words_by_every_module():
    probe = yaml.safe_load(http_probe.DOCUMENTATION)["options"]
    told = yaml.safe_load(notify.DOCUMENTATION)["options"]["targets"]["suboptions"]["hmac"]["suboptions"]
    shared = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]["hmac"]["suboptions"]
    assert probe["hmac"]["suboptions"] == probe["probes"]["suboptions"]["hmac"]["suboptions"] == told == shared
    compare(shared, HMAC, "hmac")


@pytest.mark.parametrize("task", yaml.safe_load(smoke_test.EXAMPLES), ids=lambda task: task["name"])
def test_examples_are_valid(task):
    complete(SMOKE_TEST, task["runbook.ops.smoke_test"], "example")


def test_pass_fail_and_check_mode(tmp_path):
    enqueue = {"command": [sys.executable, "-c", f"open({str(tmp_path / 'ran')!r}, 'a').write('x'); print('job 1')"]}
    options = {"enqueue": enqueue, "job_id": {"regex": r"job (\d+)"}, "interval": 0.01, "timeout": 5}
    good = {"poll": {"command": [sys.executable, "-c", "print('done')"]}}
    status, result = run(smoke_test, True, **options, **good)
    assert (status, result["status"], result["changed"], (tmp_path / "ran").exists()) == (0, "skipped", True, False)
    status, result = run(smoke_test, **options, **good)
    assert (status, result["status"], result["changed"], result["checks"][0]["message"][:16]) == (0, "ok", True, "PASS: job 1 is d")
    bad = {"poll": {"command": [sys.executable, "-c", "print('failed')"]}, "look_at": ["worker/.env"]}
    status, result = run(smoke_test, **options, **bad)
    assert (status, result["status"], result["changed"]) == (1, "failed", True)
    assert result["msg"].endswith("; look at worker/.env")
    assert run(smoke_test, **options, **bad, fail=False)[0] == 0


def test_secrets_are_not_shown(tmp_path):
    secret = "s3cret-of-the-test"
    database = {"engine": "sqlite", "database": str(tmp_path / "none.db"), "query": "SELECT 1", "login_password": secret}
    options = {"enqueue": {"command": ["true"]}, "poll": {"database": database}, "hmac": {"secret": secret}, "scrub_values": [secret]}
    _status, result = run(smoke_test, **options, timeout=0.1)
    assert result["status"] == "crashed" and secret not in str(result)
