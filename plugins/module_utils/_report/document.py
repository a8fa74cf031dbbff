# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as JSON."""

from __future__ import annotations

import dataclasses
import json

from .model import Report

FORMAT = 1


def render(report: Report) -> str:
    """``{format, title, at, run, status, counts, hosts: [{name, status, at, checks: [item]}], changes, events, notes}``."""
    document = {
        "format": FORMAT,
        "title": report.title,
        "at": report.at,
        "run": report.run,
        "status": report.status,
        "counts": report.counts(),
        "hosts": [
            {"name": host.name, "status": host.status, "at": host.at, "checks": [check.to_dict() for check in host.checks]}
            for host in report.hosts
        ],
        "changes": [dataclasses.asdict(change) for change in report.changes],
        "events": [dataclasses.asdict(event) for event in report.events],
        "notes": report.notes,
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
