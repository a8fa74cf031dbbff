# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connecting to a real OpenSSH server: every way to log in, every way in which its key is not the right one, and what it refuses."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import Refused, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._sftp.connect import account_from_options, connect, open_sftp_channel
from remote.own_sshd import SSHD, OwnSshd, own_user, set_password

paramiko = pytest.importorskip("paramiko")
pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not SSHD, reason="needs root and an OpenSSH server")
KEYS = pathlib.Path(__file__).resolve().parents[1] / "fixtures" / "keys"
PASSPHRASE = "worthless: ü $\"'\\ "
PASSWORD = "s3cret"


@pytest.fixture(scope="module")
def place():
    # Not pytest's folder: the user of the tests has to get at its home, and a chroot must be root's alone up to the top.
    with tempfile.TemporaryDirectory(prefix="runbook-connect-", dir="/srv") as folder:
        os.chmod(folder, 0o755)
        yield pathlib.Path(folder)


@pytest.fixture(scope="module")
def user(place):
    with own_user(place / "home", PASSWORD) as name:
        (place / "home" / "a file").write_text("here")
        yield name


@pytest.fixture(scope="module")
def sshd(place):
    server = OwnSshd(place / "sshd", host_keys=("ed25519", "ecdsa", "rsa"))
    for public in KEYS.glob("*.pub"):
        server.authorize(public.read_text())
    with server:
        yield server


@pytest.fixture
def reach(sshd, user, tmp_path):
    """What comes of connecting: the names in the account's home, or the one line that says why not."""

    def run(server=sshd, known=("ed25519", "ecdsa", "rsa"), **remote):
        file = tmp_path / "known_hosts"
        file.write_text("".join(server.known_host(kind) for kind in known))
        given = {"host": server.host, "port": server.port, "user": user, "known_hosts": str(file), "timeout": 20, **remote}
        with connect(account_from_options(given)) as connection:
            return paramiko.SFTPClient(open_sftp_channel(connection)).listdir(".")

    return run


@pytest.fixture
def says(reach):
    def run(*given, error=RunbookError, **remote):
        with pytest.raises(error) as caught:
            reach(*given, **remote)
        message = caught.value.message
        assert "\n" not in message
        assert not any(secret in message for secret in (PASSWORD, PASSPHRASE) if secret not in given)
        return message

    return run


@pytest.fixture
def key_file(tmp_path):
    def put(name):
        target = tmp_path / name
        shutil.copyfile(KEYS / name, target)
        target.chmod(0o600)
        return str(target)

    return put


