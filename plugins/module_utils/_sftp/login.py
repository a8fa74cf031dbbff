# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging in to a server whose key was verified: key file, agent, password, and the password as the answer to a question."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t

from .._common.errors import RunbookError
from .account import Account
from .keys import agent_keys, load_private_key
from .library import ssh_library

if t.TYPE_CHECKING:
    import paramiko


@dataclasses.dataclass(frozen=True)
class Means:
    """What an account can log in with, read before anything is connected."""

    key: paramiko.PKey | None
    agent: t.Sequence[paramiko.PKey]
    password: str | None


# What is taken to be possible as long as the server has not said.
_ALL = ("publickey", "password", "keyboard-interactive")


@dataclasses.dataclass(frozen=True)
class _Attempt:
    method: str  # as the protocol calls it
    name: str  # as a message calls it
    run: t.Callable[[], list[str]]  # what else the server asks for when this was right and not enough


def means_of(account: Account) -> Means:
    """``RunbookError`` when a key can't be read, or when there is nothing to log in with."""
    key = load_private_key(account.private_key, account.passphrase) if account.private_key else None
    agent: t.Sequence[paramiko.PKey] = ()
    if account.with_agent:
        try:
            agent = agent_keys()
        except RunbookError as error:
            if not key and not account.password:
                raise RunbookError(f"nothing to log in to {account} with: {error.message}") from None
    if not key and not agent and not account.password:
        raise RunbookError(f"nothing to log in to {account} with; give password or private_key, or let use_agent be true")
    return Means(key, agent, account.password)


def log_in(transport: paramiko.Transport, account: Account, means: Means) -> None:
    """Authenticate; ``RunbookError`` says what was tried, what became of it and what the server would take."""
    library = ssh_library()
    said: list[str] = []
    unanswered: list[str] = []
    refused: set[str] = set()
    # A key that was named is most often the right one: to ask first what the server takes would be two round trips more. To ask
    # afterwards would count as a failure; the first attempt of a kind that it does not take tells.
    guessed = means.key is not None
    allowed = list(_ALL) if guessed else _taken(transport, account)
    if not allowed:
        return
    for attempt in _attempts(transport, account, means, unanswered):
        if attempt.method == "keyboard-interactive" and "password" in refused:
            # The same secret again would only count as another failure.
            continue
        if attempt.method not in allowed:
            said.append(f"{attempt.name} is not taken")
            continue
        try:
            allowed, guessed = attempt.run(), False
        except library.AuthenticationException as error:
            if transport.auth_handler is not None and transport.auth_handler.is_authenticated():
                return  # let in, and put out at once: whoever asks for a session next is told why not
            if guessed and isinstance(error, library.BadAuthenticationType):
                allowed, guessed = list(error.allowed_types), False
                said.append(f"{attempt.name} is not taken")
            else:
                refused.add(attempt.method)
                said.append(_refusal(attempt, error))
            if not transport.is_active():
                said.append("the server ended the connection (too many keys or failures, or the account is blocked)")
                break
            continue
        if not allowed:
            return
        said.append(f"{attempt.name} was right and not enough")
    if guessed and transport.is_active():
        # There is nothing left that a failure more could spoil.
        with contextlib.suppress(RunbookError, library.SSHException, OSError, EOFError):
            allowed, guessed = _taken(transport, account), False
    if transport.is_authenticated():
        return
    asked = f"; it asks {unanswered[0]!r}, which nothing here can answer" if unanswered else ""
    takes = f"; the server takes {' or '.join(allowed)}" if allowed and not guessed else ""
    raise RunbookError(f"cannot log in to {account}: {', '.join(_merged(said))}{takes}{asked}. {_advice(means, refused, account)}")


def _taken(transport: paramiko.Transport, account: Account) -> list[str]:
    """The methods that the server takes; none when it lets everybody in, and has done so."""
    library = ssh_library()
    try:
        transport.auth_none(account.user)
    except library.BadAuthenticationType as error:
        return list(error.allowed_types)
    except library.AuthenticationException as error:
        raise RunbookError(f"{account} ended the connection before anything was tried ({error}); check the user") from None
    return []


def _attempts(transport: paramiko.Transport, account: Account, means: Means, unanswered: list[str]) -> t.Iterator[_Attempt]:
    user = account.user
    keys = [(means.key, f"the key {account.private_key}")] if means.key else []
    for key, name in [*keys, *((key, "a key of the SSH agent") for key in means.agent)]:
        yield _Attempt("publickey", name, lambda key=key: transport.auth_publickey(user, key))  # type: ignore[misc]
    password = means.password
    if password is not None:
        yield _Attempt("password", "the password", lambda: transport.auth_password(user, password, fallback=False))
        answers = _Answers(password, unanswered)
        yield _Attempt("keyboard-interactive", "the password as an answer", lambda: transport.auth_interactive(user, answers))


class _Answers:
    """Answers a server that asks for the password, once; other questions are noted."""

    def __init__(self, password: str, unanswered: list[str]) -> None:
        self._password: str | None = password
        self._unanswered = unanswered

    def __call__(self, title: str, instructions: str, prompts: t.Sequence[tuple[str, bool]]) -> list[str]:
        given = []
        for prompt, echo in prompts:
            # What may be seen while it is typed is no password.
            if self._password is not None and not echo:
                given.append(self._password)
                self._password = None
            else:
                self._unanswered.append(" ".join(prompt.split())[:80])
                given.append("")
        return given


def _refusal(attempt: _Attempt, error: Exception) -> str:
    text = " ".join(str(error).split())
    if "timeout" in text.lower():
        return f"{attempt.name} was not answered in time"
    if "pubkey algorithm" in text:
        return f"{attempt.name} can only be used in ways that the server does not take"
    return f"{attempt.name} was refused"


def _merged(said: t.Sequence[str]) -> list[str]:
    """The same thing said several times (of an agent's keys) said once, with how often."""
    return [text if said.count(text) == 1 else f"{text} ({said.count(text)} times)" for text in dict.fromkeys(said)]


def _advice(means: Means, refused: set[str], account: Account) -> str:
    if "password" in refused or "keyboard-interactive" in refused:
        return "Check user and password"
    if "publickey" in refused:
        return f"Check user, and that the public half of the key is in the authorized keys of {account.user} there"
    return "Give what it takes"
