# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups as db_backup leaves them, without a database: ``make_backups.py DEST NAME AGE_IN_HOURS…`` prints their ids."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time

DATA = b"-- Dump completed\n" * 500


def stamp(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def main(dest: str, name: str, ages: list[str]) -> None:
    folder = os.path.join(dest, name)
    os.makedirs(folder, mode=0o750, exist_ok=True)
    digest = hashlib.sha256(DATA).hexdigest()
    for age in ages:
        ended = time.time() - float(age) * 3600
        identity = time.strftime("%Y%m%d_%H%M%S", time.gmtime(ended))
        with open(os.path.join(folder, f"{identity}.sql"), "wb") as stream:
            stream.write(DATA)
        part = {"name": "data", "file": f"{identity}.sql", "plain_bytes": len(DATA), "plain_sha256": digest}
        sidecar = {
            "format": 1,
            "id": identity,
            "engine": "mariadb",
            "name": name,
            "server": {"product": "mariadb", "version": "10.11.6"},
            "started": stamp(ended - 5),
            "ended": stamp(ended),
            "seconds": 5.0,
            "compression": "none",
            "recipients": [],
            "parts": [{**part, "stored_bytes": len(DATA), "stored_sha256": digest}],
            "inventory": {"method": "", "tables": {"t": {"rows": 3, "checksum": ""}}, "objects": {}},
            "settings": {},
            "include": [],
            "exclude": [],
            "schema_revision": "",
            "consistent": True,
            "notes": [],
            "host": "db.example.com",
        }
        with open(os.path.join(folder, f"{identity}.json"), "w", encoding="utf-8") as stream:
            json.dump(sidecar, stream)
        print(identity)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
