# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of MariaDB's engine needs no server: quoting, option files, answers, definitions, plans, ends."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.process import ProgramFailed
from ansible_collections.runbook.ops.plugins.module_utils._database import mariadb_client, mariadb_dump, mariadb_objects
from ansible_collections.runbook.ops.plugins.module_utils._database.mariadb import MariaDB
from ansible_collections.runbook.ops.plugins.module_utils._database.model import Login, Table


def test_quoting() -> None:
    assert mariadb_client.identifier("a`b") == "`a``b`"
    assert mariadb_client.literal("it's \\ \0") == "'it''s \\\\ \\0'"


@pytest.mark.parametrize("name", ["", "mysql", "MySQL", "x" * 65, "a\nb", "a\0b", "end ", "😀", "#mysql50#a"])
def test_names_that_no_database_can_have(name: str) -> None:
    with pytest.raises(InvalidInput):
        mariadb_client.check_name(name)


@pytest.mark.parametrize("name", ["wiki", "-a", "a b", "ü'\"%`", "x" * 64])
def test_names_that_one_can_have(name: str) -> None:
    mariadb_client.check_name(name)


def test_an_option_file_says_the_log_in_last(tmp_path: pathlib.Path) -> None:
    own = tmp_path / "my.cnf"
    own.write_text("[client]\nuser=somebody\n")
    login = Login(host="db.example.com", port=3307, user="u#1", password='a"b\\n #;', config_file=str(own), ca_cert="/ca.pem")
    text = mariadb_client.option_file(login, mariadb=True)
    before, _client, after = text.partition("[client]\n")
    assert before.splitlines()[-1] == f"!include {own}"
    assert 'user="u#1"\n' in after and 'password="a\\"b\\\\n #;"\n' in after and 'protocol="tcp"\n' in after and 'ssl-ca="/ca.pem"' in after
    assert "password" not in mariadb_client.option_file(Login(), mariadb=True)


@pytest.mark.parametrize(
    ("mode", "mariadb", "mysql"),
    [
        ("disable", ["skip-ssl"], "DISABLED"),
        ("prefer", ["skip-ssl-verify-server-cert"], "PREFERRED"),
        ("require", ["ssl", "skip-ssl-verify-server-cert"], "REQUIRED"),
        ("verify-ca", ["ssl", "ssl-verify-server-cert"], "VERIFY_CA"),
        ("verify-full", ["ssl", "ssl-verify-server-cert"], "VERIFY_IDENTITY"),
    ],
)
def test_tls_in_the_words_of_both_clients(mode: str, mariadb: list[str], mysql: str) -> None:
    def tls(of_mariadb: bool) -> list[str]:
        return [line for line in mariadb_client.option_file(Login(ssl_mode=mode), of_mariadb).splitlines() if "ssl" in line]

    assert tls(True) == mariadb
    assert tls(False) == [f"ssl-mode={mysql}"]


@pytest.mark.parametrize("login", [Login(password="a\nb"), Login(user="a\rb"), Login(host="a\0"), Login(config_file="/nowhere/my.cnf")])
def test_what_an_option_file_can_not_hold(login: Login) -> None:
    with pytest.raises(InvalidInput) as caught:
        mariadb_client.option_file(login, mariadb=True)
    assert "a\n" not in caught.value.message


def test_answers_tell_null_from_its_name() -> None:
    answer = (
        b'<resultset statement="SELECT &lt;row&gt;" xmlns:xsi="x">\n  <row>\n\t<field name="a&lt;">NULL</field>\n'
        b'\t<field name="b" xsi:nil="true" />\n\t<field name="c"></field>\n'
        b'\t<field name="d">&amp;lt; \n\t\x01\xc3\xbc</field>\n  </row>\n</resultset>'
    )
    assert mariadb_client.parse(answer) == [{"a<": "NULL", "b": None, "c": "", "d": "&lt; \n\t\x01ü"}]


@pytest.mark.parametrize(
    ("said", "message", "code"),
    [
        ("ERROR 1045 (28000): Access denied for user 'u'@'h'", "refused the log-in", 1045),
        ('mariadb-dump: Got error: 1045: "Access denied for user" when trying to connect', "refused the log-in", 1045),
        ("ERROR 2002 (HY000): Can't connect", "nobody answers at db.example.com", 2002),
        ("mariadb-dump: Error 2013: Lost connection to server during query when dumping table `t` at row: 5", "went away", 2013),
        ("ERROR 1146 (42S02) at line 5: Table 'a.b' doesn't exist", "Table 'a.b' doesn't exist (error 1146)", 1146),
        ("something else", "ended with 1", 0),
    ],
)
def test_what_clients_say_becomes_one_line(said: str, message: str, code: int) -> None:
    failed = ProgramFailed("mariadb ended with 1: …", 1, f"--------------\nINSERT\n--------------\n\n{said}\n")
    error = mariadb_client.Client(Login(host="db.example.com")).explain(failed)
    assert message in error.message and error.code == code and "\n" not in error.message