class TestPassword:
    @pytest.mark.parametrize(
        "password", [PASSWORD, " lead and trail ", "q\"'`$(id)\\n;&|<>", "-oProxyCommand=x", "pässwörd كلمة", "{{ x }}%s#!", "x" * 200]
    )
    def test_any_characters(self, reach, user, password):
        set_password(user, password)
        try:
            assert reach(password=password) == ["a file"]
        finally:
            set_password(user, PASSWORD)

    def test_it_is_in_no_command_line(self, sshd, user, tmp_path):
        known = tmp_path / "known_hosts"
        known.write_text(sshd.known_host("rsa"))
        given = {"host": sshd.host, "port": sshd.port, "user": user, "password": PASSWORD, "known_hosts": str(known)}
        with connect(account_from_options(given)) as connection:
            open_sftp_channel(connection)
            for line in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    assert PASSWORD.encode() not in line.read_bytes()
                except (FileNotFoundError, ProcessLookupError):
                    continue

    def test_wrong(self, says, user):
        said = says(password="wrong")
        assert said.startswith(f"cannot log in to {user}@[127.0.0.1]:")
        assert "the password was refused; the server takes publickey or password. Check user and password" in said

    def test_a_user_that_is_not_there(self, says):
        assert "the password was refused" in says(password=PASSWORD, user="nobody-at-all")

    def test_as_an_answer_where_the_server_only_asks(self, place, reach, says):
        # PAM asks; its stack for sshd is the system's.
        lines = ("UsePAM yes", "PasswordAuthentication no", "KbdInteractiveAuthentication yes", "PubkeyAuthentication no")
        with OwnSshd(place / "pam", *lines) as server:
            assert reach(server, ("rsa",), password=PASSWORD) == ["a file"]
            assert "the password as an answer was refused; the server takes keyboard-interactive" in says(
                server, ("rsa",), password="wrong"
            )

    def test_key_and_password_both(self, place, reach, says, key_file):
        lines = ("AuthenticationMethods publickey,password",)
        with OwnSshd(place / "both", *lines) as server:
            server.authorize((KEYS / "ed25519.pub").read_text())
            assert reach(server, ("rsa",), password=PASSWORD, private_key=key_file("ed25519")) == ["a file"]
            said = says(server, ("rsa",), private_key=key_file("ed25519"))
            assert "was right and not enough; the server takes password" in said
            assert "the password is not taken" in says(server, ("rsa",), password=PASSWORD)

    def test_a_refused_key_costs_one_attempt_and_no_more(self, place, reach, says, key_file):
        """A server that ends the connection at the second failure lets the right password in."""
        with OwnSshd(place / "strict", "MaxAuthTries 2") as server:
            assert reach(server, ("rsa",), password=PASSWORD, private_key=key_file("ed25519")) == ["a file"]
            said = says(server, ("rsa",), private_key=key_file("ed25519"))
            assert "was refused. Check user, and that the public half" in said
        with OwnSshd(place / "strict-both", "MaxAuthTries 2", "AuthenticationMethods publickey,password") as server:
            server.authorize((KEYS / "ed25519.pub").read_text())
            said = says(server, ("rsa",), password="wrong", private_key=key_file("ed25519"))
            assert "was right and not enough, the password was refused" in said

    def test_where_keys_are_not_taken(self, place, reach, key_file):
        with OwnSshd(place / "no-keys", "PubkeyAuthentication no") as server:
            assert reach(server, ("rsa",), password=PASSWORD, private_key=key_file("ed25519")) == ["a file"]


class TestKeys:
    @pytest.mark.parametrize(
        "name",
        ["rsa", "ecdsa", "ed25519", "rsa-v2.ppk", "ecdsa-v2.ppk", "ed25519-v2.ppk", "rsa-v3.ppk", "ecdsa-v3.ppk", "ed25519-v3.ppk"],
    )
    def test_plain(self, reach, key_file, name):
        assert reach(private_key=key_file(name)) == ["a file"]

    @pytest.mark.parametrize(
        "name",
        [
            *(f"{kind}-{form}" for kind in ("rsa", "ecdsa", "ed25519") for form in ("encrypted", "v2-encrypted.ppk", "v3-encrypted.ppk")),
            "rsa-pem-encrypted",
            "ed25519-v3-argon2i.ppk",
            "ed25519-v3-argon2d.ppk",
        ],
    )
    def test_encrypted(self, reach, says, key_file, name):
        path = key_file(name)
        assert reach(private_key=path, private_key_passphrase=PASSPHRASE) == ["a file"]
        assert "is encrypted; give its passphrase" in says(private_key=path)

    def test_one_that_the_server_does_not_know(self, says, tmp_path):
        path = tmp_path / "stranger"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
        said = says(private_key=str(path))
        assert f"the key {path} was refused; the server takes publickey or password" in said
        assert "authorized keys" in said

    def test_a_certificate(self, place, reach, key_file, user, tmp_path):
        path, authority = key_file("ed25519"), tmp_path / "authority"
        shutil.copyfile(KEYS / "ed25519.pub", f"{path}.pub")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", authority], check=True)
        subprocess.run(["ssh-keygen", "-q", "-s", authority, "-I", "test", "-n", user, f"{path}.pub"], check=True)
        with OwnSshd(place / "cert", f"TrustedUserCAKeys {authority}.pub", "PasswordAuthentication no") as server:
            assert reach(server, ("rsa",), private_key=path) == ["a file"]


@pytest.fixture
def agent(tmp_path, monkeypatch):
    socket = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL) as process:
        end = time.monotonic() + 10
        while not socket.exists() and time.monotonic() < end:
            time.sleep(0.01)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        yield lambda path: subprocess.run(["ssh-add", "-q", path], check=True)
        process.terminate()


