# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the last records of one series say to one rule, in constant memory however many there are."""

from __future__ import annotations

import collections
import dataclasses
import typing as t

from .._common.times import in_words
from .rules import Rule

# "broken": the alert fires. "pending": broken, but not for long enough. "clearing": well, but not for long enough. "stale": nobody knows.
State = t.Literal["broken", "pending", "clear", "clearing", "stale"]


@dataclasses.dataclass
class Series:
    """One rule's view of one check of one host; records are given in the order of their time. Moments in seconds since 1970."""

    rule: Rule
    last: float | None = None  # of any record
    judged: float | None = None  # of the last record that said something
    since: float = 0.0  # of the first record that said the same, without a pause longer than the rule's gap
    broken: bool = False
    value: float | None = None
    unit: str = ""
    said: str = ""
    breaches: collections.deque[float] = dataclasses.field(default_factory=collections.deque)

    def add(self, moment: float, item: t.Mapping[str, t.Any]) -> None:
        """Take one record's item in; what is older than the one before it is not news."""
        if self.last is not None and moment < self.last:
            return
        self.last = moment
        if self.rule.absent:
            return
        broken = self.rule.broken_by(item)
        if broken is None:
            return
        if self.judged is None or broken != self.broken or moment - self.judged > self.rule.gap:
            self.since = moment
        self.judged, self.broken = moment, broken
        self.value, self.unit, self.said = self.rule.value_of(item), str(item.get("unit") or ""), str(item.get("message") or "")
        if broken and self.rule.times is not None:
            self.breaches.append(moment)
            while len(self.breaches) > self.rule.times:
                self.breaches.popleft()

    def judge(self, now: float) -> tuple[State, str]:
        """How it stands at this moment, and since when or why in words."""
        rule = self.rule
        if rule.absent:
            if self.last is None:
                return "broken", "there has never been a record"
            passed = now - self.last
            return ("broken" if passed > rule.lasting else "clear"), f"the last record is {in_words(max(0.0, passed))} old"
        if self.judged is None or now - self.judged > rule.gap:
            return (
                "stale",
                f"no record to judge by for {in_words(now - self.judged)}" if self.judged is not None else "no record to judge by",
            )
        if rule.times is not None:
            count = sum(now - moment <= rule.within for moment in self.breaches)
            if count >= rule.times:
                return "broken", f"{count} times within {in_words(rule.within)}"
            return ("pending" if self.broken else self._clear()), f"{count} of {rule.times} times"
        lasted = self.judged - self.since
        if not self.broken:
            return self._clear(), f"well for {in_words(lasted)}"
        return ("broken" if lasted >= rule.lasting else "pending"), f"for {in_words(lasted)}"

    def _clear(self) -> State:
        return "clear" if t.cast(float, self.judged) - self.since >= self.rule.clear_for else "clearing"
