# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account's files through the API: what is there, what is in it, and the single changes that the store is made of.

Names are relative to the account's home folder here. So are the paths that are sent: an absolute ``dir`` of ``upload_files`` is
taken for one inside the home folder by some versions, which report success all the same.
"""

from __future__ import annotations

import hashlib
import typing as t

from .._common.errors import InvalidInput, RunbookError
from .answers import Answer, ApiError
from .api import Api, Params
from .upload import Upload

NEW = 136  # the version that brought copy_file, move_file, rename_file and delete_file
LISTED_AT_ONCE = 40  # folders in one call
READ_AT_ONCE = (25, 512 * 1024)  # files and bytes in one call
LONG = 900.0  # seconds that extracting and deleting may take


class Item(t.NamedTuple):
    """What a listing says of a name: ``kind`` is ``folder``, ``file``, ``link`` or ``other``; bytes; permission bits; epoch seconds."""

    kind: str
    size: int
    mode: int
    mtime: int


_KINDS = {"dir": "folder", "file": "file", "link": "link"}


def _number(value: t.Any) -> int:
    try:
        return int(float(value))
    except (TypeError, ValueError):
        return 0


def item(found: t.Mapping[str, t.Any]) -> Item:
    """One entry of ``list_files`` or ``get_file_information``. ``mode`` is decimal there, ``nicemode`` octal."""
    mode = _number(found.get("mode"))
    try:
        mode = mode & 0o7777 if mode else int(str(found.get("nicemode") or "0"), 8)
    except ValueError:
        mode = 0
    return Item(_KINDS.get(str(found.get("type")), "other"), _number(found.get("size")), mode, _number(found.get("mtime")))


def listing(data: t.Any) -> dict[str, Item]:
    """The names in a folder. The published answer has ``dirs`` and ``files``, servers answer one list."""
    parts = [*(data.get("dirs") or []), *(data.get("files") or [])] if isinstance(data, dict) else data or []
    found = {}
    for each in parts:
        name = str(each.get("file", ""))
        if name in ("", ".", "..") or str(each.get("isparent", "0")) == "1" or str(each.get("exists", "1")) == "0":
            continue
        found[name] = item(each)
    return found


def contents(text: t.Any, size: int | None = None) -> list[bytes]:
    """What bytes the text of ``get_file_content`` can stand for, most likely first; with ``size`` only those of that size.

    Asked for as ISO-8859-1, each character is one byte. A server that decoded the file by itself answers its text instead.
    """
    text = "" if text is None else str(text)
    found = []
    for charset in ("iso-8859-1", "utf-8"):
        try:
            found.append(text.encode(charset))
        except UnicodeEncodeError:
            continue
    return [data for data in dict.fromkeys(found) if size is None or len(data) == size]


def split(path: str) -> tuple[str, str]:
    """Folder and name of a path; the home folder is ``.``."""
    folder, _slash, name = path.rpartition("/")
    return folder or ".", name


class Files:
    """Paths are relative to the account's home folder, with forward slashes."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self._batch = True
        self._major: int | None = None

    # -- the account -------------------------------------------------------------------------------------------

    def homes(self) -> list[str]:
        """The absolute names of the home folder, the real one first."""
        try:
            found = self.api.uapi("Variables", "get_user_information").data or {}
        except ApiError as error:
            if error.kind not in ("restricted", "unsupported", "token") or not self.api.accepted:
                raise
            found = {"home": (self.api.uapi("Fileman", "get_file_information", {"path": ".", "show_hidden": 1}).data or {}).get("absdir")}
        names = [found.get("home"), *(found.get("home_directory_links") or [])]
        usable = [str(name).rstrip("/") for name in names if name and str(name).startswith("/")]
        if not usable:
            raise RunbookError(f"cPanel does not say where the home folder of {self.api.account.where} is; deploy with backend: sftp")
        return usable

    def learn_version(self) -> int:
        """The version, 136 for 11.136.0.5; 0 when the host does not tell. Asked for once."""
        if self._major is None:
            self._major = 0
            for module, function, params in (
                ("Variables", "get_server_information", {"name": "version"}),
                ("StatsBar", "get_stats", {"display": "cpanelversion"}),
            ):
                answer = self.api.try_uapi(module, function, params)
                self._major = self._major or version(answer.data if answer.ok else None)
        return self._major

    @property
    def new(self) -> bool:
        return self.learn_version() >= NEW

    def forget_new(self) -> None:
        """The version says so, but the host does not let these functions be called."""
        self._major = NEW - 1

    # -- looking -----------------------------------------------------------------------------------------------

    def stat(self, path: str) -> Item | None:
        answer = self.api.try_uapi("Fileman", "get_file_information", {"path": path, "show_hidden": 1})
        if answer.ok:
            found = answer.data or {}
            return None if str(found.get("exists", "1")) == "0" or not found else item(found)
        error = self.api.failure("Fileman::get_file_information", answer)
        if error.kind == "missing":
            return None
        raise error

    def lists(self, folders: t.Sequence[str]) -> list[dict[str, Item] | None]:
        """The names in each folder, ``None`` for one that is missing: many folders in one call."""
        found: list[dict[str, Item] | None] = []
        while len(found) < len(folders):
            part = folders[len(found) : len(found) + LISTED_AT_ONCE]
            members = self._members([("Fileman", "list_files", _listed(folder)) for folder in part])
            good = [member for member in members if member.ok]
            found += [self._whole(folder, member) for folder, member in zip(part, good)]
            if len(good) < len(part):  # the one that ended the batch, on its own
                found.append(self.names(part[len(good)]))
        return found

    def names(self, folder: str) -> dict[str, Item] | None:
        answer = self.api.try_uapi("Fileman", "list_files", _listed(folder))
        if answer.ok:
            return self._whole(folder, answer)
        error = self.api.failure("Fileman::list_files", answer)
        if error.kind == "missing":
            return None
        raise error

    def _whole(self, folder: str, answer: Answer) -> dict[str, Item]:
        """A listing with its further pages, should the host cut it into pages."""
        found = listing(answer.data)
        pages = answer.metadata.get("paginate") or {}
        for page in range(_number(pages.get("current_page")) + 1, _number(pages.get("total_pages")) + 1):
            size = _number(pages.get("results_per_page"))
            more = {"api.paginate": 1, "api.paginate_page": page, "api.paginate_size": size}
            found.update(listing(self.api.uapi("Fileman", "list_files", {**_listed(folder), **more}).data))
        return found

    def _members(self, commands: t.Sequence[tuple[str, str, Params]]) -> list[Answer]:
        """The outcomes of functions that only read, in one call where the host allows it; those after a failed one are not there."""
        if len(commands) < 2 or not self._batch:
            return [self.api.try_uapi(*commands[0])] if commands else []
        whole, members = self.api.batch(commands)
        if not whole.ok and not members:
            self._batch = self.api.failure("Batch::strict", whole).kind not in ("restricted", "unsupported", "token")
        return members

    def tree(self, folder: str) -> dict[str, Item] | None:
        """Everything below a folder, by path inside it; ``None`` when there is no such folder. A call for 40 folders, none for files."""
        found: dict[str, Item] = {}
        level = [""]
        while level:
            deeper = []
            for inside, names in zip(level, self.lists([f"{folder}/{inside}" if inside else folder for inside in level])):
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

    def read(self, path: str) -> bytes | None:
        answer = self.api.try_uapi("Fileman", "get_file_content", _read(path))
        if not answer.ok:
            error = self.api.failure("Fileman::get_file_content", answer)
            # The texts for a missing file differ between versions: looking settles it.
            if error.kind == "missing" or (error.kind in ("other", "denied") and self.stat(path) is None):
                return None
            raise error
        text = (answer.data or {}).get("content")
        found = contents(text)
        if text and not str(text).isascii():
            seen = self.stat(path)
            found = contents(text, seen.size if seen else None) or found
        return found[0]

    def hashes(self, paths: t.Sequence[tuple[str, int]], wanted: t.Mapping[str, str]) -> t.Iterator[tuple[str, str | None]]:
        """The sha256 of files as the API gives them back, ``None`` for those that it does not give byte for byte.

        ``paths``: names with their sizes. ``wanted``: what they should be, for files whose text can stand for several contents.
        """
        start = 0
        while start < len(paths):
            most, budget = READ_AT_ONCE
            stop = start + 1
            total = paths[start][1]
            while stop < len(paths) and stop - start < most and total + paths[stop][1] <= budget:
                total += paths[stop][1]
                stop += 1
            part = paths[start:stop]
            members = self._members([("Fileman", "get_file_content", _read(path)) for path, _size in part])
            done = 0
            for (path, size), member in zip(part, members):
                if not member.ok:
                    break
                yield path, _digest((member.data or {}).get("content"), size, wanted.get(path))
                done += 1
            if done < len(part):  # not one of the batch, or the one that ended it
                path, size = part[done]
                answer = self.api.try_uapi("Fileman", "get_file_content", _read(path))
                yield path, _digest((answer.data or {}).get("content"), size, wanted.get(path)) if answer.ok else None
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
        told = (answer.data or {}).get("uploads") if isinstance(answer.data, dict) else None
        mine = [each for each in told or [] if isinstance(each, dict)]
        if not answer.ok or not mine or any(str(each.get("status")) != "1" for each in mine):
            reasons = [str(each.get("reason") or "") for each in mine if str(each.get("status")) != "1"]
            answer.errors = [text for text in reasons if text] or answer.errors or ["it says nothing about the file"]
            raise self.api.failure("Fileman::upload_files", answer)
        stored = mine[0].get("size")
        if stored is not None and _number(stored) != size:
            raise RunbookError(f"{path} arrived with {_number(stored):,} of {size:,} bytes on {self.api.account.host}; run again")

    def file_operation(
        self, operation: str, source: str, dest: str = "", metadata: str = "", *, repeat: bool, timeout: float = 0
    ) -> Answer:
        """API 2 ``fileop`` on one path, or on several with commas between them."""
        params = {"op": operation, "sourcefiles": source, "doubledecode": 0}
        params.update({key: value for key, value in (("destfiles", dest), ("metadata", metadata)) if value})
        return self.api.api2("Fileman", "fileop", params, repeat=repeat, timeout=timeout)


