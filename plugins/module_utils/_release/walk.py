# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn a folder into a manifest: which names count, with which modes, and what their bytes hash to."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import fnmatch
import hashlib
import os
import posixpath
import re
import stat
import typing as t

from .._common.errors import InvalidInput, Refused
from .._common.progress import Advance, Progress, Say, silent, unseen
from .manifest import Entry, Manifest, parent

CHUNK = 1 << 20
# Bytes of an average file from which on threads are faster than none: opening files, they wait for each other more than they gain (of
# 7 KB, a quarter slower on two idle processors and three times where one is busy).
LARGE = 20_000
# Bytes after which a thread tells how far it is: telling for each small file would cost a tenth of hashing it.
SAID = 16 << 20
# Version control never belongs into a release; everything else is the user's to exclude.
ALWAYS_EXCLUDED = (".git", ".hg", ".svn")


@dataclasses.dataclass(frozen=True)
class Shared:
    """Data that outlives releases: ``source`` below ``shared/``, ``dest`` inside the release, a folder or a file.

    Owner, group and mode are those of a folder that does not exist yet; one that does is never touched."""

    source: str
    dest: str
    folder: bool
    owner: str = ""
    group: str = ""
    mode: int = 0o755


@dataclasses.dataclass(frozen=True)
class Rules:
    """How a source folder becomes a release. Modes ``None`` mean 0644/0755 with the source's executable bit."""

    exclude: tuple[str, ...] = ()
    shared: tuple[Shared, ...] = ()
    file_mode: int | None = None
    dir_mode: int | None = None
    # A folder that is in use already is recorded as it is: real modes, links and version control included.
    keep_all: bool = False
    # Patterns like those of ``exclude``, which wins: when there are any, only what fits one, or lies below what does, belongs to it.
    include: tuple[str, ...] = ()


def inner_path(path: str, what: str) -> str:
    """A normalised path inside a release; ``InvalidInput`` for absolute ones and those that climb out."""
    clean = posixpath.normpath(path.strip())
    if not path.strip() or clean.startswith(("/", "../")) or clean in (".", "..") or "\0" in clean:
        raise InvalidInput(f"{what} {path!r} must be a path inside the release, without a leading / and without '..'")
    return clean


def octal(value: t.Any, what: str) -> int | None:
    """Permission bits from ``"0644"`` or the number YAML makes of an unquoted 0644; ``None`` stays ``None``."""
    if value is None or value == "":
        return None
    try:
        mode = value if isinstance(value, int) else int(value, 8)
    except (TypeError, ValueError):
        mode = -1
    if not 0 <= mode <= 0o777:
        raise InvalidInput(f"{what} {value!r} must be an octal mode such as '0644', without special bits")
    return mode


def shared_from_options(dirs: t.Sequence[t.Any], files: t.Sequence[t.Any]) -> tuple[Shared, ...]:
    """``Shared`` values from the options: plain paths, or mappings with ``src`` and ``dest``."""
    found: list[Shared] = []
    for what, items, folder in (("shared_dirs", dirs, True), ("shared_files", files, False)):
        for item in items:
            fields = dict(item) if isinstance(item, t.Mapping) else {"src": item}
            unknown = set(fields) - {"src", "dest", "owner", "group", "mode"}
            source, dest = fields.get("src"), fields.get("dest")
            if unknown or not isinstance(source, str) or not isinstance(dest, (str, type(None))):
                raise InvalidInput(f"{what} item {item!r} must be a path, or a mapping of src, dest, owner, group and mode")
            source = inner_path(source, what)
            mode = octal(fields.get("mode"), f"{what} mode") or 0o755
            owner, group = str(fields.get("owner") or ""), str(fields.get("group") or "")
            found.append(Shared(source, inner_path(dest or source, what), folder, owner, group, mode))
    for one in found:
        for other in found:
            if one is not other and (one.dest == other.dest or other.dest.startswith(one.dest + "/")):
                raise InvalidInput(f"shared path {other.dest} lies inside (or is) the shared path {one.dest}; name the outer one only")
    return tuple(found)


def matcher(patterns: t.Iterable[str]) -> re.Pattern[str] | None:
    """One expression for all patterns: with a slash they match the path from the root, without they match any name."""
    parts = []
    for pattern in patterns:
        clean = pattern.strip().rstrip("/")
        if not clean:
            continue
        body = fnmatch.translate(clean.lstrip("/"))
        parts.append(body if "/" in clean else f"(?:.*/)?(?:{body})")
    return re.compile("|".join(f"(?:{part})" for part in parts)) if parts else None


