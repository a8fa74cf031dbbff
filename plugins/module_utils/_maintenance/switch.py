# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Switching a site's maintenance on and off.

On the host, below the site's base (the web server's snippets know these names)::

    maintenance.flag             {since, by, message, retry_after, until, incident}; its presence is maintenance
    maintenance.d/               may be entered, not listed
      allow/<address or prefix>  empty files, see addresses.py
      token/<token>              an empty file whose name is the secret
      page.html                  what visitors see
      retry/<value>              one file that holds its own name, the value of Retry-After
      retry_after -> retry/<value>   Apache reads the file, nginx resolves the link: neither needs a reload

Whatever lets somebody pass, and the page, exist before the flag does; the flag goes before they do. So a run that is killed leaves
either a working site or complete maintenance, and the next run finishes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import getpass
import json
import os
import typing as t

from .._common.errors import InvalidInput
from .._common.runner import Run
from .._common.times import parse_moment
from . import htaccess, incident, page
from .entries import DATA, FLAG, HTACCESS, Entries, Owner
from .folder import OnDisk
from .install import install
from .moment import check_retry_after, retry_header
from .opening import Place, open_base, open_beside
from .request import Notice, Request, check_message, parse

_HINT = "open the site once with ?maintenance_bypass=<token> (a cookie remembers it), or send the header X-Maintenance-Bypass: <token>"
_FILE_MODE = 0o644
_TOKEN_MODE = 0o600
# Entering is enough for the web server's account; listing would show the token.
_FOLDER_MODE = 0o711
_FOLDERS = ("allow", "token", "retry")


@dataclasses.dataclass
class Before:
    """What a run found. ``flag`` is None for a flag that holds no notice, such as one that somebody made with ``touch``."""

    active: bool
    flag: dict[str, t.Any] | None
    allow: list[str]
    tokens: list[str]


@dataclasses.dataclass
class After:
    """What a run establishes: the flag's content, the file names for addresses and tokens, the value of Retry-After."""

    flag: dict[str, t.Any]
    notice: Notice
    names: list[str]
    tokens: list[str]
    retry: str


