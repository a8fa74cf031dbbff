# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the PostgreSQL engine can get wrong without a server: quoting, log-ins, messages, names."""

from __future__ import annotations

import os

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.process import ProgramFailed
from ansible_collections.runbook.ops.plugins.module_utils._database import postgresql_dump, postgresql_inventory, postgresql_settings
from ansible_collections.runbook.ops.plugins.module_utils._database.model import Login
from ansible_collections.runbook.ops.plugins.module_utils._database.postgresql import PostgreSQL
from ansible_collections.runbook.ops.plugins.module_utils._database.postgresql_client import (
    Client,
    _parse,
    conninfo,
    cursor,
    identifier,
    literal,
)


def test_quoting() -> None:
    assert identifier('a"b') == '"a""b"'
    assert literal("it's \\") == "'it''s \\'"
    assert conninfo("x' host=evil \\") == "dbname='x\\' host=evil \\\\'"


def test_a_password_is_in_a_file_of_ours_and_nowhere_else() -> None:
    client = Client(
        Login(host="db.example.com", port=5433, user="shop", password="a:b\\c #'\" ä", ssl_mode="verify-full", ca_cert="/ca.pem")
    )
    with client.environment("x=y") as environment:
        path = environment["PGPASSFILE"]
        with open(path, encoding="utf-8") as stream:
            assert stream.read() == "*:*:*:*:a\\:b\\\\c #'\" ä\n"
        assert os.stat(path).st_mode & 0o777 == 0o600
        assert not any("a:b" in value for value in environment.values())
        assert environment["PGDATABASE"] == "x=y"
        assert (environment["PGHOST"], environment["PGPORT"]) == ("db.example.com", "5433")
        assert (environment["PGSSLMODE"], environment["PGSSLROOTCERT"]) == ("verify-full", "/ca.pem")
    assert not os.path.exists(path)


def test_a_socket_is_given_by_its_folder_or_its_path() -> None:
    with Client(Login(unix_socket="/run/postgresql")).environment("x") as environment:
        assert environment["PGHOST"] == "/run/postgresql"
        assert "PGPORT" not in environment
        assert "PGUSER" not in environment
    with Client(Login(unix_socket="/run/postgresql/.s.PGSQL.5433")).environment("x") as environment:
        assert (environment["PGHOST"], environment["PGPORT"]) == ("/run/postgresql", "5433")


@pytest.mark.parametrize("login", [Login(password="a\nb"), Login(user="a\0"), Login(host="a\r")])
def test_a_log_in_with_a_line_break_is_refused(login: Login) -> None:
    with pytest.raises(InvalidInput, match="line break or NUL byte"):
        Client(login)


def test_answers_tell_null_from_any_text() -> None:
    answer = b'a,b\nNOTHING,\n"x\n""y""","\\N"\n'
    assert _parse(answer, "NOTHING") == [{"a": None, "b": ""}, {"a": 'x\n"y"', "b": "\\N"}]
    assert _parse(b"a\n\n\nx\n", "NOTHING") == [{"a": ""}, {"a": ""}, {"a": "x"}]
    assert _parse(b"", "NOTHING") == []
    assert _parse(b"a\n" + b"x" * 1_000_000 + b"\n", "NOTHING")[0]["a"] == "x" * 1_000_000


