# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile input: each of these holds Hunter2-and-more, which must be gone, and words around it, which must stay."""

from __future__ import annotations

import base64
import json
import urllib.parse

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.runbook.ops.plugins.module_utils._evidence.rules import MARK, is_secret_name
from ansible_collections.runbook.ops.plugins.module_utils._evidence.scrub import Scrubber, is_binary

S = "Hunter2Tr0ub4dor"
B64 = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtz"
PEM = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{B64}\n{S}\n-----END OPENSSH PRIVATE KEY-----"

TEXTS = [
    # assignments
    f"DB_PASSWORD={S}",
    f"export DB_PASSWORD='{S} with spaces'; keep=1".replace("; keep=1", ""),
    f'DB_PASSWORD="{S}" # {S}',
    f"DB_PASSWORD={S} and {S} after a space",
    f"password: {S}, {S}",
    f"  password : {S}",
    f"- password: {S}",
    f"kept password={S} kept",
    f"kept password={S}, kept",
    f"kept?user=bob&password={S}&kept=1",
    f"kept password%3D{S} kept",
    f"kept apiKey: '{S}' kept",
    f"kept client_secret => \"{S}\", kept",
    f"kept \"password\": \"{S}\\\"{S}\", kept",
    f"kept 'password': '{S}''{S}', kept",
    f'kept {{\\"password\\": \\"{S}\\"}} kept',
    f'kept {{\\"password\\": \\"a\\\\\\"{S}\\"}} kept',
    f'{{"msg": "kept password={S}", "kept": 1}}',
    f'{{"msg": "kept {{\\"token\\":\\"{S}\\"}}", "kept": 1}}',
    f"kept password=\x1b[31m{S}\x1b[0m kept",
    f"kept \x1b[1mpassword\x1b[0m={S} kept",
    f"kept PASSWORD:={S} kept",
    f"kept user[password]={S} kept",
    f"kept DB_PASSWORD=a\"{S}\"b kept",
    f"kept password=({S}) kept",
    f"kept pwd={S} kept",
    f'SECRET="first line\nsecond {S}\nthird"\nkept',
    f"; password = {S}",
    f"#DB_PASSWORD={S}",
    f"kept\r\nDB_PASSWORD={S}\r\nkept",
    # other syntaxes
    f"kept\npassword: |\n  {S}\n  {S}\nkept: 1",
    f"kept\n  api_key: >-\n    {S}\n  kept: 1",
    f"kept <db:password type='x'>{S}</db:password> kept",
    f"<bean password=\"{S}\"/> kept",
    f"kept --password {S} --kept",
    f"kept --db-password='{S} {S}' --kept",
    f"kept mysqldump -u root -p{S} shop",
    f"kept mysql --host db -p'{S}' shop",
    f"kept redis-cli -a {S} ping",
    f"kept sshpass -p {S} ssh kept",
    f"kept curl -u bob:{S} https://www.example.com/",
    f"define('DB_PASSWORD', '{S}'); // kept",
    f"CREATE USER kept IDENTIFIED BY '{S}''{S}';",
    f"ALTER ROLE kept WITH PASSWORD '{S}' kept",
    f"SET PASSWORD = PASSWORD('{S}') -- kept",
    f"machine www.example.com login kept password {S}",
    f"kept\n  password {S}\n",
    f"db.example.com:5432:kept:bob:{S}",
    # headers
    f"kept\nAuthorization: Bearer {S}\nkept",
    f"Authorization: Digest username=\"bob\", response=\"{S}\"\nkept",
    f"authorization: cpanel bob:{S}\nkept",
    f"kept -H 'Authorization: Basic {S}' -H 'kept: 1'",
    f'kept -H \\"Authorization: Basic {S}\\" kept',
    f"{{'Authorization': 'Bearer {S}', 'kept': 1}}",
    f'["Authorization", "Bearer {S}"] kept',
    f"Set-Cookie: session={S}; HttpOnly\nkept",
    f"Cookie: a=b; sid={S}\nkept",
    f"X-Internal-Secret: {S}\nkept",
    f"X-Maintenance-Bypass: {S}\nkept",
    f"kept bearer {S} kept",
    # URLs
    f"kept https://bob:{S}@www.example.com/x kept",
    f"kept redis://:{S}@db.example.com:6379/0 kept",
    f"kept mysql://bob:p@ss/{S}@db.example.com/shop kept",
    f"kept mongodb+srv://bob:{S}@a.example.com,b.example.com/kept",
    f"kept https://ghp{S}0123456789@git.example.com/kept",
    f"kept https://hooks.slack.com/services/T0/B0/{S} kept",
    f"kept https://www.example.com/x?kept=1&X-Amz-Signature={S}&kept=2",
    f"kept https://www.example.com/x?access_token={S}#kept",
    # keys and tokens
    f"kept\n{PEM}\nkept",
    f"kept {json.dumps(PEM)} kept",
    f"kept\n-----BEGIN RSA PRIVATE KEY-----\n{B64}\n{S}",
    f"{B64}\n{S}\n-----END RSA PRIVATE KEY-----\nkept",
    f"kept ghp_{S}0123456789 kept",
    f"kept xoxb-{S}-12 kept",
    f"kept eyJhbGciOiJIUzI1NiJ9.eyJ{S}.{S} kept",
    f"root:$6$salt${S}{S}:19000 kept",
    f"kept AGE-SECRET-KEY-1{S.upper()}0123456789 kept",
    f"kept base64:{S}{S}= kept",
]  # fmt: skip


