# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ``Store`` a site lives in, by the option ``backend``."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from .._common.errors import InvalidInput, Refused
from .._common.runner import Run, UseCase
from .site import SHARED
from .store import LocalStore, RemoteStore, Store
from .walk import shared_from_options

# Where a module runs as it always does; on the others nothing can be executed, so it runs on the controller.
SSH = "ssh"
# Not an option of users': the store that stands in for a host that nobody is to connect to.
REHEARSAL = "rehearsal"


def is_remote(options: t.Mapping[str, t.Any]) -> bool:
    """Whether the site is on a host where nothing can be executed."""
    return bool(options.get("backend", SSH) != SSH)


def open_store(options: t.Mapping[str, t.Any], run: Run) -> t.ContextManager[Store]:
    """The store of the site at ``options["path"]``, connected while it is entered."""
    return open_remote(options, run) if is_remote(options) else contextlib.nullcontext(LocalStore(options["path"], run.later))


def open_remote(options: t.Mapping[str, t.Any], run: Run) -> t.ContextManager[RemoteStore]:
    """The same for what only stores can do that are filled from the controller."""
    backend, remote = options["backend"], options.get("remote") or {}
    if options.get(REHEARSAL) is not None:
        return contextlib.nullcontext(options[REHEARSAL])
    if backend == "sftp":
        from .._sftp.store import open_sftp

        return open_sftp(options["path"], remote, run)
    if backend == "cpanel":
        from .._cpanel.store import open_cpanel

        return open_cpanel(options["path"], remote, run)
    raise InvalidInput(f"backend {backend!r} is not one of ssh, sftp and cpanel")


def on_controller(use_case: UseCase, options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """Run a use case for a site on a host where nothing can be executed. With ``offline`` its result has a ``transcript`` of what
    it would do there, and nobody is connected to."""
    if not (options["remote"] or {}).get("offline"):
        return dict(use_case(options, run))
    from .._remote.rehearsal import Rehearsal

    store = Rehearsal(options["path"], links=options["backend"] != "cpanel")
    if options.get("assume_staged"):
        store.assume(options["release"])
    for shared in shared_from_options([], options.get("shared_files") or []):
        store.assume_file(f"{SHARED}/{shared.source}")
    result = dict(use_case({**options, REHEARSAL: store}, dataclasses.replace(run, check_mode=False)))
    return {"transcript": store.transcript, **result}


def refuse_remote(options: t.Mapping[str, t.Any], what: str) -> None:
    """Refuse what needs a shell on the host."""
    if is_remote(options):
        raise Refused(
            f"{what} can't be done over {options['backend']}, nothing can be executed on that host;"
            " do it when the release is built, or by a URL of the site (see the guide on hosts without a shell)"
        )
