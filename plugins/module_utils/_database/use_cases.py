# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``db_backup`` and ``db_restore``: options in, use case, result out."""

from __future__ import annotations

import os
import typing as t

from .._common.errors import InvalidInput
from .._common.runner import Run
from .._common.times import parse_duration
from . import backup, restore
from .choose import choose
from .options import engine_of, identity_of, jobs_of, login_of, mode_of, selection_of, state_dir_of
from .parts import Codec
from .restore_request import Request
from .writers import Writers


def db_backup(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """See ``backup.back_up``."""
    if options["checksums"] and not options["counts"]:
        raise InvalidInput("checksums need counts; leave counts on, or turn both off")
    if not 0 <= options["compression_threads"] <= 64:
        raise InvalidInput(f"compression_threads {options['compression_threads']} is not between 0 (all processors) and 64")
    request = backup.Request(
        name=options["name"],
        dest=options["dest"],
        tables=selection_of(options),
        codec=Codec(
            options["compression"],
            options["compression_level"],
            options["compression_threads"],
            tuple(options["encryption_recipients"]),
        ),
        jobs=jobs_of(options),
        counts=options["counts"],
        checksums=options["checksums"],
        revision_query=options["schema_revision_query"] or "",
        check_space=options["check_space"],
        fresh_for=parse_duration(options["fresh_for"], "fresh_for"),
        mode=mode_of(options),
    )
    return backup.back_up(engine_of(options), request, run)


def db_restore(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """See ``restore.restore``."""
    target = options["target"] or options["name"]
    name = options["name"] or options["target"]
    folder, made = choose(options["src"], options["dest"] or "", name, options["as_of"] or "")
    dest = options["safety_dest"] or options["dest"] or os.path.dirname(folder)
    request = Request(
        folder=folder,
        backup=made,
        target=target,
        mode=options["mode"],
        state_dir=state_dir_of(options),
        where=login_of(options).where,
        force=options["force"],
        identity=identity_of(options),
        jobs=jobs_of(options),
        safety_dest=dest if options["safety_backup"] else "",
        keep_previous=parse_duration(options["keep_previous"], "keep_previous"),
        writers=Writers.of(options),
        check_space=options["check_space"],
    )
    return restore.restore(engine_of(options), request, run)
