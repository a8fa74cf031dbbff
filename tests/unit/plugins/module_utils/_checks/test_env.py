# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._checks.env import env_check
from ansible_collections.runbook.ops.plugins.module_utils._checks.env_rules import ENV, PLACEHOLDERS, parse_expectations
from ansible_collections.runbook.ops.plugins.module_utils._common.argspec import complete
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run

SECRET = "p4ss-geheim-w0rd"


@pytest.fixture
def check(tmp_path):
    def ask(text, file=".env", **options):
        path = tmp_path / file
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(0o600)
        given = complete(ENV, {"path": str(path), "fail": False, **options}, "options")
        result = env_check(given, Run())
        return {item["name"].partition(": ")[2]: (item["status"], item["message"]) for item in result["checks"]}

    return ask


def test_the_runbooks_requirements(check):
    text = (
        f'APP_ENV="prod"\nAUTH_SECRET_KEY="{SECRET}"\nPORTAL_SECRET="{"x1" * 20}"\n'
        'ADMIN_BASIC_USERNAME="admin"\nDB_PASSWORD="<strong-password>"\n'
    )
    found = check(
        text,
        required=["APP_ENV", "AUTH_SECRET_KEY", "PORTAL_SECRET", "DB_PASSWORD", "POSTGRES_DB"],
        any_of=[["ADMIN_BASIC_USERNAME", "ADMIN_BASIC_PASSWORD"], ["SENTRY_DSN", "BUGSNAG_KEY"]],
        rules=[{"name": "*_SECRET*", "min_length": 32}, {"name": "APP_ENV", "allowed": ["prod", "staging"]}, {"name": "STRICT_CORS"}],
        mode="0600",
    )
    assert found["APP_ENV"][0] == "ok"
    assert found["AUTH_SECRET_KEY"] == ("failed", "is shorter than 32 characters")
    assert found["PORTAL_SECRET"][0] == "ok"
    assert found["DB_PASSWORD"] == ("failed", "is a placeholder; put in a real value")
    assert found["POSTGRES_DB"] == ("failed", "is not set")
    assert found["STRICT_CORS"][0] == "skipped"
    assert found["any of ADMIN_BASIC_USERNAME, ADMIN_BASIC_PASSWORD"][0] == "ok"
    assert found["any of SENTRY_DSN, BUGSNAG_KEY"][0] == "failed"
    assert found["access"][0] == "ok"
    assert found["placeholders"][0] == "ok"


@pytest.mark.parametrize(
    "text",
    ["changeme", "ChangeMe123", "change-me", "example", "my-example", "https://example.com/x", "your-secret-key", "smtp.your-domain.tld",
     "TODO", "todo: set this", "<random-string-32-chars>", "SG.xxx", "ACxxx", "sk_live_xxx", "xxxxxxxx", "put your unique phrase here"],
)  # fmt: skip
def test_placeholders(text, check):
    assert check(f"A='{text}'", required=["A"])["A"][0] == "failed"
    assert check(f"A='{text}'")["placeholders"] == ("failed", "still a placeholder: A")
    assert check(f"A='{text}'", rules=[{"name": "A", "allow_placeholder": True}])["A"][0] == "ok"
    assert check(f"A='{text}'", required=["A"], forbidden=[])["A"][0] == "ok"


@pytest.mark.parametrize("text", ["base64:x3xX1tOdO9+/a=", "prod", "https://www.shop.tld/your", "changes", "maxxxl", "a-xxl"])
def test_real_values_are_no_placeholders(text):
    expected = parse_expectations(complete(ENV, {"path": "/x"}, "options"))
    assert not expected.is_placeholder(text)
    assert tuple(expected.forbidden) == PLACEHOLDERS


def test_empty_values(check):
    assert check("A=", required=["A"])["A"] == ("failed", "is empty")
    assert check("A='  '", required=["A"])["A"][0] == "failed"
    assert check("A=", required=["A"], rules=[{"name": "*", "allow_empty": True}])["A"][0] == "ok"


def test_what_can_not_be_told_crashes(check):
    text = f"<?php define('A', getenv('A')); define('B', '{SECRET}'); define('C', f());"
    found = check(text, "wp-config.php", required=["A", "B"])
    assert (found["A"][0], found["B"][0], found["placeholders"][0]) == ("crashed", "ok", "crashed")
    assert found["placeholders"][1].startswith("can't be told: C;")
    found = check(text, "wp-config.php", required=["A"], rules=[{"name": "*", "computed": True}])
    assert {status for status, _message in found.values()} == {"ok"}
    assert check("A=$(x)", any_of=[["A", "B"]])["any of A, B"][0] == "crashed"


