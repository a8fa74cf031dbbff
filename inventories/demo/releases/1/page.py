# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Release 1 of the demo's site."""

import json
import sqlite3


def render(path, database):
    with sqlite3.connect(database) as db:
        db.execute("CREATE TABLE IF NOT EXISTS visits (at TEXT DEFAULT CURRENT_TIMESTAMP)")
        if path == "/health":
            return "application/json", json.dumps({"database": "ok"})
        db.execute("INSERT INTO visits DEFAULT VALUES")
        visits = db.execute("SELECT count(*) FROM visits").fetchone()[0]
    return "text/html", f"<h1>Release 1</h1><p>{visits} visits</p>"
