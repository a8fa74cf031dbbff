# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which indexes wait until a table's rows are there."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._database.mariadb_keys import deferred
from ansible_collections.runbook.ops.plugins.module_utils._database.mariadb_objects import Definition

ROWS = """CREATE TABLE `rows` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `name` varchar(80) DEFAULT NULL COMMENT 'a KEY `b`, no,\\n  KEY `c`',
  `note` text DEFAULT NULL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `one` (`name`),
  KEY `odd ``name``, (x)` (`note`(10)) USING BTREE COMMENT 'why, not',
  KEY `made` (`id`,`name`),
  FULLTEXT KEY `words` (`note`)
) ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci"""


def _table(sql: str, name: str = "rows") -> Definition:
    return Definition("table", "TABLE", name, sql)


def test_plain_indexes_wait_and_the_rest_does_not() -> None:
    (own,), added = deferred([_table(ROWS)], ["rows"])
    assert own.sql == "\n".join(line for line in ROWS.split("\n") if not line.startswith("  KEY"))
    assert added == {
        "rows": "ALTER TABLE `rows` ADD KEY `odd ``name``, (x)` (`note`(10)) USING BTREE COMMENT 'why, not', ADD KEY `made` (`id`,`name`)"
    }


def test_no_comma_is_left_before_the_end() -> None:
    sql = "CREATE TABLE `rows` (\n  `id` int(11) NOT NULL,\n  PRIMARY KEY (`id`),\n  KEY `made` (`id`)\n) ENGINE=InnoDB"
    (own,), added = deferred([_table(sql)], ["rows"])
    assert own.sql == "CREATE TABLE `rows` (\n  `id` int(11) NOT NULL,\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB"
    assert added == {"rows": "ALTER TABLE `rows` ADD KEY `made` (`id`)"}


@pytest.mark.parametrize(
    "sql",
    [
        ROWS.replace("ENGINE=InnoDB", "ENGINE=Aria"),
        ROWS.replace("  FULLTEXT", "  SPATIAL"),
        ROWS.replace("COLLATE=utf8mb4_general_ci", "WITH SYSTEM VERSIONING"),
        ROWS.replace("  UNIQUE KEY `one` (`name`)", "  CONSTRAINT `up` FOREIGN KEY (`name`) REFERENCES `others` (`name`)"),
        # The server takes a counter only in a column that an index begins with.
        ROWS.replace("  PRIMARY KEY (`id`),", "  PRIMARY KEY (`name`,`id`),"),
        # Nothing that this code has never seen.
        ROWS.replace("  UNIQUE KEY `one` (`name`)", "  VECTOR KEY `one` (`name`)"),
    ],
)
def test_tables_that_stay_whole(sql: str) -> None:
    (own,), added = deferred([_table(sql)], ["rows"])
    assert (own.sql, added) == (sql, {})


def test_a_table_that_others_refer_to_stays_whole() -> None:
    other = _table("CREATE TABLE `b` (\n  `x` int,\n  CONSTRAINT `f` FOREIGN KEY (`x`) REFERENCES `rows` (`id`)\n) ENGINE=InnoDB", "b")
    assert deferred([_table(ROWS), other], ["rows", "b"]) == ([_table(ROWS), other], {})


def test_a_table_that_is_not_chosen_stays_whole() -> None:
    assert deferred([_table(ROWS)], ["others"]) == ([_table(ROWS)], {})
