# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Percentiles, back-off, signatures, decoding, the thread pool."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import threading
import time
import zlib

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._http.decode import Decoder, UndecodableBody
from ansible_collections.runbook.ops.plugins.module_utils._http.percentile import percentile
from ansible_collections.runbook.ops.plugins.module_utils._http.pool import run_concurrently
from ansible_collections.runbook.ops.plugins.module_utils._http.retry import Backoff, parse_retry_after
from ansible_collections.runbook.ops.plugins.module_utils._http.sign import Credentials, HmacKey


@pytest.mark.parametrize(
    ("count", "name", "value"),
    [
        (1, "p50", None),
        (2, "p50", 1),
        (19, "p95", None),
        (20, "p95", 19),
        (99, "p99", None),
        (100, "p99", 99),
        (100, "p50", 50),
        (3, "max", 3),
        (0, "max", None),
    ],
)
def test_percentile_needs_its_samples(count, name, value):
    values = list(range(count, 0, -1))
    assert percentile(values, name) == value


def test_backoff_doubles_with_jitter_up_to_its_limit():
    backoff = Backoff(retries=9, delay=1.0, max_delay=5.0)
    assert [backoff.wait(attempt, None, lambda: 1.0) for attempt in (1, 2, 3, 4, 60)] == [1, 2, 4, 5, 5]
    assert [backoff.wait(attempt, None, lambda: 0.0) for attempt in (1, 2, 3, 4)] == [0.5, 1, 2, 2.5]


def test_backoff_never_returns_before_the_server_wishes():
    backoff = Backoff(retries=9, delay=1.0, max_delay=30.0)
    assert backoff.wait(1, 20.0, lambda: 0.0) == 20.0
    assert backoff.wait(1, 20.0, lambda: 1.0) == 22.0
    assert backoff.wait(5, 2.0, lambda: 1.0) == 16.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("7", 7),
        (" 0 ", 0),
        ("1.5", 1.5),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 20),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
def test_retry_after(value, seconds):
    assert parse_retry_after(value, now=100.0) == seconds


def test_signature_is_the_documented_one():
    key = HmacKey("s3cret", key_id="k1", prefix="sha256=")
    headers = dict(key.headers("POST", "/hook?a=1", b"{}", timestamp=1700000000))
    text = "POST\n/hook?a=1\n1700000000\n" + hashlib.sha256(b"{}").hexdigest()
    assert key.signed("POST", "/hook?a=1", "1700000000", b"{}") == text.encode()
    wanted = "sha256=" + hmac.new(b"s3cret", text.encode(), "sha256").hexdigest()
    assert headers == {"X-Timestamp": "1700000000", "X-Signature": wanted, "X-Key-Id": "k1"}


@pytest.mark.parametrize(
    ("options", "signed"),
    [
        ({"parts": ("method", "path_without_query", "body_sha256", "timestamp"), "separator": "|"}, b"POST|/hook|%(sha)s|1700000000"),
        ({"parts": ("timestamp", "body"), "separator": "."}, b"1700000000.\xff"),
        ({"parts": ("body",)}, b"\xff"),
        ({"parts": ("key_id", "timestamp"), "key_id": "k1", "timestamp_format": "milliseconds"}, b"k1\n1700000000500"),
        ({"parts": ("timestamp", "path"), "timestamp_format": "iso8601"}, b"2023-11-14T22:13:20Z\n/hook?a=1"),
    ],
)
def test_what_is_signed_can_be_chosen(options, signed):
    headers = dict(HmacKey("s3cret", **options).headers("POST", "/hook?a=1", b"\xff", timestamp=1700000000.5))
    signed = signed.replace(b"%(sha)s", hashlib.sha256(b"\xff").hexdigest().encode())
    assert headers["X-Signature"] == hmac.new(b"s3cret", signed, "sha256").hexdigest()
    assert headers["X-Timestamp"].encode() in signed or "timestamp" not in options["parts"]


def test_signature_in_base64():
    key = HmacKey("s3cret", algorithm="sha512", encoding="base64")
    value = dict(key.headers("GET", "/", b"", timestamp=1))["X-Signature"]
    assert len(base64.b64decode(value)) == 64


def test_credentials_do_not_show_their_secrets():
    shown = repr(Credentials("user", "hunter2", "token1234", HmacKey("s3cret")))
    assert not any(secret in shown for secret in ("hunter2", "token1234", "s3cret"))


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_decoder_takes_any_pieces(size):
    content = bytes(range(256)) * 4096
    packed = gzip.compress(content)
    decoder = Decoder("gzip")
    pieces = [piece for start in range(0, len(packed), size) for piece in decoder.decode(packed[start : start + size])]
    decoder.end()
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= 65536


def test_decoder_gets_all_out_of_the_last_byte():
    """At some lengths the last byte of a bare deflate stream is taken in while there is more to give out than one piece."""
    for count in range(65536, 66136):
        packer = zlib.compressobj(wbits=-15)
        packed = packer.compress(b"\0" * count) + packer.flush()
        decoder = Decoder("deflate")
        assert sum(map(len, decoder.decode(packed))) == count
        decoder.end()


def test_decoder_says_when_something_is_missing():
    decoder = Decoder("gzip")
    list(decoder.decode(gzip.compress(b"x" * 1000)[:-1]))
    with pytest.raises(UndecodableBody, match="too early"):
        decoder.end()


def test_pool_keeps_order_and_its_limit():
    running, most, lock = 0, 0, threading.Lock()

    def work(item):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02 * (item % 3))
        with lock:
            running -= 1
        return item * 2

    assert run_concurrently(work, range(20), 4) == [item * 2 for item in range(20)]
    assert 2 <= most <= 4