def test_phps_dollar_may_be_written(check):
    assert check("<?php $wgDBpassword = 'x1y2';", "LocalSettings.php", required=["$wgDBpassword"])["wgDBpassword"][0] == "ok"


def test_access(check, tmp_path):
    found = check("A=1", mode="0400", owner="nobody-here")
    assert found["access"] == ("failed", f"its mode is 0600, more than 0400; its owner is {owner()}, not nobody-here")
    assert check("A=1", mode="0640")["access"][0] == "ok"


def owner():
    import pwd

    return pwd.getpwuid(os.getuid())[0]


def test_a_link_is_followed_and_the_file_judged(check, tmp_path):
    check("A=1")
    os.symlink(".env", tmp_path / "link")
    given = complete(ENV, {"path": str(tmp_path / "link"), "mode": "0600", "fail": False}, "options")
    assert env_check(given, Run())["status"] == "ok"


def test_parity(check, tmp_path):
    (tmp_path / "other").write_text("A=1\nB=2\nSENTRY_X=3\n")
    other = {"path": str(tmp_path / "other")}
    assert check("A=9\nC=9", parity=other)["parity"] == ("failed", "only there: B, SENTRY_X; only here: C")
    assert check("A=9\nC=9", parity={**other, "allow_extra": True, "ignore": ["SENTRY_*", "B"]})["parity"][0] == "ok"
    assert check("A=9", parity={"names": ["A"]})["parity"] == ("ok", "the same names")
    assert check("A=9", parity={"path": str(tmp_path / "gone")})["parity"][0] == "crashed"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (f"A=1\n{SECRET}\n".encode(), "line 2 is not NAME=value"),
        (f"A='{SECRET}".encode(), "never closed"),
        (f"A={SECRET}\0".encode(), "NUL"),
        ("A=1".encode("utf-16"), "UTF-16"),
        (b"#" * ((1 << 20) + 1), "larger than 1 MiB"),
    ],
)
def test_a_file_that_can_not_be_read_crashes_all(check, content, words):
    found = check(content, required=["A"], rules=[{"name": "B"}, {"name": "C*"}], mode="0600", parity={"names": []}, any_of=[["A", "B"]])
    assert words in found["file"][1]
    assert {status for status, _message in found.values()} == {"crashed"}
    assert set(found) == {"file", "access", "A", "B", "any of A, B", "placeholders", "parity"}


@pytest.mark.parametrize("path", ["/nowhere/.env", "/tmp"])
def test_no_file(path):
    with pytest.raises(RunbookError, match=path):
        env_check(complete(ENV, {"path": path}, "options"), Run())


def test_no_value_is_shown_by_anything(tmp_path):
    """Whatever is wrong with a value, it is in no result and no message."""
    written = [
        f"A={SECRET}",
        f"A='{SECRET}",
        f'A="{SECRET}" x',
        f"A={SECRET}#x",
        f"A=${{{'B'}}}{SECRET}",
        f"A={SECRET}\nA={SECRET}2",
        f"A={SECRET}\n{SECRET}",
    ]
    php = [
        f"<?php define('A', '{SECRET}');",
        f"<?php define('A', '{SECRET}' . f());",
        f"<?php $A = '{SECRET}",
        f"<?php return ['A' => '{SECRET}'];",
    ]
    rules = [{"name": "A", "min_length": 99, "allowed": ["x" * 100]}]
    path = tmp_path / "x"
    for text in [*written, *php]:
        path.write_text(text)
        for kind in ("dotenv", "shell", "docker", "systemd", "ini", "php"):
            for forbidden in ([SECRET], ["x"]):
                given = complete(
                    ENV,
                    {
                        "path": str(path),
                        "format": kind,
                        "required": ["A"],
                        "rules": rules,
                        "forbidden": forbidden,
                        "parity": {"path": str(path)},
                    },
                    "options",
                )
                try:
                    shown = json.dumps(env_check(given, Run()))
                except RunbookError as error:
                    shown = json.dumps([error.message, error.result])
                assert SECRET not in shown, (kind, text)
