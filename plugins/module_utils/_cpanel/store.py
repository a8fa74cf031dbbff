# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site in a cPanel account, as the release logic sees it: ``Store`` through the API, without a shell and without links.

``link`` is among the documented operations of API 2's ``fileop``, but not what it makes (a symbolic or a hard link, of a folder
or not), and there is none to take its place in one step. So names are no links here: ``current`` is the live release's own folder.
"""

from __future__ import annotations

import contextlib
import errno
import typing as t

from .._common.progress import Advance, Progress, Say, silent, unseen
from .._common.runner import Run
from .._release.manifest import Manifest
from .._release.store import STATE, Put, Stat
from .._release.verify import Drift
from .account import account_from_options
from .api import Api
from .changes import Changes
from .facts import Item
from .files import Files
from .looks import ARCHIVES, TRASH, Looks
from .moves import Exchange, Mover
from .mutex import Mutex
from .place import Place
from .put import Sender
from .replace import Replacing
from .tree import compare, manifest_of, read_back, stamp_of


class CpanelStore:
    """``base``: the site's folder, absolute or below the account's home folder. Nothing is asked before the first use."""

    links = False
    hard_links = False

    def __init__(
        self, api: Api, base: str, *, say: Say = silent, stale_after: float = 60.0, beat: float = 10.0, patience: float = 5.0
    ) -> None:
        """``stale_after``: seconds after which a mutex that nobody moves is taken over; ``beat``: how often its holder moves it;
        ``patience``: seconds to wait for what a lost answer became."""
        self._api, self._say = api, say
        self._files = Files(api)
        self._mover = Mover(self._files, patience)
        self._place = Place(self._files, base)
        self._looks = Looks(self._files, self._place)
        self.notes: list[str] = []
        self._changes = Changes(self._mover, self._place, self._looks, self._check, self.notes)
        self._replacing = Replacing(self._mover, self._place, self._looks, self._changes, self._check)
        self._timing = {"stale_after": stale_after, "beat": beat}
        self._mutex: Mutex | None = None
        self.proof = ""  # what the last verification proved, in words

    @classmethod
    def from_options(cls, remote: t.Mapping[str, t.Any], base: str, say: Say = silent) -> CpanelStore:
        """The store that the ``remote`` option and the site's folder describe."""
        return cls(Api(account_from_options(remote), say), base, say=say)

    def __enter__(self) -> CpanelStore:
        return self

    def __exit__(self, *_about: object) -> None:
        self._api.close()

    # -- names and contents ------------------------------------------------------------------------------------

    @property
    def base(self) -> str:
        return self._place.base

    def absolute(self, name: str) -> str:
        return self._place.absolute(name)

    def check_base(self) -> bool:
        return self._looks.check_base()

    def stat(self, name: str) -> Stat | None:
        found = self._looks.stat(name)
        return _stat(found) if found else None

    def names(self, folder: str) -> list[str]:
        return sorted(self._looks.entries(folder))

    def entries(self, folder: str) -> dict[str, Stat]:
        return {name: _stat(found) for name, found in sorted(self._looks.entries(folder).items())}

    def read(self, name: str) -> bytes | None:
        return self.read_each([name])[0]

    def read_each(self, names: t.Sequence[str]) -> list[bytes | None]:
        return self._looks.read_each(names)

    def read_link(self, name: str) -> str | None:
        return None

    def write(self, name: str, data: bytes, mode: int = 0o600) -> None:
        self._changes.write_each({name: data}, mode)

    def write_each(self, files: t.Mapping[str, bytes], move: tuple[str, str] | None = None) -> None:
        self._changes.write_each(files)
        if move:
            self.rename(*move)

    def append(self, name: str, data: bytes) -> None:
        self._changes.append(name, data)

    def make_folder(self, name: str, mode: int) -> None:
        self._changes.make_folder(name, mode)

    def chmod(self, name: str, mode: int) -> None:
        self._changes.chmod(name, mode)

    def link(self, target: str, name: str) -> None:
        raise OSError(errno.ENOTSUP, "cPanel's API makes no links; use a backend that does (ssh, sftp)", self.absolute(name))

    def rename(self, old: str, new: str) -> bool:
        return self._replacing.rename(old, new)

    def exchange(self, one: str, other: str) -> bool:
        """Two names can't be swapped in one step here."""
        return False

    def trade(self, current: str, aside: str, new: str) -> float:
        return float(self.exchange_folders(current, aside, new).missing_ms)

    def exchange_folders(self, current: str, aside: str, new: str) -> Exchange:
        """``trade``, and all that is known of it."""
        return self._replacing.exchange(current, aside, new)

    def settle(self) -> str:
        return self._replacing.settle()

    def remove(self, name: str) -> None:
        self._changes.remove(name)

    def remove_tree(self, name: str) -> None:
        self._changes.remove_tree(name)

    def empty_trash(self) -> None:
        self._changes.empty_trash()

    # -- one controller at a time ------------------------------------------------------------------------------

    def _check(self) -> None:
        if self._mutex:
            self._mutex.check()

    @contextlib.contextmanager
    def mutex(self) -> t.Iterator[None]:
        """Exclude other controllers while state is read and changed. Once however deep."""
        if self._mutex:
            yield
            return
        seen = self._looks.glimpse()
        state = seen.get(STATE, {})
        if TRASH.rpartition("/")[2] not in state:
            self.make_folder(TRASH, 0o700)
        mutex = Mutex(self._mover, self._place.rel(STATE), self._changes.destroy, self._say, **self._timing)
        asked = self._looks.questions(seen)
        answers = mutex.acquire([self._looks.command(question) for question in asked], STATE in seen and "mutex" not in state)
        self._mutex = mutex
        self._changes.forget_folders()
        try:
            self._looks.begin(asked, answers)
            yield
        finally:
            self._looks.end()
            self._mutex = None
            mutex.release()
            self.notes += mutex.notes

    # -- releases ----------------------------------------------------------------------------------------------

    def stamp(self, folder: str) -> str:
        return stamp_of(self._tree(folder))

    def verify(self, folder: str, manifest: Manifest, advance: Advance = unseen) -> tuple[Drift, str]:
        """Compare names, kinds and sizes, then contents as far as the API gives them back (``proof`` says how far)."""
        found = self._tree(folder)
        drift = compare(found, manifest)
        self.proof = "names and sizes were compared"
        if not drift:
            proof = read_back(self._files, self._place.rel(folder), manifest, advance)
            drift, self.proof = Drift(proof.drifted, [], []), proof.said
        return drift, stamp_of(found)

    def manifest_of(self, folder: str, say: Say = silent) -> Manifest:
        """What is in a folder, every file read; ``RunbookError`` for one that the API does not give back."""
        return manifest_of(self._files, self._place.rel(folder), self._tree(folder), self.absolute(folder))

    def _tree(self, folder: str) -> dict[str, Item]:
        found = self._files.tree(self._place.rel(folder))
        if found is None:
            raise FileNotFoundError(errno.ENOENT, "there is no such folder on the server", self.absolute(folder))
        return found

    def space(self) -> tuple[int, int] | None:
        """Not told ahead: the archive has its own check, against the account's quota."""
        return None

    def put_tree(
        self, source: str, manifest: Manifest, folder: str, known: t.Mapping[str, tuple[str, str]], say: Say = silent, hardlink: bool = True
    ) -> Put:
        """Make ``folder`` that tree out of one archive of ``source``. ``known`` is of no use: nothing can be linked here.

        ``Put.notes`` says what was proved and how. ``Put.stamps`` are sizes and times as the server tells them.
        """
        self.make_folder(ARCHIVES, 0o700)
        self.make_folder(folder.rpartition("/")[0], 0o755)
        fresh, there, tree = self._looks.absent(folder), self._looks.entries(ARCHIVES), self._place.rel(folder)

        def remove(path: str) -> None:
            if path == tree:  # which was made meanwhile
                self._looks.changing(folder)
            self.remove_tree(self._place.name(path) or "")

        sender = Sender(self._files, self._place.rel(ARCHIVES), there, remove, self._check, self._say, fresh)
        progress = Progress("sending the archive", say, size=manifest.total_bytes)
        self._looks.changing(folder)
        try:
            found = sender.send(source, manifest, tree, progress.advance)
        finally:
            self._looks.changing(folder)
            self._changes.forget_folders()
        count = len(manifest.files)
        return Put(
            linked=0,
            copied=0,
            sent_files=count if sender.sent_bytes else 0,
            sent_bytes=sender.sent_bytes,
            resumed=0 if sender.sent_bytes else sender.resumed,
            stamps={path: f"{found[path].size} {found[path].mtime}" for path in manifest.files if path in found},
            stamp=stamp_of(found),
            notes=sender.notes,
        )


@contextlib.contextmanager
def open_cpanel(path: str, remote: t.Mapping[str, t.Any], run: Run) -> t.Iterator[CpanelStore]:
    """The site at ``path`` of the account that ``remote`` describes."""
    with CpanelStore.from_options(remote, path, run.say) as store:
        yield store


def _stat(found: Item) -> Stat:
    return Stat(found.kind, found.size, found.mode, float(found.mtime))
