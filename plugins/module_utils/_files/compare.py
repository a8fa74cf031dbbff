# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot's listing against a folder: what is missing, different or too much. In memory is one folder of each depth."""

from __future__ import annotations

import calendar
import dataclasses
import os
import re
import stat
import time
import typing as t

# Examples of differences that are returned; all are counted.
_EXAMPLES = 20
_TYPES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "dir",
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo",
    stat.S_IFCHR: "chardev",
    stat.S_IFBLK: "dev",
}


@dataclasses.dataclass
class Comparison:
    """``files`` and ``bytes`` are the snapshot's. The lists hold the first few of each kind, the counts all."""

    files: int = 0
    bytes: int = 0
    missing: list[str] = dataclasses.field(default_factory=list)
    differing: list[str] = dataclasses.field(default_factory=list)
    extra: list[str] = dataclasses.field(default_factory=list)
    counts: dict[str, int] = dataclasses.field(default_factory=lambda: {"missing": 0, "differing": 0, "extra": 0})

    def note(self, kind: str, path: str) -> None:
        self.counts[kind] += 1
        if self.counts[kind] <= _EXAMPLES:
            getattr(self, kind).append(path)

    def __bool__(self) -> bool:
        """Whether anything is not as it should be."""
        return any(self.counts.values())

    def __str__(self) -> str:
        return ", ".join(f"{count:,} {kind} (such as {getattr(self, kind)[0]})" for kind, count in self.counts.items() if count)


def compare(
    root: str, prefix: str, nodes: t.Iterable[t.Mapping[str, t.Any]], *, unchanged_since: float | None, one_file_system: bool = False
) -> Comparison:
    """Compare what a snapshot has below ``prefix`` with the folder or file ``root``.

    ``missing`` is what only the folder has, ``extra`` what only the snapshot has. With ``unchanged_since`` (seconds since the epoch)
    the folder is a source in use: only what has not been touched since then counts. Without, everything has to be alike.
    """
    found = Comparison()
    side = _Side(root, found, unchanged_since, one_file_system)
    for node in nodes:
        path = str(node["path"])
        if node["type"] == "file" and (path == prefix or path.startswith(f"{prefix}/")):
            found.files += 1
            found.bytes += int(node.get("size", 0))
        if path == prefix:
            side.begin(node)
        elif path.startswith(f"{prefix}/"):
            side.meet(path[len(prefix) + 1 :], node)
    side.end()
    return found


class _Side:
    """The folder, walked along with the snapshot's listing."""

    def __init__(self, root: str, found: Comparison, since: float | None, one_file_system: bool) -> None:
        self._root, self._found, self._since = root, found, since
        self._device = os.lstat(root).st_dev if one_file_system else None
        # Open folders from the root down, by relative path, each with what the snapshot has not named yet.
        self._open: list[tuple[str, dict[str, os.stat_result]]] = []
        self._begun = False

    def begin(self, node: t.Mapping[str, t.Any]) -> None:
        self._begun = True
        status = os.lstat(self._root)
        self._judge("", node, status)
        if stat.S_ISDIR(status.st_mode) and node["type"] == "dir":
            self._open.append(("", self._listing("")))

    def meet(self, path: str, node: t.Mapping[str, t.Any]) -> None:
        parent, _slash, name = path.rpartition("/")
        while self._open and self._open[-1][0] and parent != self._open[-1][0] and not parent.startswith(f"{self._open[-1][0]}/"):
            self._close()
        status = self._open[-1][1].pop(name, None) if self._open and self._open[-1][0] == parent else None
        if status is None:
            if self._since is None:
                self._found.note("extra", path)
            return
        self._judge(path, node, status)
        if stat.S_ISDIR(status.st_mode) and node["type"] == "dir":
            self._open.append((path, self._listing(path)))

    def end(self) -> None:
        if not self._begun:
            self._found.note("missing", self._root)
        while self._open:
            self._close()

    def _close(self) -> None:
        folder, left = self._open.pop()
        for name, status in left.items():
            foreign = self._device is not None and status.st_dev != self._device
            # restic leaves sockets out.
            if self._counts(status) and not stat.S_ISSOCK(status.st_mode) and not foreign:
                self._found.note("missing", f"{folder}/{name}".lstrip("/"))

    def _judge(self, path: str, node: t.Mapping[str, t.Any], status: os.stat_result) -> None:
        alike = _TYPES.get(stat.S_IFMT(status.st_mode)) == node["type"]
        if alike and node["type"] == "file":
            alike = status.st_size == int(node.get("size", 0)) and status.st_mtime_ns == nanoseconds(str(node["mtime"]))
        if alike and self._since is None and node["type"] in ("file", "dir"):
            alike = status.st_mode & 0o777 == int(node["mode"]) & 0o777
        if not alike and self._counts(status):
            self._found.note("differing", path or self._root)

    def _counts(self, status: os.stat_result) -> bool:
        return self._since is None or max(status.st_mtime, status.st_ctime) < self._since

    def _listing(self, path: str) -> dict[str, os.stat_result]:
        listed = {}
        try:
            with os.scandir(os.path.join(self._root, path)) as entries:
                for entry in entries:
                    try:
                        listed[_as_told(entry.name)] = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
        except FileNotFoundError:
            pass
        return listed


def _as_told(name: str) -> str:
    """A name as restic's JSON has it: every byte that is not UTF-8 replaced."""
    return re.sub("[\udc80-\udcff]", "\N{REPLACEMENT CHARACTER}", name)


def nanoseconds(text: str) -> int:
    """Since the epoch, of ``2026-11-22T01:16:00.942797493Z`` or with an offset such as ``+01:00``; -1 for anything else."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))", text)
    if not match:
        return -1
    whole = calendar.timegm(time.strptime(match[1], "%Y-%m-%dT%H:%M:%S"))
    if match[3]:
        whole -= (1 if match[3] == "+" else -1) * (int(match[4]) * 3600 + int(match[5]) * 60)
    return whole * 10**9 + int((match[2] or "").ljust(9, "0"))
