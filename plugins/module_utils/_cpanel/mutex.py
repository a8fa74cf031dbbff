# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One controller at a time, on a server that has no locks and whose clock nobody trusts.

The mutex is a folder that appears under its name with its owner already inside: renaming a folder onto one that is not empty
fails in the server's kernel, whatever its API checks before. Its holder changes a file in it every few seconds. Who waits takes
over only what has not changed for ``stale_after`` seconds of his own clock, and only after putting a claim into that very folder,
which a second one can't put there: so nobody pushes aside a mutex that was taken over a moment before.
"""

from __future__ import annotations

import contextlib
import io
import secrets
import threading
import time
import typing as t

from .._common.errors import RunbookError
from .._common.progress import Say
from . import calls
from .answers import Answer
from .calls import Command
from .facts import Item
from .files import Files
from .moves import Mover

Seen = t.FrozenSet[t.Tuple[str, Item]]
_CLAIMS = ("next", "claim-")
_FATAL = ("token", "restricted", "quota")


class Mutex:
    """Held from ``acquire`` to ``release``. ``state``: the folder that it lies in; ``trash``: where what is removed goes first."""

    def __init__(
        self,
        mover: Mover,
        state: str,
        destroy: t.Callable[[str], None],
        say: Say,
        *,
        stale_after: float = 60.0,
        beat: float = 10.0,
        pause: float = 2.0,
    ) -> None:
        self._mover, self._files, self._destroy, self._say = mover, mover.files, destroy, say
        self._state, self._name = state, f"{state}/mutex"
        self._stale_after, self._beat, self._pause = stale_after, beat, pause
        self._token = secrets.token_hex(8)
        self._made = f"{state}/mutex-{self._token}"
        self._owner = f"owner-{self._token}"
        self._left = f"left-{self._token}"  # what that is called while the mutex is given back
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._good = 0.0  # when it was last seen to be ours
        self._beats = 0
        self.lost = False
        self.notes: list[str] = []

    def check(self) -> None:
        """Refuse to change anything when the mutex may be another's by now."""
        if not self.lost and self._overdue():
            with contextlib.suppress(RunbookError, OSError):
                self._move_it(self._files)
        if self.lost or self._overdue():
            raise RunbookError(
                f"the server could not be reached for {self._stale_after:.0f} s and another run may have begun;"
                " nothing more is changed, run again"
            )

    def acquire(self, questions: t.Sequence[Command] = (), free: bool = False) -> list[Answer]:
        """Take it. ``questions`` are asked in the call that proves that it is ours, after that: their answers until one that failed.
        ``free``: nobody was seen to hold it a moment ago."""
        self._make()
        seen: Seen | None = None
        since, told = time.monotonic(), False
        while True:
            inside = None if free else self._files.names(self._name)
            free = False
            if inside is None:
                answers = self._try(questions)
                if answers is not None:
                    break
            state = frozenset((inside or {}).items())
            if state != seen or inside is None:
                seen, since = state, time.monotonic()
            elif time.monotonic() - since >= self._stale_after:
                self._take_over(inside or {})
                seen = None
                continue
            if not told and inside is not None:
                self._say("another run is changing this site; waiting for it")
                told = True
            self._files.api.sleep(self._pause if inside is not None else 0.1)
        self._good = time.monotonic()
        self._thread = threading.Thread(target=self._keep, args=(Files(self._files.api.another()),), daemon=True)
        self._thread.start()
        return answers

    def release(self) -> None:
        """Give it back, if it is still ours."""
        self._over.set()
        if self._thread:
            self._thread.join()
        try:
            if not self._given_back() and {self._owner, self._left} & (self._files.names(self._name) or {}).keys():
                self._away(self._name)
        except (RunbookError, OSError) as error:
            self.notes.append(f"the site's mutex could not be given back ({error}); the next run waits {self._stale_after:.0f} s for it")

    def _given_back(self) -> bool:
        """Whether one call has removed it. The call ends at its first step when it is another's, who has no file of that name."""
        if not (self._files.new and self._files.batches):
            return False
        target = self._aside()
        steps = [
            calls.move(f"{self._name}/{self._owner}", f"{self._name}/{self._left}"),
            calls.move(self._name, target),
            calls.delete_file(target),
            calls.list_files(self._state),
            calls.list_files(f"{self._state}/trash"),
        ]
        _trouble, answers = self._files.run(steps, repeat=False)
        good = [answer for answer in answers if answer.ok]
        if len(good) < 2:
            return False
        if len(good) == len(steps):
            here, there = self._files.whole(self._state, good[-2]), self._files.whole(f"{self._state}/trash", good[-1])
            if calls.split(target)[1] not in there:
                return "mutex" not in here
        self._destroy(target)
        return False

    # -- taking it ---------------------------------------------------------------------------------------------

    def _make(self) -> None:
        self._files.make_folder(self._made, 0o700)
        self._files.put(f"{self._made}/{self._owner}", io.BytesIO(b"1"), 1, 0o600)

    def _try(self, questions: t.Sequence[Command]) -> list[Answer] | None:
        """Rename the made folder to the mutex's name; whether it is ours is seen there, not told. The answers to ``questions`` if it is."""
        asked = [calls.list_files(self._name), *questions]
        trouble, answers = self._mover.attempt(self._made, self._name, asked)
        if trouble and trouble.kind in _FATAL:
            raise trouble
        answers = answers or self._files.ask(asked)
        there = self._files.whole(self._name, answers[0]) if answers and answers[0].ok else self._files.names(self._name)
        if self._owner in (there or {}):
            return [answer for answer in answers[1:] if answer.ok]
        if self._mover.kinds([self._made])[self._made] is None:
            self._make()  # it was moved into another's, who removes it with his own
        return None

    def _take_over(self, stale: t.Mapping[str, Item]) -> None:
        """Push aside what has not changed, if it is still that and nobody else is at it."""
        claim, mine = f"{self._name}/next", f"{self._name}/claim-{self._token}"
        if "next" in stale:  # of a waiter that died while he took over
            self._away(claim)
        self._files.make_folder(mine, 0o700)
        self._files.put(f"{mine}/by-{self._token}", io.BytesIO(b"1"), 1, 0o600)
        # Within one folder: a rename to another one may move into what is there.
        self._mover.attempt(mine, claim)
        inside, claimed = self._files.lists([self._name, claim])
        if f"by-{self._token}" not in (claimed or {}):
            self._away(mine)
        elif _holder(inside or {}) == _holder(stale):
            if self._away(self._name):
                self.notes.append(f"a run that had not moved for {self._stale_after:.0f} s was holding the site; it was pushed aside")
        else:
            self._away(claim)

    def _away(self, path: str) -> bool:
        """Remove what others may be after too: whoever renames it has it. Whether that was this one."""
        target = self._aside()
        trouble, _answers = self._mover.attempt(path, target)
        if self._mover.became([target], trouble, lambda kinds: kinds[target] is not None)[target] is None:
            return False
        self._destroy(target)
        return True

    def _aside(self) -> str:
        return f"{self._state}/trash/mutex-{secrets.token_hex(6)}"

    # -- keeping it --------------------------------------------------------------------------------------------

    def _keep(self, files: Files) -> None:
        """Change a file in the mutex now and then, until it is given back or found to be another's."""
        while not self.lost and not self._over.wait(self._beat):
            with contextlib.suppress(RunbookError, OSError):  # ``check`` sees how long it has been so
                self._move_it(files)
        files.api.close()

    def _overdue(self) -> bool:
        """Whether it has not been moved for so long that others may be about to take it over."""
        return time.monotonic() - self._good > self._stale_after * 0.8

    def _move_it(self, files: Files) -> None:
        """Change something in the mutex, if it is still ours."""
        began = time.monotonic()
        if self._owner not in (files.names(self._name) or {}):
            self.lost = True
            return
        self._beats += 1
        size = self._beats % 1000 + 1
        files.put(f"{self._name}/beat-{self._token}", io.BytesIO(b"." * size), size, 0o600)
        self._good = began


def _holder(inside: t.Mapping[str, Item]) -> dict[str, Item]:
    """What is the holder's own in a mutex, and not of those who wait for it."""
    return {name: what for name, what in inside.items() if not name.startswith(_CLAIMS)}
