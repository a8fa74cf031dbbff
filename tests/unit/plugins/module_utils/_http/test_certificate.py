# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading certificates, against what openssl says of them."""

from __future__ import annotations

import datetime
import random
import ssl
import subprocess

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._http.certificate import parse_certificate


def der(path):
    with open(path) as stream:
        return ssl.PEM_cert_to_DER_cert(stream.read())


@pytest.mark.parametrize("name", ["good", "expired", "wrong"])
def test_agrees_with_openssl(certificates, name):
    path = certificates[name][0]
    words = ["openssl", "x509", "-in", path, "-noout", "-enddate", "-startdate", "-dateopt", "iso_8601"]
    dates = dict(line.split("=") for line in subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines())
    found = parse_certificate(der(path))
    assert found.not_after.strftime("%Y-%m-%d %H:%M:%SZ") == dates["notAfter"]
    assert found.not_before.strftime("%Y-%m-%d %H:%M:%SZ") == dates["notBefore"]
    assert (found.subject, found.issuer) == ("www.example.com", "Authority of the tests")
    assert found.names == (("other.example.com",) if name == "wrong" else ("www.example.com", "localhost", "127.0.0.1"))


def test_days_beyond_2049_are_read(authority):
    found = parse_certificate(der(authority.issue("late", "20510203040506Z")[0]))
    assert found.not_after == datetime.datetime(2051, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc)


def test_days_are_whole_and_negative_once_expired(certificates):
    found = parse_certificate(der(certificates["good"][0]))
    assert found.days_left(found.not_after - datetime.timedelta(days=14)) == 14
    assert found.days_left(found.not_after - datetime.timedelta(days=14, seconds=-1)) == 13
    assert found.days_left(found.not_after + datetime.timedelta(seconds=1)) == -1


def test_damaged_bytes_raise_nothing_but_valueerror(certificates):
    whole = der(certificates["good"][0])
    rand = random.Random(11)
    refused = 0
    for _round in range(3000):
        data = bytearray(whole[: rand.choice([len(whole), rand.randrange(len(whole))])])
        for _round in range(rand.randrange(4)):
            if data:
                data[rand.randrange(len(data))] = rand.randrange(256)
        try:
            parse_certificate(bytes(data))
        except ValueError:
            refused += 1
    assert refused > 1000