@dataclasses.dataclass
class Found:
    """A file as ``lstat`` saw it: enough to know later whether it may have changed since."""

    path: str
    mode: int
    stamp: tuple[int, int, int, int]  # inode, bytes, mtime and ctime in nanoseconds


def hash_file(path: str, buffer: bytearray | None = None, advance: Advance = unseen) -> str:
    """The sha256 (hex) of a file's bytes; never follows a link."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        first = os.read(fd, CHUNK)
        digest = hashlib.sha256(first)
        size = len(first)
        if size == CHUNK:
            view = memoryview(buffer if buffer is not None else bytearray(CHUNK))
            while more := os.readv(fd, [view]):
                advance(0, size)
                size = more
                digest.update(view[:size])
        advance(1, size)  # the file is done with its last part
        return digest.hexdigest()
    finally:
        os.close(fd)


def hash_files(paths: t.Sequence[str], size: int, advance: Advance = unseen) -> list[str]:
    """The sha256 of many files, ``size`` bytes together; on all processors where they are large (hashing lets other threads run)."""
    workers = min(4, os.cpu_count() or 1)
    if len(paths) < 64 or workers == 1 or size < LARGE * len(paths):
        return [hash_file(path, advance=advance) for path in paths]

    def batch(chunk: t.Sequence[str]) -> list[str]:
        buffer = bytearray(CHUNK)
        files = size = 0

        def count(more_files: int, more: int) -> None:
            nonlocal files, size
            files, size = files + more_files, size + more
            if size >= SAID:
                advance(files, size)
                files = size = 0

        digests = [hash_file(path, buffer, count) for path in chunk]
        advance(files, size)
        return digests

    step = 256
    chunks = [paths[start : start + step] for start in range(0, len(paths), step)]
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return [digest for part in pool.map(batch, chunks) for digest in part]


def hash_found(root: str, found: t.Sequence[Found], advance: Advance = unseen) -> dict[str, str]:
    """The sha256 of files of a walk, by their paths."""
    digests = hash_files([os.path.join(root, item.path) for item in found], sum(item.stamp[1] for item in found), advance)
    return {item.path: digest for item, digest in zip(found, digests)}


def _normal_mode(mode: int, rules: Rules) -> int:
    if rules.keep_all:
        return stat.S_IMODE(mode)
    executable = bool(mode & stat.S_IXUSR)
    if rules.file_mode is None:
        return 0o755 if executable else 0o644
    return rules.file_mode | (rules.file_mode & 0o444) >> 2 if executable else rules.file_mode


def leads_out(path: str, target: str) -> bool:
    """Whether a link at ``path`` (inside a release) points, or could point, outside of it.

    ``..`` is followed only at the target's beginning, where it climbs through real folders; further inside it could
    climb out of whatever another link leads to.
    """
    parts = [part for part in target.split("/") if part not in ("", ".")]
    climbs = 0
    while climbs < len(parts) and parts[climbs] == "..":
        climbs += 1
    return target.startswith("/") or ".." in parts[climbs:] or climbs > path.count("/")


class Walker:
    """Walks a folder once; ``files`` still have to be hashed, ``others`` are complete entries."""

    def __init__(self, root: str, rules: Rules) -> None:
        self.root = root
        self.rules = rules
        self.files: list[Found] = []
        self.others: list[Entry] = []
        self.hidden = 0  # names of the source that a shared path covers
        self.left_out: list[str] = []  # names that the patterns keep out; a folder, with a slash at its end, stands for all below it
        self._included = matcher(rules.include)
        self._excluded = matcher([*(() if rules.keep_all else ALWAYS_EXCLUDED), *rules.exclude])
        self._covered = {shared.dest for shared in rules.shared}

    def walk(self) -> None:
        if not os.path.isdir(self.root):
            raise InvalidInput(f"source {self.root} is not a folder; check src")
        self._folder(self.root, "", self._included is None)

    def _folder(self, folder: str, prefix: str, wanted: bool) -> bool:
        """Whether anything in the folder belongs to the release; all of it does, but for what is excluded, if it is ``wanted``."""
        kept, begin = wanted, len(self.left_out)
        with os.scandir(folder) as found:
            names = sorted(found, key=lambda item: item.name)
        for item in names:
            path = prefix + item.name
            if self._excluded and self._excluded.fullmatch(path):
                self.left_out.append(path + "/" * item.is_dir(follow_symlinks=False))
                continue
            if path in self._covered:
                self.hidden += 1
                kept = True
                continue
            fits = wanted or bool(self._included and self._included.fullmatch(path))
            if item.is_dir(follow_symlinks=False):
                mode = stat.S_IMODE(item.stat(follow_symlinks=False).st_mode) if self.rules.keep_all else self.rules.dir_mode or 0o755
                place = len(self.others)
                if self._folder(item.path, path + "/", fits):
                    self.others.insert(place, Entry(path, "d", mode, 0, ""))
                    kept = True
                continue
            if not fits:
                self.left_out.append(path)
                continue
            kept = True
            if item.is_symlink():
                target = os.readlink(item.path)
                if leads_out(path, target) and not self.rules.keep_all:
                    raise Refused(
                        f"{path} in the source is a link that leads out of it ({target}); exclude it, share it, or replace it by a copy"
                    )
                self.others.append(Entry(path, "l", 0o777, 0, target))
            elif item.is_file():
                seen = item.stat(follow_symlinks=False)
                stamp = (seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
                self.files.append(Found(path, _normal_mode(seen.st_mode, self.rules), stamp))
            else:
                raise Refused(f"{path} in the source is neither a file, a folder nor a link (a device, pipe or socket); exclude it")
        if not kept and prefix:
            self.left_out[begin:] = [prefix]
        return kept


def _resolve_parents(path: str, links: t.Mapping[str, str], depth: int = 0) -> str:
    """The path with every linked parent inside the release replaced by what it points to."""
    if depth > 40:
        raise Refused(f"shared path {path} runs through a loop of links in the source")
    parts = path.split("/")
    for count in range(1, len(parts)):
        head = "/".join(parts[:count])
        if head in links:
            real = posixpath.normpath(posixpath.join(parent(head), links[head]))
            return _resolve_parents("/".join([real, *parts[count:]]), links, depth + 1)
    return path


def is_shared(entry: Entry) -> bool:
    """Whether an entry is the link to shared data: nothing else climbs out of a release, see ``leads_out``."""
    return entry.kind == "l" and entry.digest.startswith("../" * (entry.path.count("/") + 2) + "shared/")


def shared_links(rules: Rules, entries: t.Iterable[Entry]) -> tuple[list[Entry], set[str]]:
    """The links for shared paths, and the folders of the source that they cover at their real place."""
    links = {entry.path: entry.digest for entry in entries if entry.kind == "l"}
    made: list[Entry] = []
    for shared in rules.shared:
        dest = _resolve_parents(shared.dest, links)
        for other in made:
            if f"{dest}/".startswith(f"{other.path}/") or f"{other.path}/".startswith(f"{dest}/"):
                raise Refused(
                    f"shared path {shared.dest} is {dest} through links of the source, where {other.path} is shared too;"
                    " name one of them only"
                )
        up = "../" * (dest.count("/") + 2)
        made.append(Entry(dest, "l", 0o777, 0, f"{up}shared/{shared.source}"))
    return made, {entry.path for entry in made}


def complete(walker: Walker, digests: t.Mapping[str, str]) -> Manifest:
    """The manifest of a walked folder: its hashed files, its other entries, and the links to shared data."""
    found = [Entry(item.path, "f", item.mode, item.stamp[1], digests[item.path]) for item in walker.files]
    links, covered = shared_links(walker.rules, walker.others)
    kept = [entry for entry in [*walker.others, *found] if not _inside(entry.path, covered)]
    walker.hidden += len(walker.others) + len(found) - len(kept)
    taken = {entry.path: entry.kind for entry in kept}
    for link in links:
        above = parent(link.path)
        while above:
            if taken.get(above, "d") != "d":
                raise Refused(f"shared path {link.path} lies below {above}, which is a file in the source; choose another dest")
            above = parent(above)
    if walker.rules.dir_mode:
        made = {parent(link.path) for link in links} - set(taken) - {""}
        kept.extend(Entry(path, "d", walker.rules.dir_mode, 0, "") for path in sorted(made))
    return Manifest.of([*kept, *links])


def _inside(path: str, covered: set[str]) -> bool:
    while path:
        if path in covered:
            return True
        path = parent(path)
    return False


def manifest_of(root: str, rules: Rules, say: Say = silent) -> Manifest:
    """Walk and hash a folder."""
    walker = Walker(root, rules)
    walker.walk()
    progress = Progress(f"hashing {root}", say, files=len(walker.files), size=sum(item.stamp[1] for item in walker.files))
    return complete(walker, hash_found(root, walker.files, progress.advance))
