# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that OpenSSH is not: that ask other questions, say nothing, hang up, or are no SSH servers. OpenSSH itself is in tests/remote."""

from __future__ import annotations

import contextlib
import pathlib
import socket
import sys
import threading

import pytest

paramiko = pytest.importorskip("paramiko")
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import Refused, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._sftp import library
from ansible_collections.runbook.ops.plugins.module_utils._sftp.account import Account
from ansible_collections.runbook.ops.plugins.module_utils._sftp.connect import connect, open_sftp_channel
from ansible_collections.runbook.ops.plugins.module_utils._sftp.hostkeys import HostKey

KEYS = pathlib.Path(__file__).resolve().parents[4] / "fixtures" / "keys"
ED25519 = paramiko.Ed25519Key.from_private_key_file(str(KEYS / "ed25519"))
RSA = paramiko.RSAKey.from_private_key_file(str(KEYS / "rsa"))
SECRET = "p w: \"'$ü\\"


class Rules(paramiko.ServerInterface):
    """A server of paramiko's own that takes SECRET by some methods."""

    def __init__(self, methods, questions=(("Password: ", False),), then=""):
        self.methods, self.questions, self.then = methods, questions, then
        self.answers = []

    def get_allowed_auths(self, username):
        return self.methods

    def check_auth_none(self, username):
        return paramiko.AUTH_SUCCESSFUL if self.methods == "" else paramiko.AUTH_FAILED

    def check_auth_password(self, username, password):
        if "password" not in self.methods.split(",") or password != SECRET:
            return paramiko.AUTH_FAILED
        if self.then:
            self.methods, self.then = self.then, ""
            return paramiko.AUTH_PARTIALLY_SUCCESSFUL
        return paramiko.AUTH_SUCCESSFUL

    def check_auth_interactive(self, username, submethods):
        return paramiko.InteractiveQuery("hello", "", *self.questions)

    def check_auth_interactive_response(self, responses):
        self.answers.append(list(responses))
        right = [SECRET if not echo else "123456" for _prompt, echo in self.questions]
        return paramiko.AUTH_SUCCESSFUL if list(responses) == right else paramiko.AUTH_FAILED

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED

    def check_channel_subsystem_request(self, channel, name):
        return False


@contextlib.contextmanager
def listening(answer):
    """The port of a server whose connections ``answer`` gets, one after the other."""
    ended = threading.Event()
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(8)

        def serve():
            while not ended.is_set():
                try:
                    stream, _address = server.accept()
                except OSError:
                    return
                answer(stream)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            ended.set()
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            thread.join(5)


@contextlib.contextmanager
def ssh_server(rules, *host_keys):
    transports = []

    def answer(stream):
        transport = paramiko.Transport(stream)
        transports.append(transport)
        for key in host_keys or (ED25519,):
            transport.add_server_key(key)
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            transport.start_server(event=threading.Event(), server=rules)

    with listening(answer) as port:
        try:
            yield port
        finally:
            for transport in transports:
                transport.close()


def account(port, key=ED25519, **given):
    fingerprint = HostKey("", key.asbytes()).fingerprint
    return Account("127.0.0.1", "shop", port=port, **{"timeout": 10, "password": SECRET, "fingerprint": fingerprint, **given})


def complaint(who):
    with pytest.raises(RunbookError) as caught:
        connect(who).close()
    assert "\n" not in caught.value.message
    assert SECRET not in caught.value.message
    return caught.value.message


class TestLogin:
    def test_a_password_as_the_answer_where_only_that_is_asked(self):
        rules = Rules("keyboard-interactive")
        with ssh_server(rules) as port, connect(account(port)) as connection:
            assert connection.alive
        assert rules.answers == [[SECRET]]

    def test_a_wrong_answer(self):
        with ssh_server(Rules("keyboard-interactive")) as port:
            said = complaint(account(port, password="wrong"))
        assert "the password is not taken, the password as an answer was refused" in said
        assert "the server takes keyboard-interactive" in said

    def test_a_question_that_is_not_for_the_password_is_named_and_not_answered_with_it(self):
        rules = Rules("keyboard-interactive", (("One-time code: ", True),))
        with ssh_server(rules) as port:
            assert "it asks 'One-time code:', which nothing here can answer" in complaint(account(port))
        assert rules.answers == [[""]]

    def test_the_password_is_said_once(self):
        rules = Rules("keyboard-interactive", (("Password: ", False), ("Code: ", False)))
        with ssh_server(rules) as port:
            assert "it asks 'Code:'" in complaint(account(port))
        assert rules.answers == [[SECRET, ""]]

    def test_a_refused_password_is_not_sent_again_as_an_answer(self):
        rules = Rules("password,keyboard-interactive")
        with ssh_server(rules) as port:
            assert "the password was refused; the server takes" in complaint(account(port, password="wrong"))
        assert rules.answers == []

    def test_two_steps(self):
        rules = Rules("password", then="keyboard-interactive", questions=(("Code: ", True),))
        with ssh_server(rules) as port:
            said = complaint(account(port))
        assert "the password was right and not enough" in said
        assert "the server takes keyboard-interactive; it asks 'Code:'" in said

    def test_what_the_server_does_not_take(self):
        with ssh_server(Rules("publickey")) as port:
            said = complaint(account(port))
        assert "the password is not taken" in said
        assert "the server takes publickey. Give what it takes" in said

    def test_a_server_that_asks_for_nothing(self):
        with ssh_server(Rules("")) as port, connect(account(port)) as connection:
            assert connection.alive

    def test_nothing_to_log_in_with_is_found_before_anything_is_connected(self, monkeypatch):
        monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
        assert "nothing to log in to shop@[127.0.0.1]:1 with: there is no SSH agent" in complaint(account(1, password=None))
        assert "let use_agent be true" in complaint(account(1, password=None, use_agent=False))
        assert "cannot read private key /nowhere/key" in complaint(account(1, private_key="/nowhere/key"))


