# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run competitors in turns, so that whatever else the machine does falls on both."""

from __future__ import annotations

import dataclasses
import os
import statistics
import sys
import time
import typing as t


class BenchError(Exception):
    """Nothing can be measured; the message says why and what to do."""


def say(text: str) -> None:
    """One line of progress."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


class Deadline:
    """The moment when the whole program has to end."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self, most: float) -> float:
        """Seconds that a command may take, at most ``most``."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise BenchError("out of time; measure fewer benchmarks at once, or allow more with --minutes")
        return min(left, most)


@dataclasses.dataclass
class Lane:
    """One competitor: ``prepare`` a round (not timed), ``run`` it (timed), ``check`` that it did its work (not timed).

    A ``run`` that returns a float has taken the time itself, in seconds, where it ran."""

    name: str
    run: t.Callable[[], object]
    prepare: t.Callable[[], object] = lambda: None
    check: t.Callable[[], object] = lambda: None


@dataclasses.dataclass
class Result:
    """Seconds of every round, by lane."""

    times: dict[str, list[float]]

    def median(self, lane: str) -> float:
        return statistics.median(self.times[lane])

    def ratio(self, lane: str, other: str) -> float:
        """The median of the ratios of each round: both sides of one round saw the same machine."""
        return statistics.median(one / two for one, two in zip(self.times[lane], self.times[other]))

    def least_ratio(self, lane: str, other: str) -> float:
        """The ratio of the fastest rounds, which other work on the machine disturbed least."""
        return min(self.times[lane]) / min(self.times[other])


def race(title: str, rounds: int, lanes: t.Sequence[Lane], change: t.Callable[[], object] = lambda: None, warm_up: int = 1) -> Result:
    """``rounds`` rounds of every lane in turns, after ``warm_up`` ones that do not count; ``change`` comes before each round."""
    times: dict[str, list[float]] = {lane.name: [] for lane in lanes}
    for number in range(rounds + warm_up):
        change()
        # Who goes first alternates: the second finds the source's files a little warmer.
        for lane in lanes if number % 2 == 0 else list(reversed(lanes)):
            lane.prepare()
            os.sync()  # what one lane left to be written must not be flushed at another's expense
            began = time.monotonic()
            timed = lane.run()
            took = timed if isinstance(timed, float) else time.monotonic() - began
            lane.check()
            if number >= warm_up:
                times[lane.name].append(took)
        latest = ", ".join(f"{name} {values[-1]:.2f} s" for name, values in times.items() if values)
        say(f"{title}: {f'round {number - warm_up + 1}/{rounds}: {latest}' if latest else 'warmed up'}")
    return Result(times)
