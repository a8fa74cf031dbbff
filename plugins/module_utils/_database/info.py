# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What backups there are, what they are worth, and whether that is as it should be."""

from __future__ import annotations

import statistics
import time
import typing as t

from .._common import clock
from .._common.argspec import ArgumentSpec
from .._common.errors import InvalidInput, RunbookError
from .._common.outcome import Outcome, overall, summary
from .._common.progress import Progress
from .._common.runner import Run
from .._common.times import in_words, parse_duration
from . import catalogue, retention
from .catalogue import Catalogue, Depth, Entry
from .options import identity_of

INFO = ArgumentSpec(
    {
        "dest": {"type": "path", "required": True},
        "name": {"type": "str"},
        "verify": {"type": "str", "choices": ["none", "checksum", "deep"], "default": "none"},
        "verify_last": {"type": "int", "default": 0},
        "encryption_identity": {"type": "str", "no_log": True},
        "encryption_identity_file": {"type": "path"},
        "max_age": {"type": "str"},
        "max_restore_age": {"type": "str"},
        "trend_last": {"type": "int", "default": 7},
        "fail": {"type": "bool", "default": False},
    },
    mutually_exclusive=[("encryption_identity", "encryption_identity_file")],
)
# What is listed as a trend needs some backups to be one.
_FEWEST = 3


