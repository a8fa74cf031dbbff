# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file in which long work on a host says how far it is, for the controller to read meanwhile (``plugin_utils/_watch.py``).

The controller makes up its name and puts it into a module's environment or an agent's call. The file holds one record of a
fixed size: its own name, so that nothing else is taken for it, and the newest line. There are no secrets in lines: everybody
may read them.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from .progress import Say

ENVIRONMENT = "RUNBOOK_PROGRESS"
# Bytes of a record; one write of so few is seen as a whole.
SIZE = 512


class ProgressFile:
    """Keeps the newest line in the file ``path``; nothing at all without a path. Whatever goes wrong here is kept from the work."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1

    def say(self, line: str) -> None:
        """Make ``line`` the content. The first one makes the file: work that has nothing to say makes none."""
        if not self._path:
            return
        with contextlib.suppress(OSError):
            if self._fd < 0:
                path, self._path = self._path, ""  # a name that is taken (by a planted link, say) is not tried again
                self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
                self._path = path
                os.fchmod(self._fd, 0o644)  # whatever the umask: the controller may read as another user
            os.pwrite(self._fd, _record(self._path, line), 0)

    def close(self) -> None:
        """Remove the file if it was made here."""
        if self._fd < 0:
            return
        with contextlib.suppress(OSError):
            os.close(self._fd)
        with contextlib.suppress(OSError):
            os.unlink(self._path)
        self._fd, self._path = -1, ""


@contextlib.contextmanager
def reporting(path: str) -> t.Iterator[Say]:
    """``say`` of the file ``path``, which is gone afterwards; without a path it does nothing."""
    file = ProgressFile(path)
    try:
        yield file.say
    finally:
        file.close()


def from_environment() -> str:
    """The path that a module was given; taken out, as a program that the work starts has no business with it."""
    return os.environ.pop(ENVIRONMENT, "")


def newest_line(path: str, data: bytes) -> str:
    """The line in what was read from the file ``path``, printable characters only; empty if that is no record of ours."""
    name, _newline, line = data.decode("utf-8", "ignore").partition("\n")
    return "".join(filter(str.isprintable, line)).strip() if name == os.path.basename(path) else ""


def _record(path: str, line: str) -> bytes:
    return f"{os.path.basename(path)}\n{line}".encode("utf-8", "replace")[:SIZE].ljust(SIZE)
