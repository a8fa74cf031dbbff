# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renaming where nothing replaces anything: every step is looked at afterwards, and taken back when the next one fails.

``move_file`` and ``fileop`` move a source *into* a destination that is a folder, and a server may say success without it. So no
step is taken onto a name that exists, and none is believed.
"""

from __future__ import annotations

import dataclasses
import errno
import time
import typing as t

from .._common.errors import RunbookError
from . import calls
from .answers import Answer, ApiError
from .calls import Command, split
from .files import NOT_OURS, Files, Listing

Kinds = t.Dict[str, t.Optional[str]]


@dataclasses.dataclass(frozen=True)
class Exchange:
    """How a folder was replaced. ``missing_ms``: for how long at most the name was nobody's; ``calls``: requests that took."""

    atomic: bool
    missing_ms: int
    calls: int


class Mover:
    """Renames paths relative to the account's home folder. ``patience``: seconds to wait for what a lost answer became."""

    def __init__(self, files: Files, patience: float = 5.0) -> None:
        self.files, self.patience = files, patience

    def kinds(self, paths: t.Sequence[str]) -> Kinds:
        """What each name is now, ``None`` for those that are not there; one call."""
        folders = _folders(paths)
        return _kinds(paths, dict(zip(folders, self.files.lists(folders))))

    def move(self, old: str, new: str, before: Kinds | None = None) -> None:
        """Rename ``old`` to the free name ``new``. ``OSError`` when one is missing or the other is not. ``before``: what the two are,
        where that was seen just now."""
        before = before or self.kinds([old, new])
        if before[old] is None:
            raise FileNotFoundError(errno.ENOENT, "there is no such name on the server", old)
        if before[new] is not None:
            raise FileExistsError(errno.EEXIST, "that name is taken on the server", new)
        for last in (False, False, True):
            trouble, after = self._step([old, new])
            if after is None:
                after = self.became([old, new], trouble, lambda kinds: kinds[old] is None and kinds[new] is not None)
            if after[old] is None and after[new] is not None:
                return
            if trouble is None:
                raise RunbookError(f"{self._host} says that {old} was renamed to {new}, but it was not; look there, then run again")
            if last or trouble.kind != "unknown" or after[old] is None or after[new] is not None:
                raise trouble

    def _step(self, names: t.Sequence[str]) -> tuple[ApiError | None, Kinds | None]:
        """Rename the first name to the second; what went wrong, and what they are afterwards where the same call tells that."""
        folders = _folders(names)
        trouble, answers = self.attempt(names[0], names[1], [calls.list_files(folder) for folder in folders])
        if len(answers) < len(folders) or not all(answer.ok for answer in answers):
            return trouble, None
        return trouble, _kinds(names, {folder: self.files.whole(folder, answer) for folder, answer in zip(folders, answers)})

    def exchange(self, current: str, aside: str, new: str) -> Exchange:
        """``current -> aside, new -> current``, with ``current`` put back when the second step fails.

        One call where the version has ``move_file`` and ``Batch::strict``, else two; never atomic. ``RunbookError`` when it was not
        done, saying what is under ``current`` then.
        """
        names = [current, aside, new]
        before = self.kinds(names)
        for path, wanted in ((current, True), (aside, False), (new, True)):
            if (before[path] is not None) != wanted:
                raise OSError(
                    errno.ENOENT if wanted else errno.EEXIST, f"the name is {'missing' if wanted else 'taken'} on the server", path
                )
        self.files.learn_version()  # not while the name is missing
        calls, began = self.files.api.calls, time.monotonic()
        trouble = self._both(current, aside, new)
        ended, calls = time.monotonic(), self.files.api.calls - calls
        # No waiting while the name is missing: whoever takes the second step first, the other finds nothing to rename.
        after = self.became(names, trouble, lambda kinds: _done(kinds, names) or _half(kinds, names))
        if _half(after, names) and (trouble is None or trouble.kind == "unknown"):
            trouble, _answers = self.attempt(new, current)  # the first step was taken, and nothing speaks against the second
            ended, calls = time.monotonic(), calls + 1
            after = self.became(names, trouble, lambda kinds: _done(kinds, names))
        if _done(after, names):
            return Exchange(False, round((ended - began) * 1000), calls)
        if _half(after, names):
            self._put_back(aside, current, trouble)
            passed = round((time.monotonic() - began) * 1000)
            raise RunbookError(
                f"{new} could not be renamed to {current}: {_why(trouble)}; what was there is back, it was missing for at most {passed} ms"
            )
        if after == before:
            raise RunbookError(f"{current} could not be replaced by {new}: {_why(trouble)}; nothing was changed")
        seen = ", ".join(f"{path}: {kind or 'missing'}" for path, kind in after.items())
        raise RunbookError(f"replacing {current} by {new} ended in an unknown state ({seen}); {_why(trouble)}")

    # -- steps -------------------------------------------------------------------------------------------------

    @property
    def _host(self) -> str:
        return self.files.api.account.host

    def attempt(self, old: str, new: str, then: t.Sequence[Command] = ()) -> tuple[ApiError | None, list[Answer]]:
        """One step; what went wrong, if it says so, and the answers to ``then`` where one call can take the step and ask."""
        if then and self.files.new and self.files.batches:
            trouble, members = self.files.run([calls.move(old, new), *then], repeat=False)
            if members and members[0].ok:
                return None, members[1:]
            if trouble is None or trouble.kind not in NOT_OURS:
                return trouble, []
        try:
            self._ask(old, new)
        except ApiError as error:
            return error, []
        return None, []

    def _ask(self, old: str, new: str) -> None:
        if self.files.new:
            try:
                self.files.api.uapi(*calls.move(old, new), repeat=False)
                return
            except ApiError as error:
                if error.kind not in NOT_OURS:
                    raise
                self.files.forget_new()
        if split(old)[0] == split(new)[0]:
            self.files.file_operation("rename", old, new, repeat=False)
            return
        try:
            self.files.file_operation("move", old, new, repeat=False)
        except ApiError as error:
            if error.kind not in ("other", "missing", "unsupported"):
                raise
            self.files.file_operation("rename", old, new, repeat=False)

    def _both(self, current: str, aside: str, new: str) -> ApiError | None:
        if self.files.new and self.files.batches:
            trouble, members = self.files.run([calls.move(current, aside), calls.move(new, current)], repeat=False)
            if trouble is None or trouble.kind not in NOT_OURS or (members and self.kinds([aside])[aside] is not None):
                return trouble
        first, _answers = self.attempt(current, aside)
        if first:
            seen = self.became([current, aside], first, lambda kinds: kinds[current] is None and kinds[aside] is not None)
            if seen[current] is not None or seen[aside] is None:
                return first
        return self.attempt(new, current)[0]

    def became(self, names: t.Sequence[str], trouble: ApiError | None, done: t.Callable[[Kinds], bool]) -> Kinds:
        """What the names are after a step. After a lost answer the server may still be at it: two looks a second apart must agree."""
        seen = self.kinds(names)
        if trouble is None or trouble.kind != "unknown":
            return seen
        until = time.monotonic() + self.patience
        while not done(seen) and time.monotonic() < until:
            self.files.api.sleep(min(1.0, self.patience / 4))
            seen = self.kinds(names)
        return seen

    def _put_back(self, aside: str, current: str, why: ApiError | None) -> None:
        trouble: ApiError | None = None
        for _attempt in range(3):
            trouble, _answers = self.attempt(aside, current)
            after = self.became([aside, current], trouble, lambda kinds: kinds[current] is not None)
            if after[current] is not None:
                return
        raise RunbookError(
            f"{current} is MISSING on {self._host}: what was there is {aside} and could not be renamed back ({_why(trouble)}),"
            f" after {_why(why)}; rename it in cPanel's file manager, or run again"
        )


def _folders(paths: t.Sequence[str]) -> list[str]:
    """The folders that these paths lie in, each once."""
    return list(dict.fromkeys(split(path)[0] for path in paths))


def _kinds(paths: t.Sequence[str], listings: t.Mapping[str, Listing]) -> Kinds:
    """What each path is by the listings of their folders."""
    kinds: Kinds = {}
    for path in paths:
        folder, name = split(path)
        seen = (listings[folder] or {}).get(name)
        kinds[path] = seen.kind if seen else None
    return kinds


def _done(kinds: Kinds, names: t.Sequence[str]) -> bool:
    current, aside, new = (kinds[name] is not None for name in names)
    return current and aside and not new


def _half(kinds: Kinds, names: t.Sequence[str]) -> bool:
    current, aside, new = (kinds[name] is not None for name in names)
    return not current and aside and new


def _why(trouble: ApiError | None) -> str:
    return trouble.message if trouble else "the server said success without doing it"
