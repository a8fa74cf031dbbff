# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Release 3 of the demo's site."""

import json
import sqlite3


def render(path, database):
    with sqlite3.connect(database) as db:
        db.execute("CREATE TABLE IF NOT EXISTS visits (at TEXT DEFAULT CURRENT_TIMESTAMP)")
        if path == "/health":
            return "application/json", json.dumps({"database": "ok"})
        db.execute("INSERT INTO visits DEFAULT VALUES")
        # The mistake of release 3: there is no such table.
        visitors = db.execute("SELECT count(*) FROM visitors").fetchone()[0]
    return "text/html", f"<h1>Release 3</h1><p>{visitors} visits</p>"
