# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ``release_stage`` on the host: a source that the host has or downloads itself."""

from __future__ import annotations

import socket

from .._common.errors import InvalidInput
from .._common.runner import Run
from .stage import Stager
from .stage_plan import Options, Result, finish_stage, predict_stage, rules_from_options, stage_request
from .store import LocalStore
from .walk import manifest_of


def release_stage(options: Options, run: Run) -> Result:
    """Stage a release; see ``Stager`` for the conversation and its result."""
    store = LocalStore(options["path"])
    if not options["remote_src"] and options["src"]:
        raise InvalidInput(
            "src is on the controller, so release_stage must run as a task there; use remote_src: true for a source on the host"
        )
    rules = rules_from_options(options)
    from .._source.source import resolve_source  # much that only unpacking and fetching needs

    source = resolve_source(
        src=options["src"],
        url=options["url"],
        checksum=options["checksum"],
        cache_dir=options["cache_dir"],
        max_bytes=options["max_size"] * 1_000_000,
        strip_components=options["strip_components"],
        timeout=options["timeout"],
        where="host",
    )
    for warning in source.warnings:
        run.warn(warning)
    manifest = manifest_of(source.path, rules, run.say)
    stager = Stager(store, stage_request(options, rules, manifest.root, socket.gethostname()), run.check_mode, run.say)
    with stager.alone():
        settled = stager.settled()
        if settled:
            return finish_stage(settled, run.diff, None)
        accepted = stager.accept(manifest)
    if run.check_mode:
        return predict_stage(options["path"], stager.request, manifest.total_bytes, len(manifest.files), accepted, run.diff)
    return finish_stage(stager.build(source.path)["done"], run.diff, accepted)
