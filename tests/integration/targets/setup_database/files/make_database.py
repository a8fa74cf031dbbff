# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small SQLite database, made or filled anew: ``make_database.py PATH NOTE…`` gives it these notes, and a log of two lines."""

from __future__ import annotations

import contextlib
import sqlite3
import sys


def main(path: str, notes: list[str]) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript("DROP TABLE IF EXISTS notes; CREATE TABLE notes (id INTEGER PRIMARY KEY, note TEXT UNIQUE);")
        connection.executescript("DROP TABLE IF EXISTS log; CREATE TABLE log (line TEXT);")
        connection.executemany("INSERT INTO notes (note) VALUES (?)", [(note,) for note in notes])
        connection.executemany("INSERT INTO log VALUES (?)", [("opened",), ("closed",)])
        connection.commit()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
