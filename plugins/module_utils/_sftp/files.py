# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of a site on a server that offers SFTP, one by one; what it is asked is not remembered (see ``store``)."""

from __future__ import annotations

import contextlib
import errno
import posixpath
import secrets
import stat
import struct
import typing as t
import urllib.parse

from .._common.errors import InvalidInput, Refused, RunbookError
from .._release.store import STATE, Stat
from . import jobs, wire
from .client import Client, Job

REPLACED = f"{STATE}/replaced"  # what a rename that is not atomic here has moved aside, by its quoted name


class Files:
    """Names are relative to ``base``. ``fix_perms``: set every mode instead of leaving it to the server's umask. ``changing``: told of
    names before anything there is changed."""

    def __init__(self, client: Client, base: str, fix_perms: bool, changing: t.Callable[..., None]) -> None:
        self._client, self._fix_perms, self._changing = client, fix_perms, changing
        self.base = self._resolve(base)

    def _resolve(self, path: str) -> str:
        """The absolute base; a relative one, and ``~/``, count from where the account lands."""
        if not path or ".." in path.split("/") or "\n" in path or "\0" in path:
            raise InvalidInput(f"path {path!r} can't be a site's base folder; give one without '..' and line breaks")
        inner = path[2:] if path.startswith("~/") else path
        if not inner.startswith("/"):
            ((home, _what),) = self._client.ask(wire.about(wire.REALPATH, ".")).names()
            inner = f"{home.decode('utf-8', 'surrogateescape')}/{inner}"
        base = "/" + posixpath.normpath(inner).strip("/")
        if base == "/":
            raise InvalidInput(f"path {path!r} is all that the account sees; give a folder of the site's own in it")
        return base

    def absolute(self, name: str) -> str:
        return f"{self.base}/{name}" if name else self.base

    def offers(self, extension: str) -> bool:
        return extension in self._client.extensions

    def check_base(self) -> bool:
        found = self._client.ask(wire.about(wire.STAT, self.base))
        if found.code == wire.NO_SUCH_FILE:
            return False
        what = found.attributes()
        if what.kind != "folder":
            raise Refused(f"{self.base} is not a folder; give the site's base folder, or move that file away")
        if what.mode is not None and what.mode & stat.S_IWOTH and not what.mode & stat.S_ISVTX:
            raise Refused(
                f"{self.base} is writable by every user, anybody could replace what is served; take that permission away (chmod o-w)"
            )
        return True

    def stat(self, name: str) -> Stat | None:
        found = self._client.do(jobs.look(self.absolute(name)))
        return None if found is None else as_stat(found)

    def entries(self, folders: t.Sequence[str]) -> list[dict[str, Stat]]:
        """What is in each of these folders."""
        return self.each(self._entries, folders)

    def _entries(self, folder: str) -> Job[dict[str, Stat]]:
        return as_stats((yield from jobs.listing(self.absolute(folder))) or {})

    def ask_for(self, name: str) -> bytes | None:
        """What is in a file now."""
        return self._client.do(jobs.read_file(self.absolute(name)))

    def read_each(self, names: t.Sequence[str]) -> list[bytes | None]:
        found = self.each(jobs.read_file, [self.absolute(name) for name in names])
        if not self.offers(wire.POSIX_RENAME) and None in found:
            # A run may have been killed while it replaced them.
            missing = [index for index, data in enumerate(found) if data is None]
            spare = self.each(jobs.read_file, [self.absolute(_aside(names[index])) for index in missing])
            for index, data in zip(missing, spare):
                found[index] = data
        return found

    def each(self, job: t.Callable[[str], t.Any], paths: t.Sequence[str]) -> list[t.Any]:
        """The results of one job for each path, in their order."""
        results: dict[int, t.Any] = {}

        def numbered(number: int, path: str) -> t.Generator[t.Any, t.Any, None]:
            results[number] = yield from job(path)

        for _done in self._client.run(numbered(number, path) for number, path in enumerate(paths)):
            pass
        return [results[number] for number in range(len(paths))]

    def read_link(self, name: str) -> str:
        return self._client.do(jobs.read_link(self.absolute(name)))

    def ends(self, names: t.Sequence[str]) -> list[tuple[int, bool]]:
        """See ``jobs.end_of``."""
        return self.each(jobs.end_of, [self.absolute(name) for name in names])

    def write_each(self, files: t.Mapping[str, bytes], mode: int, move: tuple[str, str] | None = None) -> None:
        """Write several files of one folder, each atomically. ``move``: see ``RemoteStore.write_each``."""
        self._changing(*files, *(move or ()))
        partials = {name: f"{name}.{secrets.token_hex(6)}.partial" for name in files}
        pieces = [(partials[name], data) for name, data in files.items()]
        try:
            self._fill_each(pieces, mode=mode)
        except FileNotFoundError:
            self.make_folder(posixpath.dirname(next(iter(files))), 0o700)
            self._fill_each(pieces, mode=mode)
        self._changing(*files, *(move or ()))  # sending may have taken long
        if self.offers(wire.POSIX_RENAME):
            pairs = [*((partial, name) for name, partial in partials.items()), *([move] if move else [])]
            renames = [self._renaming(old, new) for old, new in pairs]
            for _done in self._client.run(map(jobs.check, renames)):
                pass
        else:
            for name, partial in partials.items():
                self.rename(partial, name)
            if move:
                self.rename(*move)

    def chmod(self, name: str, mode: int) -> None:
        self._changing(name)
        self._client.ask(wire.set_mode(self.absolute(name), mode)).check()

    def write_plain(self, name: str, data: bytes) -> None:
        """Not atomically, for what nobody needs whole."""
        self._fill_each([(name, data)], sync=False)

    def _fill_each(self, files: t.Sequence[tuple[str, bytes]], sync: bool = True, offset: int = 0, mode: int = 0o600) -> None:
        with self.explained():
            for _done in self._client.run(self.filling(name, data, sync, offset, mode) for name, data in files):
                pass

    def filling(self, name: str, data: bytes, sync: bool, offset: int = 0, mode: int = 0o600) -> Job[None]:
        path = self.absolute(name)
        flags = wire.WRITING | wire.CREATING | (0 if offset else wire.TRUNCATING)
        (opened,) = yield [wire.open_file(path, flags, mode)]
        if opened.code == wire.NO_SUCH_FILE:
            raise FileNotFoundError(errno.ENOENT, "no such folder", path)
        handle = opened.handle()
        starts = range(0, len(data), jobs.CHUNK)
        requests = [wire.write(handle, offset + start, data[start : start + jobs.CHUNK], path) for start in starts]
        if not offset:
            requests.append(wire.set_mode_of(handle, mode, path))  # whatever the umask, where the server allows it
        if sync and self.offers(wire.FSYNC):
            requests.append(wire.extended(wire.FSYNC, wire.text(handle), name=path))
        *replies, closed = yield [*requests, wire.close(handle, path)]
        for reply in replies[: len(starts)]:
            reply.check()
        closed.check()

    def append(self, name: str, line: bytes, size: int) -> None:
        """Write at the end of a file that has ``size`` bytes."""
        self._changing(name)
        try:
            self._fill_each([(name, line)], offset=size)
        except FileNotFoundError:
            self.make_folder(posixpath.dirname(name), 0o700)
            self._fill_each([(name, line)])

    def make_folder(self, name: str, mode: int) -> None:
        self._changing(name)
        missing = []
        path = self.absolute(name)
        while True:
            # What has to be known if it can't be made is asked for with it.
            questions = [wire.about(wire.STAT, path), wire.about(wire.STAT, posixpath.dirname(path))]
            reply, found, above = self._client.do(jobs.answers([wire.make_folder(path, mode), *questions]))
            if reply.code == wire.OK:
                self._set_mode(path, mode)
                break
            if found.code == wire.OK and found.attributes().kind == "folder":
                break
            if found.code != wire.NO_SUCH_FILE or path.count("/") < 2:
                raise reply.refusal()
            if above.code == wire.OK:
                with self.explained():
                    raise reply.refusal()  # its parent is there, so that is not why
            missing.append(path)
            path = posixpath.dirname(path)
        for folder in reversed(missing):
            with self.explained():
                self._client.ask(wire.make_folder(folder, mode)).check()
            self._set_mode(folder, mode)

    def make_new_folder(self, name: str) -> bool:
        path = self.absolute(name)
        reply = self._client.ask(wire.make_folder(path, 0o700))
        if reply.code == wire.OK:
            return True
        if self._client.do(jobs.look(path)) is None:
            if self._client.do(jobs.look(posixpath.dirname(path))) is not None:
                with self.explained():
                    raise reply.refusal()
            self.make_folder(posixpath.dirname(name), 0o700)
            return self.make_new_folder(name)
        return False

    def _set_mode(self, path: str, mode: int) -> None:
        """Whatever the umask. A server that lets nobody set modes has decided."""
        if self._fix_perms:
            self._client.ask(wire.set_mode(path, mode)).check()

    def link(self, target: str, name: str) -> None:
        self._changing(name)
        path = self.absolute(name)
        self._client.ask(wire.symlink(target, path, target_first=True)).check()

    def rename(self, old: str, new: str) -> bool:
        self._changing(old, new)
        one, other = self.absolute(old), self.absolute(new)
        if self.offers(wire.POSIX_RENAME):
            self._client.ask(self._renaming(old, new)).check()
            return True
        there = self.stat(new)
        if there is None or there.kind == "folder":
            self._changing(old, new)
            self._client.ask(wire.rename(one, other)).check()  # which refuses what is there
            return True
        aside = _aside(new)
        self.make_folder(REPLACED, 0o700)
        self.remove(aside)
        self._client.ask(wire.rename(other, self.absolute(aside))).check()
        reply = self._client.ask(wire.rename(one, other))
        if reply.code != wire.OK:
            self._client.ask(wire.rename(self.absolute(aside), other)).check()
            raise reply.refusal()
        self.remove(aside)
        return False

    def _renaming(self, old: str, new: str) -> wire.Request:
        one, other = self.absolute(old), self.absolute(new)
        return wire.extended(wire.POSIX_RENAME, wire.text(wire.encode(one)), wire.text(wire.encode(other)), name=f"{one} -> {other}")

    def settle(self) -> str:
        if self.offers(wire.POSIX_RENAME):
            return ""
        done = []
        for name in self.entries([REPLACED])[0]:
            original = urllib.parse.unquote(name)
            aside = f"{REPLACED}/{name}"
            if self.stat(original) is None:
                self._changing(aside, original)
                self._client.ask(wire.rename(self.absolute(aside), self.absolute(original))).check()
                done.append(original)
            else:
                self.remove(aside)
        return f"an interrupted run had moved {', '.join(done)} aside to replace it; it was put back" if done else ""

    def remove(self, name: str) -> None:
        self._changing(name)
        self._client.do(jobs.remove_file(self.absolute(name)))

    def drop_folder(self, name: str, files: t.Sequence[str]) -> None:
        path = self.absolute(name)

        def job() -> t.Generator[t.Any, t.Any, None]:
            *_replies, gone = yield [
                *(wire.about(wire.REMOVE, f"{path}/{file}") for file in files),
                wire.about(wire.RMDIR, path),
            ]
            gone.check()

        self._client.do(job())

    def space(self) -> tuple[int, int] | None:
        if not self.offers(wire.STATVFS):
            return None
        place = self.base
        while (reply := self._client.ask(wire.extended(wire.STATVFS, wire.text(wire.encode(place)), name=place))).code != wire.OK:
            if place == "/":
                return None
            place = posixpath.dirname(place)
        return free_space(reply)

    @contextlib.contextmanager
    def explained(self) -> t.Iterator[None]:
        """Version 3 has one code for most of what can go wrong; what it was may be found out."""
        try:
            yield
        except wire.Refusal as error:
            if error.code != wire.FAILURE:
                raise
            free = None
            with contextlib.suppress(OSError, RunbookError):
                free = self.space()
            if free and (free[0] < 1 << 20 or not free[1]):
                raise OSError(errno.ENOSPC, "no space is left on the host", error.filename) from error
            what = f"{error.strerror}; that can be a full disk, a quota, or a name that is taken"
            raise OSError(errno.EIO, what, error.filename) from error


def free_space(reply: wire.Reply) -> tuple[int, int]:
    """Bytes and inodes that are free, of an answer to ``statvfs``."""
    _bsize, frsize, _blocks, _bfree, bavail, files, _ffree, favail = struct.unpack_from(">8Q", reply.extended())
    return bavail * frsize, favail if files else 1 << 62


def as_stat(found: wire.Attributes) -> Stat:
    return Stat(found.kind, found.size or 0, stat.S_IMODE(found.mode or 0), float(found.mtime or 0))


def as_stats(found: t.Mapping[str, wire.Attributes]) -> dict[str, Stat]:
    return {name: as_stat(found[name]) for name in sorted(found)}


def _aside(name: str) -> str:
    return f"{REPLACED}/{urllib.parse.quote(name, safe='')}"
