# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time where there is no ``flock``: a folder, because making one fails when it is there.

Whoever holds it changes a number in it every few seconds. One who waits and sees no change for long enough knows that the
holder is gone. Nobody's clock is compared with another's.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import threading
import time
import typing as t

from .._common.errors import Refused, RunbookError

BEAT = 5.0  # seconds between two changes
DEAD = 20.0  # seconds without a change after which the holder is gone
PATIENCE = 300.0  # seconds to wait for one that is alive
_OWNER = "owner.json"


class Ground(t.Protocol):
    """What a mutex needs of a store; names are relative to the site's base."""

    def make_new_folder(self, name: str) -> bool:
        """Make a folder; ``False`` when there is one."""

    def ask_for(self, name: str) -> bytes | None: ...
    def write_plain(self, name: str, data: bytes) -> None: ...
    def rename(self, old: str, new: str) -> bool: ...

    def drop_folder(self, name: str, files: t.Sequence[str]) -> None:
        """Remove a folder that holds these files."""


class Mutex:
    """``folder``: its name. ``apart``: opens a second way to the same ground, for the holder's signs of life. ``claim``: writes the
    first of them, name and content."""

    def __init__(
        self,
        ground: Ground,
        folder: str,
        apart: t.Callable[[], t.ContextManager[Ground]],
        claim: t.Callable[[str, bytes], None],
        where: str,
    ) -> None:
        self._ground, self._folder, self._apart, self._claim, self._where = ground, folder, apart, claim, where
        self._owner = f"{folder}/{_OWNER}"
        self._mark = secrets.token_hex(8)
        self._beaten = 0.0

    @contextlib.contextmanager
    def held(self) -> t.Iterator[None]:
        """Hold it. ``Refused`` when another run does for too long."""
        self._take()
        stop = threading.Event()
        beating = threading.Thread(target=self._beat, args=(stop,), daemon=True)
        beating.start()
        try:
            yield
        finally:
            stop.set()
            beating.join(BEAT)
            with contextlib.suppress(OSError, RunbookError):  # a connection that is lost: others will notice that nothing beats
                if self._is_mine():
                    self._ground.drop_folder(self._folder, [_OWNER])

    def _take(self) -> None:
        deadline = time.monotonic() + PATIENCE
        last, since = b"", time.monotonic()
        while not self._ground.make_new_folder(self._folder):
            seen = self._ground.ask_for(self._owner) or b""
            now = time.monotonic()
            if seen != last:
                last, since = seen, now
            elif now - since > DEAD:
                self._take_away(seen)
                continue
            if now > deadline:
                raise Refused(f"another run ({_who(seen)}) has been changing {self._where} for {PATIENCE:.0f} s; wait for it to end")
            time.sleep(min(1.0, BEAT / 5))
        self._claim(self._owner, self._sign(0))
        self._beaten = time.monotonic()

    def _take_away(self, dead: bytes) -> None:
        """Move a dead holder's folder out of the way, unless somebody else was faster and holds it already."""
        aside = f"{self._folder}-{secrets.token_hex(4)}"
        with contextlib.suppress(FileNotFoundError, OSError):
            self._ground.rename(self._folder, aside)
            if (self._ground.ask_for(f"{aside}/{_OWNER}") or b"") != dead:
                self._ground.rename(aside, self._folder)
                return
            self._ground.drop_folder(aside, [_OWNER])

    def check(self) -> None:
        """Refuse to go on for one who stood still for so long that another run took over."""
        if not self._is_mine():
            raise Refused(
                f"this run stood still, and another one has taken over {self._where} meanwhile; nothing more was changed, look at the"
                " site and run it again"
            )

    def _is_mine(self, ground: Ground | None = None) -> bool:
        """Whether it still is: nobody takes over what showed life a moment ago."""
        if time.monotonic() - self._beaten < DEAD / 2:
            return True
        return self._mark.encode() in ((ground or self._ground).ask_for(self._owner) or b"")

    def _sign(self, count: int) -> bytes:
        return json.dumps({"mark": self._mark, "beat": count, "from": socket.gethostname()}).encode()

    def _beat(self, stop: threading.Event) -> None:
        if stop.wait(BEAT):
            return
        with contextlib.suppress(OSError, RunbookError), self._apart() as ground:
            count = 1
            while True:
                if not self._is_mine(ground):
                    return  # this run stood still: the sign would be another's now
                began = time.monotonic()
                ground.write_plain(self._owner, self._sign(count))
                self._beaten = began
                count += 1
                if stop.wait(BEAT):
                    return


def _who(seen: bytes) -> str:
    try:
        return f"from {json.loads(seen)['from']}"
    except (ValueError, KeyError, TypeError):
        return "unknown"
