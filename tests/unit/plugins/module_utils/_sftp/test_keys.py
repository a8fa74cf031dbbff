# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys as ssh-keygen and puttygen really write them, and what is said of those that can't be used."""

from __future__ import annotations

import pathlib
import shutil
import subprocess

import pytest

pytest.importorskip("paramiko")
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._sftp.keys import agent_keys, load_private_key
from ansible_collections.runbook.ops.plugins.module_utils._sftp.ppk import load_ppk

KEYS = pathlib.Path(__file__).resolve().parents[4] / "fixtures" / "keys"
PASSPHRASE = "worthless: ü $\"'\\ "
FILES = sorted(path.name for path in KEYS.iterdir() if path.suffix not in (".md", ".pub") and not path.name.startswith("dsa"))


def is_encrypted(name):
    return "encrypted" in name or "argon2" in name


@pytest.fixture
def place(tmp_path):
    """Puts a key file where it may be: git keeps no mode that OpenSSH would have."""

    def put(name, change=None):
        data = (KEYS / name).read_bytes()
        target = tmp_path / name
        target.write_bytes(change(data) if change else data)
        target.chmod(0o600)
        return str(target)

    return put


def complaint(path, passphrase=None):
    with pytest.raises(RunbookError) as caught:
        load_private_key(path, passphrase)
    assert "\n" not in caught.value.message
    assert PASSPHRASE not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize("name", FILES)
def test_every_form_is_the_same_key(place, name):
    key = load_private_key(place(name), PASSPHRASE if is_encrypted(name) else None)
    kind, public = (KEYS / f"{name.split('-')[0].split('.')[0]}.pub").read_text().split()[:2]
    assert (key.get_name(), key.get_base64()) == (kind, public)
    signature = key.sign_ssh_data(b"data", "rsa-sha2-256") if kind == "ssh-rsa" else key.sign_ssh_data(b"data")
    signature.rewind()
    assert type(key)(data=key.asbytes()).verify_ssh_sig(b"data", signature)


def test_the_fixtures_are_all_there():
    assert len(FILES) == 3 * 6 + 2 + 1


@pytest.mark.parametrize("name", [name for name in FILES if is_encrypted(name)])
def test_encrypted_keys_ask_for_the_right_passphrase(place, name):
    path = place(name)
    assert complaint(path) == f"private key {path} is encrypted; give its passphrase as private_key_passphrase"
    assert f"the passphrase of private key {path} is wrong" in complaint(path, "wrong")


def test_a_passphrase_too_many_does_no_harm(place):
    for name in ("ed25519", "rsa-v2.ppk", "rsa-v3.ppk"):
        load_private_key(place(name), "not needed")


