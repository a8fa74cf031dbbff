# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was measured: rows with their limits, as text, JSON and the table in docs/benchmarks.md."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import typing as t

BEGIN = "<!-- written by make bench: begin -->"
END = "<!-- written by make bench: end -->"


@dataclasses.dataclass
class Row:
    """One number and what it may be at most (``None``: reported only). ``detail`` says what it was made of."""

    benchmark: str
    what: str
    measured: float
    unit: str
    limit: float | None = None
    detail: str = ""

    @property
    def passed(self) -> bool | None:
        return None if self.limit is None else self.measured <= self.limit

    @property
    def verdict(self) -> str:
        return {None: "", True: "pass", False: "FAIL"}[self.passed]

    def number(self, value: float | None) -> str:
        if value is None:
            return ""
        digits = 2 if self.unit in ("x", "s") else 0
        return f"{value:,.{digits}f} {self.unit}".replace(" x", "x")


@dataclasses.dataclass
class Report:
    """All rows of a run and the circumstances they were taken under."""

    facts: dict[str, str]
    rows: list[Row] = dataclasses.field(default_factory=list)
    samples: dict[str, list[float]] = dataclasses.field(default_factory=dict)

    @property
    def missed(self) -> list[Row]:
        return [row for row in self.rows if row.passed is False]

    def text(self) -> str:
        cells = [("", "measured", "at most", "", "")]
        cells += [
            (f"{row.benchmark}: {row.what}", row.number(row.measured), row.number(row.limit), row.verdict, row.detail) for row in self.rows
        ]
        widths = [max(len(line[column]) for line in cells) for column in range(4)]
        lines = [
            f"{line[0]:<{widths[0]}}  {line[1]:>{widths[1]}}  {line[2]:>{widths[2]}}  {line[3]:<{widths[3]}}  {line[4]}".rstrip()
            for line in cells
        ]
        return "\n".join(lines)

    def save(self, path: pathlib.Path) -> None:
        document = {
            "facts": self.facts,
            "rows": [{**dataclasses.asdict(row), "passed": row.passed} for row in self.rows],
            "samples": self.samples,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")

    def write_docs(self, page: pathlib.Path) -> None:
        """Replace what is between the markers of ``page``; everything else on it is written by hand."""
        text = page.read_text()
        if BEGIN not in text or END not in text:
            raise SystemExit(f"bench: {page} has lost its markers {BEGIN} … {END}; put them back")
        before, _marker, rest = text.partition(BEGIN)
        _old, _marker, after = rest.partition(END)
        page.write_text(f"{before}{BEGIN}\n{self._markdown()}\n{END}{after}")

    def _markdown(self) -> str:
        lines = [f"{'; '.join(f'{name} {value}' for name, value in self.facts.items())}.", ""]
        lines += ["| benchmark | what | measured | at most | | made of |", "|---|---|---|---|---|---|"]
        for row in self.rows:
            cells: t.List[str] = [row.benchmark, row.what, row.number(row.measured), row.number(row.limit), row.verdict, row.detail]
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        return "\n".join(lines)
