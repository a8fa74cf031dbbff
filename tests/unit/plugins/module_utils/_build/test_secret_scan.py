# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets are found by file, line and kind; what only looks like one does not stop a release."""

from __future__ import annotations

import time

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._build import secret_scan
from ansible_collections.runbook.ops.plugins.module_utils._build.secret_scan import find_secrets, kind_by_name
from ansible_collections.runbook.ops.plugins.module_utils._evidence.rules import TOKEN_SIGNS, TOKENS

R = "f3K9" + "xQ7mZ2pL8vN4tB6wR1sY"  # what a machine makes, joined here so that no scanner takes this file for one that leaks
KEY_BODY = ("MIIEvQ" + R * 3)[:64]
PRIVATE = "-----BEGIN {}PRIVATE KEY-----"


def scan(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return [(secret.line, secret.kind) for secret in find_secrets(str(root), [name], [path.stat().st_size])]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (".env", "environment file"),
        ("app/.env.production", "environment file"),
        ("prod.env", "environment file"),
        (".env.example", ""),
        (".env.dist", ""),
        ("keys/id_rsa", "private key"),
        ("id_rsa.pub", ""),
        ("Site.P12", "private key"),
        (".htpasswd", "password file"),
        (".htaccess", ""),
        ("environment.php", ""),
    ],
)
def test_files_that_are_secrets_by_their_name(name, kind):
    assert kind_by_name(name) == kind


TOKEN_SAMPLES = [
    ("gh" + "p_" + R + R, "GitHub token"),
    ("gl" + "pat-" + R, "GitLab token"),
    ("xo" + "xb-" + R, "Slack token"),
    ("sk_" + "live_" + R, "Stripe key"),
    ("sk" + "-" + R, "API key"),
    ("wh" + "sec_" + R, "webhook secret"),
    ("AI" + "za" + R + "abcd1234efg", "Google API key"),
    ("np" + "m_" + R + "abcd1234EF", "npm token"),
    ("py" + "pi-" + R, "PyPI token"),
    ("hv" + "s." + R, "Vault token"),
    ("AK" + "IA" + "Z7QW3ERT5YUI9OPA", "cloud access key"),
    ("ey" + "J" + R + "." + R + "." + R, "JSON web token"),
    ("SG" + "." + R + "." + R, "SendGrid key"),
    ("do" + "p_v1_" + "0a1b2c3d4e5f6789" * 4, "cloud token"),
    ("shp" + "at_" + "0a1b2c3d4e5f6789" * 2, "Shopify token"),
    ("987654321:" + "AA" + R + "abcdEFGH1", "token"),
    ("Account" + "Key=" + R + R + "==", "cloud access key"),
]


@pytest.mark.parametrize(("token", "kind"), TOKEN_SAMPLES)
def test_tokens_in_any_text(tmp_path, token, kind):
    assert scan(tmp_path, "js/app.js", f"let a = 1\nlet b = '{token}'\n") == [(2, kind)]
    assert scan(tmp_path, "readme.txt", f"{token}\n") == [(1, kind)]


@pytest.mark.parametrize("token", [token for token, _kind in TOKEN_SAMPLES])
def test_every_form_of_a_token_has_a_sign(token):
    assert any(pattern.search(token) for pattern, _replace in TOKENS)
    assert any(sign in token for sign in TOKEN_SIGNS)


@pytest.mark.parametrize(
    "text",
    [
        PRIVATE.format("RSA ") + "\n" + KEY_BODY,
        PRIVATE.format("") + "\r\n" + KEY_BODY,
        '"private_key": "' + PRIVATE.format("") + "\\n" + KEY_BODY,
        PRIVATE.format("RSA ") + "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n" + KEY_BODY,
        "PuTTY-User-Key" + "-File-3: ssh-ed25519\n",
    ],
)
def test_private_keys_in_any_text(tmp_path, text):
    assert scan(tmp_path, "data/x.txt", "one\ntwo\n" + text + "\n") == [(3, "private key")]


def test_the_code_that_handles_keys_is_none(tmp_path):
    text = f"if (strpos($key, '{PRIVATE.format('RSA ')}') === 0) {{ return '{PRIVATE.format('')}' . $body; }}\n"
    assert scan(tmp_path, "src/Rsa.php", text) == []