def db_backup_info(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """The module's use case: ``backups`` newest first, ``checks``, the worst ``status``."""
    max_age = parse_duration(options["max_age"], "max_age") if options["max_age"] else 0.0
    restore_age = parse_duration(options["max_restore_age"], "max_restore_age") if options["max_restore_age"] else 0.0
    if options["trend_last"] < _FEWEST:
        raise InvalidInput(f"trend_last: {options['trend_last']} backups are no trend; use {_FEWEST} or more")
    if options["verify_last"] < 0:
        raise InvalidInput(f"verify_last: {options['verify_last']} can't be negative; 0 verifies all")
    now = time.time()
    places = catalogue.folders(options["dest"], options["name"])
    found = [catalogue.scan(folder) for folder in places]
    if options["verify"] != "none":
        _verify(found, options["verify"], options["verify_last"], identity_of(options), run)
    checks: list[Outcome] = []
    for one in found:
        checks += [_integrity(one), *_sizes(one, options["trend_last"])]
        checks += [_freshness(one, max_age, now)] if max_age else []
        checks += [_restored(one, restore_age, now)] if restore_age else []
    if not found and max_age:
        checks.append(Outcome("backup age", "failed", f"there are no backups in {options['dest']}", unit="s", crit=max_age))
    result = {
        "changed": False,
        "backups": [_listed(entry, one.name, now) for one in found for entry in one.entries],
        "orphans": [f"{one.folder}/{name}" for one in found for name in one.orphans],
        "restores": {one.name: one.restores[-1] for one in found if one.restores},
        "checks": [check.to_dict() for check in checks],
        "status": overall(check.status for check in checks),
        "msg": summary(checks, "check"),
    }
    if options["fail"] and result["status"] in ("failed", "crashed"):
        raise RunbookError(str(result.pop("msg")), **result)
    return result


def _verify(found: t.Sequence[Catalogue], depth: Depth, last: int, identity: str, run: Run) -> None:
    chosen = [entry for one in found for entry in (one.entries[:last] if last else one.entries) if entry.sidecar]
    size = sum(entry.sidecar.stored_bytes for entry in chosen if entry.sidecar)
    progress = Progress("verifying backups", run.say, size=size)
    for entry in chosen:
        entry.verify(depth, identity, lambda count: progress.advance(0, count))


def _listed(entry: Entry, name: str, now: float) -> dict[str, t.Any]:
    """A backup as it is returned."""
    found = entry.sidecar
    item: dict[str, t.Any] = {
        "id": entry.id,
        "name": name,
        "path": entry.folder,
        "state": entry.state,
        "trouble": entry.trouble,
        "verified": entry.verified,
        "age_seconds": int(now - entry.ended),
    }
    if not found:
        return {**item, "engine": None, "bytes": None, "plain_bytes": None, "parts": [], "started": None, "ended": None}
    return {
        **item,
        "engine": found.engine,
        "server": {"product": found.server.product, "version": found.server.version},
        "bytes": found.stored_bytes,
        "plain_bytes": found.plain_bytes,
        "parts": [part.file for part in found.parts],
        "started": found.started,
        "ended": found.ended,
        "seconds": found.seconds,
        "encrypted": found.encrypted,
        "partial": found.partial,
        "tables": len(found.inventory.tables),
        "rows": found.inventory.rows,
        "schema_revision": found.schema_revision,
    }


def _integrity(one: Catalogue) -> Outcome:
    """Whether all that is listed is good. A sidecar that can't be read may hide anything."""
    check = Outcome(f"{one.name} backups", "ok", value=len(one.good), unit="backups")
    unreadable = [entry for entry in one.entries if entry.sidecar is None]
    bad = [entry for entry in one.entries if entry.state != "good" and entry.sidecar]
    # Data without a sidecar is what a killed run leaves, or what a lost sidecar does: worth a look, no alarm.
    lost = [name for name in one.orphans if not name.startswith(".partial-") and not name.endswith(".partial")]
    if unreadable or any(entry.state == "unknown" for entry in bad):
        check.status = "crashed"
    elif bad:
        check.status = "failed"
    elif lost:
        check.status = "warning"
    told = [f"{entry.id}: {entry.trouble}" for entry in [*unreadable, *bad]] + [
        f"{name} has no sidecar, so it is no backup" for name in lost
    ]
    check.message = "; ".join(told) or f"{len(one.good)} good"
    check.details = {"database": one.name, "bad": [entry.id for entry in one.entries if entry.state != "good"]}
    return check


def _whole(one: Catalogue) -> list[Entry]:
    """Good backups, newest first: without those of a few named tables, if there are others."""
    whole = [entry for entry in one.good if entry.sidecar and not entry.sidecar.include]
    return whole or one.good


def _freshness(one: Catalogue, limit: float, now: float) -> Outcome:
    check = Outcome(f"{one.name} backup age", "ok", unit="s", crit=limit, details={"database": one.name})
    newest = _whole(one)[0] if _whole(one) else None
    check.value = int(now - newest.ended) if newest else None
    doubtful = [entry for entry in one.entries if entry.sidecar is None and (newest is None or entry.ended > newest.ended)]
    last = one.attempts[-1] if one.attempts else {}
    why = f"; the newest run failed: {last.get('message', '')}" if last.get("status") == "failed" else ""
    if newest and now - newest.ended < -retention.SLACK:
        check.status, check.message = "crashed", f"the newest backup, {newest.id}, is dated in the future; a clock was or is wrong"
    elif newest and now - newest.ended > limit:
        old = in_words(now - newest.ended)
        check.status, check.message = "failed", f"the newest good backup, {newest.id}, is {old} old, more than {in_words(limit)}{why}"
    elif newest is None and not doubtful:
        check.status, check.message = "failed", f"there is no good backup in {one.folder}{why}"
    elif doubtful:
        check.status, check.message = "crashed", doubtful[0].trouble
    else:
        check.message = f"the newest good backup, {t.cast(Entry, newest).id}, is {in_words(max(0, int(check.value)))} old"
    return check


def _restored(one: Catalogue, limit: float, now: float) -> Outcome:
    check = Outcome(f"{one.name} restore age", "ok", unit="s", crit=limit, details={"database": one.name})
    done = [line for line in one.restores if line.get("status") == "ok" and clock.seconds(str(line.get("ended")))]
    if not done:
        check.status, check.message = "failed", "no verified restore is on record; restore into a scratch database, or run a drill"
        return check
    last = max(done, key=lambda line: clock.seconds(str(line["ended"])))
    check.value = int(now - clock.seconds(str(last["ended"])))
    check.details.update({"backup": last.get("id"), "mode": last.get("mode")})
    old = in_words(max(0, check.value))
    if check.value > limit:
        check.status, check.message = "failed", f"the last verified restore was {old} ago, more than {in_words(limit)}"
    else:
        check.message = f"the last verified restore was {old} ago"
    return check


def _sizes(one: Catalogue, last: int) -> list[Outcome]:
    """For every series with enough backups: the newest against the median of those before it."""
    checks = []
    for series in sorted({entry.series for entry in one.good}):
        sizes = [entry.sidecar.plain_bytes for entry in one.good if entry.series == series and entry.sidecar]
        if len(sizes) < _FEWEST:
            continue
        usual = statistics.median(sizes[1 : last + 1])
        change = round((sizes[0] / usual - 1) * 100, 1) if usual else 0.0
        check = Outcome(f"{one.name} backup size", "ok", value=change, unit="%", warn=-50)
        check.message = f"{sizes[0]:,} bytes, {change:+g} % against the median of the {min(last, len(sizes) - 1)} before"
        check.status = "warning" if sizes[0] * 2 < usual else "ok"
        check.details = {"database": one.name, "series": series, "bytes": sizes[0], "median_bytes": int(usual)}
        checks.append(check)
    return checks
