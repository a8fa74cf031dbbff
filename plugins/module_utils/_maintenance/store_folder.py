# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The entries of a folder through a ``Store``: for hosts that are reached only by SFTP or an API.

There is no open folder to hold on to here. It is not missed: whoever connects has one account's rights and gives nothing away, so
nobody can lead these steps anywhere that this account may not write anyway.
"""

from __future__ import annotations

import contextlib
import posixpath
import secrets
import typing as t

from .._common.errors import InvalidInput, Refused, RunbookError
from .._release.store import Stat, Store
from .entries import FLAG, HTACCESS, PUBLIC, Entries, Owner


class Seen:
    """A store's answers, kept until this run changes what they are about: every question may cost a way around the world."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._stats: dict[str, Stat | None] = {}
        self._names: dict[str, list[str]] = {}

    def stat(self, name: str) -> Stat | None:
        folder, _slash, last = name.rpartition("/")
        if last not in self._names.get(folder, (last,)):
            return None
        if name not in self._stats:
            self._stats[name] = self.store.stat(name)
        return self._stats[name]

    def names(self, folder: str) -> list[str]:
        if folder not in self._names:
            self._names[folder] = self.store.names(folder)
        return self._names[folder]

    def made(self, folder: str) -> None:
        """A new folder is empty."""
        self._names[folder] = []

    def changed(self, name: str) -> None:
        """That name, and what is in it, may be anything now."""
        self._names.pop(name.rpartition("/")[0], None)
        for known in (self._stats, self._names):
            for each in [each for each in known if each == name or each.startswith(f"{name}/")]:
                del known[each]


class StoreFolder(Entries):
    """The folder ``name`` of a store, ``""`` being the base. ``there`` is False for one that check mode only imagines: it is empty.

    ``log`` takes a line for everything that is done, or would be done where the folder is ``dry``.
    """

    def __init__(self, seen: Seen, name: str, dry: bool, log: t.Callable[[str], object], there: bool = True) -> None:
        self.path = posixpath.join(seen.store.base, name) if name else seen.store.base
        self.dry = dry
        self._seen = seen
        self._store = seen.store
        self._name = name
        self._log = log
        self._there = there

    def __enter__(self) -> StoreFolder:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held open."""

    def is_file(self, name: str) -> bool:
        found = self._found(name)
        return found is not None and found.kind == "file"

    def read(self, name: str) -> bytes | None:
        found = self._found(name)
        self._must_be("file", name, found)
        if found is None:
            return None
        with self._told(name):
            return self._store.read(self._at(name))

    def child(self, name: str) -> StoreFolder:
        found = self._found(name)
        self._must_be("folder", name, found)
        return StoreFolder(self._seen, self._at(name), self.dry, self._log, found is not None)

    def ensure_folder(self, name: str, mode: int) -> bool:
        found = self._found(name)
        self._must_be("folder", name, found)
        if found is not None and found.mode == mode:
            return False
        new = found is None
        self._say("make folder" if new else "change mode of", name, mode)
        if not self.dry:
            with self._changing(name):
                if new:
                    self._store.make_folder(self._at(name), mode)
                    found = self._store.stat(self._at(name))
                if found is not None and found.mode != mode:  # which an umask may have taken from a new one too
                    self._store.chmod(self._at(name), mode)
            if new:
                self._seen.made(self._at(name))
        return True

    def ensure_file(self, name: str, data: bytes, mode: int) -> bool:
        found = self._found(name)
        self._must_be("file", name, found)
        # Sizes first: where they differ, or there is nothing to compare, the round trips of reading would tell nothing.
        if found is not None and found.mode == mode and found.size == len(data) and (not data or self.read(name) == data):
            return False
        self._say(f"write {len(data)} bytes to", name, mode)
        if not self.dry:
            with self._changing(name):
                self._store.write(self._at(name), data, mode)
        return True

    def ensure_content(self, name: str, data: bytes) -> bool:
        found = self._found(name)
        return found is not None and self.ensure_file(name, data, found.mode or 0o644)

    def ensure_link(self, name: str, target: str) -> bool:
        if not self._store.links:
            return self.ensure_file(name, self.read(target) or b"", 0o644)
        found = self._found(name)
        if found is not None and found.kind == "link" and self._store.read_link(self._at(name)) == target:
            return False
        self._say("link", f"{name} -> {target}")
        if not self.dry:
            partial = f".{name}.{secrets.token_hex(6)}.partial"
            with self._changing(name):
                self._store.link(target, self._at(partial))
                self._store.rename(self._at(partial), self._at(name))
        return True

    def ensure_absent(self, name: str) -> bool:
        if self._found(name) is None:
            return False
        self._say("remove", name)
        if not self.dry:
            with self._changing(name):
                self._store.remove(self._at(name))
        return True

    def ensure_no_folder(self, name: str, ours: t.Collection[str] | None = None) -> bool:
        if self._found(name) is None:
            return False
        if ours is not None and any(entry not in ours for entry in self.child(name).names()):
            return False
        self._say("remove folder", name)
        if not self.dry:
            with self._changing(name):
                self._store.remove_tree(self._at(name))
        return True

    def sync(self) -> None:
        """A store has made everything last when its call returns."""

    def _at(self, name: str) -> str:
        return f"{self._name}/{name}" if self._name else name

    def _found(self, name: str) -> Stat | None:
        if not self._there:
            return None
        with self._told(name):
            return self._seen.stat(self._at(name))

    def _must_be(self, kind: str, name: str, found: Stat | None) -> None:
        if found is not None and found.kind != kind:
            what = "a folder" if kind == "folder" else "a regular file"
            raise Refused(f"{self._shown(name)} is not {what}; look at what it is, move it away and run again")

    def all_names(self) -> list[str]:
        if not self._there:
            return []
        with self._told(None):
            return self._seen.names(self._name)

    @contextlib.contextmanager
    def _changing(self, name: str) -> t.Iterator[None]:
        try:
            with self._told(name):
                yield
        finally:
            self._seen.changed(self._at(name))

    def _say(self, what: str, name: str, mode: int | None = None) -> None:
        self._log(f"{what} {self._shown(name)}" + (f" (mode {mode:04o})" if mode is not None else ""))

    def _shown(self, name: str) -> str:
        return f"{self.path}/{self._hidden(name)}"

    def _hidden(self, name: str) -> str:
        return "(a token)" if posixpath.basename(self._name) == "token" else name

    @contextlib.contextmanager
    def _told(self, name: str | None) -> t.Iterator[None]:
        """Errors name the folder, never an entry: in one of the folders the entry's name is a secret."""
        if name is None or name in PUBLIC:
            yield
            return
        try:
            yield
        except OSError as error:
            # Plain ones, because each store has its own kinds, made of other things.
            if error.errno is None:
                raise OSError(str(error).replace(name, self._hidden(name))) from None
            raise OSError(error.errno, (error.strerror or "").replace(name, self._hidden(name)), self.path) from None
        except RunbookError as error:
            raise RunbookError(error.message.replace(name, self._hidden(name)), **error.result) from None