SETTINGS = [
    ("wp-config.php", "<?php\ndefine( 'DB_PASSWORD', 'hunter22' );", 2),
    ("config/database.php", "<?php return [\n 'mysql' => [\n  'password' => 'hunter22',\n]];", 3),
    ("LocalSettings.php", '<?php\n$wgDBpassword = "hunter22";', 2),
    ("application/config/database.php", "<?php\n$db['default']['password'] = 'hunter22';", 2),
    ("config.json", '{\n "smtp": {"password": "hunter22"}\n}', 2),
    ("appsettings.json", '{"ConnectionStrings": {"x": "Server=db;User=u;Password=hunter22;"}}', 1),
    ("settings.py", "DEBUG = False\nSECRET_KEY = 'hunter22'", 2),
    ("app.yml", "db:\n  user: shop\n  password: hunter22", 3),
    ("app.yaml", 'api_key: "hunter22"  # real', 1),
    ("php.ini", "[mail]\nsmtp_password=hunter22", 2),
    ("db.properties", "db.password = hunter22", 1),
    (".env.example", "A=1\nDB_PASS=hunter22", 2),
    (".htaccess", "SetEnv DB_PASSWORD hunter22", 1),
    (".npmrc", "//registry.example.com/:_authToken=hunter22", 1),
    ("web.config", "<config>\n<password>hunter22</password></config>", 2),
    ("terraform.tfvars", 'db_password = "hunter22"', 1),
]


@pytest.mark.parametrize(("name", "text", "line"), SETTINGS)
def test_passwords_in_settings(tmp_path, name, text, line):
    assert [found[0] for found in scan(tmp_path, name, text)] == [line]


@pytest.mark.parametrize(
    "value", ["", "changeme", "your-password", "<password>", "${DB_PASSWORD}", "%env(DB_PASSWORD)%", "{{ secret }}", "null"]
)
@pytest.mark.parametrize(("name", "text", "line"), SETTINGS)
def test_what_stands_for_a_password(tmp_path, name, text, line, value):
    assert scan(tmp_path, name, text.replace("hunter22", value)) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("src/login.php", "<?php\n$password = 'hunter22';\n$fields = ['password' => 'Password'];"),
        ("lang/de/config.php", "<?php return ['password' => 'Passwort'];"),
        ("config/auth.php", "<?php return ['defaults' => ['passwords' => 'users'], 'password_timeout' => 10800];"),
        ("config/app.php", "<?php return ['key' => env('APP_KEY'), 'token' => $_SERVER['TOKEN'], 'secret' => getenv('X')];"),
        ("config/security.yml", "csrf_token: 'abc'\ntoken_storage: session\npassword_hashers: {}\npassword: !vault |\n  6162\n"),
        ("i18n/de.json", '{"password": "Passwort"}'),
        ("package.json", '{"config": {"token": "x"}}'),
        ("readme.txt", "ftp://user:password@host/ and https://me:secret@www.example.com/ and mailto:me@example.com"),
        ("app.css", ".sk-folding-cube-animation-delay { } /* pk_live_" + R + " */"),
        ("doc.txt", "AK" + "IAIOSFODNN7EXAMPLE"),
    ],
)
def test_what_is_no_secret(tmp_path, name, text):
    assert scan(tmp_path, name, text) == []


def test_addresses_with_passwords(tmp_path):
    assert scan(tmp_path, "a.js", f"x\nfetch('https://shop:{R}@db.shop-internal.net/')") == [(2, "password in an address")]
    assert scan(tmp_path, "b.js", "https://hooks.slack" + ".com/services/T0A1B2C3D/B0A1B2C3D/" + R) == [(1, "webhook address")]


def test_large_files_are_searched_to_their_end(tmp_path, monkeypatch):
    monkeypatch.setattr(secret_scan, "PIECE", 1000)
    monkeypatch.setattr(secret_scan, "OVERLAP", 200)
    token = TOKEN_SAMPLES[0][0]
    for lines in range(0, 400, 7):
        assert scan(tmp_path, "x.sql", "12345\n" * lines + token + "\n" + "67890\n" * 300) == [(lines + 1, "GitHub token")]


def test_encodings(tmp_path):
    token = TOKEN_SAMPLES[0][0]
    assert scan(tmp_path, "x.txt", f"a\n{token}".encode("utf-16")) == [(2, "GitHub token")]
    assert scan(tmp_path, "y.txt", b"\xe9\xfd\n" + token.encode()) == [(2, "GitHub token")]
    assert scan(tmp_path, "z.png", b"\x89PNG\r\n" + token.encode()) == []
    assert scan(tmp_path, "empty.txt", b"") == []


@pytest.mark.parametrize(("name", "unit"), [("config.json", "a"), ("config.yml", "password="), ("x.js", "ey" + "Jaaaaaaaa.")])
def test_hostile_texts_take_no_longer_than_others(tmp_path, name, unit):
    began = time.process_time()
    scan(tmp_path, name, unit * ((3 << 20) // len(unit)))
    assert time.process_time() - began < 10
