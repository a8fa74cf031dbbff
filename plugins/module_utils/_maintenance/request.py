# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operator asked for, checked and in the terms of the use case."""

from __future__ import annotations

import dataclasses
import datetime
import grp
import pwd
import re
import typing as t

from .._common.errors import InvalidInput
from .._common.times import parse_moment
from .addresses import allow_names
from .entries import Owner
from .moment import check_retry_after, check_until

TOKEN = re.compile(r"[A-Za-z0-9_-]{16,128}")
LONGEST_MESSAGE = 2000


@dataclasses.dataclass(frozen=True)
class Notice:
    """What the flag tells beside being there. None means not given."""

    message: str | None = None
    retry_after: int | None = None
    until: datetime.datetime | None = None


@dataclasses.dataclass(frozen=True)
class Request:
    """The options of the module. None for a list, and a name in ``unsaid``, mean: leave it as it is while maintenance is on."""

    notice: Notice
    unsaid: frozenset[str]
    allow: list[str] | None
    tokens: list[str] | None
    owner: Owner


def parse(options: t.Mapping[str, t.Any], now: datetime.datetime) -> Request:
    """The request, or ``InvalidInput`` that names the option."""
    return Request(
        notice=_notice(options, now),
        unsaid=frozenset(name for name in ("message", "retry_after", "until") if options[name] is None),
        allow=None if options["allow_ips"] is None else allow_names(options["allow_ips"]),
        tokens=_tokens(options["bypass_token"]),
        owner=_owner(options["owner"], options["group"]),
    )


def _notice(options: t.Mapping[str, t.Any], now: datetime.datetime) -> Notice:
    message = (options["message"] or "").replace("\r\n", "\n").strip() or None
    check_message(message or "")
    _check_text("by", options["by"] or "", 200, "")
    if options["retry_after"] is not None:
        check_retry_after(options["retry_after"])
    until = None
    if options["until"]:
        until = parse_moment(options["until"], "until")
        if options["state"] == "present":
            check_until(until, now)
    return Notice(message, options["retry_after"], until)


def check_message(message: str) -> None:
    """``InvalidInput`` for a message that is too long or holds control characters other than line breaks and tabs."""
    _check_text("message", message, LONGEST_MESSAGE, "\n\t")


def _check_text(name: str, text: str, longest: int, allowed: str) -> None:
    if len(text) > longest:
        raise InvalidInput(f"{name} is {len(text)} characters long, at most {longest} are shown; shorten it")
    if any((ord(letter) < 32 and letter not in allowed) or 0xD800 <= ord(letter) <= 0xDFFF or ord(letter) == 127 for letter in text):
        raise InvalidInput(f"{name} contains control characters or broken text; give plain UTF-8 text")


def _tokens(token: str | None) -> list[str] | None:
    if token is None:
        return None
    if token == "":
        return []
    if not TOKEN.fullmatch(token):
        raise InvalidInput("bypass_token must be 16 to 128 letters, digits, '_' or '-'; make one with: openssl rand -hex 24")
    return [token]


def _owner(owner: str | None, group: str | None) -> Owner:
    uid = gid = -1
    try:
        if owner:
            uid = int(owner) if owner.isdigit() else pwd.getpwnam(owner).pw_uid
        if group:
            gid = int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
    except KeyError as error:
        raise InvalidInput(f"{error.args[0]} on this host; create the account first or leave owner and group out") from None
    return Owner(uid, gid)
