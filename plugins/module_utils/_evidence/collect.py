# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence gathered on one host: files, ends of logs, listings of folders, what others have found out; without secrets."""

from __future__ import annotations

import dataclasses
import fnmatch
import hashlib
import json
import os
import typing as t

from .._common.errors import InvalidInput, Refused
from . import names, places
from .listing import listing
from .scrub import Scrubber, is_binary

_DEEPEST = 50
_HEAD = 4096


@dataclasses.dataclass(frozen=True)
class Source:
    """One thing to collect: exactly one of ``src``, ``listing`` (paths) and ``content`` (a text or data)."""

    name: str
    src: str = ""
    listing: str = ""
    content: t.Any = None
    max_bytes: int = 10 << 20
    depth: int = 2
    optional: bool = False
    exclude: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Document:
    """One file of a bundle. ``of_bytes`` is the original's size when ``data`` is only its end, else None."""

    name: str
    data: bytes
    kind: str
    source: str
    scrubbed: dict[str, int]
    of_bytes: int | None = None

    def entry(self) -> dict[str, t.Any]:
        """What the manifest says of it."""
        entry = {
            "name": self.name,
            "sha256": hashlib.sha256(self.data).hexdigest(),
            "bytes": len(self.data),
            "kind": self.kind,
            "source": self.source,
            "scrubbed": dict(sorted(self.scrubbed.items())),
        }
        return {**entry, "excerpt_of_bytes": self.of_bytes} if self.of_bytes is not None else entry


class Collector:
    """Turns sources into documents, one at a time. ``left_out`` is what was not taken: ``{name, source, reason}``."""

    def __init__(self, scrubber: Scrubber, max_total: int) -> None:
        self._scrubber = scrubber
        self._room = max_total
        self._max_total = max_total
        self._seen: set[str] = set()
        self.left_out: list[dict[str, str]] = []

    def documents(self, sources: t.Sequence[Source]) -> t.Iterator[Document]:
        """Each source's documents, in the order given; folders in the order of their names."""
        for source in sources:
            if source.src:
                yield from self._path(source)
            elif source.listing:
                yield from self._listing(source)
            else:
                yield self._content(source)

    def _path(self, source: Source) -> t.Iterator[Document]:
        try:
            with places.folder_of(source.src) as parent:
                name = os.path.basename(source.src)
                if places.kind_of(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode) == "folder":
                    fd = places.open_folder(name, parent)
                    try:
                        yield from self._folder(source, fd, source.name, source.src)
                    finally:
                        os.close(fd)
                    return
                document = self._file(source, name, parent, source.name, source.src)
                if isinstance(document, str):
                    raise Refused(f"{source.src} is not collected: {document}")
                yield document
        except FileNotFoundError:
            self._absent(source, source.src)

    def _folder(self, source: Source, fd: int, name: str, path: str, depth: int = 1) -> t.Iterator[Document]:
        """What can't be taken here is left out and said: whoever may write into a log folder must not be able to prevent a bundle."""
        for entry in sorted(os.listdir(fd)):
            inner, where = f"{name}/{names.found(entry)}", f"{path}/{entry}"
            if any(fnmatch.fnmatch(entry, pattern) or fnmatch.fnmatch(where, pattern) for pattern in source.exclude):
                continue
            clean = self._scrubber.text(inner)
            trouble = names.problem(clean) or ("is another's already" if clean in self._seen else "is too deep" if depth > _DEEPEST else "")
            if trouble:
                self._leave_out(inner, where, f"its name in the bundle {trouble}")
                continue
            try:
                if places.kind_of(os.stat(entry, dir_fd=fd, follow_symlinks=False).st_mode) == "folder":
                    deeper = places.open_folder(entry, fd)
                    try:
                        yield from self._folder(source, deeper, inner, where, depth + 1)
                    finally:
                        os.close(deeper)
                    continue
                document = self._file(source, entry, fd, inner, where)
            except OSError as error:
                document = f"it can't be read ({error.strerror})"
            if isinstance(document, str):
                self._leave_out(inner, where, document)
            else:
                yield document

    def _file(self, source: Source, entry: str, parent: int, name: str, path: str) -> Document | str:
        """A file as a document, or why it is none."""
        fd, reason = places.open_file(entry, parent)
        if fd < 0:
            return reason
        with os.fdopen(fd, "rb") as stream:
            size = os.fstat(fd).st_size
            cut = size > source.max_bytes
            if cut and is_binary(stream.read(_HEAD)):
                return f"it is binary and larger than max_bytes ({size} bytes)"
            stream.seek(size - source.max_bytes if cut else 0)
            # Not to its end: what is written meanwhile belongs to a later look.
            data = stream.read(min(size, source.max_bytes))
        if cut:
            # Half a line may be half a secret, which no rule would know.
            data = data[data.find(b"\n") + 1 :] if b"\n" in data else b""
        cleaned = self._scrubber.document(data)
        return self._document(name, cleaned.data, cleaned.kind, path, cleaned.counts, size if cut else None)

    def _listing(self, source: Source) -> t.Iterator[Document]:
        try:
            with places.folder_of(source.listing) as parent:
                text = listing(os.path.basename(source.listing), parent, source.listing, source.depth)
        except FileNotFoundError:
            self._absent(source, source.listing)
            return
        counts: dict[str, int] = {}
        yield self._document(source.name, self._scrubber.text(text, counts).encode(), "listing", source.listing, counts, None)

    def _content(self, source: Source) -> Document:
        counts: dict[str, int] = {}
        if isinstance(source.content, str):
            cleaned = self._scrubber.document(source.content.encode("utf-8", "surrogateescape"))
            return self._document(source.name, cleaned.data, cleaned.kind, "", cleaned.counts, None)
        data = self._scrubber.data(source.content, counts)
        text = json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False, default=str) + "\n"
        return self._document(source.name, text.encode("utf-8", "backslashreplace"), "text", "", counts, None)

    def _document(self, name: str, data: bytes, kind: str, source: str, counts: dict[str, int], of_bytes: int | None) -> Document:
        name = self._scrubber.text(name)
        trouble = names.problem(name)
        if trouble:
            raise Refused(f"{source or name} can't be in a bundle, because its name there, {name!r}, {trouble}")
        if name in self._seen:
            raise InvalidInput(f"two files would be {name} in the bundle; give one of their sources another name")
        self._room -= len(data)
        if self._room < 0:
            raise Refused(f"what is collected is larger than max_total_bytes ({self._max_total}); collect less of {source or name}")
        self._seen.add(name)
        return Document(name, data, kind, self._scrubber.text(names.found(source)), counts, of_bytes)

    def _absent(self, source: Source, path: str) -> None:
        if not source.optional:
            raise InvalidInput(f"{path} does not exist; check the path, or make the source optional")
        self._leave_out(source.name, path, "it does not exist")

    def _leave_out(self, name: str, path: str, reason: str) -> None:
        clean = self._scrubber.text
        self.left_out.append({"name": clean(names.found(name)), "source": clean(names.found(path)), "reason": reason})
