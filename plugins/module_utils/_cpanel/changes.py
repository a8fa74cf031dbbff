# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of single names. What was written or removed is looked at afterwards: that the server says so is no proof."""

from __future__ import annotations

import errno
import io
import secrets
import typing as t

from .._common.errors import RunbookError
from . import calls
from .answers import ApiError
from .facts import Item
from .files import COMPARED, LONG
from .looks import TRASH, Looks
from .moves import Mover
from .place import Place


class Changes:
    """Names are relative to the site's base. ``check``: refuses when the mutex may be another's; ``notes``: what people should know."""

    def __init__(self, mover: Mover, place: Place, looks: Looks, check: t.Callable[[], None], notes: list[str]) -> None:
        self._mover, self._files, self._place, self._looks = mover, mover.files, place, looks
        self._check, self._notes = check, notes
        self._folders: set[str] = set()  # that are there; known without a mutex too, until something is moved

    def forget_folders(self) -> None:
        """Before names are moved."""
        self._folders.clear()

    def write_each(self, files: t.Mapping[str, bytes], mode: int = 0o600) -> None:
        """Replace files' contents, and look whether they are there: what is read back up to 256 KiB, the size of what is larger."""
        paths = {self._place.rel(name): name for name in files}
        for folder in dict.fromkeys(name.rpartition("/")[0] for name in files):
            if folder:
                self.make_folder(folder, 0o700)
        with self._looks.making({name: Item("file", len(data), mode, 0) for name, data in files.items()}):
            for path, name in paths.items():
                self._check()
                self._files.put(path, io.BytesIO(files[name]), len(files[name]), mode)
            for path in self._files.differing({path: files[name] for path, name in paths.items()}):
                host = self._files.api.account.host
                raise RunbookError(
                    f"{host} says that it stored {self._place.absolute(paths[path])}, but it did not; look there, then run again"
                )
        for name, data in files.items():
            if len(data) <= COMPARED:  # of what is larger only the size was seen
                self._looks.wrote(name, data)

    def append(self, name: str, data: bytes) -> None:
        """Add one line by writing the file anew (the API can't append), after a line that was torn if there is one."""
        before = self._looks.read_each([name])[0] or b""
        seen = self._looks.stat(name)
        if (seen.size if seen else 0) != len(before):
            # Writing back less than there is would lose what others recorded.
            raise RunbookError(f"{self._place.absolute(name)} is not given back whole by {self._files.api.account.host}; run again")
        torn = b"" if not before or before.endswith(b"\n") else b"\n"
        self.write_each({name: before + torn + data})

    def make_folder(self, name: str, mode: int) -> None:
        missing = []
        while name not in self._folders:
            seen = self._looks.stat(name)
            if seen is not None:
                if seen.kind != "folder":
                    shown = self._place.absolute(name)
                    raise NotADirectoryError(errno.ENOTDIR, f"that is a {seen.kind} on the server, not a folder", shown)
                self._folders.add(name)
                break
            missing.append(name)
            if not name:
                break
            name = name.rpartition("/")[0]
        for folder in reversed(missing):
            self._check()
            with self._looks.making({folder: Item("folder", 0, mode, 0)}):
                self._files.make_folder(self._place.rel(folder), mode)
            self._folders.add(folder)

    def chmod(self, name: str, mode: int) -> None:
        self._check()
        self._looks.changing(name)
        self._files.file_operation("chmod", self._place.rel(name), metadata=f"{mode:04o}", repeat=True)

    def remove(self, name: str) -> None:
        if self._looks.kind(name) is not None:
            self._remove(name)

    def _remove(self, name: str) -> None:
        self._check()
        self._looks.changing(name)
        self.destroy(self._place.rel(name))

    def remove_tree(self, name: str) -> None:
        """Remove a folder: renamed out of sight first, so that a killed removal leaves no half release under its name. A file goes at
        once, and so does a folder that is known to be empty."""
        kind = self._looks.kind(name)
        if kind is None:
            return
        self.forget_folders()
        if kind == "file" or self._looks.is_empty(name):
            self._remove(name)
            return
        self.make_folder(TRASH, 0o700)
        self._check()
        aside = f"{TRASH}/{secrets.token_hex(6)}"
        self._looks.changing(name, aside)
        path, trash = self._place.rel(name), self._place.rel(aside)
        # The new name is a random one, so there is nothing to look for under it.
        self._mover.move(path, trash, {path: kind, trash: None})
        self.destroy(trash)

    def empty_trash(self) -> None:
        """Delete what was thrown away by runs that were killed."""
        for name in sorted(self._looks.entries(TRASH)):
            self._looks.changing(f"{TRASH}/{name}")
            self.destroy(self._place.rel(f"{TRASH}/{name}"))

    def destroy(self, path: str) -> None:
        """Delete a path for good, folders with all that is in them, and see that it is gone."""
        trouble: ApiError | None = None
        for operation in (["delete"] if self._files.new else []) + ["unlink", "trash"]:
            trouble, gone = self._deleted(path) if operation == "delete" else (self._operated(operation, path), False)
            if gone or self._mover.kinds([path])[path] is None:
                if operation == "trash":
                    self._notes.append(
                        f"{path} could only be moved to the account's trash, where it still counts; empty it in the file manager"
                    )
                return
        raise trouble or RunbookError(
            f"{self._files.api.account.host} says that it deleted {path}, but it is still there; delete it in the file manager"
        )

    def _deleted(self, path: str) -> tuple[ApiError | None, bool]:
        """What went wrong, and whether the same call has seen that it is gone."""
        folder, name = calls.split(path)
        if self._files.batches:
            trouble, answers = self._files.run([calls.delete_file(path), calls.list_files(folder)], repeat=True, timeout=LONG)
            if self._files.batches:
                seen = len(answers) == 2 and answers[1].ok
                return trouble, seen and name not in self._files.whole(folder, answers[1])
        return self._tried(lambda: self._files.api.uapi(*calls.delete_file(path), timeout=LONG)), False

    def _operated(self, operation: str, path: str) -> ApiError | None:
        return self._tried(lambda: self._files.file_operation(operation, path, repeat=True, timeout=LONG))

    @staticmethod
    def _tried(call: t.Callable[[], object]) -> ApiError | None:
        try:
            call()
        except ApiError as error:
            return error
        return None
