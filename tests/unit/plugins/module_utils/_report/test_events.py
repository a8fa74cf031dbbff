# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.runbook.ops.plugins.module_utils._report import events

DRILL = {"scenario": "backup_restore", "subject": "shop", "host": "db1", "ended": "2026-11-21T10:15:00Z", "status": "ok", "message": "fine"}


def test_deploys_and_rollbacks_of_a_sites_history():
    lines = [
        {"time": "2026-11-20T10:00:00Z", "event": "staged", "release": "1"},
        {"time": "2026-11-20T10:01:00Z", "event": "deploy", "release": "1", "outcome": "deployed"},
        {"time": "2026-11-20T11:01:00Z", "event": "deploy", "release": "2", "outcome": "rolled back"},
        {"time": "2026-11-20T12:01:00Z", "event": "deploy", "release": "0", "outcome": "rolled back by hand"},
        {"time": "2026-11-20T13:01:00Z", "event": "deploy", "release": "3", "outcome": "aborted during stage"},
        {"time": "yesterday", "event": "deploy", "release": "4", "outcome": "deployed"},
    ]
    found = [(event.kind, event.title, event.status, event.host) for event in events.from_history(lines, "web1")]
    assert found == [
        ("deploy", "1", "ok", "web1"),
        ("deploy", "2", "failed", "web1"),
        ("rollback", "0", "warning", "web1"),
        ("deploy", "3", "failed", "web1"),
    ]


def test_drills_of_a_folder(tmp_path):
    (tmp_path / "1.json").write_text(json.dumps(DRILL))
    (tmp_path / "2.json").write_text("{")
    (tmp_path / "3.json").write_text('["something else"]')
    (tmp_path / "4.html").write_text("<p>")
    (tmp_path / "5.json").symlink_to("1.json")
    (tmp_path / "6.json").mkdir()
    said = []
    (found,) = events.from_folder(str(tmp_path), said.append)
    assert (found.kind, found.title, found.status, found.host, found.message) == ("drill", "backup_restore: shop", "ok", "db1", "fine")
    assert [message.split(" is ")[0].rpartition("/")[2] for message in said] == ["2.json", "5.json", "6.json"]
    assert events.from_folder(str(tmp_path / "none"), pytest.fail) == []


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"at": "now", "title": "x"}, "at 'now' is no moment"),
        ({"at": "2026-11-20T10:00:00Z", "title": ""}, "no title"),
        ({"at": "2026-11-20T10:00:00Z", "title": "x", "kind": "party"}, "no kind of event"),
        ({"at": "2026-11-20T10:00:00Z", "title": "x", "status": "fine"}, "no status"),
    ],
)
def test_events_that_make_no_sense(event, message):
    with pytest.raises(InvalidInput, match=message):
        events.given(event)
