# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``db_replica``: who is primary, and the steps by which another server becomes it. One server at a time; their order over
two servers, by which never both accept writes, is the drill's (roles/dr_drill)."""

from __future__ import annotations

import dataclasses
import typing as t

from .._common.argspec import ArgumentSpec
from .._common.errors import InvalidInput, Refused, RunbookError
from .._common.runner import Run
from .options import LOGIN, login_of
from .replication import Replication, State, Upstream, wait

ACTIONS = ("status", "fence", "unfence", "promote", "follow", "mark", "unmark")

REPLICA = LOGIN.merge(
    ArgumentSpec(
        {
            "action": {"type": "str", "choices": list(ACTIONS), "default": "status"},
            "name": {"type": "str"},
            "marker": {"type": "str"},
            "position": {"type": "str"},
            "force": {"type": "bool", "default": False},
            "timeout": {"type": "float", "default": 60},
            "upstream_host": {"type": "str"},
            "upstream_port": {"type": "int"},
            "upstream_user": {"type": "str"},
            "upstream_password": {"type": "str", "no_log": True},
            "upstream_ssl_mode": {
                "type": "str",
                "choices": ["disable", "prefer", "require", "verify-ca", "verify-full"],
                "default": "prefer",
            },
        },
        required_if=[
            ("action", "follow", ("upstream_host", "upstream_user")),
            ("action", "mark", ("name", "marker")),
            ("action", "unmark", ("name",)),
        ],
    )
)


def replication_of(options: t.Mapping[str, t.Any]) -> Replication:
    """The server that the options name."""
    kind, login, database = options["engine"], login_of(options), options["name"] or ""
    if kind in ("mariadb", "mysql"):
        from .replication_mariadb import MariaDBReplication

        return MariaDBReplication(login, database)
    if kind == "postgresql":
        from .replication_postgresql import PostgreSQLReplication

        return PostgreSQLReplication(login, database)
    raise InvalidInput(f"replication of {kind} is not known here; mariadb and postgresql are")


