# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""offsite_copy to S3, as moto serves it: multipart uploads, ETags that are no checksums and all.

The stage "offsite" runs it: with tests/requirements-offsite.txt, moto[server] in the interpreter and rclone beside it.
"""

# pylint: disable=wildcard-import,unused-wildcard-import
from __future__ import annotations

import socket
import subprocess
import sys
import time

import boto3
import pytest
from faults.offsite_cases import *  # noqa: F403 - the tests themselves
from faults.offsite_cases import Place, copies  # noqa: F401

KEY, SECRET = "AKIAEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


@pytest.fixture(scope="module")
def s3():
    """A client of a server of our own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [sys.executable, "-c", f"from moto.server import main; main(['-H', '127.0.0.1', '-p', '{port}'])"]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _try in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield boto3.client(
            "s3", endpoint_url=f"http://127.0.0.1:{port}", aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name="us-east-1"
        )
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def remote(s3, request):
    bucket = f"rb-{abs(hash(request.node.name)) % 10**9}"
    s3.create_bucket(Bucket=bucket)
    section = {"type": "s3", "provider": "Other", "endpoint": s3.meta.endpoint_url, "access_key_id": KEY, "secret_access_key": SECRET}
    section.update({"region": "us-east-1", "force_path_style": True, "chunk_size": "5Mi", "upload_cutoff": "5Mi", "no_head": True})
    key = "backups/{}".format
    return Place(
        f"offsite:{bucket}/backups",
        {"offsite": section},
        lambda name: s3.get_object(Bucket=bucket, Key=key(name))["Body"].read(),
        lambda name, data: s3.put_object(Bucket=bucket, Key=key(name), Body=data),
        lambda name: s3.delete_object(Bucket=bucket, Key=key(name)),
    )


def test_an_etag_is_not_believed(copies, remote, s3):  # noqa: F811
    """The object is replaced by one of the same size, and its ETag is that of a multipart upload: no checksum of anything."""
    identity = copies.backups.make(data=b"x" * (6 << 20))
    copies.go()
    bucket = remote.where.partition(":")[2].partition("/")[0]
    name = f"{copies.quoted}/{identity}.sql"
    assert "-" in s3.head_object(Bucket=bucket, Key=f"backups/{name}")["ETag"]
    remote.write(name, b"x" * (3 << 20) + b"y" + b"x" * ((3 << 20) - 1))
    assert copies.go(verify="new")["copies"][0]["verified"] is False
    assert copies.go(preview=True, verify="all")["copies"][0]["state"] == "bad"
    assert copies.go(verify="all")["changed"] is True
    assert copies.go(verify="all")["changed"] is False


def test_a_wrong_key_is_told_without_it(copies, remote):  # noqa: F811
    copies.backups.make()
    with pytest.raises(RunbookError) as error:  # noqa: F405
        copies.go(
            remote="offsite:no-such-bucket-at-all/x",
            config={"offsite": {**remote.config["offsite"], "endpoint": "http://127.0.0.1:1"}},
            retries=1,
        )
    assert SECRET not in error.value.message
    assert "\n" not in error.value.message
