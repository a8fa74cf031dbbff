# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting the role's block into the ``.htaccess`` of a site."""

from __future__ import annotations

import contextlib
import typing as t

from .._common.runner import Run
from . import htaccess
from .entries import FLAG, HTACCESS, Owner
from .opening import Place, open_beside, open_or_make_base


def install(place: Place, options: t.Mapping[str, t.Any], owner: Owner, run: Run) -> dict[str, t.Any]:
    """``state: installed``. The rest of the file, its mode and its owner stay; ``owner`` is for a file that is made."""
    htaccess.check_snippet(options["snippet"])
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(open_or_make_base(place, owner, run))
        beside = stack.enter_context(open_beside(place, options["htaccess"], owner, folder, needed=True))
        content = beside.read(HTACCESS)
        # Byte for byte: the rest of the file is somebody else's, in whatever encoding.
        text = (content or b"").decode("utf-8", "surrogateescape")
        data = htaccess.with_snippet(text, options["snippet"]).encode("utf-8", "surrogateescape")
        changed = beside.ensure_file(HTACCESS, data, 0o644) if content is None else beside.ensure_content(HTACCESS, data)
        changed |= beside.remove_partials((HTACCESS,))
        beside.sync()
        active = folder.is_file(FLAG)
        header = f"{beside.path}/{HTACCESS}"
    return {
        "changed": changed,
        "msg": f"the maintenance block is in {header}",
        "active": active,
        "was_active": active,
        # The block alone: what else is in the file may not be for everybody's eyes.
        "diff": {
            "before_header": header,
            "after_header": header,
            "before": htaccess.snippet_of((content or b"").decode("utf-8", "replace")),
            "after": htaccess.snippet_of(data.decode("utf-8", "replace")),
        },
    }
