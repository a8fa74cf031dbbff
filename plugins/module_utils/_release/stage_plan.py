# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A staging as its options describe it, and its result: what the controller's and the host's half share."""

from __future__ import annotations

import time
import typing as t

from .._common.errors import InvalidInput
from .staging import Request
from .walk import Rules, octal, shared_from_options

Options = t.Mapping[str, t.Any]
Result = t.Dict[str, t.Any]


def new_release_id() -> str:
    """The present, as releases are named: ``20261121_101500`` (UTC)."""
    return time.strftime("%Y%m%d_%H%M%S", time.gmtime())


def rules_from_options(options: Options) -> Rules:
    """How the source becomes a release, validated."""
    return Rules(
        exclude=tuple(options["exclude"]),
        shared=shared_from_options(options["shared_dirs"], options["shared_files"]),
        file_mode=octal(options["file_mode"], "file_mode"),
        dir_mode=octal(options["dir_mode"], "dir_mode"),
    )


def stage_request(options: Options, rules: Rules, root: str, where: str) -> Request:
    """The request that the host's half understands."""
    if options["max_size"] < 1:
        raise InvalidInput("max_size is in megabytes and must be at least 1")
    locking = None
    if options["lock_ttl"] is not None:
        if options["lock_ttl"] < 1:
            raise InvalidInput("lock_ttl is in seconds and must be at least 1")
        locking = {"where": where, "ttl": options["lock_ttl"], "take_over": options["lock_take_over"]}
    return Request(
        release=options["release"] or new_release_id(),
        root=root,
        shared=rules.shared,
        owner=options["owner"],
        group=options["group"],
        metadata={str(key): "" if value is None else str(value) for key, value in options["metadata"].items()},
        hardlink=options["hardlink"],
        reuse_current=options["reuse_current"],
        by=options["by"],
        lock_owner=options["lock_owner"],
        lock=locking,
    )


def finish_stage(done: Result, diff: bool, accepted: Result | None) -> Result:
    """The module's result of a finished staging."""
    result = dict(done)
    changes = result.pop("changes", None)
    if accepted is not None:
        result["resumed_files"] = accepted["resumed"]
    if changes:
        result["changes"] = {kind: len(paths) for kind, paths in changes.items()}
        if diff:
            result["diff"] = stage_diff(result["release"], changes)
    result["msg"] = f"release {result['release']} is {result['state']}" + ("" if result["changed"] else ", nothing to do")
    return result


def predict_stage(path: str, request: Request, size: int, files: int, accepted: Result, diff: bool) -> Result:
    """The module's result in check mode, when a release would be staged."""
    changes = accepted["changes"]
    result: Result = {
        "changed": True,
        "release": request.release,
        "state": "ready",
        "release_path": f"{path.rstrip('/')}/releases/{request.release}",
        "root": request.root,
        "files": files,
        "bytes": size,
        "sent_files": len(accepted["lacking"]),
        "sent_bytes": accepted["bytes"],
        "changes": {kind: len(paths) for kind, paths in changes.items()},
        "msg": f"release {request.release} would be staged, {len(accepted['lacking'])} files ({accepted['bytes']} bytes) to send",
    }
    if diff:
        result["diff"] = stage_diff(request.release, changes)
    return result


def stage_diff(release: str, changes: t.Mapping[str, t.Sequence[str]], most: int = 200) -> Result:
    """What the release changes against the current one, one path a line."""
    lines = []
    for sign, kind in (("+", "added"), ("~", "changed"), ("-", "removed")):
        paths = changes[kind]
        lines += [f"{sign} {path}" for path in paths[:most]]
        if len(paths) > most:
            lines.append(f"{sign} ... and {len(paths) - most:,} more {kind}")
    return {
        "before_header": "current release",
        "after_header": f"release {release}",
        "before": "",
        "after": "".join(f"{line}\n" for line in lines),
    }