def test_a_definition_loses_the_databases_name_but_no_text() -> None:
    sql = "select `wiki`.`page`.`id`,`wiki`.`f`(1),'`wiki`.`page`' AS `wiki``.`,`x`.`wiki` from `wiki`.`page` join `wikis`.`page`"
    assert (
        mariadb_objects.without_database(sql, "wiki", {"page", "f"})
        == "select `page`.`id`,`f`(1),'`wiki`.`page`' AS `wiki``.`,`x`.`wiki` from `page` join `wikis`.`page`"
    )
    # A table that is called like its database: what follows is a column.
    assert mariadb_objects.without_database("select `wiki`.`id` from `wiki`.`wiki`", "wiki", {"wiki"}) == "select `wiki`.`id` from `wiki`"


def test_digests_leave_out_counters_and_whether_an_event_runs() -> None:
    def table(options: str) -> str:
        return mariadb_objects.Definition("table", "TABLE", "t", f"CREATE TABLE `t` (\n  `id` int\n) ENGINE=InnoDB{options}").digest

    assert table(" AUTO_INCREMENT=7 DEFAULT CHARSET=utf8mb4") == table(" DEFAULT CHARSET=utf8mb4") != table(" DEFAULT CHARSET=latin1")

    def event(word: str, body: str = "x") -> str:
        sql = f"CREATE EVENT `e` ON SCHEDULE EVERY 1 DAY ON COMPLETION NOT PRESERVE {word} DO SELECT '{body}'"
        return mariadb_objects.Definition("event", "EVENT", "e", sql).digest

    assert event("ENABLE") == event("DISABLE ON SLAVE") == event("DISABLE") != event("ENABLE", "y")


def test_events_sleep_and_wake() -> None:
    sql = "CREATE EVENT `e` ON SCHEDULE EVERY 1 DAY ON COMPLETION PRESERVE ENABLE COMMENT 'ON COMPLETION PRESERVE ENABLE' DO SELECT 1"
    event = mariadb_objects.Definition("event", "EVENT", "e", sql, state="ENABLED")
    assert "PRESERVE DISABLE ON SLAVE COMMENT 'ON COMPLETION PRESERVE ENABLE'" in event.asleep().statements(replace=False)[-1]
    assert event.asleep().awake() == event
    off = mariadb_objects.Definition("event", "EVENT", "e", sql, state="DISABLED")
    assert off.asleep() == off and off.awake() == off


def test_late_objects_use_a_delimiter_that_no_definition_has() -> None:
    body = mariadb_objects.Definition("routine", "PROCEDURE", "p", "CREATE PROCEDURE `p`() SELECT '$runbook$'")
    assert mariadb_objects.late_objects([body]).startswith("DELIMITER $runbook$$\n")


def test_plans_share_tables_out() -> None:
    tables = [Table("big", 100 << 20), Table("mid", 60 << 20), Table("small", 50 << 20), Table("empty", 0)]
    assert mariadb_dump.plan(tables, 1, {}, 60) == [[mariadb_dump.Run(("big", "empty", "mid", "small"))]]
    two = mariadb_dump.plan(tables, 2, {}, 60)
    assert two == [[mariadb_dump.Run(("big", "empty"))], [mariadb_dump.Run(("mid", "small"))]]
    shared = mariadb_dump.plan(tables, 2, {"big": ["id < 5", "id >= 5"]}, 60)
    assert [runs[-1] for runs in shared] == [mariadb_dump.Run(("big",), "id < 5"), mariadb_dump.Run(("big",), "id >= 5")]
    # A server that would have to wait too long for the second run of a stream gets one run only.
    assert mariadb_dump.plan(tables, 2, {"big": ["id < 5", "id >= 5"]}, 1) == two
    assert mariadb_dump.plan([], 3, {}, 60) == []


def test_a_part_ends_with_its_own_trailer() -> None:
    mariadb_dump.check_end("data1", b"...;\n" + mariadb_dump.trailer("data1").encode())
    for tail in (b"", b"...;\n", b"-- Dump completed on 2026-11-21\n", b";\n" + mariadb_dump.trailer("data2").encode()):
        with pytest.raises(RunbookError, match="data1"):
            mariadb_dump.check_end("data1", tail)


def test_a_stream_is_complete_only_when_it_was_read_to_its_end() -> None:
    stream = mariadb_dump.Stream("data", "before;\n", [], "after;\n")
    pieces = [stream.read(5)]
    assert not stream.complete
    while piece := stream.read(5):
        pieces.append(piece)
    assert stream.complete and stream.read(5) == b""
    assert b"".join(pieces) == b"before;\nafter;\n" + mariadb_dump.trailer("data").encode()


def test_side_names_fit() -> None:
    name = MariaDB(Login()).side_name("x" * 64, "abcd1234")
    assert len(name) <= 64 and name.endswith("_rb_abcd1234")
