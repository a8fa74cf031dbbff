# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the options become, and which of them make no sense."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.doc_fragments._backend import ModuleDocFragment
from ansible_collections.runbook.ops.plugins.module_utils._common.argspec import complete
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.runbook.ops.plugins.module_utils._remote.options import BACKEND
from ansible_collections.runbook.ops.plugins.module_utils._sftp.account import account_from_options

FINGERPRINT = "SHA256:" + "A" * 43


def account(**remote):
    return account_from_options(complete(BACKEND, {"backend": "sftp", "remote": remote}, "x")["remote"])


def test_the_least():
    found = account(host="www.example.com", user="shop")
    assert (found.host, found.port, found.user, found.timeout, found.jump) == ("www.example.com", 22, "shop", 30, None)
    assert found.with_agent
    assert (str(found), found.address) == ("shop@www.example.com", "www.example.com")


def test_everything():
    found = account(
        host="[2001:db8::7]",
        user="shop",
        port=2222,
        password="p w",
        fingerprint=FINGERPRINT + "=",
        timeout=5,
        known_hosts="/etc/known",
        jump={"host": "gate.example.com", "private_key": "/etc/key", "private_key_passphrase": "deep"},
    )
    assert (found.host, found.address, found.password, found.fingerprint) == ("2001:db8::7", "[2001:db8::7]:2222", "p w", FINGERPRINT)
    assert not found.with_agent
    assert (found.jump.user, found.jump.port, found.jump.known_hosts, found.jump.timeout) == ("shop", 22, "/etc/known", 5)
    assert (found.jump.private_key, found.jump.passphrase, found.jump.password) == ("/etc/key", "deep", None)


def test_a_fingerprint_as_winscp_shows_it():
    assert account(host="a", user="b", fingerprint="ssh-ed25519 255 " + "_-" * 21 + "A=").fingerprint == "SHA256:" + "/+" * 21 + "A"


def test_the_password_is_not_sent_to_the_jump_host():
    jump = account(host="www.example.com", user="shop", password="secret", jump={"host": "gate.example.com"}).jump
    assert jump.password is None
    assert jump.with_agent


def test_secrets_are_not_printed():
    found = account(
        host="a", user="b", password="s3cret", private_key="/k", private_key_passphrase="s3cret", jump={"host": "c", "password": "s3cret"}
    )
    assert "s3cret" not in repr(found) + str(found)


@pytest.mark.parametrize(
    ("remote", "said"),
    [
        ({}, "remote.host is missing"),
        ({"host": " ", "user": "shop"}, "remote.host is missing"),
        ({"host": "www.example.com"}, "remote.user is missing"),
        ({"host": "www example.com", "user": "shop"}, "must not contain spaces"),
        ({"host": "www.example.com", "user": "shop\n"}, None),
        ({"host": "www.example.com", "user": "shop", "port": 70000}, "remote.port 70000 is not a port"),
        ({"host": "www.example.com", "user": "shop", "port": 0}, "remote.port 0 is not a port"),
        ({"host": "www.example.com", "user": "shop", "timeout": 0}, "remote.timeout 0 is not"),
        ({"host": "www.example.com", "user": "shop", "fingerprint": "MD5:00:11"}, "is not one; give SHA256:"),
        ({"host": "www.example.com", "user": "shop", "private_key_passphrase": "x"}, "without remote.private_key"),
        ({"host": "www.example.com", "user": "shop", "connections": 0}, "remote.connections 0 is not between 1 and 16"),
        ({"host": "www.example.com", "user": "shop", "bandwidth_limit": 0}, "remote.bandwidth_limit 0 is not"),
        ({"host": "www.example.com", "user": "shop", "jump": {"port": 22}}, "remote.jump.host is missing"),
        (
            {"host": "www.example.com", "user": "shop", "jump": {"host": "gate", "fingerprint": "x"}},
            "remote.jump.fingerprint 'x' is not one",
        ),
    ],
)
def test_bad_input(remote, said):
    if said is None:
        assert account(**remote).user == "shop"
        return
    with pytest.raises(InvalidInput) as caught:
        account(**remote)
    assert said in caught.value.message
    assert "\n" not in caught.value.message


def test_nothing_given():
    with pytest.raises(InvalidInput, match=r"remote\.host is missing"):
        account_from_options(None)


def test_remote_is_asked_for_where_it_is_needed():
    assert complete(BACKEND, {}, "x") == {"backend": "ssh", "remote": None}
    with pytest.raises(InvalidInput, match="remote"):
        complete(BACKEND, {"backend": "cpanel"}, "x")


def test_the_documentation_is_of_these_options():
    yaml = pytest.importorskip("yaml")

    def compare(documented, options):
        assert set(documented) == set(options)
        for name, option in options.items():
            said = documented[name]
            assert (said["type"], said.get("default"), said.get("choices")) == (
                option["type"],
                option.get("default"),
                option.get("choices"),
            ), name
            compare(said.get("suboptions", {}), option.get("options", {}))

    compare(yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"], BACKEND.options)
