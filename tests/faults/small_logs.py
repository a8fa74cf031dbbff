# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs in a folder, rotated as the module does it, and all that was ever written to them, found again."""

from __future__ import annotations

import collections
import gzip
import os
import pathlib
import subprocess
import typing as t

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._logs.rotate import log_rotate
from ansible_collections.runbook.ops.plugins.module_utils._logs.rotate_options import ROTATE


def options(**given: t.Any) -> dict[str, t.Any]:
    """All options, those that are not given with their defaults."""
    return {**{name: option.get("default") for name, option in ROTATE.options.items()}, **given}


def rotate(check: bool = False, diff: bool = False, warnings: list[str] | None = None, **given: t.Any) -> dict[str, t.Any]:
    warn = (warnings if warnings is not None else []).append
    return log_rotate(options(**given), Run(check_mode=check, diff=diff, warn=warn))


def content(path: pathlib.Path) -> bytes:
    """The plain bytes of a log or of a rotated file."""
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-dcq", path], stdout=subprocess.PIPE, check=True).stdout
    return path.read_bytes()


def files(folder: os.PathLike[str], name: str) -> list[pathlib.Path]:
    """A log and its rotated files; what is hidden belongs to a rotation that is under way."""
    return sorted(path for path in pathlib.Path(folder).rglob(f"{name}*") if path.is_file() and not path.name.startswith("."))


def lines(folder: os.PathLike[str], name: str) -> collections.Counter[bytes]:
    """How often each line is found, in all files; the spaces that a collapsed log may begin with are none."""
    found: collections.Counter[bytes] = collections.Counter()
    for path in files(folder, name):
        found.update(line for line in content(path).split(b"\n") if line.strip(b" "))
    return found


def hidden(folder: os.PathLike[str]) -> list[str]:
    """What a rotation has left of its own."""
    return sorted(path.name for path in pathlib.Path(folder).rglob(".*"))


def text(count: int, start: int = 0) -> bytes:
    """Lines of differing length, each of its own."""
    return b"".join(b"line %d %s\n" % (number, b"x" * (number % 83)) for number in range(start, start + count))
