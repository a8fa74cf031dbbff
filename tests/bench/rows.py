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


Runs = t.Dict[str, t.Dict[str, t.Any]]


@dataclasses.dataclass
class Row:
    """One number and what it may be at most (``None``: reported only). ``detail`` says what it was made of."""

    benchmark: str
    what: str
    measured: float
    unit: str
    limit: float | None = None
    detail: str = ""
    # The function that measured it, as the command line names it.
    source: str = ""

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
    source: str = ""

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

    def write_docs(self, page: pathlib.Path, kept: pathlib.Path) -> None:
        """Put what this run measured into ``kept`` (JSON, by the name of what measured it) and all that is kept into ``page``.

        What this run did not measure stays as it was, with the circumstances of its own run. Only what is between the page's
        markers is replaced.
        """
        text = page.read_text()
        if BEGIN not in text or END not in text:
            raise SystemExit(f"bench: {page} has lost its markers {BEGIN} … {END}; put them back")
        runs: Runs = json.loads(kept.read_text()) if kept.exists() else {}
        for name in dict.fromkeys(row.source for row in self.rows):
            runs[name] = {"facts": self.facts, "rows": [dataclasses.asdict(row) for row in self.rows if row.source == name]}
        before, _marker, rest = text.partition(BEGIN)
        _old, _marker, after = rest.partition(END)
        kept.write_text(json.dumps(runs, indent=2, ensure_ascii=False) + "\n")
        page.write_text(f"{before}{BEGIN}\n{_markdown(runs)}\n{END}{after}")


def _markdown(runs: Runs) -> str:
    lines = ["| benchmark | what | measured | at most | | made of |", "|---|---|---|---|---|---|"]
    for run in runs.values():
        for row in (Row(**row) for row in run["rows"]):
            cells: t.List[str] = [row.benchmark, row.what, row.number(row.measured), row.number(row.limit), row.verdict, row.detail]
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    lines += ["", "Measured by, and under these circumstances:", ""]
    lines += [f"- `{name}`: {'; '.join(f'{fact} {value}' for fact, value in run['facts'].items())}" for name, run in runs.items()]
    return "\n".join(lines)