def db_replica(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """``{changed, msg, state, ended, restart_needed, marker}``; see the module's documentation."""
    if not 0 < options["timeout"] <= 86400:
        raise InvalidInput(f"timeout {options['timeout']:g} is not between 0 and 86400 seconds")
    server = replication_of(options)
    return _ACTIONS[options["action"]](server, options, run)


def _answer(server: Replication, changed: bool, said: str, run: Run, **more: t.Any) -> dict[str, t.Any]:
    state = server.state()
    return {"changed": changed, "msg": f"{said}{' (check mode)' if changed and run.check_mode else ''}", **_told(state), **more}


def _told(state: State) -> dict[str, t.Any]:
    return {"state": dataclasses.asdict(state)}


def describe(state: State) -> str:
    """A state in words."""
    if state.role == "primary":
        return f"primary, {'accepts writes' if state.writable else 'fenced (read-only)'}, at {state.position or 'the beginning'}"
    how = "follows" if state.following else "should follow"
    behind = f", {state.lag:g} s behind" if state.lag is not None else ""
    said = f"replica, {how} {state.upstream or 'nobody'}{behind}, at {state.position or 'the beginning'}"
    return f"{said} ({state.error})" if state.error else said


def _status(server: Replication, options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    state = server.state()
    more = {"marker": server.marker()} if options["name"] else {}
    return {"changed": False, "msg": f"{server.where}: {describe(state)}", **_told(state), **more}


def _fence(server: Replication, options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    before = server.state()
    if before.role != "primary":
        raise Refused(f"{server.where} is a replica; fence the primary that it follows, {before.upstream or 'which is not known'}")
    if run.check_mode:
        return _answer(server, before.writable, f"{server.where} would be fenced", run, ended=0)
    # Fenced already, it may still have sessions of before.
    ended = server.fence(options["timeout"])
    after = server.state()
    if after.writable:
        raise RunbookError(f"{server.where} still accepts writes after it was fenced; do not promote another server", **_told(after))
    return _answer(server, before.writable, f"{server.where} accepts no more writes, {ended} sessions ended", run, ended=ended)


def _unfence(server: Replication, options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    before = server.state()
    if before.role != "primary":
        raise Refused(f"{server.where} is a replica of {before.upstream or 'another server'}; promote it when that one accepts no writes")
    if not before.writable and not run.check_mode:
        server.unfence()
    return _answer(server, not before.writable, f"{server.where} accepts writes", run)


def _promote(server: Replication, options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    before = server.state()
    if before.role == "primary":
        if not before.writable:
            raise Refused(f"{server.where} is a primary that was fenced; use unfence when no other server accepts writes")
        return _answer(server, False, f"{server.where} is primary already", run)
    position = options["position"] or ""
    if not options["force"]:
        if not position:
            raise Refused(
                f"{server.where} is not promoted without knowing what it must have; give the position that fence returned, or force"
            )
        reached = wait(lambda: server.has(position), 0 if run.check_mode else options["timeout"])
        if not reached:
            now = server.state()
            raise Refused(
                f"{server.where} has not caught up: it must be at {position} and is a {describe(now)}; nothing was changed",
                **_told(now),
                untouched=True,
            )
    if not run.check_mode:
        server.promote(options["timeout"])
        after = server.state()
        if after.role != "primary" or not after.writable:
            raise RunbookError(f"{server.where} was told to be primary and is not: {describe(after)}", **_told(after))
    return _answer(server, True, f"{server.where} is primary and accepts writes", run)


def _follow(server: Replication, options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    upstream = Upstream(
        host=options["upstream_host"],
        port=options["upstream_port"] or 0,
        user=options["upstream_user"],
        password=options["upstream_password"] or "",
        ssl_mode=options["upstream_ssl_mode"],
    )
    before = server.state()
    if before.role == "replica" and before.following and before.upstream.rpartition(":")[0] == upstream.host:
        return _answer(server, False, f"{server.where} follows {before.upstream} already", run, restart_needed=False)
    if before.role == "primary" and before.writable:
        raise Refused(f"{server.where} is a primary that accepts writes; fence it first")
    if run.check_mode:
        return _answer(server, True, f"{server.where} would follow {upstream.host}", run, restart_needed=server.restarts)
    server.follow(upstream)
    if server.restarts:
        return _answer(server, True, f"{server.where} will follow {upstream.host} when it is restarted", run, restart_needed=True)
    state = before

    def settled() -> bool:
        nonlocal state
        state = server.state()
        return state.following and state.lag == 0

    if not wait(settled, options["timeout"], 0.2):
        raise RunbookError(
            f"{server.where} does not follow {upstream.host} within {options['timeout']:g} s: {describe(state)}", **_told(state)
        )
    return _answer(server, True, f"{server.where} follows {state.upstream}", run, restart_needed=False)


def _mark(server: Replication, options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    state = server.state()
    if state.role != "primary" or not state.writable:
        raise Refused(f"{server.where} accepts no writes, so nothing can be marked: {describe(state)}")
    if not run.check_mode:
        server.mark(options["marker"])
    return _answer(server, True, f"{server.where}: marked", run, marker=options["marker"])


def _unmark(server: Replication, options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    state = server.state()
    if state.role != "primary" or not state.writable:
        raise Refused(f"{server.where} accepts no writes, so the marker can't be removed: {describe(state)}")
    if not run.check_mode:
        server.unmark()
    return _answer(server, True, f"{server.where}: the marker is gone", run)


_ACTIONS: dict[str, t.Callable[[Replication, t.Mapping[str, t.Any], Run], dict[str, t.Any]]] = {
    "status": _status,
    "fence": _fence,
    "unfence": _unfence,
    "promote": _promote,
    "follow": _follow,
    "mark": _mark,
    "unmark": _unmark,
}
