# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send files to a host in uploads of bounded size, each useful by itself (see ``_release/receive.py``)."""

from __future__ import annotations

import hashlib
import os
import time
import typing as t
import zlib

from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.progress import Progress
from ansible_collections.runbook.ops.plugins.module_utils._release.manifest import Manifest

# Bytes of one upload: what memory it costs here, and at most what a cut connection costs again there.
UPLOAD = 8 << 20
# Up to this many bytes travel inside the message that asks for the build.
INLINE = 512 << 10
# Slower links than this (bytes a second) are worth compressing for.
SLOW = 12_000_000


class Uploads:
    """Cuts the lacking files of a source into uploads."""

    def __init__(self, source: str, manifest: Manifest, lacking: t.Sequence[str], compress: str) -> None:
        paths: dict[str, tuple[str, int]] = {}
        for entry in manifest.files.values():
            paths.setdefault(entry.digest, (os.path.join(source, entry.path), entry.size))
        unknown = [digest for digest in lacking if digest not in paths]
        if unknown:
            raise RunbookError(f"the host asks for {len(unknown)} files that the source does not have; run the deploy again")
        self._wanted = [(digest, *paths[digest]) for digest in lacking]
        self.files = len(self._wanted)
        self.size = sum(size for _digest, _path, size in self._wanted)
        self._compress = compress
        self._squeeze = compress == "always"
        self.sent_bytes = 0

    def inline(self) -> bytes | None:
        """All files as one upload, when they are small enough to travel inside a message."""
        if self.size > INLINE:
            return None
        return b"".join(self._one(*wanted) for wanted in self._wanted)

    @staticmethod
    def _one(digest: str, path: str, size: int) -> bytes:
        with open(path, "rb") as stream:
            data = stream.read()
        if len(data) != size or hashlib.sha256(data).hexdigest() != digest:
            raise RunbookError(f"{path} changed while it was being deployed; let the build finish, then run the deploy again")
        return f"{digest} {size}\n".encode() + data

    @staticmethod
    def _parts(digest: str, path: str, size: int) -> t.Iterator[bytes]:
        """A file that is larger than an upload, in parts; the last one only when all were what was promised."""
        seen = hashlib.sha256()
        with open(path, "rb", buffering=0) as stream:
            for offset in range(0, size, UPLOAD):
                data = stream.read(UPLOAD)
                seen.update(data)
                last = offset + UPLOAD >= size
                if len(data) != min(UPLOAD, size - offset) or (last and (seen.hexdigest() != digest or stream.read(1))):
                    raise RunbookError(f"{path} changed while it was being deployed; let the build finish, then run the deploy again")
                yield f"{digest} {size} {offset} {len(data)}\n".encode() + data

    def send(self, put: t.Callable[[bytes], None], progress: Progress) -> None:
        """Hand every upload to ``put``; a file that is bigger than an upload travels in parts."""
        batch: list[bytes] = []
        held = 0
        for digest, path, size in self._wanted:
            if size > UPLOAD:
                for number, part in enumerate(self._parts(digest, path, size)):
                    self._put([part], 0 if number else 1, put, progress)
                continue
            if batch and held + size > UPLOAD:
                self._put(batch, len(batch), put, progress)
                held = 0
            batch.append(self._one(digest, path, size))
            held += len(batch[-1])
        if batch:
            self._put(batch, len(batch), put, progress)

    def _put(self, batch: list[bytes], count: int, put: t.Callable[[bytes], None], progress: Progress) -> None:
        """Send and empty ``batch``: its bytes are held once, while they are under way and every host's worker holds some."""
        size = sum(map(len, batch))
        if self._squeeze:
            squeeze = zlib.compressobj(1)
            data = b"".join([b"zlib\n", *map(squeeze.compress, batch), squeeze.flush()])
        else:
            data = b"".join(batch)
        batch.clear()
        began = time.monotonic()
        put(data)
        took = max(0.001, time.monotonic() - began)
        self.sent_bytes += len(data)
        if self._compress == "auto" and size > 1 << 20:
            self._squeeze = len(data) / took < SLOW
        progress.advance(count, size)
