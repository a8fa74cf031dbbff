# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail through a real server: STARTTLS, TLS, log-in, refusals, broken connections."""

from __future__ import annotations

import email
import email.policy
import socket
import ssl
import subprocess
import threading
import typing as t

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.runbook.ops.plugins.module_utils._notify.mail import parse_address

from .conftest import message

PASSWORD = "a secret of the mail's"


class Box:
    """What the server took, and what it answers otherwise."""

    def __init__(self) -> None:
        self.mails: list[t.Any] = []
        self.recipients: list[list[str]] = []
        self.refuse: dict[str, str] = {}
        self.data: list[str] = []
        self.broken = threading.Event()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        answer = self.data.pop(0) if self.data else "250 OK"
        if answer == "cut":
            server.transport.abort()
            return "250 OK"
        if answer.startswith("250"):
            self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
            self.recipients.append(envelope.rcpt_tos)
        return answer


class Server(Controller):
    def factory(self):
        return SMTP(self.handler, **self.SMTP_kwargs)

    def _trigger_server(self):
        # The kernel chose the port; aiosmtpd would visit port 0.
        self.port = self.server.sockets[0].getsockname()[1]
        socket.create_connection((self.hostname, self.port)).close()


def authenticate(server, session, envelope, mechanism, data):
    good = isinstance(data, LoginPassword) and data.password == PASSWORD.encode()
    return AuthResult(success=good, handled=False)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smtp")
    pem, key = str(folder / "cert.pem"), str(folder / "key.pem")
    words = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
        "-keyout",
        key,
        "-out",
        pem,
    ]
    subprocess.run([*words, "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    return pem, key


@pytest.fixture
def box():
    return Box()


@pytest.fixture
def serve(box, certificate):
    """Start a server with the given settings; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    started = []

    def start(security: str = "starttls", login: bool = False) -> int:
        settings: dict[str, t.Any] = {}
        if login:
            settings.update(auth_required=True, authenticator=authenticate, auth_require_tls=security == "starttls")
        if security == "starttls":
            settings.update(tls_context=context, require_starttls=True)
        server = Server(box, "127.0.0.1", 0, ssl_context=context if security == "tls" else None, **settings)
        server.start()
        started.append(server)
        return server.port

    yield start
    for server in started:
        server.stop(no_assert=True)


def options(port: int, certificate: tuple[str, str], **given: t.Any) -> dict[str, t.Any]:
    mail = {"host": "localhost", "port": port, "sender": "Operations <ops@example.com>", "recipients": ["a@example.com", "b@example.com"]}
    return {**mail, "ca_path": certificate[0], **given}


def login(**given: t.Any) -> dict[str, t.Any]:
    return {"username": "ops", "password": PASSWORD, **given}


@pytest.mark.parametrize("security", ["starttls", "tls", "none"])
def test_delivered(world, box, serve, certificate, security):
    title, text = "ارتفاع معدَّل الأخطاء", "تحقَّق من السجلات\nثم تراجَع <b>"
    given = options(serve(security), certificate, security=security)
    assert world.tell("email", message(title=title, text=text, key="k", link="https://runbooks.example.com/x"), options=given) == [
        ("delivered", "delivered")
    ]
    [mail] = box.mails
    assert title in mail["Subject"]
    assert mail["To"] == "a@example.com, b@example.com"
    assert text in mail.get_body(("plain",)).get_content().replace("\r\n", "\n")
    shown = mail.get_body(("html",)).get_content()
    assert 'dir="auto"' in shown
    assert "<b>" not in shown
    assert box.recipients == [["a@example.com", "b@example.com"]]


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_log_in(world, box, serve, certificate, security):
    given = options(serve(security, login=True), certificate, security=security)
    [(result, reason)] = world.tell("email", message(key="k"), options={**given, **login(password="wrong one")})
    assert (result, "log-in refused with 535" in reason, "wrong one" in reason) == ("kept", True, False)
    assert world.tell("email", options={**given, **login()}) == [("delivered", "delivered")]
    assert len(box.mails) == 1


def test_no_starttls_nothing_sent(world, box, serve, certificate):
    given = options(serve("none"), certificate, **login())
    [(result, reason)] = world.tell("email", message(), options=given)
    assert (result, "offers no STARTTLS" in reason, box.mails) == ("kept", True, [])


def test_a_certificate_of_another(world, box, serve, certificate):
    given = options(serve(), certificate, ca_path=None)
    [(result, reason)] = world.tell("email", message(), options=given)
    assert (result, "self-signed" in reason or "self signed" in reason) == ("kept", True), reason
    assert world.tell("email", options={**given, "validate_certs": False})[0][0] == "delivered"


def test_refusals(world, box, serve, certificate):
    given = options(serve(), certificate)
    box.refuse["b@example.com"] = "550 no such user"
    [(result, reason)] = world.tell("email", message(title="One"), options=given)
    assert (result, reason) == ("delivered", "delivered, but not to b@example.com (550 no such user)")
    box.data = ["451 busy", "250 OK"]
    assert world.tell("email", message(title="Two"), options=given)[0][0] == "delivered"
    box.data = ["554 spam"]
    assert world.tell("email", message(title="Three"), options=given)[0][0] == "rejected"
    box.refuse["a@example.com"] = "550 no such user"
    assert world.tell("email", message(title="Four"), options=given)[0][0] == "kept"
    assert len(box.mails) == 2


def test_cut_after_the_mail_was_sent_has_the_same_id(world, box, serve, certificate):
    given = options(serve(), certificate)
    box.data = ["cut"]
    [(result, reason)] = world.tell("email", message(), options=given)
    assert (result, "may have arrived" in reason) == ("kept", True)
    identity = world.folder("email").read()[0].identity
    assert world.tell("email", options=given)[0][0] == "delivered"
    assert box.mails[0]["Message-ID"] == f"<{identity}@example.com>"
    assert "not confirmed" in box.mails[0].get_body(("plain",)).get_content()


def test_nobody_there(world, certificate):
    [(result, reason)] = world.tell("email", message(), options=options(9, certificate))
    assert (result, "refused" in reason) == ("kept", True)


@pytest.mark.parametrize("address", ["", "ops", "a@b\nBcc: c@d", "ö@example.com", "@example.com", "a b@example.com"])
def test_no_address(address):
    with pytest.raises(InvalidInput, match="no e-mail address"):
        parse_address(address, "sender")