class TestPutty:
    @pytest.mark.parametrize("name", ["ed25519-v2.ppk", "ed25519-v3.ppk"])
    @pytest.mark.parametrize(
        "change",
        [
            lambda data: data.replace(b"Comment: worthless", b"Comment: priceless"),
            lambda data: data.replace(b"Private-MAC: ", b"Private-MAC: 00"),
        ],
    )
    def test_what_was_changed_is_not_used(self, place, name, change):
        assert "was changed after it was saved" in complaint(place(name, change))

    def test_a_changed_public_half_is_not_used(self, place):
        other = (KEYS / "ed25519.pub").read_text().split()[1][-12:-4].encode()
        assert "was changed" in complaint(place("ed25519-v3.ppk", lambda data: data.replace(other, other[::-1])))

    @pytest.mark.parametrize("name", ["rsa-v2.ppk", "rsa-v3-encrypted.ppk"])
    def test_cut_anywhere_it_is_one_line(self, place, name):
        size = len((KEYS / name).read_bytes())
        for end in range(20, size - 3, 31):
            message = complaint(place(name, lambda data, end=end: data[:end]), PASSPHRASE)
            assert message.startswith(("private key", "the passphrase of private key"))

    def test_line_ends_of_windows_are_the_same_to_it(self, place):
        load_private_key(place("rsa-v3-encrypted.ppk", lambda data: data.replace(b"\n", b"\r\n")), PASSPHRASE)

    def test_what_it_does_not_know_is_named(self, place):
        assert "holds a key of kind ssh-dss" in complaint(place("dsa-v3.ppk"))
        assert "of version 1" in complaint(place("rsa-v2.ppk", lambda data: data.replace(b"File-2", b"File-1")))
        assert "encrypted with aes512" in complaint(
            place("rsa-v2.ppk", lambda data: data.replace(b"Encryption: none", b"Encryption: aes512"))
        )
        strange = place("rsa-v3-encrypted.ppk", lambda data: data.replace(b"Argon2id", b"Scrypt"))
        assert "made by Scrypt, which is not supported" in complaint(strange, PASSPHRASE)

    @pytest.mark.parametrize("field", [b"Argon2-Memory: 9", b"Argon2-Passes: 9", b"Argon2-Parallelism: x", b"Argon2-Salt: x"])
    def test_figures_of_argon2_that_are_none(self, place, field):
        path = place("rsa-v3-encrypted.ppk", lambda data: data.replace(field[:-1], field * 9 if field[-1:] == b"x" else field + 9 * b"9"))
        assert "is not a whole PuTTY key file" in complaint(path, PASSPHRASE)

    def test_without_argon2_it_says_how_to_do_without(self, place, monkeypatch):
        from cryptography.hazmat.primitives.kdf import argon2

        monkeypatch.delattr(argon2, "Argon2id")
        message = complaint(place("rsa-v3-encrypted.ppk"), PASSPHRASE)
        assert "needs Argon2id" in message
        assert "--ppk-param version=2" in message

    def test_halves_of_two_keys_are_no_key(self, place, monkeypatch):
        # Only somebody who knows the passphrase could make such a file: with a right code.
        from ansible_collections.runbook.ops.plugins.module_utils._sftp import ppk

        data = (KEYS / "ed25519-v3.ppk").read_bytes()
        monkeypatch.setattr(ppk, "_verified", lambda file, secret, name: b"\0\0\0\x20" + bytes(32))
        with pytest.raises(RunbookError, match="its halves do not belong together"):
            load_ppk(data, None, "key")

    @pytest.mark.skipif(not shutil.which("puttygen"), reason="no puttygen here")
    @pytest.mark.parametrize("bits", [256, 521])
    def test_the_other_curves(self, tmp_path, bits):
        path = tmp_path / "key.ppk"
        (tmp_path / "pass").write_text("\n")
        subprocess.run(
            ["puttygen", "-t", "ecdsa", "-b", str(bits), "-q", "-O", "private", "-o", path, "--new-passphrase", tmp_path / "pass"],
            check=True,
        )
        assert load_private_key(str(path), None).get_name() == f"ecdsa-sha2-nistp{bits}"


class TestFiles:
    def test_a_key_that_others_may_read_is_refused(self, place):
        path = place("ed25519")
        pathlib.Path(path).chmod(0o640)
        assert complaint(path) == f"private key {path} may be read by others (mode 0640); run chmod 600 on it"

    def test_what_is_not_there_or_no_key(self, place, tmp_path):
        assert "cannot read private key /nowhere/key (No such file or directory)" in complaint("/nowhere/key")
        assert "is the public half" in complaint(place("ed25519.pub"))
        assert "is not a private key of OpenSSH or PuTTY" in complaint(place("README.md"))
        assert "damaged or of a kind" in complaint(place("rsa", lambda data: data[:200] + data[300:]))

    def test_kinds_that_ssh_has_not(self, tmp_path):
        from cryptography.hazmat.primitives import serialization as s
        from cryptography.hazmat.primitives.asymmetric import ec, ed448

        for key, said in (
            (ed448.Ed448PrivateKey.generate(), "of a kind that is not supported"),
            (ec.generate_private_key(ec.SECP256K1()), "can't be used for SSH"),
        ):
            path = tmp_path / "key"
            path.write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
            path.chmod(0o600)
            assert said in complaint(str(path))

    def test_a_certificate_beside_it_goes_with_it_or_is_named(self, place):
        path = place("ed25519")
        pathlib.Path(f"{path}-cert.pub").write_text((KEYS / "rsa.pub").read_text())
        assert f"the certificate {path}-cert.pub does not go with" in complaint(path)

    @pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="no ssh-keygen here")
    def test_a_certificate_is_used(self, place, tmp_path):
        path, authority = place("ed25519"), tmp_path / "authority"
        pathlib.Path(f"{path}.pub").write_text((KEYS / "ed25519.pub").read_text())
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", authority], check=True)
        subprocess.run(["ssh-keygen", "-q", "-s", authority, "-I", "test", "-n", "somebody", f"{path}.pub"], check=True)
        assert load_private_key(path, None).public_blob.key_type == "ssh-ed25519-cert-v01@openssh.com"


class TestAgent:
    def test_none_there(self, monkeypatch):
        monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
        with pytest.raises(RunbookError, match="no SSH agent"):
            agent_keys()

    def test_gone(self, monkeypatch, tmp_path):
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "socket"))
        with pytest.raises(RunbookError, match="has no keys, or is not there"):
            agent_keys()
