# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the backups that later versions have to be able to restore: ``make_fixtures.py FOLDER``, as root beside the servers.

Once for every format of sidecars or parts; tests/fixtures/backups/README.md says where they go. What is there is never made anew.
"""

from __future__ import annotations

import pathlib
import shutil
import sys
import typing as t

import subjects
from test_faults import Place

ROWS = 50
# Each way of storing parts is there once.
WAYS: dict[str, dict[str, t.Any]] = {
    "mariadb": {"jobs": 2},
    "postgresql": {"jobs": 2, "compression": "none"},
    "sqlite": {"compression": "gzip"},
    "redis": {},
    "mongodb": {},
}


def main(folder: pathlib.Path) -> None:
    subjects.ROWS = ROWS
    key = folder / "identity"
    recipient = subjects.sh("age-keygen", "-y", str(key)).strip()
    for name, way in WAYS.items():
        subject = subjects.SUBJECTS[name]
        root = pathlib.Path(f"/srv/rb_test_fixtures_{name}")
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(mode=0o750)
        if subject.user:
            shutil.chown(root, subject.user, subject.user)
        subject.wait()
        subject.make(1)
        try:
            place = Place(subject, root)
            place.run("db_backup", schema_revision_query="", **way)
            _keep(place, folder / name)
            if name == "sqlite":
                place.run("db_backup", encryption_recipients=[recipient])
                _keep(place, folder / "sqlite_encrypted")
        finally:
            subject.clear()
            shutil.rmtree(root, ignore_errors=True)


def _keep(place: Place, folder: pathlib.Path) -> None:
    shutil.copytree(place.dest, folder, ignore=shutil.ignore_patterns(".lock"))
    shutil.rmtree(place.dest)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
