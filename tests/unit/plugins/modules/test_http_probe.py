# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module: its options reach the use case as that expects them, and its documentation is about the same options."""

from __future__ import annotations

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.runbook.ops.plugins.module_utils._http.parse import SHARED, parse_probes
from ansible_collections.runbook.ops.plugins.modules import http_probe


def validate(options):
    return ArgumentSpecValidator(http_probe.SPEC.options).validate(options)


def validated(options):
    result = validate(options)
    assert not result.error_messages, result.error_messages
    return result.validated_parameters


def compare(documented, specified, where):
    assert set(documented) == set(specified), where
    for name, option in specified.items():
        text = documented[name]
        for key in ("type", "required", "default", "choices", "elements"):
            assert text.get(key) == option.get(key), f"{where}.{name} {key}"
        compare(text.get("suboptions", {}), option.get("options", {}), f"{where}.{name}")


def test_documentation_and_options_agree():
    compare(yaml.safe_load(http_probe.DOCUMENTATION)["options"], http_probe.SPEC.options, "http_probe")


def test_every_shared_option_is_an_option_of_module_and_probe():
    assert set(http_probe.SHARED) == set(SHARED)
    assert set(SHARED) <= set(http_probe.SPEC.options) & set(http_probe.PROBE)


@pytest.mark.parametrize("task", yaml.safe_load(http_probe.EXAMPLES), ids=lambda task: task["name"])
def test_examples_are_valid(task):
    options = task["runbook.ops.http_probe"]
    for probe in options["probes"]:
        probe.get("hmac", {}).update(secret="s3cret")
    assert len(parse_probes(validated(options))) == len(options["probes"])


def test_secrets_are_marked():
    def walk(options):
        for name, option in options.items():
            yield name, option
            yield from walk(option.get("options", {}))

    secret = {name for name, option in walk(http_probe.SPEC.options) if option.get("no_log")}
    assert secret == {"secret", "url_password", "bearer_token", "proxy_password"}


def test_values_arrive_in_their_types():
    options = validated(
        {"timeout": "2.5", "max_body": "1M", "probes": [{"url": "http://www.example.com/", "status": [200, "3xx"], "retries": "3"}]}
    )
    probe = parse_probes(options)[0]
    assert (probe.timeout, probe.max_body, probe.backoff.retries, str(probe.status)) == (2.5, 1 << 20, 3, "200 or 3xx")


def test_an_unknown_option_is_refused():
    result = validate({"probes": [{"url": "http://www.example.com/", "stauts": 200}]})
    assert any("stauts" in message for message in result.error_messages)
