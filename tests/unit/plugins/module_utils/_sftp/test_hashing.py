# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that hash what they have: paramiko's own is one, over a pair of sockets."""

from __future__ import annotations

import hashlib
import os
import socket
import struct
import threading

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._sftp import jobs, wire
from ansible_collections.runbook.ops.plugins.module_utils._sftp.client import Client

paramiko = pytest.importorskip("paramiko", reason="the library of the backend sftp is on controllers only")
SIZES = [0, 100, jobs.CHUNK, jobs.CHUNK + 1, jobs.STRETCH, jobs.STRETCH * 2 + 7]


class Handle(paramiko.SFTPHandle):
    """A file that may drop the last bytes of what is written."""

    def write(self, offset, data):
        kept = data[:-1] if self.drops and data else data
        return super().write(offset, kept)


class Files(paramiko.SFTPServerInterface):
    root, drops, asked = "", False, None

    def open(self, path, flags, attr):
        handle = Handle(flags)
        handle.drops = self.drops
        name = self.root + path
        handle.readfile = handle.writefile = os.fdopen(os.open(name, os.O_RDWR | os.O_CREAT, 0o600), "rb+", buffering=0)
        handle.stat = lambda: paramiko.SFTPAttributes.from_stat(os.stat(name))
        handle.chattr = lambda _attr: paramiko.SFTP_OK
        return handle


class Server(paramiko.ServerInterface):
    def check_auth_none(self, username):
        return paramiko.AUTH_SUCCESSFUL

    def get_allowed_auths(self, username):
        return "none"

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED


@pytest.fixture
def client(tmp_path, monkeypatch):
    ours, theirs = socket.socketpair()
    files = type("FilesHere", (Files,), {"root": str(tmp_path)})
    here = paramiko.Transport(theirs)
    here.add_server_key(paramiko.RSAKey.generate(2048))
    here.set_subsystem_handler("sftp", paramiko.SFTPServer, files)
    here.start_server(event=threading.Event(), server=Server())
    there = paramiko.Transport(ours)
    there.start_client(timeout=20)
    there.auth_none("shop")
    channel = there.open_session()
    channel.invoke_subsystem("sftp")
    session = Client(channel, "shop.example.com")
    session.files = files
    yield session
    there.close()
    here.close()


def send(client, tmp_path, size, name):
    source = tmp_path / "source"
    source.write_bytes(os.urandom(size))
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    hashed = wire.hash_offered(client.extensions)
    return client.do(jobs.send_file(jobs.Sending(str(source), f"/{name}", size, digest, 0o600, hashed=hashed)))


@pytest.mark.parametrize("size", SIZES)
def test_what_a_server_hashes_is_not_read_back(client, tmp_path, monkeypatch, size):
    assert wire.hash_offered(client.extensions) == ("check-file", "sha1")
    reads = []
    real = wire.read
    monkeypatch.setattr(wire, "read", lambda *given: reads.append(given) or real(*given))
    send(client, tmp_path, size, "file")
    assert (tmp_path / "file").read_bytes() == (tmp_path / "source").read_bytes()
    assert bool(reads) is (size <= jobs.CHUNK)


@pytest.mark.parametrize("size", SIZES[1:])
def test_bytes_that_were_dropped_are_noticed(client, tmp_path, size):
    client.files.drops = True
    with pytest.raises(RunbookError, match="did not arrive as it was sent"):
        send(client, tmp_path, size, "file")


@pytest.mark.parametrize("size", SIZES[3:])
def test_a_server_that_does_not_hash_after_all_is_read(client, tmp_path, monkeypatch, size):
    client.extensions["check-file"] = b"sha256"  # which it does not know
    send(client, tmp_path, size, "file")
    assert (tmp_path / "file").read_bytes() == (tmp_path / "source").read_bytes()
    client.files.drops = True
    with pytest.raises(RunbookError, match="did not arrive as it was sent"):
        send(client, tmp_path, size, "other")


def test_weak_or_no_algorithms_are_not_asked_for():
    assert wire.hash_offered({}) is None
    assert wire.hash_offered({"check-file": b"md5,crc32"}) is None
    assert wire.hash_offered({"check-file": b"md5,sha1,sha256"}) == ("check-file", "sha256")
    assert wire.hash_offered({"check-file": b"sha256", "check-file-handle": b"sha512"}) == ("check-file-handle", "sha512")


@pytest.mark.parametrize("prefix", [b"", struct.pack(">I", 10) + b"check-file"])
@pytest.mark.parametrize("packed", [b"", struct.pack(">I", 32)])
def test_answers_of_all_kinds(prefix, packed):
    digest = hashlib.sha256(b"x").digest()
    body = prefix + struct.pack(">I", 6) + b"sha256" + packed + digest
    assert wire.is_hash(wire.Reply(wire.EXTENDED_REPLY, body, ""), "sha256", digest) is True
    assert wire.is_hash(wire.Reply(wire.EXTENDED_REPLY, body[:-1] + b"?", ""), "sha256", digest) is (digest[-1:] == b"?")
    assert wire.is_hash(wire.Reply(wire.EXTENDED_REPLY, body[:-3], ""), "sha256", digest) is None
    assert wire.is_hash(wire.Reply(wire.EXTENDED_REPLY, body, ""), "sha512", digest) is None
    assert wire.is_hash(wire.Reply(wire.STATUS, struct.pack(">III", 8, 0, 0), ""), "sha256", digest) is None
