# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a failover, each on one server that is only remembered here; real servers are in molecule/failover."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, Refused, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._database import replica
from ansible_collections.runbook.ops.plugins.module_utils._database.replication import State, Upstream
from ansible_collections.runbook.ops.plugins.module_utils._database.replication_mariadb import MariaDBReplication, parse_gtids
from ansible_collections.runbook.ops.plugins.module_utils._database.replication_postgresql import conninfo, parse_lsn

PRIMARY = State("primary", True, "5")
FENCED = State("primary", False, "5")
REPLICA = State("replica", False, "5", "192.0.2.1:3306", True, 0.0)


class Remembered:
    where = "db1.example.com"

    def __init__(self, state, restarts=False, deaf=False):
        self.now, self.restarts, self.deaf, self.done = state, restarts, deaf, []

    def _become(self, what, **changes):
        self.done.append(what)
        if not self.deaf:
            self.now = dataclasses.replace(self.now, **changes)

    def state(self):
        return self.now

    def has(self, position):
        return int(self.now.position) >= int(position)

    def fence(self, timeout):
        self._become("fence", writable=False)
        return 3

    def unfence(self):
        self._become("unfence", writable=True)

    def promote(self, timeout):
        self._become("promote", role="primary", writable=True, upstream="", following=False)

    def follow(self, upstream):
        self._become("follow", role="replica", upstream=f"{upstream.host}:3306", following=True, lag=0.0)

    def mark(self, token):
        self._become("mark")

    def unmark(self):
        self._become("unmark")

    def marker(self):
        return ""


@pytest.fixture
def call(monkeypatch):
    def call(server, action, check_mode=False, **options):
        monkeypatch.setattr(replica, "replication_of", lambda _options: server)
        given = {"action": action, "timeout": 0.2, "position": None, "force": False, "name": None, "marker": None}
        upstream = {"upstream_host": "192.0.2.2", "upstream_port": None, "upstream_user": "repl", "upstream_password": "x"}
        return replica.db_replica({**given, **upstream, "upstream_ssl_mode": "prefer", **options}, Run(check_mode=check_mode))

    return call


@pytest.mark.parametrize(
    ("state", "action", "options", "after"),
    [
        (PRIMARY, "fence", {}, FENCED),
        (FENCED, "unfence", {}, PRIMARY),
        (REPLICA, "promote", {"position": "5"}, PRIMARY),
        (REPLICA, "promote", {"force": True}, PRIMARY),
        (FENCED, "follow", {}, dataclasses.replace(REPLICA, upstream="192.0.2.2:3306")),
    ],
)
def test_predicted_done_and_done_again(call, state, action, options, after):
    server = Remembered(state)
    assert call(server, action, True, **options)["changed"] is True
    assert (server.done, server.now) == ([], state)
    assert call(server, action, **options)["changed"] is True
    assert (server.now.role, server.now.writable, server.now.upstream) == (after.role, after.writable, after.upstream)
    assert call(server, action, True, **options)["changed"] is False
    assert call(server, action, **options)["changed"] is False


@pytest.mark.parametrize(
    ("state", "action", "options", "message"),
    [
        (REPLICA, "fence", {}, "fence the primary that it follows, 192.0.2.1:3306"),
        (REPLICA, "unfence", {}, "promote it when that one accepts no writes"),
        (REPLICA, "promote", {}, "give the position that fence returned, or force"),
        (REPLICA, "promote", {"position": "6"}, "has not caught up: it must be at 6"),
        (FENCED, "promote", {"position": "5"}, "use unfence when no other server accepts writes"),
        (PRIMARY, "follow", {}, "fence it first"),
        (FENCED, "mark", {"name": "shop", "marker": "x"}, "accepts no writes"),
        (REPLICA, "unmark", {"name": "shop"}, "accepts no writes"),
    ],
)
@pytest.mark.parametrize("check_mode", [True, False])
def test_what_would_be_unsafe_is_refused(call, state, action, options, message, check_mode):
    server = Remembered(state)
    with pytest.raises(Refused) as caught:
        call(server, action, check_mode, **options)
    assert message in caught.value.message
    assert (server.done, server.now) == ([], state)


@pytest.mark.parametrize(
    ("state", "action", "message"),
    [
        (PRIMARY, "fence", "do not promote another server"),
        (REPLICA, "promote", "was told to be primary and is not"),
        (FENCED, "follow", "does not follow 192.0.2.2"),
    ],
)
def test_a_server_that_does_not_do_it(call, state, action, message):
    with pytest.raises(RunbookError) as caught:
        call(Remembered(state, deaf=True), action, position="5")
    assert message in caught.value.message


def test_sessions_of_before_go_though_it_is_fenced_already(call):
    server = Remembered(FENCED)
    result = call(server, "fence")
    assert (result["changed"], result["ended"], server.done) == (False, 3, ["fence"])


def test_a_server_that_has_to_be_restarted_is_not_waited_for(call):
    result = call(Remembered(FENCED, restarts=True, deaf=True), "follow")
    assert (result["changed"], result["restart_needed"]) == (True, True)


def test_positions():
    assert parse_gtids("0-1-17, 5-2-3") == {"0": 17, "5": 3}
    assert parse_gtids("0-1-17,0-2-16") == {"0": 17}
    assert parse_gtids("") == {}
    assert parse_lsn("1/A") == (1 << 32) + 10
    for parse, text in ((parse_gtids, "0-1"), (parse_gtids, "0/3000148"), (parse_lsn, "0-1-17"), (parse_lsn, "")):
        with pytest.raises(InvalidInput):
            parse(text)


@pytest.mark.parametrize(
    ("got", "wanted", "has"), [("0-1-17", "0-2-17", True), ("0-1-16", "0-1-17", False), ("0-1-17", "0-1-17,1-1-1", False)]
)
def test_a_position_of_mariadb_is_had_in_every_domain(monkeypatch, got, wanted, has):
    class Session:
        def __enter__(self):
            return self

        def __exit__(self, *_error):
            pass

        def run(self, sql):
            assert sql == "SELECT @@GLOBAL.gtid_current_pos AS p"
            return [{"p": got}]

    server = MariaDBReplication.__new__(MariaDBReplication)
    monkeypatch.setattr(server, "_session", Session)
    assert server.has(wanted) is has


def test_conninfo_names_no_password():
    said = conninfo(Upstream("db2.example.com", 0, "it's \\", "geheim"), "/data/pass file")
    assert said == (
        "host='db2.example.com' port='5432' user='it\\'s \\\\' sslmode='prefer' passfile='/data/pass file' application_name='runbook'"
    )


def test_a_timeout_that_is_none(call):
    with pytest.raises(InvalidInput, match="timeout 0"):
        call(Remembered(PRIMARY), "status", timeout=0)
