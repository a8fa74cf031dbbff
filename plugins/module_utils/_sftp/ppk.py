# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private keys as PuTTY keeps them (.ppk, versions 2 and 3; PuTTY's manual, appendix "PPK file format")."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import hmac
import typing as t

from .._common.errors import RunbookError

_CURVES = {"nistp256": "SECP256R1", "nistp384": "SECP384R1", "nistp521": "SECP521R1"}
_KINDS = ("ssh-rsa", "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")
# What PuTTY would need minutes for is not a key file that somebody uses.
_MOST_MEMORY_KIB, _MOST_PASSES = 2 * 1024 * 1024, 100_000


class Damaged(Exception):
    """The file is not what it should be; the text says where."""


@dataclasses.dataclass(frozen=True)
class _File:
    version: int
    kind: str
    encryption: str
    comment: bytes
    public: bytes
    argon2: t.Mapping[str, str]
    private: bytes  # as it is in the file
    mac: bytes


def is_ppk(data: bytes) -> bool:
    return data.startswith(b"PuTTY-User-Key-File-")


def load_ppk(data: bytes, passphrase: str | None, name: str) -> t.Any:
    """The private key, as ``cryptography`` has it, of the .ppk file ``data``; ``name`` is what messages call the file.

    Raises ``RunbookError``: damaged, not supported, no passphrase or a wrong one.
    """
    try:
        file = _parse(data)
    except Damaged as error:
        raise RunbookError(f"{name} is not a whole PuTTY key file ({error}); save it again with puttygen") from None
    if file.version not in (2, 3):
        raise RunbookError(f"{name} is a PuTTY key file of version {file.version}, not 2 or 3; save it again with a current puttygen")
    if file.kind not in _KINDS:
        raise RunbookError(f"{name} holds a key of kind {file.kind}, which is not supported; use an RSA, ECDSA or Ed25519 key")
    if file.encryption not in ("none", "aes256-cbc"):
        raise RunbookError(f"{name} is encrypted with {file.encryption}, which is not supported; save it again with puttygen")
    encrypted = file.encryption != "none"
    if encrypted and not passphrase:
        raise RunbookError(f"{name} is encrypted; give its passphrase as private_key_passphrase")
    secret = (passphrase or "").encode("utf-8", "surrogateescape") if encrypted else b""
    private = _verified(file, secret, name)
    try:
        return _key(file.kind, file.public, private)
    except (Damaged, ValueError) as error:
        raise RunbookError(f"{name} holds a key that is not valid ({error}); make a new one with puttygen") from None


