# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""known_hosts as OpenSSH writes and reads it, and what is said of a key that is not the one that is meant."""

from __future__ import annotations

import base64
import dataclasses
import shutil
import subprocess

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import Refused, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._sftp import hostkeys
from ansible_collections.runbook.ops.plugins.module_utils._sftp.account import Account
from ansible_collections.runbook.ops.plugins.module_utils._sftp.hostkeys import HostKey, known_for, preferred_first, verify


def host_key(kind="ssh-ed25519", filler=1):
    return HostKey(kind, len(kind).to_bytes(4, "big") + kind.encode() + bytes([0, 0, 0, 32]) + bytes([filler]) * 32)


def line(names, key, marker=""):
    return f"{marker} {names} {key.kind} {base64.b64encode(key.blob).decode()} a comment".strip() + "\n"


RIGHT, WRONG, RSA = host_key(), host_key(filler=2), host_key("ssh-rsa", 3)


@pytest.fixture
def judge(tmp_path):
    """What becomes of a key that a host shows, with these lines in known_hosts: None or the message."""

    def run(text, shown=RIGHT, host="www.example.com", **account):
        file = tmp_path / "known_hosts"
        file.write_text(text)
        who = Account(host, "shop", known_hosts=str(file), **account)
        try:
            return None if verify(who, known_for(who), shown) else "another fingerprint"
        except Refused as error:
            assert "\n" not in error.message
            return error.message

    return run


@pytest.mark.parametrize(
    "names",
    ["www.example.com", "other.example.com,www.example.com", "WWW.example.com", "*.example.com", "w?w.example.com,!web.example.com", "*"],
)
def test_names_that_are_the_host(judge, names):
    assert judge(line(names, RIGHT)) is None


@pytest.mark.parametrize(
    "names",
    [
        "example.com",
        "www.example.community",
        "www.example.co[m]",
        "*.example.com,!www.example.com",
        "[www.example.com]:2222",
        "wwwxexample.com",
    ],
)
def test_names_that_are_another_one(judge, names):
    assert "is not known" in judge(line(names, RIGHT))


@pytest.mark.parametrize(
    ("names", "host", "port", "answer"),
    [
        ("[www.example.com]:2222", "www.example.com", 2222, None),
        ("[www.example.com]:2223", "www.example.com", 2222, "is not known"),
        ("www.example.com", "www.example.com", 2222, None),
        ("192.0.2.7", "192.0.2.7", 22, None),
        ("[192.0.2.7]:2222", "192.0.2.7", 2222, None),
        ("192.0.2.7", "www.example.com", 22, "is not known"),
        ("[2001:db8::7]:2222", "2001:db8::7", 2222, None),
        ("2001:db8::7", "2001:db8::7", 22, None),
    ],
)
def test_ports_and_addresses(judge, names, host, port, answer):
    said = judge(line(names, RIGHT), host=host, port=port)
    assert said is None if answer is None else answer in said


def test_another_key_under_the_name_without_the_port_is_no_contradiction(judge):
    assert "is not known" in judge(line("www.example.com", WRONG), port=2222)
    assert "has changed" in judge(line("[www.example.com]:2222", WRONG) + line("www.example.com", WRONG), port=2222)


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="no ssh-keygen here")
@pytest.mark.parametrize(("host", "port"), [("www.example.com", 22), ("www.example.com", 2222)])
def test_hashed_by_ssh_keygen(judge, tmp_path, host, port):
    account = Account(host, "shop", port=port)
    file = tmp_path / "hash"
    file.write_text(line("other.example.com", WRONG) + line(account.address, RIGHT))
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", file], check=True, capture_output=True)
    text = file.read_text()
    assert "example" not in text
    assert judge(text, port=port) is None
    assert "has changed" in judge(text, WRONG, port=port)
    assert "is not known" in judge(text, host="third.example.com", port=port)


