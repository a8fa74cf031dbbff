# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cPanel's answers mean: UAPI with and without its envelope, API 2, and the texts it gives for what went wrong.

Both APIs answer HTTP 200 to almost everything and tell the outcome in the body. There is no published list of errors:
the texts below are those that are known, and what none of them fits is passed on as it is.
"""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from .._common.errors import RunbookError

# What an answer says of a failure:
#   missing, exists, quota, denied  about the file in question
#   unsupported                     this version has no such function
#   restricted                      the host or the account's package does not allow the function
#   token                           wrong user or token, or a token that may not call the function
#   unknown                         the connection ended before the answer: it may have been done
#   other
Kind = t.Literal["missing", "exists", "quota", "denied", "unsupported", "restricted", "token", "unknown", "other"]


class ApiError(RunbookError):
    """A call that failed; ``kind`` says why, ``said`` is the server's own text."""

    def __init__(self, message: str, kind: Kind = "other", said: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.said = said


@dataclasses.dataclass
class Answer:
    """The outcome of one function."""

    ok: bool
    data: t.Any = None
    errors: list[str] = dataclasses.field(default_factory=list)
    metadata: dict[str, t.Any] = dataclasses.field(default_factory=dict)


# What listings are read for. A folder of 25,000 files is answered with twenty facts on each, so the rest is dropped while it is parsed.
_LISTED = ("file", "fullpath", "type", "size", "mode", "nicemode", "mtime", "exists", "isparent", "absdir")


def _trimmed(found: dict[str, t.Any]) -> dict[str, t.Any]:
    if "fullpath" in found and "file" in found:
        return {key: found[key] for key in _LISTED if key in found}
    return found


def parse(body: bytes) -> t.Any:
    """The JSON of an answer; ``ValueError`` for anything else."""
    return json.loads(body.decode("utf-8", "replace"), object_hook=_trimmed)


def _texts(value: t.Any) -> list[str]:
    if value is None:
        return []
    return [str(each) for each in (value if isinstance(value, list) else [value]) if each]


def uapi_answer(document: t.Any) -> Answer:
    """The outcome of a UAPI call or of one member of a batch, whether or not ``result`` wraps it."""
    if isinstance(document, dict) and "cpanelresult" in document and "status" not in document:
        return api2_answer(document)  # how the server refuses some calls before it looks at the function
    found = document.get("result") if isinstance(document, dict) and isinstance(document.get("result"), dict) else document
    if not isinstance(found, dict) or "status" not in found:
        raise ValueError("no status")
    metadata = found.get("metadata")
    return Answer(
        str(found["status"]) == "1", found.get("data"), _texts(found.get("errors")), metadata if isinstance(metadata, dict) else {}
    )


def api2_answer(document: t.Any) -> Answer:
    """The outcome of an API 2 call. Its data is a list of what was done to each file, each with its own result."""
    found = document.get("cpanelresult") if isinstance(document, dict) else None
    if not isinstance(found, dict):
        raise ValueError("no cpanelresult")
    data, event = found.get("data"), found.get("event")
    items = [data] if isinstance(data, dict) else [each for each in data or [] if isinstance(each, dict)]
    errors = _texts(found.get("error"))
    ok = not errors
    if isinstance(event, dict) and str(event.get("result", 1)) != "1":
        ok = False
        errors += _texts(event.get("reason"))
    for item in items:
        if str(item.get("result", 1)) != "1":
            ok = False
            errors += _texts(item.get("err") or item.get("reason") or item.get("statusmsg"))
    return Answer(ok, items, list(dict.fromkeys(errors)))


def is_login_page(body: bytes) -> bool:
    """Whether this is the page for people that the server gives instead of an answer when it does not accept the token."""
    start = body[:4096].lstrip().lower()
    # Answers that quote a page are no page.
    return start.startswith(b"<") and (b"<html" in start or b"<!doctype html" in start)


_KINDS: tuple[tuple[Kind, str], ...] = (
    ("unsupported", r"could not find the function|failed to load module|can.t locate|function not found|unknown (op|operation|function)"),
    (
        "restricted",
        r"do(es)? not have (access to )?the feature|feature .{0,60}(not (enabled|available|included)|disabled)"
        r"|(function|module|api) .{0,60}disabled|disabled (by|on this server)|\brole\b.{0,60}(disabled|not enabled)"
        r"|demo (mode|account)|not allowed to (use|call|run)|restricted by",
    ),
    ("missing", r"no such file|does not exist|doesn.t exist|\bENOENT\b|could not be found|cannot find"),
    ("exists", r"already exists|file exists|\bEEXIST\b|not empty|\bENOTEMPTY\b"),
    ("denied", r"permission denied|access denied|not permitted|\bEACCES\b|\bEPERM\b|read-only"),
    ("quota", r"quota|no space left|disk (is )?full|not enough (disk )?space|EDQUOT|ENOSPC|must_leave_bytes"),
)


# Names in a text say nothing about what happened, whatever words they are made of.
_NAMES = re.compile(
    "\u201c[^\u201d]*\u201d|"
    r"\"[^\"]*\"|\u2018[^\u2019]*\u2019|\S*/\S*"
)


def kind_of(errors: t.Sequence[str]) -> Kind:
    """What the texts of an answer mean."""
    text = "; ".join(errors)
    plain = " ".join(_NAMES.sub(" ", text).split())
    for kind, pattern in _KINDS:
        if re.search(pattern, plain, re.IGNORECASE):
            # Without a path it is the call itself that is not allowed, and no file.
            return "token" if kind == "denied" and "/" not in text else kind
    return "other"


# What must be enabled for a module's functions: its name in WHM's Feature Manager, and the server's role.
_FEATURES = {"Fileman": "the feature File Manager and the server the role File Storage"}


def failure(function: str, answer: Answer, where: str) -> ApiError:
    """The error of a failed call, in one line that says what to do next. ``function`` is ``Module::function``."""
    said = one_line("; ".join(answer.errors) or "it gave no reason")
    kind = kind_of(answer.errors)
    needs = _FEATURES.get(function.partition("::")[0], "this function allowed")
    advice = {
        "unsupported": "this version of cPanel has no such function",
        "restricted": f"the host does not allow it: ask that the account gets {needs}, or deploy with backend: sftp",
        "token": f"the token may not call it: make one in cPanel (Manage API Tokens) for an account that has {needs}",
        "quota": "free some space in the account or ask for a larger quota, then run again: what arrived whole is kept",
    }.get(kind, "")
    return ApiError(f"{function} failed for {where}: {said}{'; ' + advice if advice else ''}", kind, said)


def one_line(text: str, most: int = 300) -> str:
    """A server's text as part of a message."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
