# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account's files through the API: what is there, what is in it, and the single changes that the store is made of."""

from __future__ import annotations

import itertools
import typing as t

from .._common.errors import RunbookError
from .answers import Answer, ApiError, Kind
from .api import Api
from .calls import Command, get_file_content, get_file_information, list_files, split
from .facts import Item, contents, digest, listing, number, told, version
from .upload import Upload

NEW = 136  # the version that brought copy_file, move_file, rename_file and delete_file
LISTED_AT_ONCE = 40  # folders in one call
READ_AT_ONCE = (25, 512 * 1024)  # files and bytes in one call
COMPARED = 256 * 1024  # bytes up to which what was written is read back
LONG = 900.0  # seconds that extracting and deleting may take
# The host or the account does not allow a function, or this version does not have it.
NOT_OURS: tuple[Kind, ...] = ("restricted", "unsupported", "token")
_VERSIONS: tuple[Command, ...] = (
    ("Variables", "get_server_information", {"name": "version"}),
    ("StatsBar", "get_stats", {"display": "cpanelversion"}),
)

# The names in a folder; ``None`` for one that is missing.
Listing = t.Optional[t.Dict[str, Item]]


def _unheard(_folder: str, _found: Listing) -> None: ...


class Files:
    """Paths are relative to the account's home folder, with forward slashes. Nothing is remembered here: every look asks.

    ``heard`` is told of each folder that was listed, but for whole trees.
    """

    def __init__(self, api: Api) -> None:
        self.api = api
        self.batches = True  # until the host is found not to allow them
        self.heard: t.Callable[[str, Listing], None] = _unheard
        self._major: int | None = None

    # -- the account -------------------------------------------------------------------------------------------

    def homes(self) -> list[str]:
        """The absolute names of the home folder, the real one first."""
        try:
            found = self.api.uapi("Variables", "get_user_information").data or {}
        except ApiError as error:
            if error.kind not in NOT_OURS or not self.api.accepted:
                raise
            found = {"home": (self.api.uapi(*get_file_information(".")).data or {}).get("absdir")}
        names = [found.get("home"), *(found.get("home_directory_links") or [])]
        usable = [str(name).rstrip("/") for name in names if name and str(name).startswith("/")]
        if not usable:
            raise RunbookError(f"cPanel does not say where the home folder of {self.api.account.where} is; deploy with backend: sftp")
        return usable

    def learn_version(self) -> int:
        """The version, 136 for 11.136.0.5; 0 when the host does not tell. Asked for once."""
        for command in _VERSIONS if self._major is None else ():
            self._learn(self.api.try_uapi(*command))
            if self._major:
                break
        self._major = self._major or 0
        return self._major

    def _learn(self, answer: Answer) -> None:
        self._major = self._major or version(answer.data if answer.ok else None) or None

    @property
    def new(self) -> bool:
        return self.learn_version() >= NEW

    def forget_new(self) -> None:
        """The version says so, but the host does not let these functions be called."""
        self._major = NEW - 1

    # -- several functions in one call -------------------------------------------------------------------------

    def ask(self, commands: t.Sequence[Command]) -> list[Answer]:
        """The outcomes of functions that only read, in one call where the host allows it; those after a failed one are not there."""
        if len(commands) < 2 or not self.batches:
            return [self.api.try_uapi(*commands[0])] if commands else []
        whole, members = self.api.batch(commands)
        if not whole.ok and not members:
            self.batches = self.api.failure("Batch::strict", whole).kind not in NOT_OURS
        return members

    def run(self, commands: t.Sequence[Command], *, repeat: bool, timeout: float = 0) -> tuple[ApiError | None, list[Answer]]:
        """Functions that change something, in one call, until one fails: what went wrong, and the outcomes as far as they are known."""
        members: list[Answer] = []
        try:
            whole, members = self.api.batch(commands, repeat=repeat, timeout=timeout)
        except ApiError as error:
            trouble = error
        else:
            if whole.ok:
                return None, members
            trouble = self.api.failure("Batch::strict", next((each for each in members if not each.ok), whole))
        if not members and trouble.kind in NOT_OURS:
            self.batches = False
        return trouble, members

    # -- looking -----------------------------------------------------------------------------------------------

    def first_look(self, path: str, folders: t.Sequence[str]) -> tuple[Item | None, dict[str, dict[str, Item]]]:
        """What a path is, and the names in folders as far as these are there: in one call, which also asks for the version."""
        answers = self.ask([get_file_information(path), _VERSIONS[0], *map(list_files, folders)])
        if not answers or not answers[0].ok:
            return self.stat(path), {}
        for answer in answers[1:2]:
            self._learn(answer)
        good = itertools.takewhile(lambda answer: answer.ok, answers[2:])
        return told(answers[0]), {folder: self.whole(folder, answer) for folder, answer in zip(folders, good)}

    def stat(self, path: str) -> Item | None:
        answer = self.api.try_uapi(*get_file_information(path))
        if answer.ok:
            return told(answer)
        error = self.api.failure("Fileman::get_file_information", answer)
        if error.kind == "missing":
            return None
        raise error

    def lists(self, folders: t.Sequence[str]) -> list[Listing]:
        """The names in each folder, ``None`` for one that is missing: many folders in one call."""
        found = self._lists(folders)
        for folder, names in zip(folders, found):
            self.heard(folder, names)
        return found

    def names(self, folder: str) -> Listing:
        return self.lists([folder])[0]

    def _lists(self, folders: t.Sequence[str]) -> list[Listing]:
        found: list[Listing] = []
        while len(found) < len(folders):
            part = folders[len(found) : len(found) + LISTED_AT_ONCE]
            members = self.ask([list_files(folder) for folder in part]) if len(part) > 1 else []
            good = [member for member in members if member.ok]
            found += [self._pages(folder, member) for folder, member in zip(part, good)]
            if len(good) < len(part):  # the one that ended the batch, on its own
                found.append(self._names(part[len(good)]))
        return found

    def _names(self, folder: str) -> Listing:
        answer = self.api.try_uapi(*list_files(folder))
        if answer.ok:
            return self._pages(folder, answer)
        error = self.api.failure("Fileman::list_files", answer)
        if error.kind == "missing":
            return None
        raise error

    def whole(self, folder: str, answer: Answer) -> dict[str, Item]:
        """The names that an answer to ``list_files`` tells."""
        found = self._pages(folder, answer)
        self.heard(folder, found)
        return found

    def _pages(self, folder: str, answer: Answer) -> dict[str, Item]:
        """A listing with its further pages, should the host cut it into pages."""
        found = listing(answer.data)
        pages = answer.metadata.get("paginate") or {}
        for page in range(number(pages.get("current_page")) + 1, number(pages.get("total_pages")) + 1):
            size = number(pages.get("results_per_page"))
            found.update(listing(self.api.uapi(*list_files(folder, paginate=1, paginate_page=page, paginate_size=size)).data))
        return found

    def tree(self, folder: str) -> Listing:
        """Everything below a folder, by path inside it; ``None`` when there is no such folder. A call for 40 folders, none for files."""
        found: dict[str, Item] = {}
        level = [""]
        while level:
            deeper = []
            for inside, names in zip(level, self._lists([f"{folder}/{inside}" if inside else folder for inside in level])):
                if names is None:
                    if inside:
                        continue  # removed meanwhile, which its own entry will show
                    return None
                for name, what in names.items():
                    path = f"{inside}/{name}" if inside else name
                    found[path] = what
                    if what.kind == "folder":
                        deeper.append(path)
            level = deeper
        return found

    # -- reading -----------------------------------------------------------------------------------------------

    def read(self, path: str, size: int | None = None) -> bytes | None:
        """What is in a file, ``None`` when there is none. ``size`` as it was seen, if it was."""
        answer = self.api.try_uapi(*get_file_content(path))
        if answer.ok:
            return self.content(path, answer, size)
        error = self.api.failure("Fileman::get_file_content", answer)
        # The texts for a missing file differ between versions: looking settles it.
        if error.kind == "missing" or (error.kind in ("other", "denied") and self.stat(path) is None):
            return None
        raise error

    def reads(self, paths: t.Sequence[str], sizes: t.Mapping[str, int]) -> list[bytes | None]:
        """The same for several files, many in one call. ``sizes`` of those that were seen."""
        found: list[bytes | None] = []
        while len(found) < len(paths):
            left = paths[len(found) :]
            part = left[: _at_once([sizes.get(path, 0) for path in left])]
            members = self.ask([get_file_content(path) for path in part]) if len(part) > 1 else []
            good = [member for member in members if member.ok]
            found += [self.content(path, member, sizes.get(path)) for path, member in zip(part, good)]
            if len(good) < len(part):
                path = part[len(good)]
                found.append(self.read(path, sizes.get(path)))
        return found

    def content(self, path: str, answer: Answer, size: int | None = None) -> bytes:
        """The content that an answer to ``get_file_content`` tells; without ``size`` that is asked for where it decides."""
        text = str((answer.data or {}).get("content") or "")
        if size is None and not text.isascii():
            seen = self.stat(path)
            size = seen.size if seen else None
        found = contents(text, size) or contents(text)
        if not found:
            raise RunbookError(f"{path} is not given back byte for byte by {self.api.account.host}; look at that file, then run again")
        return found[0]

    def differing(self, wanted: t.Mapping[str, bytes]) -> list[str]:
        """Which of these files are not what was written, all asked for in one call: the content up to 256 KiB, else the size."""
        answers = iter(self.ask([command for path, data in wanted.items() for command in _proof(path, data)]))
        wrong = []
        for path, data in wanted.items():
            known = [answer for answer in itertools.islice(answers, len(_proof(path, data))) if answer.ok]
            if len(known) == len(_proof(path, data)):
                seen = None if data.isascii() and len(data) <= COMPARED else told(known[-1])
                good = self.content(path, known[0], seen.size if seen else len(data)) == data if len(data) <= COMPARED else _has(seen, data)
            else:  # not one of the call, or the one that ended it
                good = self.read(path) == data if len(data) <= COMPARED else _has(self.stat(path), data)
            if not good:
                wrong.append(path)
        return wrong

    def hashes(self, paths: t.Sequence[tuple[str, int]], wanted: t.Mapping[str, str]) -> t.Iterator[tuple[str, str | None]]:
        """The sha256 of files as the API gives them back, ``None`` for those that it does not give byte for byte.

        ``paths``: names with their sizes. ``wanted``: what they should be, for files whose text can stand for several contents.
        """
        start = 0
        while start < len(paths):
            part = paths[start : start + _at_once([size for _path, size in paths[start:]])]
            members = self.ask([get_file_content(path) for path, _size in part])
            done = 0
            for (path, size), member in zip(part, members):
                if not member.ok:
                    break
                yield path, digest((member.data or {}).get("content"), size, wanted.get(path))
                done += 1
            if done < len(part):  # not one of the batch, or the one that ended it
                path, size = part[done]
                answer = self.api.try_uapi(*get_file_content(path))
                yield path, digest((answer.data or {}).get("content"), size, wanted.get(path)) if answer.ok else None
                done += 1
            start += done

    # -- changing ----------------------------------------------------------------------------------------------

    def make_folder(self, path: str, mode: int) -> None:
        folder, name = split(path)
        try:
            # Repeated after a lost answer it finds its own folder, which is not an error.
            self.api.api2("Fileman", "mkdir", {"path": folder, "name": name, "permissions": f"{mode:04o}"})
        except ApiError:
            found = self.stat(path)
            if found is None or found.kind != "folder":
                raise

    def put(self, path: str, stream: t.BinaryIO, size: int, mode: int, **how: t.Any) -> None:
        """Send one file, over what is there. Its own status and size are checked; ``RunbookError`` when it is not there afterwards."""
        folder, name = split(path)
        fields = {"dir": folder, "overwrite": "1", "permissions": f"{mode:04o}"}
        answer = self.api.upload(Upload(fields, name, stream, size, limit=self.api.account.bandwidth_limit, **how), timeout=LONG)
        uploads = (answer.data or {}).get("uploads") if isinstance(answer.data, dict) else None
        mine = [each for each in uploads or [] if isinstance(each, dict)]
        if not answer.ok or not mine or any(str(each.get("status")) != "1" for each in mine):
            reasons = [str(each.get("reason") or "") for each in mine if str(each.get("status")) != "1"]
            answer.errors = [text for text in reasons if text] or answer.errors or ["it says nothing about the file"]
            raise self.api.failure("Fileman::upload_files", answer)
        stored = mine[0].get("size")
        if stored is not None and number(stored) != size:
            raise RunbookError(f"{path} arrived with {number(stored):,} of {size:,} bytes on {self.api.account.host}; run again")

    def file_operation(
        self, operation: str, source: str, dest: str = "", metadata: str = "", *, repeat: bool, timeout: float = 0
    ) -> Answer:
        """API 2 ``fileop`` on one path, or on several with commas between them."""
        params = {"op": operation, "sourcefiles": source, "doubledecode": 0}
        params.update({key: value for key, value in (("destfiles", dest), ("metadata", metadata)) if value})
        return self.api.api2("Fileman", "fileop", params, repeat=repeat, timeout=timeout)


def _at_once(sizes: t.Sequence[int]) -> int:
    """How many files of these sizes are asked for in one call."""
    most, budget = READ_AT_ONCE
    total = 0
    for count, size in enumerate(sizes[:most]):
        total += size
        if count and total > budget:
            return count
    return min(most, len(sizes))


def _proof(path: str, data: bytes) -> list[Command]:
    """What shows whether a file has that content. A text that is not ASCII can stand for two, of which the size tells the right one."""
    if len(data) > COMPARED:
        return [get_file_information(path)]
    return [get_file_content(path)] if data.isascii() else [get_file_content(path), get_file_information(path)]


def _has(seen: Item | None, data: bytes) -> bool:
    return seen is not None and seen.size == len(data)
