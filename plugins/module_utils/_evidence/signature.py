# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures with SSH keys, which operators have: made and checked by ``ssh-keygen -Y``."""

from __future__ import annotations

import os
import re
import typing as t

from .._common.errors import InvalidInput, RunbookError
from .._common.process import Command, ProgramFailed, find_program, run, secret_file
from .places import absolute

# What a signature is for: one made for another purpose, such as a commit, is none of a bundle.
NAMESPACE = "runbook-evidence"
_PACKAGE = "openssh-client"
_SECONDS = 60.0


def sign(data: bytes, key: str) -> bytes:
    """The signature of ``data`` by the private key in the file ``key``, or by an agent that holds the key of ``key`` (``….pub``)."""
    key = absolute(key, "sign_key")
    if not os.path.isfile(key):
        raise InvalidInput(f"sign_key {key} does not exist; give a private SSH key, or the public one of a key that an agent holds")
    agent = {name: os.environ[name] for name in ("SSH_AUTH_SOCK",) if name in os.environ}
    try:
        return run(_keygen("sign", "-f", key, "-q", env=agent), stdin=data, timeout=_SECONDS)
    except ProgramFailed as error:
        raise RunbookError(
            f"nothing could be signed with {key}: {_said(error)}; the key must need no passphrase, or an agent must hold it"
        ) from None


def check(data: bytes, signature: bytes, allowed_signers: str, identity: str) -> tuple[bool, str]:
    """Whether ``data`` was signed by a key that the file ``allowed_signers`` knows for ``identity``, and one line about it.

    Without ``allowed_signers`` only whether the signature is one of these bytes, by whomever.
    """
    with secret_file(signature.decode("ascii", "replace")) as path:
        words = ["check-novalidate", "-s", path]
        if allowed_signers:
            if not os.path.isfile(absolute(allowed_signers, "allowed_signers")):
                raise InvalidInput(
                    f"allowed_signers {allowed_signers} does not exist; it has a line '<identity> <public key>' for each signer"
                )
            words = ["verify", "-f", allowed_signers, "-I", identity, "-s", path]
        try:
            said = run(_keygen(*words), stdin=data, timeout=_SECONDS).decode("utf-8", "replace")
        except ProgramFailed as error:
            return False, _said(error)
    match = re.search(r"with (\S+ key \S+)", said)
    return True, f"signed with {match[1]}" if match else "signed"


def _keygen(action: str, *words: str, env: t.Mapping[str, str] | None = None) -> Command:
    return Command((find_program(["ssh-keygen"], _PACKAGE), "-Y", action, "-n", NAMESPACE, *words), env=env or {})


def _said(error: ProgramFailed) -> str:
    lines = [line.strip() for line in error.stderr.splitlines() if line.strip()]
    return "; ".join(lines[-2:]) or error.message
