# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site on a host that offers SFTP and nothing else: ``RemoteStore`` over one or a few connections."""

from __future__ import annotations

import contextlib
import functools
import json
import posixpath
import secrets
import typing as t

from .._common.errors import Refused
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
from .files import Files, as_stat, as_stats, free_space
from .mutex import Mutex
from .pool import Pool

_ALL = "*"  # what the memory calls the site itself, which no change makes it forget
SERVER = f"{STATE}/server.json"  # what was found out about the server


class SftpStore:
    """See ``RemoteStore``. ``fix_perms``: set every mode instead of leaving it to the server's umask."""

    def __init__(self, pool: Pool, base: str, fix_perms: bool, may_write: bool) -> None:
        self._pool, self._client = pool, pool.first
        self._fix_perms, self._may_write = fix_perms, may_write
        self._memory = Memory()
        self._held: Mutex | None = None
        self._files = Files(pool.first, base, fix_perms, self._change)
        self.base = self._files.base

    def absolute(self, name: str) -> str:
        return self._files.absolute(name)

    # -- what the server can do --------------------------------------------------------------------------------

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
        return self._files.offers(wire.HARDLINK)

    def abilities(self) -> list[str]:
        """What is done otherwise here than on a server that offers everything, one sentence each."""
        notes = []
        if not self._files.offers(wire.POSIX_RENAME):
            notes.append("the server replaces no name in one step; where one had to be replaced, it was missing for a moment")
        if not self._files.offers(wire.HARDLINK):
            notes.append("the server makes no hard links; every file was sent")
        if not self.links:
            notes.append("the server makes no symbolic links; current is the folder of the release itself")
        return notes

    # -- names -------------------------------------------------------------------------------------------------

    def check_base(self) -> bool:
        return self._memory.each("base", [_ALL], lambda _names: [self._files.check_base()])[0]

    def stat(self, name: str) -> Stat | None:
        return self._memory.each("stat", [name], lambda names: [self._stat(each) for each in names])[0]

    def _stat(self, name: str) -> Stat | None:
        return None if self._memory.absent(name) else self._files.stat(name)

    def names(self, folder: str) -> list[str]:
        return list(self.entries(folder))

    def entries(self, folder: str) -> dict[str, Stat]:
        return self._memory.each("entries", [folder], self._files.entries)[0]

    def read(self, name: str) -> bytes | None:
        return self.read_each([name])[0]

    def read_each(self, names: t.Sequence[str]) -> list[bytes | None]:
        return self._memory.each("read", names, self._read_each)

    def _read_each(self, names: t.Sequence[str]) -> list[bytes | None]:
        if not self._files.offers(wire.POSIX_RENAME):  # what is absent may lie aside
            return self._files.read_each(names)
        there = [name for name in names if not self._memory.absent(name)]
        found = dict(zip(there, self._files.read_each(there)))
        return [found.get(name) for name in names]

    def read_link(self, name: str) -> str | None:
        return self._memory.each("link", [name], lambda names: [self._read_link(each) for each in names])[0]

    def _read_link(self, name: str) -> str | None:
        found = self.stat(name)
        return self._files.read_link(name) if found and found.kind == "link" else None

    def write(self, name: str, data: bytes, mode: int = 0o600) -> None:
        self._write_each({name: data}, mode)

    def write_each(self, files: t.Mapping[str, bytes], move: tuple[str, str] | None = None) -> None:
        self._write_each(files, 0o600, move)

    def _write_each(self, files: t.Mapping[str, bytes], mode: int, move: tuple[str, str] | None = None) -> None:
        self._files.write_each(files, mode, move)
        for name, data in files.items():
            self._memory.keep("read", name, data)

    def append(self, name: str, data: bytes) -> None:
        """Add one line; one that an earlier run was cut in is closed first."""
        size, torn = self._memory.each("end", [name], self._files.ends)[0]
        line = b"\n" * torn + data
        self._files.append(name, line, size)
        self._memory.keep("end", name, (size + len(line), not line.endswith(b"\n")))

    def make_folder(self, name: str, mode: int) -> None:
        known = self._memory.known("stat", name)
        if known is None or known.kind != "folder":
            self._files.make_folder(name, mode)

    def chmod(self, name: str, mode: int) -> None:
        self._files.chmod(name, mode)

    def link(self, target: str, name: str) -> None:
        self._files.link(target, name)

    def rename(self, old: str, new: str) -> bool:
        return self._files.rename(old, new)

    def remove(self, name: str) -> None:
        self._files.remove(name)

    def settle(self) -> str:
        return self._files.settle()

    def exchange(self, one: str, other: str) -> bool:
        return False

    def trade(self, current: str, aside: str, new: str) -> float:
        return trade_by_renames(self, current, aside, new)

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
        mutex = Mutex(self._files, f"{STATE}/mutex.d", self._apart, self._claim, self.base)
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
            what, found = yield from jobs.look_into(self.absolute(folder))
            self._memory.keep("stat", folder, None if what is None else as_stat(what))
            return as_stats(found)

        def looked() -> Job[Stat | None]:
            found = yield from jobs.look(current)
            return None if found is None else as_stat(found)

        questions = [asked("signed", name, self._files.filling(name, data, sync=False))]
        questions += [asked("entries", folder, listed(folder)) for folder in folders]
        if self._files.offers(wire.POSIX_RENAME):  # elsewhere they may lie aside
            questions += [asked("read", name, jobs.read_file(self.absolute(name))) for name in state]
        questions += [asked("stat", CURRENT, looked()), asked("end", HISTORY, jobs.end_of(self.absolute(HISTORY)))]

        def free() -> Job[tuple[int, int]]:
            (reply,) = yield [wire.extended(wire.STATVFS, wire.text(wire.encode(self.base)), name=self.base)]
            return free_space(reply)

        if self._files.offers(wire.STATVFS):
            questions.append(asked("space", _ALL, free()))
        self._memory.keep("base", _ALL, True)  # or there would be nothing to hold the mutex of
        with self._files.explained():
            answers = list(self._client.run(questions))
        for kind, name, answer in answers:
            self._memory.keep(kind, name, answer)
            for inner, what in answer.items() if kind == "entries" else ():
                self._memory.keep("stat", f"{name}/{inner}", what)

    @contextlib.contextmanager
    def _apart(self) -> t.Iterator[Files]:
        with self._pool.apart() as other:
            yield Files(other, self.base, self._fix_perms, lambda *_names: None)

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
        if not self._files.offers(wire.HARDLINK):
            there = {}
        with self._files.explained():
            put = tree.put(self._pool, source, manifest, self.absolute(folder), there, self._fix_perms, say, fresh)
        put.notes += self.abilities()
        return put

    def space(self) -> tuple[int, int] | None:
        return self._memory.each("space", [_ALL], lambda _names: [self._files.space()])[0]


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
