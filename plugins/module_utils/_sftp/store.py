# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site on a host that offers SFTP and nothing else: ``RemoteStore`` over one or a few connections."""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import posixpath
import secrets
import stat
import struct
import typing as t
import urllib.parse

from .._common.errors import InvalidInput, Refused, RunbookError
from .._common.progress import Advance, Say, silent, unseen
from .._common.runner import Run
from .._release.manifest import Manifest
from .._release.site import CURRENT, HISTORY, INCOMING, JOURNAL, RELEASES
from .._release.store import STATE, Put, Stat, trade_by_renames
from .._release.verify import Drift
from .._remote.memory import Memory
from . import jobs, tree, wire
from .client import Client, Job, Throttle
from .connect import account_from_options, connect, open_sftp_channel
from .mutex import Mutex
from .pool import Pool

REPLACED = f"{STATE}/replaced"  # what a rename that is not atomic here has moved aside, by its quoted name
_ALL = "*"  # what the memory calls the site itself, which no change makes it forget
SERVER = f"{STATE}/server.json"  # what was found out about the server


class SftpStore:
    """See ``RemoteStore``. ``fix_perms``: set every mode instead of leaving it to the server's umask."""

    def __init__(self, pool: Pool, base: str, fix_perms: bool, may_write: bool) -> None:
        self._pool = pool
        self._client = pool.first
        self._fix_perms, self._may_write = fix_perms, may_write
        self._memory = Memory()
        self._held: Mutex | None = None
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

    # -- what the server can do --------------------------------------------------------------------------------

    def _offers(self, extension: str) -> bool:
        return extension in self._client.extensions

    @functools.cached_property
    def links(self) -> bool:
        """Whether the server makes symbolic links: tried once, and written down."""
        known = self.read(SERVER)
        if known:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                return bool(json.loads(known)["links"])
        if not self._may_write or self.stat("") is None:
            return True
        self.make_folder(STATE, 0o700)
        trial = f"{STATE}/trial-{secrets.token_hex(4)}"
        try:
            self.link("a/b", trial)
            links = self.read_link(trial) == "a/b"
        except OSError:
            links = False
        self.remove(trial)
        self.write(SERVER, json.dumps({"links": links}).encode())
        return links

    @property
    def hard_links(self) -> bool:
        return self._offers(wire.HARDLINK)

    def abilities(self) -> list[str]:
        """What is done otherwise here than on a server that offers everything, one sentence each."""
        notes = []
        if not self._offers(wire.POSIX_RENAME):
            notes.append("the server replaces no name in one step; where one had to be replaced, it was missing for a moment")
        if not self._offers(wire.HARDLINK):
            notes.append("the server makes no hard links; every file was sent")
        if not self.links:
            notes.append("the server makes no symbolic links; current is the folder of the release itself")
        return notes

    # -- names -------------------------------------------------------------------------------------------------

    def check_base(self) -> bool:
        return self._memory.each("base", [_ALL], lambda _names: [self._checked_base()])[0]

    def _checked_base(self) -> bool:
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
        return self._memory.each("stat", [name], lambda names: [self._stat(each) for each in names])[0]

    def _absent(self, name: str) -> bool:
        """Whether it is known that there is no such name."""
        while name:
            folder, _slash, inner = name.rpartition("/")
            names = self._memory.known("entries", folder)
            if names is not None and inner not in names:
                return True
            name = folder
        return False

    def _stat(self, name: str) -> Stat | None:
        if self._absent(name):
            return None
        found = self._client.do(jobs.look(self.absolute(name)))
        return None if found is None else _stat(found)

    def names(self, folder: str) -> list[str]:
        return list(self.entries(folder))

    def entries(self, folder: str) -> dict[str, Stat]:
        found: list[dict[str, Stat]] = self._memory.each("entries", [folder], lambda folders: self._each(self._entries, folders))
        return found[0]

    def _entries(self, folder: str) -> Job[dict[str, Stat]]:
        found = (yield from jobs.listing(self.absolute(folder))) or {}
        return {name: _stat(found[name]) for name in sorted(found)}

    def read(self, name: str) -> bytes | None:
        return self.read_each([name])[0]

    def ask_for(self, name: str) -> bytes | None:
        """What is in a file now, whatever is remembered of it."""
        return self._client.do(jobs.read_file(self.absolute(name)))

    def read_each(self, names: t.Sequence[str]) -> list[bytes | None]:
        return self._memory.each("read", names, self._read_each)

    def _read_each(self, names: t.Sequence[str]) -> list[bytes | None]:
        there = [name for name in names if not self._absent(name)]
        read = dict(zip(there, self._each(jobs.read_file, [self.absolute(name) for name in there])))
        found = [read.get(name) for name in names]
        if not self._offers(wire.POSIX_RENAME) and None in found:
            # A run may have been killed while it replaced them.
            missing = [index for index, data in enumerate(found) if data is None]
            spare = self._each(jobs.read_file, [self.absolute(_aside(names[index])) for index in missing])
            for index, data in zip(missing, spare):
                found[index] = data
        return found

    def _each(self, job: t.Callable[[str], t.Any], paths: t.Sequence[str]) -> list[t.Any]:
        """The results of one job for each path, in their order."""
        results: dict[int, t.Any] = {}

        def numbered(number: int, path: str) -> t.Generator[t.Any, t.Any, None]:
            results[number] = yield from job(path)

        for _done in self._client.run(numbered(number, path) for number, path in enumerate(paths)):
            pass
        return [results[number] for number in range(len(paths))]

    def read_link(self, name: str) -> str | None:
        return self._memory.each("link", [name], lambda names: [self._read_link(each) for each in names])[0]

    def _read_link(self, name: str) -> str | None:
        found = self.stat(name)
        return self._client.do(jobs.read_link(self.absolute(name))) if found and found.kind == "link" else None

    def write(self, name: str, data: bytes, mode: int = 0o600) -> None:
        self.write_each({name: data}, mode)

    def write_each(self, files: t.Mapping[str, bytes], mode: int = 0o600) -> None:
        """Write several files of one folder, each atomically."""
        self._change(*files)
        partials = {name: f"{name}.{secrets.token_hex(6)}.partial" for name in files}
        pieces = [(partials[name], data) for name, data in files.items()]
        try:
            self._fill_each(pieces, mode=mode)
        except FileNotFoundError:
            self.make_folder(posixpath.dirname(next(iter(files))), 0o700)
            self._fill_each(pieces, mode=mode)
        if self._offers(wire.POSIX_RENAME):
            renames = [self._renaming(partial, name) for name, partial in partials.items()]
            for _done in self._client.run(map(jobs.check, renames)):
                pass
        else:
            for name, partial in partials.items():
                self.rename(partial, name)
        for name, data in files.items():
            self._memory.keep("read", name, data)

    def chmod(self, name: str, mode: int) -> None:
        self._change(name)
        self._client.ask(wire.set_mode(self.absolute(name), mode)).check()

    def write_plain(self, name: str, data: bytes) -> None:
        """Not atomically, for what nobody needs whole."""
        self._fill_each([(name, data)], sync=False)

    def _fill_each(self, files: t.Sequence[tuple[str, bytes]], sync: bool = True, offset: int = 0, mode: int = 0o600) -> None:
        with self._explained():
            for _done in self._client.run(self._filling(name, data, sync, offset, mode) for name, data in files):
                pass

    def _filling(self, name: str, data: bytes, sync: bool, offset: int = 0, mode: int = 0o600) -> Job[None]:
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
        if sync and self._offers(wire.FSYNC):
            requests.append(wire.extended(wire.FSYNC, wire.text(handle), name=path))
        *replies, closed = yield [*requests, wire.close(handle, path)]
        for reply in replies[: len(starts)]:
            reply.check()
        closed.check()

    def append(self, name: str, data: bytes) -> None:
        """Add one line; one that an earlier run was cut in is closed first."""
        size, torn = self._memory.each("end", [name], lambda names: self._each(jobs.end_of, [self.absolute(each) for each in names]))[0]
        self._change(name)
        line = b"\n" * torn + data
        try:
            self._fill_each([(name, line)], offset=size)
        except FileNotFoundError:
            self.make_folder(posixpath.dirname(name), 0o700)
            self._fill_each([(name, line)])
        self._memory.keep("end", name, (size + len(line), not line.endswith(b"\n")))

    def make_folder(self, name: str, mode: int) -> None:
        known = self._memory.known("stat", name)
        if known is not None and known.kind == "folder":
            return
        self._change(name)
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
                with self._explained():
                    raise reply.refusal()  # its parent is there, so that is not why
            missing.append(path)
            path = posixpath.dirname(path)
        for folder in reversed(missing):
            with self._explained():
                self._client.ask(wire.make_folder(folder, mode)).check()
            self._set_mode(folder, mode)

    def make_new_folder(self, name: str) -> bool:
        path = self.absolute(name)
        reply = self._client.ask(wire.make_folder(path, 0o700))
        if reply.code == wire.OK:
            return True
        if self._client.do(jobs.look(path)) is None:
            if self._client.do(jobs.look(posixpath.dirname(path))) is not None:
                with self._explained():
                    raise reply.refusal()
            self.make_folder(posixpath.dirname(name), 0o700)
            return self.make_new_folder(name)
        return False

    def _set_mode(self, path: str, mode: int) -> None:
        """Whatever the umask. A server that lets nobody set modes has decided."""
        if self._fix_perms:
            self._client.ask(wire.set_mode(path, mode)).check()

    def link(self, target: str, name: str) -> None:
        self._change(name)
        path = self.absolute(name)
        self._client.ask(wire.symlink(target, path, target_first=True)).check()

    def rename(self, old: str, new: str) -> bool:
        self._change(old, new)
        one, other = self.absolute(old), self.absolute(new)
        if self._offers(wire.POSIX_RENAME):
            self._client.ask(self._renaming(old, new)).check()
            return True
        there = self.stat(new)
        if there is None or there.kind == "folder":
            self._change(old, new)
            self._client.ask(wire.rename(one, other)).check()  # which refuses what is there
            return True
        self._change(old, new)
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
        if self._offers(wire.POSIX_RENAME):
            return ""
        done = []
        for name in self.names(REPLACED):
            original = urllib.parse.unquote(name)
            aside = f"{REPLACED}/{name}"
            if self.stat(original) is None:
                self._change(aside, original)
                self._client.ask(wire.rename(self.absolute(aside), self.absolute(original))).check()
                done.append(original)
            else:
                self.remove(aside)
        return f"an interrupted run had moved {', '.join(done)} aside to replace it; it was put back" if done else ""

    def exchange(self, one: str, other: str) -> bool:
        return False

    def trade(self, current: str, aside: str, new: str) -> float:
        return trade_by_renames(self, current, aside, new)

    def remove(self, name: str) -> None:
        self._change(name)
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

    def remove_tree(self, name: str) -> None:
        self._change(name)
        # One that is empty goes at once.
        if self._client.ask(wire.about(wire.RMDIR, self.absolute(name))).code in (wire.OK, wire.NO_SUCH_FILE) or self.stat(name) is None:
            return
        trash = f"{STATE}/trash/{secrets.token_hex(6)}"
        self.make_folder(f"{STATE}/trash", 0o700)
        self.rename(name, trash)
        tree.destroy(self._pool, self.absolute(trash))

    def empty_trash(self) -> None:
        for name in self.names(f"{STATE}/trash"):
            self._change(f"{STATE}/trash/{name}")
            tree.destroy(self._pool, self.absolute(f"{STATE}/trash/{name}"))

    @contextlib.contextmanager
    def mutex(self) -> t.Iterator[None]:
        mutex = Mutex(self, f"{STATE}/mutex.d", self._apart, self._claim, self.base)
        try:
            with mutex.held():
                self._held = mutex
                try:
                    yield
                finally:
                    self._held = None
                    self._memory.end()
        finally:
            self._memory.end()

    def _change(self, *names: str) -> None:
        """Before anything is changed: the mutex is still ours, and what is known of these names is no longer true."""
        if self._held is not None:
            self._held.check()
        self._memory.changed(*names)

    def _claim(self, name: str, data: bytes) -> None:
        """Sign what was taken, and ask meanwhile for what every use case asks for one by one."""
        self._memory.begin()
        state = [f"{STATE}/lock/owner.json", JOURNAL, SERVER]
        folders = [f"{STATE}/releases", f"{STATE}/trash", INCOMING, RELEASES]
        current = self.absolute(CURRENT)

        def asked(kind: str, name: str, job: Job[t.Any]) -> Job[tuple[str, str, t.Any]]:
            return kind, name, (yield from job)

        def listed(folder: str) -> Job[dict[str, Stat]]:
            what = yield from jobs.look(self.absolute(folder))
            self._memory.keep("stat", folder, None if what is None else _stat(what))
            return (yield from self._entries(folder)) if what else {}

        def looked() -> Job[Stat | None]:
            found = yield from jobs.look(current)
            return None if found is None else _stat(found)

        questions = [asked("signed", name, self._filling(name, data, sync=False))]
        questions += [asked("entries", folder, listed(folder)) for folder in folders]
        if self._offers(wire.POSIX_RENAME):  # elsewhere they may lie aside
            questions += [asked("read", name, jobs.read_file(self.absolute(name))) for name in state]
        questions += [asked("stat", CURRENT, looked()), asked("end", HISTORY, jobs.end_of(self.absolute(HISTORY)))]

        def free() -> Job[tuple[int, int]]:
            (reply,) = yield [wire.extended(wire.STATVFS, wire.text(wire.encode(self.base)), name=self.base)]
            return _free(reply)

        if self._offers(wire.STATVFS):
            questions.append(asked("space", _ALL, free()))
        self._memory.keep("base", _ALL, True)  # or there would be nothing to hold the mutex of
        with self._explained():
            answers = list(self._client.run(questions))
        for kind, name, answer in answers:
            self._memory.keep(kind, name, answer)
            for inner, what in answer.items() if kind == "entries" else ():
                self._memory.keep("stat", f"{name}/{inner}", what)

    @contextlib.contextmanager
    def _apart(self) -> t.Iterator[SftpStore]:
        with self._pool.apart() as other:
            yield SftpStore(Pool(other), self.base, self._fix_perms, True)

    # -- whole trees -------------------------------------------------------------------------------------------

    def verify(self, folder: str, manifest: Manifest, advance: Advance = unseen) -> tuple[Drift, str]:
        return tree.verify(self._pool, self.absolute(folder), manifest, self._fix_perms, advance)

    def stamp(self, folder: str) -> str:
        return tree.stamp_of(tree.scan(self._pool, self.absolute(folder)))

    def manifest_of(self, folder: str, say: Say = silent) -> Manifest:
        return tree.manifest_of(self._pool, self.absolute(folder), say)

    def put_tree(
        self, source: str, manifest: Manifest, folder: str, known: t.Mapping[str, tuple[str, str]], say: Say = silent, hardlink: bool = True
    ) -> Put:
        link = next((entry.path for entry in manifest.entries if entry.kind == "l"), None)
        if link is not None and not self.links:
            raise Refused(
                f"the server makes no symbolic links, so {link} can't be one; leave shared paths out and keep what outlives releases"
                " outside of the site, or replace links of the source by copies"
            )
        # Most often there is neither the folder nor the one above it.
        first, second = (
            wire.make_folder(self.absolute(name), mode) for name, mode in ((posixpath.dirname(folder), 0o700), (folder, 0o755))
        )
        _above, made = self._client.do(jobs.answers([first, second]))
        fresh = made.code == wire.OK
        if not fresh:
            self.make_folder(folder, 0o755)
        self._change(folder)
        there = {digest: (self.absolute(name), seen) for digest, (name, seen) in known.items()} if hardlink else {}
        if not self._offers(wire.HARDLINK):
            there = {}
        with self._explained():
            put = tree.put(self._pool, source, manifest, self.absolute(folder), there, self._fix_perms, say, fresh)
        put.notes += self.abilities()
        return put

    def space(self) -> tuple[int, int] | None:
        return self._memory.each("space", [_ALL], lambda _names: [self._space()])[0]

    def _space(self) -> tuple[int, int] | None:
        if not self._offers(wire.STATVFS):
            return None
        place = self.base
        while (reply := self._client.ask(wire.extended(wire.STATVFS, wire.text(wire.encode(place)), name=place))).code != wire.OK:
            if place == "/":
                return None
            place = posixpath.dirname(place)
        return _free(reply)

    @contextlib.contextmanager
    def _explained(self) -> t.Iterator[None]:
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


