# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An incident: maintenance that nobody ends by the way, because the flag says so until it is closed.

The flag then holds ``incident: {since, by, reason}``. Deploys, restores and whoever else switches maintenance off without closing the
incident leaves it on and is told.
"""

from __future__ import annotations

import datetime
import typing as t

from .._common.errors import InvalidInput

Flag = t.Optional[t.Mapping[str, t.Any]]
_LONGEST = 500


def check(options: t.Mapping[str, t.Any]) -> None:
    """``InvalidInput`` for what makes no sense together."""
    wanted, reason = options.get("incident"), options.get("reason") or ""
    if wanted == "open" and options["state"] != "present":
        raise InvalidInput("an incident is opened with state present, because maintenance is on as long as it is open")
    if wanted == "open" and not reason.strip():
        raise InvalidInput("reason is missing; say in a line why the incident is opened, for those who find the site under maintenance")
    if len(reason) > _LONGEST or not _is_line(reason):
        raise InvalidInput(f"reason must be one line of at most {_LONGEST} characters, without control characters")


def found(flag: Flag) -> dict[str, t.Any] | None:
    """The open incident of a flag, or None. Whatever else somebody wrote there is told as nothing."""
    told = (flag or {}).get("incident")
    if not isinstance(told, dict):
        return None
    return {key: told[key] if isinstance(told.get(key), str) and _is_line(told[key]) else "" for key in ("since", "by", "reason")}


def wanted(options: t.Mapping[str, t.Any], flag: Flag, by: str, now: datetime.datetime) -> dict[str, t.Any] | None:
    """What the flag shall hold. One that is open stays as it was opened, whoever opens it again."""
    open_now = found(flag)
    if options.get("incident") == "closed":
        return None
    if open_now or options.get("incident") != "open":
        return open_now
    return {"since": now.isoformat(timespec="seconds"), "by": by, "reason": options["reason"].strip()}


def stays_on(options: t.Mapping[str, t.Any], active: bool, flag: Flag, base: str) -> str:
    """Why maintenance that is to be switched off stays on; empty when it may end."""
    open_now = found(flag)
    if options.get("incident") == "closed":
        # Closing ends the maintenance of the incident, not one that somebody switched on for other reasons.
        return f"maintenance of {base} stays on: no incident is open; switch it off without closing one" if active and not open_now else ""
    if open_now is None:
        return ""
    whose = f" by {open_now['by']}" if open_now["by"] else ""
    since, reason = open_now["since"] or "some time", open_now["reason"] or "no reason"
    return (
        f"maintenance of {base} stays on: an incident is open since {since}{whose} ({reason}); "
        "close it when the site is stable, with runbook.ops.incident and incident_state=closed"
    )


def _is_line(text: str) -> bool:
    return not any(ord(letter) < 32 or ord(letter) == 127 or 0xD800 <= ord(letter) <= 0xDFFF for letter in text)