@pytest.fixture(scope="module")
def scrubber():
    return Scrubber()


@pytest.mark.parametrize("text", TEXTS)
def test_a_secret_goes_and_what_is_around_it_stays(scrubber, text):
    clean = scrubber.text(text)
    assert S.lower() not in clean.lower()
    assert MARK in clean
    assert clean.count("kept") == text.count("kept"), clean
    assert scrubber.text(clean) == clean, "scrubbing again finds nothing more"


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21 10:15:00 passed 12 checks, bypassed none, compass ok",
        "password: null\npassword=\ntoken: ******\npassword_file=/etc/x\nPWD=/srv/www",
        "password authentication failed for user bob",
        "GET /api/latest.php?page=2&sort=key HTTP/1.1 200",
        "https://www.example.com:8080/path?email=bob@example.com",
        "ssh://git@git.example.com/www.git",
        "Basic authentication is off, the bearer left",
        "certificate expires in 30 days",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "Token::create($user); std::string secret;",
        "كلمة عربية تبقى كما هي",
    ],
)
def test_what_is_no_secret_is_left_alone(scrubber, text):
    assert scrubber.text(text) == text


def test_json_stays_json_and_loses_what_a_secret_name_holds(scrubber):
    document = {
        "password": [S, {"deep": S}],
        "db_password": 12345678,
        "nested": [{"api_key": {"value": S}}, {"argv": ["mysql", "--password", S, "kept"]}],
        "env": [f"DB_PASSWORD={S}", "KEPT=1"],
        "pairs": [{"name": "APP_SECRET", "value": S}, {"name": "kept", "value": "kept"}],
        "msg": f"kept password={S} kept",
        "password_set": True,
        "token": None,
    }
    for text in (
        json.dumps(document),
        json.dumps(document, indent=2) + "\n",
        "\n".join([json.dumps(document)] * 2),
        "\ufeff" + json.dumps(document),
    ):
        clean = scrubber.document(text.encode())
        assert (S in clean.data.decode(), "12345678" in clean.data.decode(), clean.kind) == (False, False, "text")
    once = json.loads(scrubber.document(json.dumps(document).encode()).data)
    assert (once["password"], once["password_set"], once["token"], once["env"][1]) == (MARK, True, None, "KEPT=1")
    assert once["nested"][1]["argv"] == ["mysql", "--password", MARK, "kept"]
    assert scrubber.data(document)["pairs"] == [{"name": "APP_SECRET", "value": MARK}, {"name": "kept", "value": "kept"}]


