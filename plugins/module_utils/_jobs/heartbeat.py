# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job's heartbeat: one small file that says when its last run ended, and how."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import typing as t

from .._common.files import write_json

if t.TYPE_CHECKING:
    from .plan import Job


@dataclasses.dataclass(frozen=True)
class Beat:
    """The last run. ``at`` and ``started`` as records write them; ``exit`` as a shell reports it; ``told``: its failure was alerted.

    ``cause`` tells failures of one kind from another, so that only a new one is alerted where that is asked for.
    """

    job: str
    at: str
    started: str
    status: str
    exit: int
    message: str = ""
    cause: str = ""
    told: bool = False


def path_of(job: Job) -> str:
    """Where a job leaves its heartbeat."""
    return job.heartbeat or os.path.join(job.folder, f"{job.name}.heartbeat")


def read(path: str) -> Beat | None:
    """The last heartbeat; None when there is none that can be read."""
    try:
        with open(path, encoding="utf-8") as stream:
            raw = json.load(stream)
        return Beat(**{field.name: raw[field.name] for field in dataclasses.fields(Beat)})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(path: str, beat: Beat) -> None:
    """Leave a heartbeat; one that can't be written must not make a job fail that did its work."""
    try:
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        write_json(path, dataclasses.asdict(beat), 0o644)
    except OSError as error:
        sys.stderr.write(f"{path} can't be written: {error.strerror}\n")
