# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The use case: options, check mode, routes, bad input."""

from __future__ import annotations

import os

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, RunbookError

from .conftest import doubles, options_of

ALERT = {"key": "www/disk", "title": "The disk is full", "source": "www.example.com"}


def targets(world, *kinds):
    return [{"kind": kind, **options_of(world.server.url)[kind]} for kind in kinds]


def test_all_targets_in_one_call(world):
    found = world.notify(targets=targets(world, *doubles.SERVICES), messages=[ALERT])
    assert (found["changed"], found["status"], found["msg"]) == (True, "ok", "7 delivered")
    again = world.notify(targets=targets(world, *doubles.SERVICES), messages=[ALERT])
    assert (again["changed"], again["status"], again["msg"]) == (False, "skipped", "7 no news")


def test_check_mode_sends_and_writes_nothing_and_predicts(world):
    for _time in range(2):
        found = world.notify(check=True, targets=targets(world, "discord", "slack"), messages=[ALERT])
        assert (found["changed"], found["msg"]) == (True, "2 would be sent")
    assert not os.path.exists(world.state_dir)
    assert world.service("discord").requests == []
    world.notify(targets=targets(world, "discord", "slack"), messages=[ALERT])
    found = world.notify(check=True, targets=targets(world, "discord", "slack"), messages=[ALERT])
    assert (found["changed"], found["msg"]) == (False, "2 no news")


def test_one_bad_target_keeps_no_other_from_being_told(world):
    given = [*targets(world, "discord", "webhook"), {"kind": "slack", **options_of(world.server.url)["slack"], "token": "xoxb-wrong"}]
    with pytest.raises(RunbookError) as caught:
        world.notify(targets=given, messages=[ALERT])
    assert [item["result"] for item in caught.value.result["deliveries"]] == ["delivered", "delivered", "kept"]
    assert "invalid_auth" in caught.value.message
    assert "xoxb-wrong" not in str(caught.value.result) + caught.value.message
    assert world.notify(targets=given, messages=[ALERT], fail=False)["status"] == "failed"


def test_routes(world):
    world.notify(targets=targets(world, "discord", "webhook"), messages=[{**ALERT, "targets": ["webhook"]}])
    assert (len(world.taken("discord")), len(world.taken("webhook"))) == (0, 1)


def test_nothing_to_tell(world):
    found = world.notify(targets=targets(world, "discord"))
    assert (found["changed"], found["status"], found["msg"]) == (False, "skipped", "nothing to tell")


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ({"kind": "slack", "token": "x"}, "needs channel"),
        ({"kind": "discord"}, "needs url"),
        ({"kind": "discord", "url": "hooks.example.com/very-secret"}, "no absolute URL"),
        ({"kind": "discord", "url": "https://user:very-secret@example.com/"}, "no absolute URL"),
        ({"kind": "discord", "url": "https://example.com/x", "channel": "#a"}, "has no channel"),
        ({"kind": "discord", "url": "https://example.com/x", "name": "../x"}, "is not of letters"),
        ({"kind": "email", "host": "smtp.example.com", "sender": "ops", "recipients": ["a@example.com"]}, "no e-mail address"),
        (
            {"kind": "email", "host": "m.example.com", "sender": "a@example.com", "recipients": ["a@example.com"], "security": "none"}
            | {"username": "a", "password": "very-secret"},
            "security none would show the password",
        ),
        ({"kind": "webhook", "url": "https://example.com/x", "headers": {"X-A": "a\nb"}}, "one line of ASCII"),
        ({"kind": "webhook", "url": "https://example.com/x", "headers": {"Host": "a"}}, "can't be set"),
        ({"kind": "webhook", "url": "https://example.com/x", "token": "a", "hmac": {"secret": "b"}}, "exclude each other"),
        ({"kind": "slack", "channel": "#a", "token": "very secret"}, "token contains a space"),
        ({"kind": "discord", "url": "https://example.com/x", "ca_path": "/nonexistent.pem"}, "ca_path /nonexistent.pem can't be used"),
    ],
)
def test_bad_targets(world, target, complaint):
    with pytest.raises(InvalidInput, match=complaint) as caught:
        world.notify(targets=[target], messages=[ALERT])
    assert "very-secret" not in caught.value.message
    assert not os.path.exists(world.state_dir)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"messages": [{"title": " \n "}]}, "empty title"),
        ({"messages": [{**ALERT, "key": "a\nb"}]}, "its key"),
        ({"messages": [{**ALERT, "link": "javascript:alert(1)"}]}, "link: "),
        ({"messages": [{**ALERT, "targets": ["nobody"]}]}, "only discord"),
        ({"budget": "1d"}, "budget 1d"),
        ({"timeout": 0}, "timeout 0"),
        ({"retries": -1}, "retries -1"),
        ({"repeat_interval": "often"}, "no duration"),
        ({"targets": []}, "targets is empty"),
    ],
)
def test_bad_options(world, given, complaint):
    with pytest.raises(InvalidInput, match=complaint):
        world.notify(**{"targets": targets(world, "discord"), "messages": [ALERT], **given})
    assert world.service("discord").requests == []


def test_targets_have_names_of_their_own(world):
    with pytest.raises(InvalidInput, match="is there twice"):
        world.notify(targets=targets(world, "discord", "discord"))


def test_plain_http_is_warned_of(world):
    world.notify(check=True, targets=[{"kind": "discord", "url": "http://chat.example.com/x"}], messages=[ALERT])
    assert "http://" in world.warnings[0]