def test_json_with_the_same_name_twice_hides_none(scrubber):
    clean = scrubber.document(f'{{"password": "{S}", "password": "x", "kept": 1}}'.encode())
    assert S.encode() not in clean.data and b"kept" in clean.data


def test_deep_data_is_not_shown_where_nobody_looked(scrubber):
    value = S
    for _level in range(5000):
        value = [value]
    assert S not in str(scrubber.data(value))
    text = "[" * 100000 + f'"password={S}"' + "]" * 100000
    assert S.encode() not in scrubber.document(text.encode()).data


def test_texts_of_windows_and_odd_bytes(scrubber):
    for encoding in ("utf-16", "utf-32"):
        clean = scrubber.document(f"kept\r\npassword={S}\r\n".encode(encoding))
        assert (S in clean.data.decode(encoding), "kept" in clean.data.decode(encoding)) == (False, True)
    clean = scrubber.document(b"caf\xe9 \xff kept\npassword=" + S.encode() + b"\xff\n")
    assert clean.data == b"caf\xe9 \xff kept\npassword=" + MARK.encode() + b"\n"
    assert scrubber.document(b"kept\0\npassword=" + S.encode() + b"\n").counts, "one NUL does not make a log binary"


def test_binary_files_are_left_as_they_are(scrubber):
    for data in (b"\x1f\x8b\x08" + S.encode(), b"\x89PNG\r\n\x1a\npassword=" + S.encode(), bytes(range(256)) * 4):
        assert is_binary(data)
        assert scrubber.document(data) == (data, "binary", {})
    assert not is_binary(b"") and not is_binary("نص عربي".encode())


def test_known_values_are_found_however_they_are_written():
    value = 'p"ß +/w0rd!'
    scrubber = Scrubber(values=[value])
    forms = [value, urllib.parse.quote(value, ""), urllib.parse.quote_plus(value), json.dumps(value)[1:-1]]
    forms += [base64.b64encode(b"x" * shift + value.encode() + b"tail").decode() for shift in range(3)]
    for form in forms:
        assert MARK in scrubber.text(f"kept {form} kept"), form
    with pytest.raises(InvalidInput, match="fewer than 4"):
        Scrubber(values=["abc"])


def test_own_rules():
    scrubber = Scrubber(
        own=[{"name": "customer", "regex": r"customer (?P<secret>\d+)"}, {"name": "iban", "regex": r"DE\d{20}", "replace": "DE…"}]
    )
    assert scrubber.text("customer 4711 paid from DE12345678901234567890") == f"customer {MARK} paid from DE…"
    for rule, said in (
        ({"name": "x", "regex": "("}, "can't be read"),
        ({"name": "x", "regex": "a*"}, "empty text"),
        ({"name": "tokens", "regex": "a"}, "a name of its own"),
    ):
        with pytest.raises(InvalidInput, match=said):
            Scrubber(own=[rule])


def test_ready_rules_can_be_left_out():
    assert Scrubber(leave_out=["passwords"]).text(f"password={S}") == f"password={S}"
    assert Scrubber(leave_out=["passwords"]).data({"password": S}) == {"password": S}
    with pytest.raises(InvalidInput, match="no rule 'pass'"):
        Scrubber(leave_out=["pass"])


def test_counts_name_the_rules(scrubber):
    counts = {}
    scrubber.text(f"password={S} ghp_{S}0123456789\n{PEM}", counts)
    assert counts == {"passwords": 1, "tokens": 1, "private_keys": 1}


def test_no_line_is_slow(scrubber):
    for text in (
        "password=" * 30000,
        "a" * 300000,
        '"' * 200000,
        "x://a:" * 40000,
        "[" * 200000,
        "a.b-c_" * 50000,
        "\\" * 200000,
        "password='" * 20000,
    ):
        scrubber.document(text.encode())


@pytest.mark.parametrize(
    ("name", "secret"),
    [("DB_PASSWORD", True), ("apiKey", True), ("password_file", False), ("token_expires", False), ("passed", False), ("session_id", True)],
)
def test_names(name, secret):
    assert is_secret_name(name) is secret
