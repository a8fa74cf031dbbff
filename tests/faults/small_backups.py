# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small backups of made-up data, as db_backup leaves them, without a database server."""

from __future__ import annotations

import contextlib
import io
import os
import threading
import time

from ansible_collections.runbook.ops.plugins.module_utils._common import clock
from ansible_collections.runbook.ops.plugins.module_utils._database import sidecar
from ansible_collections.runbook.ops.plugins.module_utils._database.engine import Part
from ansible_collections.runbook.ops.plugins.module_utils._database.model import Inventory, Server, TableFacts
from ansible_collections.runbook.ops.plugins.module_utils._database.parts import Codec, write_part
from ansible_collections.runbook.ops.plugins.module_utils._database.sidecar import Sidecar

HOUR = 3600.0
DAY = 24 * HOUR


class SmallBackups:
    """One database's backups in ``dest``."""

    def __init__(self, dest, name="shop", engine="mariadb"):
        self.dest, self.name, self.engine = str(dest), name, engine
        self.folder = sidecar.folder_of(self.dest, name)
        os.makedirs(self.folder, exist_ok=True)

    def make(self, age=0.0, data=b"-- Dump completed\n" * 500, codec=None, parts=1, include=(), log=True):
        """A good backup that ended ``age`` seconds ago; its id."""
        codec = codec or Codec(compression="none")
        ended = time.time() - age
        identity = time.strftime("%Y%m%d_%H%M%S", time.gmtime(ended))
        stored = []
        for number in range(parts):
            file = f"{identity}.sql{codec.suffix}" if parts == 1 else f"{identity}/t{number}.sql{codec.suffix}"
            path = self.path(file)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            part = Part(f"t{number}", lambda: contextlib.nullcontext(io.BytesIO(data)))
            made = write_part(part, path, codec, threading.Event(), lambda count: None, lambda tail: None)
            stored.append(sidecar.StoredPart(**{**made.__dict__, "file": file}))
            os.utime(path, (ended, ended))
            if parts > 1:
                os.utime(os.path.dirname(path), (ended, ended))
        made = Sidecar(
            identity, self.engine, self.name, Server("mariadb", "10.11.6"), clock.stamp(ended - 5), clock.stamp(ended), 5.0,
            codec.compression, codec.recipients, tuple(stored), Inventory("", {"t": TableFacts(3)}), {}, include=include,
        )  # fmt: skip
        sidecar.write(self.folder, made)
        if log:
            self.attempt("ok", age, identity)
        return identity

    def attempt(self, status, age=0.0, identity="", message=""):
        ended = clock.stamp(time.time() - age)
        sidecar.log(self.folder, sidecar.ATTEMPTS, {"id": identity, "ended": ended, "status": status, "message": message})

    def restored(self, age, status="ok"):
        ended = clock.stamp(time.time() - age)
        sidecar.log(self.folder, sidecar.RESTORES, {"id": "", "ended": ended, "mode": "scratch", "status": status, "seconds": 1})

    def path(self, name):
        return os.path.join(self.folder, name)

    def ids(self):
        return sorted(name[:-5] for name in os.listdir(self.folder) if sidecar.is_id(name[:-5]))

    def flip(self, identity, suffix=".sql"):
        """Invert one bit in the middle of a backup's data."""
        with open(self.path(identity + suffix), "r+b") as stream:
            middle = os.fstat(stream.fileno()).st_size // 2
            stream.seek(middle)
            byte = stream.read(1)
            stream.seek(middle)
            stream.write(bytes([byte[0] ^ 1]))

    def cut(self, identity, size, suffix=".sql"):
        os.truncate(self.path(identity + suffix), size)