class InStore:
    """A site in a store."""

    def __init__(self, store: Store, path: str) -> None:
        """``path`` is the base as the caller names it, which a store may have resolved to another."""
        self.base = store.base
        self.log: list[str] = []
        self._store = store
        self._seen = Seen(store)
        self._path = posixpath.normpath(path)

    def open(self, owner: Owner, dry: bool) -> StoreFolder | None:
        if not self._store.check_base():
            return None
        if not dry:
            self._settle()
        return StoreFolder(self._seen, "", dry, self._note)

    def _settle(self) -> None:
        """Where a store replaces a file by two renames, a killed run may have left it aside: readable, but not there for a web server."""
        if any(self._seen.stat(name) is None and self._store.read(name) is not None for name in (FLAG, HTACCESS)):
            with self._store.mutex():
                self._store.settle()
            self._seen = Seen(self._store)

    def make(self, owner: Owner, dry: bool) -> None:
        self._note(f"make folder {self.base} (mode 0755)")
        if dry:
            return
        self._store.make_folder("", 0o755)
        found = self._store.stat("")
        if found is not None and found.mode != 0o755:  # an umask has taken the web server's right to enter
            self._store.chmod("", 0o755)

    def nowhere(self) -> StoreFolder:
        return StoreFolder(self._seen, "", True, self._note, there=False)

    def beside(self, htaccess: str, owner: Owner, dry: bool) -> StoreFolder | None:
        folder = posixpath.dirname(htaccess)
        for base in (self.base, self._path):
            if folder == base or folder.startswith(f"{base}/"):
                name = folder[len(base) + 1 :]
                found = self._store.stat(name) if name else None
                if name and (found is None or found.kind != "folder"):
                    return None
                return StoreFolder(self._seen, name, dry, self._note)
        raise InvalidInput(f"htaccess {htaccess!r} is neither in {self._path} nor below it, where alone this backend works; give one there")

    def _note(self, line: str) -> None:
        # Check mode finds missing twice what a real run finds done the second time.
        if line not in self.log:
            self.log.append(line)

    def told(self, dry: bool) -> dict[str, t.Any]:
        return {"transcript": self.log} if dry else {}
