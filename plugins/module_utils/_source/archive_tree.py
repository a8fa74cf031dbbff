# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder an archive is unpacked into, and every rule about what an archive may put there.

The folder is private to this process and holds no symbolic link until everything else is written: links are
collected, judged against the finished tree, and made last. So nothing can be written through one.
"""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t

from .._common.errors import Refused

Buffer = t.Union[bytes, memoryview]

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_MAX_NAME = 3000  # bytes; leaves room below PATH_MAX for the folder it is unpacked into
_MAX_HOPS = 40  # links followed while judging one link: the kernel's own limit
_FOLDER = -1
_LINK = -2


@dataclasses.dataclass(frozen=True)
class Unpacked:
    """What came out of an archive. ``bytes`` counts the content of files, hard links included.

    ``top_folder`` is the one folder that everything lies below, or empty when there is no such folder.
    """

    path: str
    files: int
    folders: int
    links: int
    bytes: int
    top_folder: str


def shown(name: bytes) -> str:
    """A name from an archive, quoted, shortened, and safe to print on one line."""
    text = repr(name.decode("utf-8", "backslashreplace"))
    return text if len(text) <= 160 else text[:120] + "..." + text[-30:]


class TreeWriter:
    """Writes members below ``dest`` and refuses (``Refused``) whatever is not plainly a file, folder or inner link.

    ``max_bytes`` and ``max_files`` bound what is written, counted as it is written; ``strip_components`` leading
    folders are cut from every name. ``archive`` is the name used in messages.
    """

    def __init__(self, dest: str, *, archive: str, max_bytes: int, max_files: int, strip_components: int) -> None:
        self._archive = archive
        self._dest = dest
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._strip = strip_components
        self._fd = os.open(dest, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        self._known: dict[bytes, int] = {b"": _FOLDER}  # size of a file, or _FOLDER, or _LINK
        self._targets: dict[bytes, bytes] = {}
        self._members = 0
        self.bytes = 0
        self.files = 0
        self.folders = 0

    def close(self) -> None:
        os.close(self._fd)

    def refused(self, reason: str) -> Refused:
        return Refused(f"archive {self._archive} {reason}; nothing of it was kept")

    # -- members -----------------------------------------------------------------------------------------------

    def folder(self, raw: bytes) -> None:
        """A folder; naming one twice is harmless and common."""
        self._count()
        name = self._name(raw, folder=True)
        if self._known.get(name) != _FOLDER:
            self._new(name, raw)
            self._make_folder(name)

    def file(self, raw: bytes, mode: int, chunks: t.Iterable[Buffer]) -> None:
        """A regular file with the content ``chunks``. Of ``mode`` the permission bits count, without write for others."""
        self._count()
        name = self._name(raw)
        self._new(name, raw)
        mode = (mode | 0o600) & 0o755
        try:
            fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=self._fd)
        except FileExistsError:  # a file system that ignores case
            raise self.refused(f"holds {shown(raw)} twice") from None
        try:
            os.fchmod(fd, mode)
            size = 0
            for chunk in chunks:
                size += len(chunk)
                self._spend(len(chunk))
                _write(fd, chunk)
        finally:
            os.close(fd)
        self._known[name] = size
        self.files += 1

    def hardlink(self, raw: bytes, raw_target: bytes) -> None:
        """A second name of a file that came earlier in the same archive; its bytes count again, a release holds them again."""
        self._count()
        name = self._name(raw)
        self._new(name, raw)
        try:
            target = self._name(raw_target)
        except Refused:
            raise self.refused(f"holds {shown(raw)}, a hard link out of the archive (to {shown(raw_target)})") from None
        size = self._known.get(target, _LINK)
        if size < 0:
            raise self.refused(f"holds {shown(raw)}, a hard link to {shown(raw_target)}, which is no file that came before it")
        self._spend(size)
        os.link(target, name, src_dir_fd=self._fd, dst_dir_fd=self._fd, follow_symlinks=False)
        self._known[name] = size
        self.files += 1

    def symlink(self, raw: bytes, target: bytes) -> None:
        """A symbolic link, made by ``finish`` if it leads to a place inside the tree."""
        self._count()
        name = self._name(raw)
        self._new(name, raw)
        if not target or len(target) > 4095 or _CONTROL.search(target):
            raise self.refused(f"holds {shown(raw)}, a symbolic link with an impossible target {shown(target)}")
        self._known[name] = _LINK
        self._targets[name] = target

    def finish(self) -> Unpacked:
        """Judge and make the symbolic links; the archive must have held something."""
        if not self.files and not self._targets:
            below = f" below {self._strip} leading folders (strip_components)" if self._strip else ""
            raise self.refused(f"holds no file{below}")
        for link, target in self._targets.items():
            fault = self._fault(link)
            if fault:
                raise self.refused(f"holds {shown(link)}, a symbolic link to {shown(target)} that {fault}")
        for link, target in self._targets.items():
            os.symlink(target, link, dir_fd=self._fd)
        top = {name.partition(b"/")[0] for name in self._known if name}
        only = top.pop() if len(top) == 1 else b""
        return Unpacked(
            path=self._dest,
            files=self.files,
            folders=self.folders,
            links=len(self._targets),
            bytes=self.bytes,
            top_folder=only.decode("utf-8", "backslashreplace") if only and self._known[only] == _FOLDER else "",
        )

    # -- rules -------------------------------------------------------------------------------------------------

    def _count(self) -> None:
        self._members += 1
        if self._members > self._max_files:
            raise self.refused(f"holds more than {self._max_files} members (max_files)")

    def _spend(self, amount: int) -> None:
        self.bytes += amount
        if self.bytes > self._max_bytes:
            raise self.refused(f"holds more than {self._max_bytes} bytes once unpacked (max_bytes)")

    def _name(self, raw: bytes, *, folder: bool = False) -> bytes:
        """The member's name below ``dest``; empty only for a folder that is the root or is cut away."""
        if raw.startswith(b"/"):
            raise self.refused(f"holds the absolute name {shown(raw)}")
        if _CONTROL.search(raw):
            raise self.refused(f"holds the name {shown(raw)} with a control character")
        parts = [part for part in raw.split(b"/") if part not in (b"", b".")]
        if b".." in parts:
            raise self.refused(f"holds the name {shown(raw)} with '..'")
        if len(raw) > _MAX_NAME or any(len(part) > 255 for part in parts):
            raise self.refused(f"holds the name {shown(raw)}, which is too long")
        kept = parts[self._strip :]
        if not kept and not folder:
            raise self.refused(f"holds {shown(raw)}, which strip_components ({self._strip}) leaves without a name")
        return b"/".join(kept)

    def _new(self, name: bytes, raw: bytes) -> None:
        """``name`` is not there yet, and the folder for it is."""
        if name in self._known:
            raise self.refused(f"holds {shown(raw)} twice")
        parent = name.rpartition(b"/")[0]
        if self._known.get(parent) == _FOLDER:
            return
        missing: list[bytes] = []
        while parent not in self._known:
            missing.append(parent)
            parent = parent.rpartition(b"/")[0]
        if self._known[parent] != _FOLDER:
            kind = "symbolic link" if self._known[parent] == _LINK else "file"
            raise self.refused(f"holds {shown(raw)}, which would be written through its own {kind} {shown(parent)}")
        for folder in reversed(missing):
            self._count()
            self._make_folder(folder)

    def _make_folder(self, name: bytes) -> None:
        try:
            os.mkdir(name, 0o755, dir_fd=self._fd)
        except FileExistsError:
            raise self.refused(f"holds {shown(name)} twice") from None
        self._known[name] = _FOLDER
        self.folders += 1

    def _fault(self, link: bytes) -> str:
        """Why the symbolic link may not be made, or nothing: its target is walked through the tree as the kernel would."""
        target = self._targets[link]
        here = link.split(b"/")[:-1]
        todo = target.split(b"/")[::-1]
        if target.startswith(b"/"):
            return "leads out of the archive"
        hops = 0
        while todo:
            part = todo.pop()
            if part in (b"", b"."):
                continue
            if part == b"..":
                if not here:
                    return "leads out of the archive"
                if b"/".join(here) not in self._known:
                    return f"passes through {shown(b'/'.join(here))}, which the archive does not hold"
                here.pop()
                continue
            here.append(part)
            further = self._targets.get(b"/".join(here))
            if further is not None:
                hops += 1
                if hops > _MAX_HOPS:
                    return "leads in circles"
                if further.startswith(b"/"):
                    return "leads out of the archive"
                here.pop()
                todo.extend(further.split(b"/")[::-1])
        return ""


def _write(fd: int, chunk: Buffer) -> None:
    done = os.write(fd, chunk)
    while done < len(chunk):
        done += os.write(fd, chunk[done:])
