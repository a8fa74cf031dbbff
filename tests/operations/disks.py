# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that are files, for what depends on the file system or must not fill the host's own."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import subprocess
import tempfile
import typing as t

import pytest

_MAJOR = 7  # loop devices


@contextlib.contextmanager
def disk(megabytes: int) -> t.Iterator[pathlib.Path]:
    """A block device of that size; it is gone afterwards."""
    if not os.path.exists("/dev/loop-control"):
        pytest.skip("this kernel makes no disks of files (no /dev/loop-control)")
    with tempfile.NamedTemporaryFile(dir="/var/tmp", suffix=".disk") as file:
        file.truncate(megabytes << 20)
        for number in range(64):  # a container does not see devices that appear
            with contextlib.suppress(FileExistsError):
                os.mknod(f"/dev/loop{number}", 0o660 | 0o060000, os.makedev(_MAJOR, number))
        device = _run("losetup", "--find", "--show", file.name).strip()
        assert re.fullmatch(r"/dev/loop\d+", device)
        try:
            yield pathlib.Path(device)
        finally:
            _run("losetup", "--detach", device)


@contextlib.contextmanager
def mounted(kind: str, megabytes: int, place: pathlib.Path) -> t.Iterator[None]:
    """A new file system of that kind at ``place``."""
    with disk(megabytes) as device:
        _run(f"mkfs.{kind}", "-q", str(device))
        _run("mount", "-t", kind, str(device), str(place))
        try:
            yield
        finally:
            _run("umount", str(place))


def _run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
    return done.stdout
