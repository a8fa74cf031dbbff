# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.runbook.ops.plugins.module_utils._cpanel.account import Account, account_from_options

GOOD = {"host": "cpanel.example.com", "user": "site", "token": "ABC123"}


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ({}, "https://cpanel.example.com:2083"),
        ({"port": 8443}, "https://cpanel.example.com:8443"),
        ({"host": "https://cpanel.example.com:2084/"}, "https://cpanel.example.com:2084"),
        ({"host": "https://cpanel.example.com:2084", "port": 1}, "https://cpanel.example.com:1"),
        ({"host": "192.0.2.7"}, "https://192.0.2.7:2083"),
        ({"host": "2001:db8::7"}, "https://[2001:db8::7]:2083"),
        ({"host": "http://127.0.0.1:99"}, "http://127.0.0.1:99"),
        ({"host": "http://localhost"}, "http://localhost:2083"),
    ],
)
def test_where_the_api_is(remote: dict[str, t.Any], expected: str) -> None:
    assert account_from_options({**GOOD, **remote}).url == expected


@pytest.mark.parametrize(
    ("remote", "said"),
    [
        ({"host": ""}, "needs host"),
        ({"user": None}, "needs user"),
        ({"token": " "}, "needs token"),
        ({"host": "http://cpanel.example.com"}, "readable for everybody"),
        ({"host": "ftp://cpanel.example.com"}, "readable for everybody"),
        ({"host": "cpanel.example.com/path"}, "must be the name"),
        ({"host": "site@cpanel.example.com"}, "must be the name"),
        ({"host": "https://cpanel.example.com:port"}, "not a number"),
        ({"user": "site:x"}, "without spaces or colons"),
        ({"token": "ABC\nX-Other: 1"}, "characters that no token has"),
        ({"token": "ABC DEF"}, "characters that no token has"),
    ],
)
def test_what_can_not_be_an_account(remote: dict[str, t.Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as error:
        account_from_options({**GOOD, **remote})
    assert "ABC" not in error.value.message


def test_options_have_defaults_and_the_token_is_not_shown() -> None:
    account = account_from_options({**GOOD, "validate_certs": None, "timeout": None, "port": None})
    assert account == Account("cpanel.example.com", "site", "ABC123")
    assert account.validate_certs and account.timeout == 30.0
    assert not account_from_options({**GOOD, "validate_certs": False}).validate_certs
    assert "ABC123" not in repr(account) and "ABC123" not in account.where
    assert dataclasses.replace(account, token="").host == "cpanel.example.com"
