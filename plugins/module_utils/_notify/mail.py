# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""E-mail by SMTP, with TLS from the start, STARTTLS, or none."""

from __future__ import annotations

import dataclasses
import html
import smtplib
import time
import typing as t
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, parseaddr

from .._common import clock
from .._common.errors import InvalidInput
from .._http.transport import TlsSettings
from .message import Message
from .target import Common, Verdict
from .text import fit

PORTS = {"starttls": 587, "tls": 465, "none": 25}
_SUBJECT = 250


class _Said(Exception):
    """The server's answer, or what kept it from one, as a verdict."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.reason)
        self.verdict = verdict


@dataclasses.dataclass(frozen=True)
class Mail(Common):
    """One mail for each message to all ``recipients``. It has the same Message-ID however often it is sent."""

    host: str = ""
    port: int = 0
    security: str = "starttls"
    username: str | None = None
    password: str | None = dataclasses.field(default=None, repr=False)
    sender: str = ""
    recipients: tuple[str, ...] = ()
    tls: TlsSettings = dataclasses.field(default_factory=TlsSettings)

    def send(self, message: Message, identity: str, timeout: float) -> Verdict:
        end = time.monotonic() + timeout
        server: smtplib.SMTP | None = None
        try:
            server = self._connect(timeout)
            self._log_in(server)
            verdict = self._hand_over(server, self.mail(message, identity).as_bytes(), end)
        except _Said as said:
            verdict = said.verdict
        except smtplib.SMTPNotSupportedError as error:
            verdict = Verdict("misconfigured", str(error))
        except smtplib.SMTPResponseException as error:
            verdict = _answered(error.smtp_code, error.smtp_error)
        except (OSError, smtplib.SMTPException) as error:  # nothing of the mail itself has been sent
            reason = getattr(error, "verify_message", "") or getattr(error, "strerror", "") or str(error) or type(error).__name__
            kind: t.Any = "misconfigured" if getattr(error, "verify_message", "") else "later"
            verdict = Verdict(kind, f"{reason} ({self.host}:{self.port})")
        finally:
            if server is not None:
                _leave(server)
        return dataclasses.replace(verdict, reason=self.redact(verdict.reason))

    def mail(self, message: Message, identity: str) -> EmailMessage:
        """The mail: text, and the same as HTML, where each paragraph finds its own direction."""
        mail = EmailMessage(policy=SMTP)
        mail["From"], mail["To"] = self.sender, ", ".join(self.recipients)
        mail["Subject"] = fit(message.headline, _SUBJECT)
        mail["Date"] = formatdate(clock.seconds(message.at))
        domain = parseaddr(self.sender)[1].rpartition("@")[2]
        mail["Message-ID"] = f"<{identity}@{domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail["X-Priority"] = "1" if message.severity == "critical" and message.state == "firing" else "3"
        lines = [message.headline, "", *message.lines]
        mail.set_content("\n".join(lines) + "\n", cte="base64")
        paragraphs = "".join(f'<p dir="auto">{html.escape(line)}</p>'.replace("\n", "<br>") for line in lines if line)
        mail.add_alternative(f'<!doctype html><html><meta charset="utf-8"><body>{paragraphs}</body></html>\n', subtype="html", cte="base64")
        return mail

    def _connect(self, timeout: float) -> smtplib.SMTP:
        if self.security == "tls":
            return smtplib.SMTP_SSL(self.host, self.port, timeout=timeout, context=self._context())
        server = smtplib.SMTP(self.host, self.port, timeout=timeout)
        if self.security == "starttls":
            server.ehlo()
            if not server.has_extn("starttls"):
                _leave(server)
                raise _Said(Verdict("misconfigured", f"{self.host}:{self.port} offers no STARTTLS; nothing was sent in the clear"))
            server.starttls(context=self._context())
        return server

    def _context(self) -> t.Any:
        return self.tls.context()

    def _log_in(self, server: smtplib.SMTP) -> None:
        if self.username is None:
            return
        try:
            server.login(self.username, self.password or "")
        except smtplib.SMTPAuthenticationError as error:
            kind: t.Any = "later" if 400 <= error.smtp_code < 500 else "misconfigured"
            raise _Said(Verdict(kind, f"log-in refused with {error.smtp_code} {_text(error.smtp_error)}")) from None

    def _hand_over(self, server: smtplib.SMTP, mail: bytes, end: float) -> Verdict:
        server.ehlo_or_helo_if_needed()
        code, said = server.mail(parseaddr(self.sender)[1])
        if code != 250:
            return _answered(code, said, "misconfigured")
        refused: list[tuple[str, int, bytes]] = []
        for recipient in self.recipients:
            code, said = server.rcpt(parseaddr(recipient)[1])
            if code not in (250, 251):
                refused.append((parseaddr(recipient)[1], code, said))
        if len(refused) == len(self.recipients):
            return _answered(refused[0][1], refused[0][2], "misconfigured")
        if time.monotonic() > end:
            return Verdict("later", f"{self.host}:{self.port} was too slow")
        try:
            code, said = server.data(mail)
        except smtplib.SMTPDataError:
            raise  # the server did not want the mail, before it had any of it
        except (OSError, smtplib.SMTPException) as error:
            return Verdict("unknown", f"the connection broke after the mail was sent ({type(error).__name__})")
        if code != 250:
            return _answered(code, said)
        names = ", ".join(f"{name} ({code} {_text(said)})" for name, code, said in refused)
        return Verdict("delivered", f"but not to {names}" if names else "")


def _answered(code: int, said: t.Any, permanent: str = "rejected") -> Verdict:
    return Verdict(t.cast(t.Any, "later" if code < 500 else permanent), f"{code} {_text(said)}")


def _text(said: t.Any) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)


def _leave(server: smtplib.SMTP) -> None:
    """Say goodbye; what became of the mail is known already."""
    try:
        server.quit()
    except (OSError, smtplib.SMTPException):
        server.close()


def parse_address(value: str, option: str) -> str:
    """An address such as ``ops@example.com`` or ``Operations <ops@example.com>``; else ``InvalidInput``."""
    address = parseaddr(value)[1]
    if not value.isprintable() or address.count("@") != 1 or not address.isascii() or " " in address or not all(address.split("@")):
        raise InvalidInput(f"{option} {value!r} is no e-mail address; write for example ops@example.com")
    return value