class TestAgent:
    def test_without_keys(self, agent, says):
        assert "has no keys" in says()

    @pytest.mark.parametrize("name", ["rsa", "ecdsa", "ed25519"])
    def test_with_the_right_one_among_others(self, agent, reach, key_file, tmp_path, name):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "stranger"], check=True)
        agent(tmp_path / "stranger")
        agent(key_file(name))
        assert reach() == ["a file"]

    def test_not_asked_when_it_need_not_be(self, agent, key_file, says):
        agent(key_file("ed25519"))
        assert "the password was refused;" in says(password="wrong")

    def test_more_keys_than_the_server_has_patience_for(self, agent, says, tmp_path):
        for number in range(8):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / str(number)], check=True)
            agent(tmp_path / str(number))
        said = says()
        assert "a key of the SSH agent was refused" in said
        assert "the server ended the connection" in said


class TestHostKey:
    @pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
    def test_any_that_is_known_or_given(self, reach, sshd, kind):
        assert reach(known=(kind,), password=PASSWORD) == ["a file"]
        assert reach(known=(), password=PASSWORD, fingerprint=sshd.fingerprint(kind)) == ["a file"]

    def test_unknown_stops_with_what_was_seen(self, says, sshd):
        said = says(known=(), password=PASSWORD, error=Refused)
        assert "is not known: it shows ssh-ed25519 " + sshd.fingerprint("ed25519") in said
        assert f"set remote.fingerprint to {sshd.fingerprint('ed25519')}" in said

    def test_what_it_says_to_do_helps(self, reach, sshd, tmp_path):
        scanned = subprocess.run(["ssh-keyscan", "-p", str(sshd.port), sshd.host], capture_output=True, check=True, text=True).stdout
        (tmp_path / "scanned").write_text(scanned)
        assert reach(known_hosts=str(tmp_path / "scanned"), password=PASSWORD) == ["a file"]
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", tmp_path / "scanned"], check=True, capture_output=True)
        assert reach(known_hosts=str(tmp_path / "scanned"), password=PASSWORD) == ["a file"]

    def test_changed_stops_with_both(self, place, says, tmp_path, user):
        server = OwnSshd(place / "changed", host_keys=("ed25519",))
        (tmp_path / "old").write_text(server.known_host("ed25519"))
        old = server.fingerprint("ed25519")
        server.new_host_key("ed25519")
        with server:
            said = says(server, known_hosts=str(tmp_path / "old"), known=(), password=PASSWORD, error=Refused)
            log = server.log()
        assert "has changed" in said
        assert old in said
        assert server.fingerprint("ed25519") in said
        assert user not in log, "something was said to a server that may be anybody"

    def test_a_known_kind_that_the_server_gave_up(self, place, says, tmp_path):
        server = OwnSshd(place / "gave_up", host_keys=("ed25519", "rsa"))
        (tmp_path / "old").write_text(server.known_host("rsa"))
        server.host_keys = ("ed25519",)
        with server:
            assert "has changed" in says(server, known_hosts=str(tmp_path / "old"), known=(), password=PASSWORD, error=Refused)

    def test_another_fingerprint_stops_with_all(self, says, sshd):
        said = says(password=PASSWORD, fingerprint="SHA256:" + "A" * 43, error=Refused)
        assert all(sshd.fingerprint(kind) in said for kind in ("ed25519", "ecdsa", "rsa"))

    def test_revoked(self, says, sshd, tmp_path):
        (tmp_path / "revoked").write_text(sshd.known_host("ed25519") + "@revoked " + sshd.known_host("ed25519"))
        assert "is marked as revoked" in says(known_hosts=str(tmp_path / "revoked"), password=PASSWORD, error=Refused)


