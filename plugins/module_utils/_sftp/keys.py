# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private keys to log in with: from files of OpenSSH and PuTTY, and from the SSH agent."""

from __future__ import annotations

import io
import os
import stat
import typing as t

from .._common.errors import RunbookError
from .library import ssh_library
from .ppk import is_ppk, load_ppk

if t.TYPE_CHECKING:
    import paramiko

_MOST_BYTES = 1024 * 1024


def load_private_key(path: str, passphrase: str | None) -> paramiko.PKey:
    """The key in a file of OpenSSH, PEM or PuTTY (with the certificate in ``path-cert.pub``, if there is one), or ``RunbookError``."""
    name = f"private key {path}"
    data = _read(path, name)
    key = _for_ssh(load_ppk(data, passphrase, name) if is_ppk(data) else _decode(data, passphrase, name), name)
    certificate = f"{path}-cert.pub"
    if os.path.isfile(certificate):
        try:
            key.load_certificate(certificate)
        except Exception as error:
            raise RunbookError(f"the certificate {certificate} does not go with {name} ({_short(error)}); correct or remove it") from None
    return key


def agent_keys() -> list[paramiko.PKey]:
    """The keys that the SSH agent offers, or ``RunbookError`` that says why there are none."""
    library = ssh_library()
    socket = os.environ.get("SSH_AUTH_SOCK")
    if not socket:
        raise RunbookError("there is no SSH agent (SSH_AUTH_SOCK is not set); start one, or give a password or private_key")
    try:
        keys = list(library.Agent().get_keys())
    except (library.SSHException, OSError, EOFError) as error:
        raise RunbookError(f"the SSH agent at {socket} does not answer ({_short(error)}); start it again, or give private_key") from None
    if not keys:
        raise RunbookError(f"the SSH agent at {socket} has no keys, or is not there; add one with ssh-add, or give private_key")
    return keys


def _read(path: str, name: str) -> bytes:
    try:
        with open(path, "rb") as file:
            state = os.fstat(file.fileno())
            # The rule of OpenSSH, which looks at files of one's own only.
            if os.name == "posix" and state.st_uid == os.geteuid() and state.st_mode & 0o077:
                raise RunbookError(f"{name} may be read by others (mode {stat.S_IMODE(state.st_mode):04o}); run chmod 600 on it")
            return file.read(_MOST_BYTES)
    except OSError as error:
        raise RunbookError(f"cannot read {name} ({error.strerror}); check private_key") from None


def _decode(data: bytes, passphrase: str | None, name: str) -> t.Any:
    """A key as ``cryptography`` has it."""
    ssh_library()  # has cryptography with it
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    if b"PRIVATE KEY-----" not in data:
        public = data.startswith((b"ssh-", b"ecdsa-", b"---- BEGIN SSH2 PUBLIC"))
        what = "is the public half" if public else "is not a private key of OpenSSH or PuTTY"
        raise RunbookError(f"{name} {what}; give the file with the private key")
    load: t.Any = serialization.load_ssh_private_key if b"BEGIN OPENSSH" in data else serialization.load_pem_private_key
    try:
        try:
            return load(data, None)
        except TypeError:
            # It is encrypted.
            if not passphrase:
                raise RunbookError(f"{name} is encrypted; give its passphrase as private_key_passphrase") from None
    except (UnsupportedAlgorithm, ValueError) as error:
        raise RunbookError(f"{name} is damaged or of a kind that is not supported ({_short(error)}); use another key") from None
    try:
        return load(data, passphrase.encode("utf-8", "surrogateescape"))
    except UnsupportedAlgorithm as error:
        raise RunbookError(f"{name} is encrypted in a way that is not supported ({_short(error)}); use another key") from None
    except (TypeError, ValueError):
        raise RunbookError(f"the passphrase of {name} is wrong, or the file is damaged; check private_key_passphrase") from None


def _for_ssh(key: t.Any, name: str) -> paramiko.PKey:
    library = ssh_library()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    kinds: dict[t.Any, t.Any] = {
        rsa.RSAPrivateKey: library.RSAKey,
        ec.EllipticCurvePrivateKey: library.ECDSAKey,
        ed25519.Ed25519PrivateKey: library.Ed25519Key,
    }
    for kind, ours in kinds.items():
        if isinstance(key, kind):
            try:
                # All of them read this form, and not all take the key itself.
                text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
                return ours.from_private_key(io.StringIO(text.decode()))
            except (UnsupportedAlgorithm, ValueError, library.SSHException) as error:
                raise RunbookError(f"{name} can't be used for SSH ({_short(error)}); use another key") from None
    raise RunbookError(f"{name} holds a key of a kind that is not supported; use an RSA, ECDSA or Ed25519 key")


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