def version(data: t.Any) -> int:
    """The major version in what the API tells of the server; 0 when there is none in it."""
    if isinstance(data, list):
        data = next((each.get("value") for each in data if isinstance(each, dict) and each.get("value")), "")
    if isinstance(data, dict):
        data = data.get("version") or data.get("value") or ""
    parts = [int(part) for part in str(data or "").partition(" ")[0].split(".") if part.isdigit()]
    if parts[:1] == [11] and len(parts) > 1:
        return parts[1]
    return parts[0] if parts else 0


def safe(path: str) -> str:
    """A path that can be sent: ``fileop`` takes a comma for the end of a name, and has no way to say otherwise."""
    if any(letter == "," or not letter.isprintable() for letter in path) or any(part in ("", ".", "..") for part in path.split("/")):
        raise InvalidInput(f"cPanel's API can't name {path!r}; use a folder without commas, line breaks and '..'")
    return path


def _listed(folder: str) -> dict[str, t.Any]:
    return {"dir": folder, "show_hidden": 1, "include_mime": 0, "include_permissions": 0, "check_for_leaf_directories": 0}


def _read(path: str) -> dict[str, t.Any]:
    folder, name = split(path)
    return {"dir": folder, "file": name, "from_charset": "ISO-8859-1", "to_charset": "UTF-8", "update_html_document_encoding": 0}


def _digest(text: t.Any, size: int, wanted: str | None) -> str | None:
    digests = [hashlib.sha256(data).hexdigest() for data in contents(text, size)]
    return wanted if wanted in digests else (digests[0] if digests else None)