def test_a_changed_key_stops_with_both_fingerprints(judge):
    said = judge(line("www.example.com", RIGHT), WRONG)
    assert "the key of www.example.com has changed" in said
    assert RIGHT.fingerprint in said
    assert WRONG.fingerprint in said
    assert "known_hosts line 1" in said


def test_another_kind_of_key_than_the_known_one_is_a_change(judge):
    assert "has changed" in judge(line("www.example.com", RSA), RIGHT)


def test_an_unknown_key_is_shown_with_how_to_accept_it(judge):
    said = judge("", port=2222)
    assert f"set remote.fingerprint to {RIGHT.fingerprint}" in said
    assert "ssh-keyscan -p 2222 www.example.com" in said


def test_a_fingerprint_decides(judge):
    assert judge("", fingerprint=RIGHT.fingerprint) is None
    assert judge(line("www.example.com", WRONG), fingerprint=RIGHT.fingerprint) is None
    assert judge(line("www.example.com", WRONG), WRONG, fingerprint=RIGHT.fingerprint) == "another fingerprint"


@pytest.mark.parametrize("names", ["www.example.com", "*"])
def test_a_revoked_key_is_refused_whatever_else_says(judge, names):
    text = line("www.example.com", RIGHT) + line(names, RIGHT, "@revoked")
    assert "is marked as revoked" in judge(text)
    assert "is marked as revoked" in judge(text, fingerprint=RIGHT.fingerprint)
    assert "is marked as revoked" in judge(text, port=2222)
    assert judge(line("www.example.com", RIGHT) + line(names, WRONG, "@revoked")) is None


def test_a_revocation_that_cannot_be_read_is_not_passed_over(judge):
    with pytest.raises(RunbookError, match="line 2 revokes a key but cannot be understood"):
        judge(line("www.example.com", RIGHT) + "@revoked www.example.com ssh-ed25519 AAAA\n")


def test_an_authority_is_not_a_host_key(judge):
    text = line("*.example.com", RIGHT, "@cert-authority")
    assert "host certificates are not supported" in judge(text)
    assert judge(text + line("www.example.com", RIGHT)) is None


def test_lines_that_make_no_sense_are_passed_over(judge):
    text = "# remark\n\nwww.example.com\nwww.example.com ssh-ed25519 no-base64!\n|1|x|y ssh-ed25519 AAAA\n@strange " + line("*", RIGHT)
    assert "is not known" in judge(text)
    assert "is not known" in judge(line("www.example.com", dataclasses.replace(RIGHT, kind="ssh-rsa")))
    assert judge(text + line("www.example.com", RIGHT)) is None


def test_a_file_that_is_not_there():
    with pytest.raises(RunbookError, match="cannot read the known hosts in /nowhere/known_hosts"):
        known_for(Account("www.example.com", "shop", known_hosts="/nowhere/known_hosts"))


def test_the_usual_files_are_used_where_they_are(tmp_path, monkeypatch):
    (tmp_path / "one").write_text(line("www.example.com", RIGHT))
    monkeypatch.setattr(hostkeys, "_USUAL", (str(tmp_path / "none"), str(tmp_path / "one")))
    account = Account("www.example.com", "shop")
    verify(account, known_for(account), RIGHT)


def test_kinds_that_are_known_are_asked_for_first():
    algorithms = ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256")
    assert preferred_first(hostkeys.Known((RSA,)), algorithms) == ("rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519", "ecdsa-sha2-nistp256")
    assert preferred_first(hostkeys.Known(), algorithms) == algorithms


def test_the_fingerprint_is_that_of_ssh_keygen(tmp_path):
    if not shutil.which("ssh-keygen"):
        pytest.skip("no ssh-keygen here")
    (tmp_path / "key.pub").write_text(line("", RIGHT))
    shown = subprocess.run(["ssh-keygen", "-lf", tmp_path / "key.pub"], check=True, capture_output=True, text=True).stdout
    assert shown.split()[1] == RIGHT.fingerprint