def switch(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """The use case of the module for a site on this machine: ``options`` are its options."""
    return switch_at(OnDisk(options["path"]), options, run)


def switch_at(place: Place, options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """The use case for a site wherever it is."""
    now = datetime.datetime.now(datetime.timezone.utc)
    request = parse(options, now)
    if options["state"] == "installed":
        return {**install(place, options, request.owner, run), **place.told(run.check_mode)}
    incident.check(options)
    present = options["state"] == "present"
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(open_base(place, request.owner, run, present))
        beside = stack.enter_context(open_beside(place, options["htaccess"], Owner(), folder))
        before = _before(folder)
        stays = "" if present else incident.stays_on(options, before.active, before.flag, place.base)
        if stays:
            run.warn(stays)
            return {**_stays(place.base, before, stays), **place.told(run.check_mode)}
        if not present:
            changed = _off(folder, beside)
            return {**_result(place.base, before, None, changed), **place.told(run.check_mode)}
        notice = _merged(request, before)
        if notice.until is not None and notice.until <= now:
            run.warn(f"maintenance of {place.base} was to end at {notice.until.isoformat()} and is still on")
        # What is not said stays as it is during maintenance; leftovers of an interrupted run let nobody in.
        names = request.allow if request.allow is not None else (before.allow if before.active else [])
        tokens = request.tokens if request.tokens is not None else (before.tokens if before.active else [])
        opened = incident.wanted(options, before.flag, options["by"] or _account(), now)
        flag = {**_flag(notice, before, options["by"], now), **({"incident": opened} if opened else {})}
        after = After(flag, notice, names, tokens, retry_header(notice.retry_after, notice.until, now))
        changed = _on(folder, beside, after, now)
        return {**_result(place.base, before, after, changed), **place.told(run.check_mode)}


def _on(base: Entries, beside: Entries, after: After, now: datetime.datetime) -> bool:
    retry = after.retry
    html = page.render(after.notice.message, after.notice.retry_after, after.notice.until, now)
    edited = _edited(beside, lambda text: htaccess.with_page(text, html, retry))
    changed = base.ensure_folder(DATA, _FOLDER_MODE)
    with base.child(DATA) as data:
        for name, wanted, content, mode in (
            ("retry", [retry], retry.encode(), _FILE_MODE),
            ("allow", after.names, b"", _FILE_MODE),
            ("token", after.tokens, b"", _TOKEN_MODE),
        ):
            changed |= data.ensure_folder(name, _FOLDER_MODE)
            with data.child(name) as child:
                if name == "retry":
                    # The link always has its file: the new file, the link, only then may the old file go.
                    changed |= child.ensure_file(retry, content, mode)
                    changed |= data.ensure_link("retry_after", f"retry/{retry}")
                changed |= child.ensure_only(wanted, content, mode)
                child.sync()
        changed |= data.ensure_file("page.html", html.encode(), _FILE_MODE)
        changed |= data.remove_partials(("page.html", "retry_after"))
        data.sync()
    changed |= _ensure_htaccess(beside, edited)
    changed |= base.ensure_file(FLAG, _document(after.flag), _FILE_MODE)
    changed |= base.remove_partials((FLAG,))
    base.sync()
    return changed


def _off(base: Entries, beside: Entries) -> bool:
    changed = base.ensure_absent(FLAG)
    base.sync()
    changed |= base.remove_partials((FLAG,))
    changed |= _ensure_htaccess(beside, _edited(beside, htaccess.without_page))
    with base.child(DATA) as data:
        # The token first: from here on it opens nothing, whatever happens to this run.
        for name in reversed(_FOLDERS):
            if name == "retry":
                changed |= data.ensure_absent("retry_after")
            with data.child(name) as child:
                changed |= child.ensure_only((), b"", _FILE_MODE)
            changed |= data.ensure_no_folder(name)
        changed |= data.ensure_absent("page.html")
        changed |= data.remove_partials(("page.html", "retry_after"))
    changed |= base.ensure_no_folder(DATA, (*_FOLDERS, "page.html", "retry_after"))
    base.sync()
    return changed


def _before(base: Entries) -> Before:
    content = base.read(FLAG)
    flag: dict[str, t.Any] | None = None
    if content is not None:
        with contextlib.suppress(ValueError):
            loaded = json.loads(content.decode())
            flag = loaded if isinstance(loaded, dict) else None
    with base.child(DATA) as data, data.child("allow") as allow, data.child("token") as token:
        return Before(content is not None, flag, allow.names(), token.names())


def _merged(request: Request, before: Before) -> Notice:
    """What was asked for; what was not said stays as the flag has it while maintenance is on."""
    old = before.flag or {}
    message, retry_after, until = request.notice.message, request.notice.retry_after, request.notice.until
    # The flag lies in a folder of the site's own account: its content is input like any other.
    if "message" in request.unsaid and isinstance(old.get("message"), str):
        with contextlib.suppress(InvalidInput):
            check_message(old["message"])
            message = old["message"]
    if "retry_after" in request.unsaid and isinstance(old.get("retry_after"), int):
        with contextlib.suppress(InvalidInput):
            check_retry_after(old["retry_after"])
            retry_after = old["retry_after"]
    if "until" in request.unsaid and isinstance(old.get("until"), str):
        with contextlib.suppress(InvalidInput):
            until = parse_moment(old["until"], "until")
    return Notice(message, retry_after, until)


def _flag(notice: Notice, before: Before, by: str | None, now: datetime.datetime) -> dict[str, t.Any]:
    old = before.flag or {}
    since, who = old.get("since"), old.get("by")
    return {
        # Since when and by whom maintenance is on does not change when its message does.
        "since": since if isinstance(since, str) else now.isoformat(timespec="seconds"),
        "by": who if isinstance(who, str) else (by or _account()),
        "message": notice.message,
        "retry_after": notice.retry_after,
        "until": notice.until.isoformat() if notice.until else None,
    }


def _document(flag: t.Mapping[str, t.Any]) -> bytes:
    return (json.dumps(flag, indent=2, ensure_ascii=False) + "\n").encode()


def _result(base: str, before: Before, after: After | None, changed: bool) -> dict[str, t.Any]:
    result: dict[str, t.Any] = {
        "changed": changed,
        "msg": f"maintenance of {base} is off",
        "active": False,
        "was_active": before.active,
        "flag": None,
        "incident": None,
        "previous": before.flag,
        "allow_names": [],
        "token_set": False,
        "retry_after_header": None,
    }
    shown = ""
    if after is not None:
        names, token = len(after.names), "a" if after.tokens else "no"
        result.update(
            msg=f"maintenance of {base} is on since {after.flag['since']}; {names} allowed address names, {token} bypass token",
            active=True,
            flag=after.flag,
            incident=after.flag.get("incident"),
            allow_names=after.names,
            token_set=bool(after.tokens),
            retry_after_header=after.retry,
        )
        if after.tokens:
            result["bypass_hint"] = _HINT
        shown = _shown(after.flag, after.names, _token_word(before.tokens, after.tokens))
    result["diff"] = {
        "before_header": f"{base}/{FLAG}",
        "after_header": f"{base}/{FLAG}",
        # A flag that somebody made with touch tells nothing, but it is maintenance.
        "before": _shown(before.flag or {}, before.allow, "set" if before.tokens else "not set") if before.active else "",
        "after": shown,
    }
    return result


def _stays(base: str, before: Before, why: str) -> dict[str, t.Any]:
    """The result of a run that was to switch maintenance off and must not: nothing was changed."""
    told: dict[str, t.Any] = {
        "active": True,
        "msg": why,
        "incident": incident.found(before.flag),
        "flag": before.flag,
        "allow_names": before.allow,
    }
    result = {**_result(base, before, None, False), **told, "token_set": bool(before.tokens)}
    result["diff"]["after"] = result["diff"]["before"]
    return result


def _shown(flag: t.Mapping[str, t.Any], names: t.Sequence[str], token: str) -> str:
    return json.dumps({**flag, "allow_names": list(names), "bypass_token": token}, indent=2, ensure_ascii=False) + "\n"


def _token_word(before: t.Sequence[str], after: t.Sequence[str]) -> str:
    if not after:
        return "not set"
    return "set" if not before or list(before) == list(after) else "set to another"


def _account() -> str:
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _edited(folder: Entries, edit: t.Callable[[str], str]) -> bytes | None:
    """The content that ``.htaccess`` shall have, or None where there is none with the role's block. May refuse, writes nothing."""
    content = folder.read(HTACCESS) if folder.is_file(HTACCESS) else None
    # Byte for byte: the rest of the file is somebody else's, in whatever encoding.
    text = (content or b"").decode("utf-8", "surrogateescape")
    return edit(text).encode("utf-8", "surrogateescape") if htaccess.is_ours(text) else None


def _ensure_htaccess(folder: Entries, content: bytes | None) -> bool:
    if content is None:
        return False
    changed = folder.ensure_content(HTACCESS, content)
    changed |= folder.remove_partials((HTACCESS,))
    folder.sync()
    return changed