def test_a_users_statement_is_quoted_by_what_it_can_not_contain() -> None:
    assert cursor("SELECT $q$ $$") != cursor("SELECT $q$ $$")
    assert "BEGIN READ ONLY" in cursor("SELECT 1")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            'psql: error: connection to server failed: FATAL:  database "shop" does not exist',
            "there is no database 'shop' on db.example.com",
        ),
        (
            'psql: error: connection to server at "x", port 1 failed: FATAL:  password authentication failed for user "u"\nmore',
            'PostgreSQL on db.example.com refused the log-in of u: password authentication failed for user "u"',
        ),
        ('psql: error: connection failed: FATAL:  Peer authentication failed for user "u"', "become_user"),
        ("psql: error: connection to server on socket failed: No such file or directory\n\tIs the server running", "does not answer"),
        ("psql:<stdin>:12: ERROR:  syntax error at end of input\nLINE 1: x", "database shop: syntax error at end of input"),
        ("pg_dump: error: aborting because of server version mismatch\npg_dump: detail: server version: 17", "server version: 17"),
        (
            "pg_dump: error: x failed: PQgetCopyData() failed.\npg_dump: detail: Error message from server: SSL SYSCALL",
            "the connection was lost",
        ),
    ],
)
def test_errors_are_one_line_that_says_what_to_do(said: str, told: str) -> None:
    client = Client(Login(host="db.example.com", user="u"))
    with pytest.raises(RunbookError) as caught, client.explained("shop"):
        raise ProgramFailed("psql ended with 2", 2, said)
    assert told in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("name", ["", "a\nb", "a\0", "x" * 64, "ä" * 32])
def test_names_that_no_database_has(name: str) -> None:
    with pytest.raises(InvalidInput, match="can't be the name of a PostgreSQL database"):
        PostgreSQL(Login()).check_name(name)


def test_names_beside_a_database_fit_whatever_its_length() -> None:
    engine = PostgreSQL(Login())
    assert engine.side_name("shop", "a1b2c3d4") == "shop_a1b2c3d4"
    for live in ("x" * 63, "ä" * 31, "😀" * 15):
        engine.check_name(engine.side_name(live, "a1b2c3d4"))
        assert engine.side_name(live, "a1b2c3d4").endswith("_a1b2c3d4")


def test_the_end_of_a_dump() -> None:
    end = b"--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n\n"
    postgresql_dump.check_end("data", b"x" * 3000 + end)
    for tail in (b"", b"COPY a\n\\.\n", end[:20], end + b"x" * 2000):
        with pytest.raises(RunbookError, match="the dump is cut off: its part data"):
            postgresql_dump.check_end("data", tail)


def test_settings_are_quoted_as_their_kind_wants_it() -> None:
    statements = postgresql_settings.adoption(
        'a"b',
        {
            "owner": "o'",
            "grants": [[None, "CONNECT", False], ["r r", "CREATE", True]],
            "config": [["", ['search_path="$user", public, "a ""b"""', "work_mem=5MB", "app.word=it's"]], ["x", ['search_path=""']]],
            "comment": "",
            "connection_limit": -1,
        },
    )
    assert statements == [
        'ALTER DATABASE "a""b" OWNER TO "o\'"',
        'REVOKE ALL ON DATABASE "a""b" FROM PUBLIC, "o\'"',
        'GRANT CONNECT ON DATABASE "a""b" TO PUBLIC',
        'GRANT CREATE ON DATABASE "a""b" TO "r r" WITH GRANT OPTION',
        'ALTER DATABASE "a""b" SET "search_path" TO \'$user\', \'public\', \'a "b"\'',
        'ALTER DATABASE "a""b" SET "work_mem" TO \'5MB\'',
        'ALTER DATABASE "a""b" SET "app"."word" TO \'it\'\'s\'',
        'ALTER ROLE "x" IN DATABASE "a""b" SET "search_path" TO \'\'',
        'COMMENT ON DATABASE "a""b" IS NULL',
        'ALTER DATABASE "a""b" CONNECTION LIMIT -1',
    ]
    with pytest.raises(RunbookError, match="privilege"):
        postgresql_settings.adoption("a", {"grants": [[None, "ALL ON DATABASE x TO y; --", False]]})


def test_casts_that_a_restore_writes_differently_are_no_difference() -> None:
    before = "CHECK (((status)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])))"
    after = "CHECK (((status)::text = ANY (ARRAY[('a'::character varying)::text, ('b'::character varying)::text])))"
    other = "CHECK (((status)::text = ANY ((ARRAY['a'::character varying, 'c'::character varying])::text[])))"
    plain = [postgresql_inventory._UNSTABLE.sub("", text) for text in (before, after, other)]
    assert plain[0] == plain[1] != plain[2]
