# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backup is meant: by id, as the latest, as of a time, or by the path of its file or sidecar."""

from __future__ import annotations

import os

from .._common import clock
from .._common.errors import InvalidInput, Refused
from .._common.times import parse_moment
from . import sidecar
from .folder import Folder
from .sidecar import Sidecar


def choose(src: str, dest: str, name: str, as_of: str) -> tuple[str, Sidecar]:
    """``(folder, sidecar)`` of the backup. ``as_of`` is a moment: the newest that had ended by then.

    A newest backup that can't be believed is an error, not passed over: what is restored would be older than expected.
    """
    if src.startswith("/"):
        return _by_path(src)
    if not dest or not name:
        raise InvalidInput(f"src {src!r} is looked up among the backups of a database; give dest and name, or the path of a sidecar")
    folder = Folder(dest, name)
    ids = folder.ids()
    if not ids:
        raise Refused(f"there is no backup of {name} in {folder.path}")
    if as_of:
        moment = parse_moment(as_of, "as_of").timestamp()
        for identity in reversed(ids):
            found = folder.read(identity)
            if clock.seconds(found.ended) <= moment:
                return folder.path, found
        raise Refused(f"no backup of {name} had ended by {as_of}; the oldest is {ids[0]}")
    if src == "latest":
        return folder.path, folder.read(ids[-1])
    if not sidecar.is_id(src):
        raise InvalidInput(f"src {src!r} is neither latest, an id such as 20261121_101500, nor an absolute path")
    if src not in ids:
        raise Refused(f"there is no backup {src} in {folder.path}; there are {', '.join(ids[-5:])}")
    return folder.path, folder.read(src)


def _by_path(path: str) -> tuple[str, Sidecar]:
    folder, name = os.path.split(os.path.normpath(path))
    identity = name.split(".", 1)[0]
    if not sidecar.is_id(identity):
        raise InvalidInput(f"{path} is neither a backup nor its sidecar; their names begin with an id such as 20261121_101500")
    return folder, sidecar.read(sidecar.sidecar_path(folder, identity))