class TestHostKey:
    def test_a_fingerprint_of_any_of_its_keys_is_found(self):
        for key in (ED25519, RSA):
            with ssh_server(Rules("password"), ED25519, RSA) as port, connect(account(port, key)) as connection:
                assert connection.host_key.blob == key.asbytes()

    def test_a_fingerprint_of_none_of_them(self):
        with ssh_server(Rules("password"), ED25519, RSA) as port, pytest.raises(Refused) as caught:
            connect(account(port, fingerprint="SHA256:" + "A" * 43))
        shown = [HostKey("", key.asbytes()).fingerprint for key in (ED25519, RSA)]
        assert all(fingerprint in caught.value.message for fingerprint in shown)
        assert "remote.fingerprint is SHA256:AAAA" in caught.value.message

    def test_one_that_never_shows_what_is_asked_for_is_not_asked_for_ever(self, monkeypatch):
        monkeypatch.setattr("ansible_collections.runbook.ops.plugins.module_utils._sftp.connect.kind_of", lambda name: "always")
        with ssh_server(Rules("password")) as port:
            assert "remote.fingerprint is SHA256:AAAA" in complaint(account(port, fingerprint="SHA256:" + "A" * 43))

    def test_the_kind_that_is_known_is_asked_for(self, tmp_path):
        known = tmp_path / "known_hosts"
        for key in (ED25519, RSA):
            with ssh_server(Rules("password"), ED25519, RSA) as port:
                known.write_text(f"[127.0.0.1]:{port} {key.get_name()} {key.get_base64()}\n")
                with connect(account(port, fingerprint=None, known_hosts=str(known))) as connection:
                    assert connection.host_key.blob == key.asbytes()

    def test_nothing_is_sent_to_a_host_that_is_another(self, tmp_path):
        rules = Rules("keyboard-interactive")
        known = tmp_path / "known_hosts"
        with ssh_server(rules) as port:
            known.write_text(f"[127.0.0.1]:{port} {RSA.get_name()} {RSA.get_base64()}\n")
            assert "has changed" in complaint(account(port, fingerprint=None, known_hosts=str(known)))
        assert rules.answers == []


class TestNoServer:
    def test_one_that_says_something_else(self):
        with listening(lambda stream: (stream.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 200), stream.close())) as port:
            assert complaint(account(port)) == f"[127.0.0.1]:{port} does not speak SSH; check host and port"

    def test_one_that_hangs_up(self):
        with listening(lambda stream: (stream.sendall(b"Exceeded MaxStartups\r\n"), stream.close())) as port:
            assert f"[127.0.0.1]:{port} ended the connection at once" in complaint(account(port))

    def test_one_that_says_nothing(self):
        streams = []
        with listening(streams.append) as port:
            assert "did not answer as an SSH server within 0.5 s" in complaint(account(port, timeout=0.5))

    def test_none_at_all(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            assert "refuses connections; check the port" in complaint(account(taken.getsockname()[1]))

    def test_a_name_without_an_address(self, monkeypatch):
        def resolve(*given, **more):
            raise socket.gaierror(-2, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        assert complaint(Account("www.example.com", "shop", password="x")) == (
            "the name www.example.com has no address; check remote.host and the name service"
        )

    def test_no_host_of_that_address_answers(self, monkeypatch):
        def connect_slowly(address, timeout):
            raise socket.timeout("timed out")

        monkeypatch.setattr(socket, "create_connection", connect_slowly)
        said = complaint(Account("www.example.com", "shop", password="x", timeout=3))
        assert said == "www.example.com port 22 did not answer within 3 s; check host, port and firewall"


def test_no_sftp_for_this_account():
    found = pytest.raises(RunbookError, match="offers no SFTP to this account")
    with ssh_server(Rules("password")) as port, connect(account(port)) as connection, found as caught:
        open_sftp_channel(connection)
    assert "\n" not in caught.value.message


def test_a_connection_that_is_gone_is_named_as_that():
    with ssh_server(Rules("password")) as port, connect(account(port)) as connection:
        connection.close()
        assert not connection.alive
        with pytest.raises(RunbookError, match="ended the connection after logging in"):
            open_sftp_channel(connection)


def test_the_library_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "paramiko", None)
    with pytest.raises(RunbookError, match=r"Python library \(paramiko\)"):
        library.ssh_library()
    assert "paramiko" in complaint(Account("www.example.com", "shop", password="x"))


def test_nothing_is_printed_beside_the_message(capfd):
    with listening(lambda stream: (stream.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 200), stream.close())) as port:
        complaint(account(port))
    with ssh_server(Rules("password")) as port:
        complaint(account(port, password="wrong"))
    assert capfd.readouterr().err == ""
