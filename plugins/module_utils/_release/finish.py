# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ``release_finish``: close a deploy in one call."""

from __future__ import annotations

import time
import typing as t

from .._common.errors import InvalidInput, Refused, RunbookError
from .._common.runner import Run, describe_os_error
from . import lock
from .backends import open_store
from .prune import prune_by
from .site import Record, Site
from .store import Store

Result = t.Dict[str, t.Any]


def release_finish(options: t.Mapping[str, t.Any], run: Run) -> Result:
    """Close a deploy: prune, write its history line, give the lock back.

    Trouble with pruning does not keep the history line from being written or the lock from being given back; it is
    raised afterwards.
    """
    with open_store(options, run) as store:
        return _finish(store, options, run)


def _finish(store: Store, options: t.Mapping[str, t.Any], run: Run) -> Result:
    result: Result = {
        "changed": bool(options["outcome"]),
        "marked_bad": False,
        "removed": [],
        "kept": [],
        "plan": [],
        "unknown": [],
        "released": False,
    }
    if not store.check_base():
        if run.check_mode:  # an earlier task of the play would have made it
            return result
        raise Refused(f"{store.base} does not exist; there is no deploy to finish there, check path")
    site = Site(store)
    owner = options["lock_owner"]
    lock.check(site, owner)
    trouble = ""
    if options["prune"]:
        try:
            pruned = prune_by(store, options, run, options["release"])
            result.update({key: pruned[key] for key in ("removed", "kept", "plan", "unknown", "diff")})
            result["changed"] = result["changed"] or pruned["changed"]
        except InvalidInput:
            raise
        except RunbookError as error:
            trouble = error.message
        except OSError as error:
            trouble = describe_os_error(error)
    if run.check_mode:
        result["marked_bad"] = _may_be_marked(site, options) is not None
        result["changed"] = result["changed"] or result["marked_bad"]
    else:
        with store.mutex():
            _close(site, options, result)
    if trouble:
        raise RunbookError(f"the deploy is recorded and unlocked, but old releases could not be pruned: {trouble}", **result)
    return result


def _may_be_marked(site: Site, options: t.Mapping[str, t.Any]) -> Record | None:
    record = site.records().get(options["release"] or "") if options["mark_bad"] else None
    return record if record and record.state not in ("bad", "live") else None


def _close(site: Site, options: t.Mapping[str, t.Any], result: Result) -> None:
    release, outcome, owner = options["release"], options["outcome"], options["lock_owner"]
    record = _may_be_marked(site, options)
    if record:
        record.state, record.reason = "bad", outcome or "marked bad"
        site.save(record)
        result["marked_bad"] = result["changed"] = True
    if outcome:
        took = None if options["started"] is None else round(max(0.0, time.time() - options["started"]), 1)
        facts = {str(key): value for key, value in options["details"].items() if value not in (None, "")}
        site.note("deploy", release=release, outcome=outcome, by=options["by"], duration_s=took, **_free(facts))
    held = lock.holder(site)
    if owner and held and held.owner == owner:  # one that ran out may have passed to another run
        result["released"] = lock.release(site, owner) is not None


def _free(facts: Result) -> Result:
    """Details under names that the history line does not use itself."""
    own = ("time", "event", "release", "outcome", "by", "duration_s")
    return {f"detail_{key}" if key in own else key: value for key, value in facts.items()}