class TestJump:
    @pytest.fixture
    def target(self, place):
        with OwnSshd(place / "target", host_keys=("ed25519",)) as server:
            yield server

    def gate(self, sshd, tmp_path, **more):
        (tmp_path / "gate").write_text(sshd.known_host("ed25519"))
        return {"host": sshd.host, "port": sshd.port, "known_hosts": str(tmp_path / "gate"), **more}

    def test_through_it(self, reach, target, sshd, tmp_path, key_file):
        jump = self.gate(sshd, tmp_path, private_key=key_file("ed25519-v3-encrypted.ppk"), private_key_passphrase=PASSPHRASE)
        before = sshd.log().count("Accepted publickey")
        assert reach(target, ("ed25519",), password=PASSWORD, jump=jump) == ["a file"]
        assert sshd.log().count("Accepted publickey") == before + 1
        assert "Accepted password" in target.log()

    def test_its_key_is_verified(self, says, target, sshd, tmp_path):
        jump = self.gate(sshd, tmp_path, password=PASSWORD) | {"known_hosts": "/dev/null"}
        said = says(target, ("ed25519",), password=PASSWORD, jump=jump, error=Refused)
        assert f"set remote.jump.fingerprint to {sshd.fingerprint('ed25519')}" in said

    def test_the_key_behind_it_is_verified(self, says, target, sshd, tmp_path):
        jump = self.gate(sshd, tmp_path, password=PASSWORD)
        said = says(target, (), password=PASSWORD, jump=jump, error=Refused)
        assert f"set remote.fingerprint to {target.fingerprint('ed25519')}" in said

    def test_logging_in_there_can_fail(self, says, target, sshd, tmp_path):
        jump = self.gate(sshd, tmp_path, password="wrong")
        said = says(target, ("ed25519",), password=PASSWORD, jump=jump)
        assert f":{sshd.port}: the password was refused" in said

    def test_what_it_cannot_reach(self, says, target, sshd, tmp_path):
        target.stop()
        jump = self.gate(sshd, tmp_path, password=PASSWORD)
        assert "cannot connect to [127.0.0.1]" in says(target, ("ed25519",), password=PASSWORD, jump=jump)

    def test_what_it_does_not_allow(self, place, says, target, tmp_path):
        with OwnSshd(place / "gate", "AllowTcpForwarding no") as gate:
            jump = self.gate(gate, tmp_path, password=PASSWORD)
            assert "does not forward to [127.0.0.1]" in says(target, ("ed25519",), password=PASSWORD, jump=jump)

    def test_closing_leaves_nothing_behind(self, target, sshd, user, tmp_path):
        (tmp_path / "known").write_text(target.known_host("ed25519") + sshd.known_host("ed25519"))
        given = {"host": target.host, "port": target.port, "user": user, "password": PASSWORD, "known_hosts": str(tmp_path / "known")}
        connection = connect(account_from_options({**given, "jump": {"host": sshd.host, "port": sshd.port, "password": PASSWORD}}))
        assert connection.alive
        connection.close()
        assert not connection.alive
        assert not connection.jump.alive


class TestRefusals:
    def test_no_sftp(self, place, says):
        with OwnSshd(place / "nosftp", "Subsystem other /bin/false") as server:
            assert "offers no SFTP to this account" in says(server, ("rsa",), password=PASSWORD)

    def test_too_many_sessions(self, place, says):
        with OwnSshd(place / "nosession", "MaxSessions 0") as server:
            assert "opens no session" in says(server, ("rsa",), password=PASSWORD)

    def test_an_account_that_may_not(self, place, says, user):
        with OwnSshd(place / "denied", f"DenyUsers {user}") as server:
            assert "the password was refused" in says(server, ("rsa",), password=PASSWORD)

    def test_nobody_there(self, place, says):
        server = OwnSshd(place / "nobody")
        assert "refuses connections; check the port" in says(server, ("rsa",), password=PASSWORD)

    def test_no_method_in_common(self, place, says):
        with OwnSshd(place / "ciphers", "Ciphers chacha20-poly1305@openssh.com") as server:
            assert "no common method" in says(server, ("rsa",), password=PASSWORD)

    def test_a_chroot_with_forced_sftp_is_what_hosts_without_a_shell_are(self, place, reach, user):
        root = place / "root"
        (root / "site").mkdir(parents=True)
        with OwnSshd(place / "chrooted", *chroot(user, root)) as server:
            assert reach(server, ("rsa",), password=PASSWORD) == ["site"]

    def test_a_chroot_that_the_server_does_not_trust(self, place, says, user):
        with OwnSshd(place / "untrusted", *chroot(user, "/tmp")) as server:
            assert "ended the connection after logging in" in says(server, ("rsa",), password=PASSWORD)


def chroot(user, root):
    return (f"Match User {user}", f"  ChrootDirectory {root}", "  ForceCommand internal-sftp")