def _free(reply: wire.Reply) -> tuple[int, int]:
    """Bytes and inodes that are free, of an answer to ``statvfs``."""
    _bsize, frsize, _blocks, _bfree, bavail, files, _ffree, favail = struct.unpack_from(">8Q", reply.extended())
    return bavail * frsize, favail if files else 1 << 62


def _stat(found: wire.Attributes) -> Stat:
    return Stat(found.kind, found.size or 0, stat.S_IMODE(found.mode or 0), float(found.mtime or 0))


def _aside(name: str) -> str:
    return f"{REPLACED}/{urllib.parse.quote(name, safe='')}"


@contextlib.contextmanager
def open_sftp(path: str, remote: t.Mapping[str, t.Any], run: Run) -> t.Iterator[SftpStore]:
    """The site at ``path`` of the account that ``remote`` describes; everything is closed at the end."""
    account = account_from_options(remote)
    throttle = Throttle((remote.get("bandwidth_limit") or 0) * 1000)
    with contextlib.ExitStack() as open_things:
        first = open_things.enter_context(connect(account))

        def session(connection: t.Any) -> Client:
            return Client(open_sftp_channel(connection), str(account), throttle)

        def another() -> Client:
            connection = connect(account)
            open_things.callback(connection.close)
            return session(connection)

        pool = Pool(session(first), another, lambda: session(first), remote.get("connections") or 1)
        yield SftpStore(pool, path, bool(remote.get("fix_perms")), not run.check_mode)
