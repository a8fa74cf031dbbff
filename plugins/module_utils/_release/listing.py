# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands where a site's releases are, as text for the evidence of a deploy."""

from __future__ import annotations

import datetime
import stat
import typing as t

from .site import CURRENT, RELEASES
from .store import Stat, Store

# A listing is for people, and each line may cost a question to a host that is far away.
MOST_LINES = 500

_LETTERS = {"folder": stat.S_IFDIR, "file": stat.S_IFREG, "link": stat.S_IFLNK}


def listing(store: Store) -> list[str]:
    """Lines as of ``ls -l``: of ``releases/``, of ``current`` itself, and of what ``current`` leads to.

    Each has kind and permissions, size in bytes, time of change (UTC; ``-`` where the host does not tell) and name.
    """
    lines = [f"{RELEASES}/:", *_folder(store, RELEASES)]
    found = store.stat(CURRENT)
    lines += ["", f"{CURRENT}:", _line(store, CURRENT, CURRENT, found, 0)]
    if found is not None:
        lines += ["", f"{CURRENT}/:", *_folder(store, CURRENT)]
    return lines


def _folder(store: Store, folder: str) -> t.Iterator[str]:
    try:
        entries = store.entries(folder)
    except OSError as error:
        yield f"can't be listed: {error.strerror or error}"
        return
    found = list(entries.items())[:MOST_LINES]
    width = max((len(str(what.size)) for _name, what in found), default=0)
    for name, what in found:
        yield _line(store, f"{folder}/{name}", name, what, width)
    if len(entries) > MOST_LINES:
        yield f"and {len(entries) - MOST_LINES} more"
    if not entries:
        yield "nothing"


def _line(store: Store, path: str, name: str, found: Stat | None, width: int) -> str:
    if found is None:
        return f"{_shown(name)} does not exist"
    letters = stat.filemode(_LETTERS.get(found.kind, 0) | found.mode)
    when = "-"
    if found.mtime:
        when = datetime.datetime.fromtimestamp(int(found.mtime), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    target = f" -> {_shown(store.read_link(path) or '?')}" if found.kind == "link" else ""
    return f"{letters} {found.size:>{width}} {when:>20} {_shown(name)}{target}"


def _shown(name: str) -> str:
    """One line of valid text, whatever somebody has called a file."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in name)
