# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner as one file: this collection's own code, zipped, needing nothing but Python."""

from __future__ import annotations

import io
import os
import typing as t
import zipfile
import zipimport

# Ansible sends with a module only what is imported somewhere.
from . import command

# What jobs need; packages that a collection does not have are left out.
PACKAGES = ("_common", "_database", "_files", "_jobs", "_offsite")
# What only installs them: not every module that does brings all of it, and the runner is the same for all.
NOT_RUN = frozenset(f"_jobs/{name}.py" for name in ("archive", "crontab", "escape", "guarded", "install", "said", "scheduled", "use_cases"))
_UTILS = "ansible_collections/runbook/ops/plugins/module_utils"
_MAIN = (
    f"import sys\n\nfrom {_UTILS.replace('/', '.')}._jobs.{command.__name__.rpartition('.')[2]} import main\n\nsys.exit(main())\n".encode()
)


def build() -> bytes:
    """The runner, byte for byte the same for the same code."""
    files = {"__main__.py": _MAIN, **_sources()}
    parts = _UTILS.split("/")
    for depth in range(1, len(parts) + 1):
        files.setdefault("/".join([*parts[:depth], "__init__.py"]), b"")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            # A fixed time, so that only another content makes another file.
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), files[name], zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _sources() -> dict[str, bytes]:
    """The packages' files, from the archive that Ansible sent with the module, or from a folder."""
    loader: t.Any = globals().get("__loader__")
    if isinstance(loader, zipimport.zipimporter):
        with zipfile.ZipFile(loader.archive) as archive:
            return {name: archive.read(name) for name in archive.namelist() if _wanted(name)}
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    found = {}
    for package in PACKAGES:
        for folder, _folders, names in os.walk(os.path.join(root, package)):
            for name in names:
                path = os.path.join(folder, name)
                inside = f"{_UTILS}/{os.path.relpath(path, root)}"
                if _wanted(inside):
                    with open(path, "rb") as stream:
                        found[inside] = stream.read()
    return found


def _wanted(name: str) -> bool:
    if name[len(_UTILS) + 1 :] in NOT_RUN:
        return False
    return name.endswith(".py") and any(name.startswith(f"{_UTILS}/{package}/") for package in PACKAGES)
