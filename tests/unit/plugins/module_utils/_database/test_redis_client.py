# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The protocol's reader against a scripted peer: answers in every split, both ways of sending a data set, ends that are none."""

from __future__ import annotations

import contextlib
import io
import socket
import threading

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._database.model import Login
from ansible_collections.runbook.ops.plugins.module_utils._database.redis_client import RedisConnection, RedisError, encode

# As random as a server makes it: one that repeats itself would be found too early.
MARK = b"0f9e2b7c41d86a35e0b1c9f7724d5a8836be1f0d"


@pytest.fixture
def talk(tmp_path):
    """Connects to a peer that says the given bytes, in pieces of the given size, and hangs up."""
    threads = []

    def start(said, piece=1 << 20):
        path = str(tmp_path / f"socket{len(threads)}")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1)

        def serve():
            peer, _address = listener.accept()
            with peer, contextlib.suppress(OSError):
                data = b"+PONG\r\n" + said
                for at in range(0, len(data), piece):
                    peer.sendall(data[at : at + piece])
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(65536):
                    pass
            listener.close()

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return RedisConnection(Login(unix_socket=path), 10)

    yield start
    for thread in threads:
        thread.join(10)


@pytest.mark.parametrize("piece", [1, 3, 1 << 20])
def test_answers_of_all_kinds(talk, piece):
    said = b"+OK\r\n:-7\r\n$5\r\na\r\nb\xff\r\n$-1\r\n$0\r\n\r\n*-1\r\n*3\r\n:1\r\n*1\r\n$1\r\nx\r\n-ERR inside\r\n-NOPERM no\r\n"
    with talk(said, piece) as connection:
        answers = [connection.answer() for _number in range(6)]
        assert answers == [b"OK", -7, b"a\r\nb\xff", None, b"", None]
        nested = connection.answer()
        assert nested[:2] == [1, [b"x"]] and isinstance(nested[2], RedisError)
        with pytest.raises(RedisError, match="NOPERM no") as caught:
            connection.command("GET", "a")
        assert caught.value.code == "NOPERM"
        with pytest.raises(RunbookError, match="closed the connection in the middle"):
            connection.answer()


@pytest.mark.parametrize("piece", [1, 7, 41, 1 << 20])
@pytest.mark.parametrize("data", [b"", b"REDIS", b"x" * 200_000, MARK[:39] + b"!", MARK[1:] + MARK[:20]])
def test_a_data_set_arrives_whole_in_both_ways(talk, piece, data):
    if piece == 1 and len(data) > 1000:
        data = data[:1000]
    for announced in (b"\n\n$%d\r\n" % len(data) + data, b"\n$EOF:" + MARK + b"\r\n" + data + MARK):
        target = io.BytesIO()
        with talk(b"+OK\r\n-ERR unknown\r\n" + announced, piece) as connection:
            assert connection.receive_rdb(target) == len(data)
        assert target.getvalue() == data


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"$10\r\nnine bytes"[:-1], "closed the connection"),
        (b"$EOF:" + MARK + b"\r\ndata" + MARK[:-1], "closed the connection"),
        (b"$EOF:short\r\ndata", "unknown way"),
        (b"-NOPERM this user has no permissions\r\n", "does not send its data: NOPERM"),
        (b"\n\n", "closed the connection"),
        (b"+CONTINUE\r\n", "does not send its data"),
    ],
)
def test_a_data_set_that_is_none_is_refused(talk, said, told):
    with talk(b"+OK\r\n+OK\r\n" + said) as connection, pytest.raises(RunbookError, match=told) as caught:
        connection.receive_rdb(io.BytesIO())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n", b"x" * 200_000])
def test_other_servers_are_told_apart(talk, said):
    with talk(said) as connection, pytest.raises(RunbookError, match="is not a Redis server"):
        connection.answer()


def test_a_command_is_counted_so_that_nothing_in_it_is_special():
    assert encode(["SET", b"\r\n*", "é", 7]) == b"*4\r\n$3\r\nSET\r\n$3\r\n\r\n*\r\n$2\r\n\xc3\xa9\r\n$1\r\n7\r\n"