def _parse(data: bytes) -> _File:
    lines = iter(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"))

    def field(wanted: str) -> bytes:
        name, colon, value = next(lines, b"").partition(b": ")
        if not colon or name != wanted.encode():
            raise Damaged(f"no {wanted}")
        return value

    def block(wanted: str) -> bytes:
        count = _number(field(wanted), wanted)
        text = b"".join(next(lines, b"") for _line in range(min(count, 10_000)))
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise Damaged(f"the text below {wanted} is cut or changed") from None

    head, _colon, kind = next(lines).partition(b": ")
    version = _number(head[len(b"PuTTY-User-Key-File-") :], "version")
    if version not in (2, 3):
        return _File(version, "", "", b"", b"", {}, b"", b"")
    encryption, comment, public = field("Encryption"), field("Comment"), block("Public-Lines")
    argon2 = {}
    if version == 3 and encryption != b"none":
        for name in ("Key-Derivation", "Argon2-Memory", "Argon2-Passes", "Argon2-Parallelism", "Argon2-Salt"):
            argon2[name] = field(name).decode("ascii", "replace")
    private = block("Private-Lines")
    try:
        mac = binascii.unhexlify(field("Private-MAC").strip())
    except (binascii.Error, ValueError):
        raise Damaged("Private-MAC is cut or changed") from None
    return _File(version, kind.decode("ascii", "replace"), encryption.decode("ascii", "replace"), comment, public, argon2, private, mac)


def _number(text: bytes | str, name: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise Damaged(f"{name} is not a number") from None


def _verified(file: _File, secret: bytes, name: str) -> bytes:
    """The private half, decrypted, when the message authentication code of the file is right."""
    encrypted = file.encryption != "none"
    if file.version == 2:
        # That format is what it is: SHA-1 all over.
        stretched = b"".join(hashlib.sha1(bytes([0, 0, 0, part]) + secret).digest() for part in (0, 1))  # noqa: S324
        cipher_key, iv = stretched[:32], bytes(16)
        mac_key, algorithm = hashlib.sha1(b"putty-private-key-file-mac-key" + secret).digest(), "sha1"  # noqa: S324
    else:
        derived = _argon2(file.argon2, secret, name) if encrypted else b""
        cipher_key, iv, mac_key, algorithm = derived[:32], derived[32:48], derived[48:], "sha256"
    private = file.private
    if encrypted:
        if len(private) % 16:
            raise RunbookError(f"{name} is not a whole PuTTY key file (the private half is cut); save it again with puttygen")
        private = _decrypt(private, cipher_key, iv)
    parts = (file.kind.encode(), file.encryption.encode(), file.comment, file.public, private)
    said = hmac.new(mac_key, b"".join(len(part).to_bytes(4, "big") + part for part in parts), algorithm).digest()
    if hmac.compare_digest(said, file.mac):
        return private
    if encrypted:
        raise RunbookError(f"the passphrase of {name} is wrong, or the file was changed; check private_key_passphrase")
    raise RunbookError(f"{name} was changed after it was saved (its authentication code is wrong); take another copy of the key")


def _decrypt(data: bytes, key: bytes, iv: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    return bytes(decryptor.update(data) + decryptor.finalize())


def _argon2(given: t.Mapping[str, str], secret: bytes, name: str) -> bytes:
    from cryptography.exceptions import UnsupportedAlgorithm

    flavour = given["Key-Derivation"]
    if flavour not in ("Argon2id", "Argon2i", "Argon2d"):
        raise RunbookError(f"{name} is encrypted with a key made by {flavour}, which is not supported; save it again with puttygen")
    try:
        from cryptography.hazmat.primitives.kdf import argon2

        kind = getattr(argon2, flavour)
        memory, passes = _number(given["Argon2-Memory"], "Argon2-Memory"), _number(given["Argon2-Passes"], "Argon2-Passes")
        lanes, salt = _number(given["Argon2-Parallelism"], "Argon2-Parallelism"), binascii.unhexlify(given["Argon2-Salt"])
        if memory > _MOST_MEMORY_KIB or passes > _MOST_PASSES:
            raise Damaged(f"{memory} KiB and {passes} passes of Argon2 are beyond reason")
        return bytes(kind(salt=salt, length=80, iterations=passes, lanes=lanes, memory_cost=memory).derive(secret))
    except (ImportError, AttributeError, UnsupportedAlgorithm):
        raise RunbookError(
            f"{name} needs {flavour}, which the Python library cryptography has not got here; update it, "
            "or save the key with 'puttygen KEY --ppk-param version=2' or as an OpenSSH key"
        ) from None
    except (Damaged, ValueError, MemoryError) as error:
        raise RunbookError(f"{name} is not a whole PuTTY key file ({error}); save it again with puttygen") from None


class _Fields:
    """Length-prefixed fields of a key, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def string(self) -> bytes:
        length = int.from_bytes(self._data[:4], "big")
        if len(self._data) < 4 + length:
            raise Damaged("it ends too early")
        text, self._data = self._data[4 : 4 + length], self._data[4 + length :]
        return text

    def number(self) -> int:
        return int.from_bytes(self.string(), "big")


def _key(kind: str, public: bytes, private: bytes) -> t.Any:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    outer, inner = _Fields(public), _Fields(private)
    if outer.string() != kind.encode():
        raise Damaged("its halves are of different kinds")
    if kind == "ssh-rsa":
        e, n = outer.number(), outer.number()
        d, p, q, iqmp = (inner.number() for _field in range(4))
        numbers = rsa.RSAPublicNumbers(e, n)
        return rsa.RSAPrivateNumbers(p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), iqmp, numbers).private_key()
    if kind == "ssh-ed25519":
        key = ed25519.Ed25519PrivateKey.from_private_bytes(inner.string())
        if key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw) != outer.string():
            raise Damaged("its halves do not belong together")
        return key
    curve: ec.EllipticCurve = getattr(ec, _CURVES[outer.string().decode()])()
    point = ec.EllipticCurvePublicKey.from_encoded_point(curve, outer.string())
    return ec.EllipticCurvePrivateNumbers(inner.number(), point.public_numbers()).private_key()
