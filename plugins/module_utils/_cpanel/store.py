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
import hashlib
import io
import json
import secrets
import typing as t

from .._common.errors import InvalidInput, Refused, RunbookError
from .._common.progress import Advance, Progress, Say, silent, unseen
from .._common.runner import Run
from .._release.manifest import Entry, Manifest
from .._release.store import STATE, Put, Stat
from .._release.verify import Drift
from .account import account_from_options
from .answers import ApiError
from .api import Api
from .files import LONG, Files, Item, safe
from .moves import Exchange, Mover
from .mutex import Mutex
from .put import READ_LARGEST, Sender, compare, read_back

INTENT = f"{STATE}/exchange.json"  # what is being replaced by two renames, while it is
TRASH = f"{STATE}/trash"
COMPARED = 256 * 1024  # bytes up to which what was written is read back


class CpanelStore:
    """``base``: the site's folder, absolute or below the account's home folder. Nothing is asked before the first use."""

    links = False

    def __init__(
        self, api: Api, base: str, *, say: Say = silent, stale_after: float = 60.0, beat: float = 10.0, patience: float = 5.0
    ) -> None:
        """``stale_after``: seconds after which a mutex that nobody moves is taken over; ``beat``: how often its holder moves it;
        ``patience``: seconds to wait for what a lost answer became."""
        self.base = base.rstrip("/")
        if not self.base or "\0" in self.base:
            raise InvalidInput("the site's folder is empty; give it as /home/USER/example.com")
        self._api, self._say = api, say
        self._files = Files(api)
        self._mover = Mover(self._files, patience)
        self._timing = {"stale_after": stale_after, "beat": beat}
        self._root = ""
        self._mutex: Mutex | None = None
        self._made: set[str] = set()
        self.notes: list[str] = []
        self.proof = ""  # what the last verification proved, in words

    @classmethod
    def from_options(cls, remote: t.Mapping[str, t.Any], base: str, say: Say = silent) -> CpanelStore:
        """The store that the ``remote`` option and the site's folder describe."""
        return cls(Api(account_from_options(remote), say), base, say=say)

    def __enter__(self) -> CpanelStore:
        return self

    def __exit__(self, *_about: object) -> None:
        self._api.close()

    # -- names -------------------------------------------------------------------------------------------------

    def _rel(self, name: str) -> str:
        """A name of the site as a path below the home folder."""
        if not self._root:
            self._root = self._found_root()
        return safe(f"{self._root}/{name}" if name else self._root)

    def _found_root(self) -> str:
        base = self.base[2:] if self.base.startswith("~/") else self.base
        homes = self._files.homes()
        for home in homes if base.startswith("/") else []:
            if base.startswith(home + "/"):
                self.base = base
                return safe(base[len(home) + 1 :])
        if base.startswith("/"):
            raise InvalidInput(f"{base} is not inside the home folder {homes[0]}, the API reaches nothing else; give a folder below it")
        self.base = f"{homes[0]}/{base}"
        return safe(base)

    def absolute(self, name: str) -> str:
        """The absolute path of a name of the site, on the server."""
        self._rel("")
        return f"{self.base}/{name}" if name else self.base

    def check_base(self) -> bool:
        """Whether the base exists; refuses one that is not a folder or that any user of the server could tamper with."""
        found = self._files.stat(self._rel(""))
        if found is None:
            return False
        if found.kind != "folder":
            raise Refused(f"{self.base} is a {found.kind} on {self._api.account.host}; give the site's folder, or move that away")
        if found.mode & 0o002 and not found.mode & 0o1000:
            raise Refused(
                f"{self.base} is writable by every user of {self._api.account.host}; set its permissions to 0755 in the file manager"
            )
        return True

    # -- looking -----------------------------------------------------------------------------------------------

    def stat(self, name: str) -> Stat | None:
        found = self._files.stat(self._rel(name))
        return _stat(found) if found else None

    def names(self, folder: str) -> list[str]:
        return sorted(self._files.names(self._rel(folder)) or {})

    def entries(self, folder: str) -> dict[str, Stat]:
        found = self._files.names(self._rel(folder)) or {}
        return {name: _stat(found[name]) for name in sorted(found)}

    def read(self, name: str) -> bytes | None:
        return self._files.read(self._rel(name))

    def read_each(self, names: t.Sequence[str]) -> list[bytes | None]:
        return [self.read(name) for name in names]

    def read_link(self, name: str) -> str | None:
        return None

    def stamp(self, folder: str) -> str:
        """A digest of all names below a folder with their kinds, sizes, times of change (whole seconds) and permissions."""
        return _stamp(self._tree(folder))

    def verify(self, folder: str, manifest: Manifest, advance: Advance = unseen) -> tuple[Drift, str]:
        """Compare names, kinds and sizes, then contents as far as the API gives them back (``proof`` says how far)."""
        found = self._tree(folder)
        drift = compare(found, manifest)
        self.proof = "names and sizes were compared"
        if not drift:
            proof = read_back(self._files, self._rel(folder), manifest, advance)
            drift, self.proof = Drift(proof.drifted, [], []), proof.said
        return drift, _stamp(found)

    def manifest_of(self, folder: str, say: Say = silent) -> Manifest:
        """What is in a folder, every file read; ``RunbookError`` for one that the API does not give back."""
        root, found = self._rel(folder), self._tree(folder)
        paths = []
        for path, what in found.items():
            if what.kind not in ("file", "folder"):
                raise RunbookError(f"{self.absolute(folder)}/{path} is a {what.kind}, which can't be part of a release; move it away")
            if what.kind == "file":
                if what.size > READ_LARGEST:
                    raise RunbookError(f"{self.absolute(folder)}/{path} has {what.size:,} bytes, too many to be read through cPanel's API")
                paths.append((f"{root}/{path}", what.size))
        digests = {path[len(root) + 1 :]: digest for path, digest in self._files.hashes(paths, {})}
        lost = next((path for path, digest in digests.items() if digest is None), None)
        if lost is not None:
            raise RunbookError(f"{self.absolute(folder)}/{lost} is not given back byte for byte by cPanel's API, so it can't be recorded")
        return Manifest.of(
            Entry(path, "d", what.mode, 0, "") if what.kind == "folder" else Entry(path, "f", what.mode, what.size, digests[path] or "")
            for path, what in found.items()
        )

    def _tree(self, folder: str) -> dict[str, Item]:
        found = self._files.tree(self._rel(folder))
        if found is None:
            raise FileNotFoundError(errno.ENOENT, "there is no such folder on the server", self.absolute(folder))
        return found

    # -- changing ----------------------------------------------------------------------------------------------

    def _check(self) -> None:
        if self._mutex:
            self._mutex.check()

    def write(self, name: str, data: bytes, mode: int = 0o600) -> None:
        """Replace a file's content, and look whether it is there: what is read back up to 256 KiB, the size of what is larger."""
        folder = name.rpartition("/")[0]
        if folder:
            self.make_folder(folder, 0o700)
        self._check()
        path = self._rel(name)
        self._files.put(path, io.BytesIO(data), len(data), mode)
        if len(data) <= COMPARED:
            there = self._files.read(path) == data
        else:
            seen = self._files.stat(path)
            there = seen is not None and seen.size == len(data)
        if not there:
            raise RunbookError(
                f"{self._api.account.host} says that it stored {self.absolute(name)}, but it did not; look there, then run again"
            )

    def write_each(self, files: t.Mapping[str, bytes], move: tuple[str, str] | None = None) -> None:
        for name, data in files.items():
            self.write(name, data)
        if move:
            self.rename(*move)

    def chmod(self, name: str, mode: int) -> None:
        self._check()
        self._files.file_operation("chmod", self._rel(name), metadata=f"{mode:04o}", repeat=True)

    def append(self, name: str, data: bytes) -> None:
        """Add one line by writing the file anew (the API can't append), after a line that was torn if there is one."""
        before = self._files.read(self._rel(name)) or b""
        seen = self._files.stat(self._rel(name))
        if (seen.size if seen else 0) != len(before):
            # Writing back less than there is would lose what others recorded.
            raise RunbookError(f"{self.absolute(name)} is not given back whole by {self._api.account.host}; run again")
        torn = b"" if not before or before.endswith(b"\n") else b"\n"
        self.write(name, before + torn + data)

    def make_folder(self, name: str, mode: int) -> None:
        missing = []
        while name not in self._made:
            seen = self._files.stat(self._rel(name))
            if seen is not None:
                if seen.kind != "folder":
                    raise NotADirectoryError(errno.ENOTDIR, f"that is a {seen.kind} on the server, not a folder", self.absolute(name))
                self._made.add(name)
                break
            missing.append(name)
            if not name:
                break
            name = name.rpartition("/")[0]
        for folder in reversed(missing):
            self._check()
            self._files.make_folder(self._rel(folder), mode)
            self._made.add(folder)

    def link(self, target: str, name: str) -> None:
        raise OSError(errno.ENOTSUP, "cPanel's API makes no links; use a backend that does (ssh, sftp)", self.absolute(name))

    def exchange(self, one: str, other: str) -> bool:
        """Two names can't be swapped in one step here."""
        return False

    def rename(self, old: str, new: str) -> bool:
        """Rename, replacing a file that is there. ``True`` when that was one step: nothing was."""
        self._check()
        self._made.clear()
        there = self._mover.kinds([self._rel(new)])[self._rel(new)]
        if there is None:
            self._mover.move(self._rel(old), self._rel(new))
            return True
        if there == "folder":
            raise FileExistsError(errno.EEXIST, "there is a folder of that name", self.absolute(new))
        aside = f"{TRASH}/{secrets.token_hex(6)}"
        self.exchange_folders(new, aside, old)
        self._destroy(self._rel(aside))
        return False

    def trade(self, current: str, aside: str, new: str) -> float:
        return float(self.exchange_folders(current, aside, new).missing_ms)

    def exchange_folders(self, current: str, aside: str, new: str) -> Exchange:
        """``current -> aside, new -> current``; see ``Mover.exchange``. Written down first, for ``settle``."""
        self._made.clear()
        for name in (aside, INTENT):
            self.make_folder(name.rpartition("/")[0], 0o700 if name.startswith(STATE) else 0o755)
        self.write(INTENT, json.dumps({"current": current, "aside": aside, "new": new}).encode())
        self._check()
        # After a failure it stays written down: a step whose answer was lost may still be taken.
        done = self._mover.exchange(self._rel(current), self._rel(aside), self._rel(new))
        self.remove(INTENT)
        return done

    def settle(self) -> str:
        """Put right what a killed run left of a replacement: nothing under the name, because only the first rename was made."""
        data = self.read(INTENT)
        if data is None:
            return ""
        try:
            intent = json.loads(data)
            current, aside = str(intent["current"]), str(intent["aside"])
        except (ValueError, KeyError, TypeError):
            self.remove(INTENT)
            return ""
        kinds = self._mover.kinds([self._rel(current), self._rel(aside)])
        said = ""
        if kinds[self._rel(current)] is None and kinds[self._rel(aside)] is not None:
            self._mover.move(self._rel(aside), self._rel(current))
            said = f"an interrupted run had moved {current} away to replace it; it was put back"
        self.remove(INTENT)
        return said

    def remove(self, name: str) -> None:
        path = self._rel(name)
        if self._mover.kinds([path])[path] is not None:
            self._check()
            self._destroy(path)

    def remove_tree(self, name: str) -> None:
        """Remove a folder: renamed out of sight first, so that a killed removal leaves no half release under its name."""
        path = self._rel(name)
        if self._mover.kinds([path])[path] is None:
            return
        self.make_folder(TRASH, 0o700)
        self._check()
        self._made.clear()
        trash = self._rel(f"{TRASH}/{secrets.token_hex(6)}")
        self._mover.move(path, trash)
        self._destroy(trash)

    def empty_trash(self) -> None:
        """Delete what was thrown away by runs that were killed."""
        for name in self.names(TRASH):
            self._destroy(self._rel(f"{TRASH}/{name}"))

    def _destroy(self, path: str) -> None:
        """Delete a path for good, folders with all that is in them, and see that it is gone."""
        trouble: ApiError | None = None
        for operation in (["delete"] if self._files.new else []) + ["unlink", "trash"]:
            try:
                if operation == "delete":
                    self._api.uapi("Fileman", "delete_file", {"path": path}, timeout=LONG)
                else:
                    self._files.file_operation(operation, path, repeat=True, timeout=LONG)
                trouble = None
            except ApiError as error:
                trouble = error
            if self._mover.kinds([path])[path] is None:
                if operation == "trash":
                    self.notes.append(
                        f"{path} could only be moved to the account's trash, where it still counts; empty it in the file manager"
                    )
                return
        raise trouble or RunbookError(
            f"{self._api.account.host} says that it deleted {path}, but it is still there; delete it in the file manager"
        )

    @contextlib.contextmanager
    def mutex(self) -> t.Iterator[None]:
        """Exclude other controllers while state is read and changed. Once however deep."""
        if self._mutex:
            yield
            return
        self.make_folder(TRASH, 0o700)
        mutex = Mutex(self._mover, self._rel(STATE), self._destroy, self._say, **self._timing)
        mutex.acquire()
        self._mutex = mutex
        self._made.clear()
        try:
            yield
        finally:
            self._mutex = None
            mutex.release()
            self.notes += mutex.notes

    # -- releases ----------------------------------------------------------------------------------------------

    def space(self) -> tuple[int, int] | None:
        """Not told ahead: the archive has its own check, against the account's quota."""
        return None

    def put_tree(
        self, source: str, manifest: Manifest, folder: str, known: t.Mapping[str, tuple[str, str]], say: Say = silent, hardlink: bool = True
    ) -> Put:
        """Make ``folder`` that tree out of one archive of ``source``. ``known`` is of no use: nothing can be linked here.

        ``Put.notes`` says what was proved and how. ``Put.stamps`` are sizes and times as the server tells them.
        """
        incoming = f"{STATE}/archives"
        self.make_folder(incoming, 0o700)
        self.make_folder(folder.rpartition("/")[0], 0o755)
        self._made.clear()

        def remove(path: str) -> None:
            self.remove_tree(path[len(self._root) + 1 :])

        sender = Sender(self._files, self._rel(incoming), remove, self._check, self._say)
        progress = Progress("sending the archive", say, size=manifest.total_bytes)
        found = sender.send(source, manifest, self._rel(folder), progress.advance)
        count = len(manifest.files)
        return Put(
            linked=0,
            copied=0,
            sent_files=count if sender.sent_bytes else 0,
            sent_bytes=sender.sent_bytes,
            resumed=0 if sender.sent_bytes else sender.resumed,
            stamps={path: f"{found[path].size} {found[path].mtime}" for path in manifest.files if path in found},
            notes=sender.notes,
        )


@contextlib.contextmanager
def open_cpanel(path: str, remote: t.Mapping[str, t.Any], run: Run) -> t.Iterator[CpanelStore]:
    """The site at ``path`` of the account that ``remote`` describes."""
    with CpanelStore.from_options(remote, path, run.say) as store:
        yield store


def _stat(found: Item) -> Stat:
    return Stat(found.kind, found.size, found.mode, float(found.mtime))


def _stamp(found: t.Mapping[str, Item]) -> str:
    digest = hashlib.sha256()
    for path in sorted(found):
        what = found[path]
        own = "" if what.kind == "folder" else f"{what.size} {what.mtime}"
        digest.update(f"{path}\0{what.kind} {what.mode:o} {own}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
