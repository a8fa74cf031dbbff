# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bundles: the same bytes for the same input, no path that leads astray, and no change that goes unnoticed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import zipfile

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.argspec import complete
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, Refused, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._evidence.bundle import BUNDLE, evidence_bundle

SECRET = "Hunter2Tr0ub4dor"


def call(run=None, **options):
    return evidence_bundle(complete(BUNDLE, options, "test"), run or Run())


@pytest.fixture
def site(tmp_path):
    """Some logs, one of them with a secret, one binary, and things that nobody should collect."""
    logs = tmp_path / "logs"
    (logs / "deep").mkdir(parents=True)
    (logs / "app.log").write_text(f"kept\npassword={SECRET}\n")
    (logs / "deep" / "old.log.gz").write_bytes(b"\x1f\x8b\x08\0\0\0\0\0")
    (logs / "ع.log").write_text("نص\n")
    (logs / "link.log").symlink_to("/etc/hostname")
    (logs / "folder_link").symlink_to("/etc")
    os.mkfifo(logs / "fifo")
    with socket.socket(socket.AF_UNIX) as one:
        here = os.getcwd()
        os.chdir(logs)
        one.bind("socket")
        os.chdir(here)
    return tmp_path


def test_what_is_in_it(site):
    dest = str(site / "run.zip")
    made = call(
        dest=dest,
        sources=[
            {"src": str(site / "logs"), "name": "logs"},
            {"listing": str(site / "logs"), "name": "listings/logs.txt"},
            {"content": {"b": 1, "a": {"token": SECRET}}, "name": "results/probes.json"},
            {"src": str(site / "gone"), "optional": True},
        ],
        metadata={"label": "prod", "password": SECRET},
    )
    with zipfile.ZipFile(dest) as bundle:
        names = bundle.namelist()
        everything = b"".join(bundle.read(name) for name in names)
        manifest = json.loads(bundle.read("manifest.json"))
        assert json.loads(bundle.read("results/probes.json")) == {"a": {"token": "[scrubbed]"}, "b": 1}
        listing = bundle.read("listings/logs.txt").decode()
        sums = bundle.read("SHA256SUMS").decode()
        for line in sums.splitlines():
            digest, _gap, name = line.partition("  ")
            assert hashlib.sha256(bundle.read(name)).hexdigest() == digest
    assert SECRET.encode() not in everything
    assert names == [
        *("logs/app.log", "logs/deep/old.log.gz", "logs/ع.log", "listings/logs.txt", "results/probes.json"),
        *("manifest.json", "SHA256SUMS"),
    ]
    assert "-> /etc/hostname" in listing and "deep/old.log.gz" in listing
    assert made["binary"] == ["logs/deep/old.log.gz"]
    assert {item["reason"] for item in manifest["left_out"]} == {
        "it is a symbolic link",
        "it is a FIFO",
        "it is a socket",
        "it does not exist",
    }
    assert manifest["metadata"] == {"label": "prod", "password": "[scrubbed]"}
    assert (made["scrubbed"], os.stat(dest).st_mode & 0o777) == (2, 0o600)


def test_the_same_input_makes_the_same_bytes(site):
    options = {"sources": [{"src": str(site / "logs"), "name": "logs"}, {"content": [1], "name": "a.json"}], "metadata": {"b": 1, "a": 2}}
    first = call(dest=str(site / "one.zip"), **options)
    for path in (site / "logs").rglob("*.log"):
        os.utime(path, (1, 1), follow_symlinks=False)
    os.chmod(site / "logs" / "app.log", 0o640)
    mask = os.umask(0o077)
    try:
        second = call(dest=str(site / "two.zip"), **{**options, "metadata": {"a": 2, "b": 1}})
    finally:
        os.umask(mask)
    assert first["sha256"] == second["sha256"] == hashlib.sha256((site / "two.zip").read_bytes()).hexdigest()
    assert call(dest=str(site / "one.zip"), **options)["changed"] is False
    assert call(dest=str(site / "one.zip"), mode="0640", **options)["changed"] is True


def test_check_mode_writes_nothing_and_knows_the_digest(site):
    options = {"dest": str(site / "new" / "run.zip"), "sources": [{"src": str(site / "logs"), "name": "logs"}]}
    predicted = call(Run(check_mode=True, diff=True), **options)
    assert not (site / "new").exists()
    assert "logs/app.log" in predicted["diff"]["after"]
    made = call(**options)
    assert (predicted["changed"], made["sha256"]) == (True, predicted["sha256"])
    assert call(Run(check_mode=True), **options)["changed"] is False


def test_a_bundle_in_a_collected_folder_does_not_hold_itself(site):
    options = {"dest": str(site / "logs" / "[1] run.zip"), "sources": [{"src": str(site / "logs"), "name": "logs"}]}
    assert call(**options)["sha256"] == call(**options)["sha256"]


def test_the_end_of_a_log_begins_with_a_whole_line(site):
    log = site / "big.log"
    log.write_text(f"first {SECRET}\npassword={SECRET}\n" + "x" * 50 + "\nlast\n")
    size = log.stat().st_size
    for room in range(6, size):
        made = call(dest=str(site / "run.zip"), sources=[{"src": str(log), "name": "big.log", "max_bytes": room}])
        with zipfile.ZipFile(site / "run.zip") as bundle:
            data = bundle.read("big.log").decode()
        assert data.endswith("last\n") and "password" not in data.replace("password=[scrubbed]", "") and SECRET not in data
        assert made["entries"][0]["excerpt_of_bytes"] == size
    binary = site / "core"
    binary.write_bytes(b"\0" * 100)
    made = call(dest=str(site / "run.zip"), sources=[{"src": str(site), "name": "all", "max_bytes": 60, "exclude": ["logs"]}])
    assert "binary and larger" in made["left_out"][0]["reason"]


def test_paths_that_lead_astray(site):
    (site / "link").symlink_to(site / "logs" / "app.log")
    dest = str(site / "run.zip")
    with pytest.raises(Refused, match="it is a symbolic link"):
        call(dest=dest, sources=[{"src": str(site / "link")}])
    with pytest.raises(Refused, match="it is a FIFO"):
        call(dest=dest, sources=[{"src": str(site / "logs" / "fifo")}])
    with pytest.raises(Refused, match="it is a device"):
        call(dest=dest, sources=[{"src": "/dev/null"}])
    with pytest.raises(Refused, match="dest .* is not written: it is a symbolic link"):
        call(dest=str(site / "link"), sources=[{"content": "x", "name": "x"}])
    with pytest.raises(Refused, match="has no listing"):
        call(dest=dest, sources=[{"listing": str(site / "link")}])
    for name in ("/x", "../x", "a/../x", "a//x", "./x", "C:/x", "a\\x", "manifest.json", "SHA256SUMS", "a\nb", "a\u202eb", "x" * 300):
        with pytest.raises(InvalidInput):
            call(dest=dest, sources=[{"content": "x", "name": name}])
    for src in ("logs", f"{site}/logs/../../x", "/"):
        with pytest.raises(InvalidInput):
            call(dest=dest, sources=[{"src": src}])
    with pytest.raises(InvalidInput, match="two files would be"):
        call(dest=dest, sources=[{"content": "x", "name": "x"}, {"content": "y", "name": "x"}])
    with pytest.raises(Refused, match="larger than max_total_bytes"):
        call(dest=dest, sources=[{"content": "x" * 100, "name": "x"}], max_total_bytes=99)
    assert not os.path.exists(dest)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_link_that_somebody_else_made_is_not_followed(site):
    mine, theirs = site / "mine", site / "theirs"
    for link in (mine, theirs):
        link.symlink_to(site / "logs")
    os.lchown(theirs, 12345, 12345)
    assert call(state="collected", sources=[{"src": str(mine / "app.log")}])["documents"]
    with pytest.raises(Refused, match="symbolic link of another user's"):
        call(state="collected", sources=[{"src": str(theirs / "app.log")}])
    os.link(site / "logs" / "app.log", site / "logs" / "stolen.log")
    os.chown(site / "logs", 12345, 12345)
    with pytest.raises(Refused, match="another name elsewhere"):
        call(state="collected", sources=[{"src": str(site / "logs" / "stolen.log")}])


def test_names_that_were_found_harm_nobody(site):
    for name in (b"a\nb.log", b"back\\slash", b"\xff.log", "turn\u202egol.exe".encode(), f"token={SECRET}".encode()):
        (site / "logs" / os.fsdecode(name)).write_text("x\n")
    made = call(
        dest=str(site / "run.zip"), sources=[{"src": str(site / "logs"), "name": "logs"}, {"listing": str(site / "logs"), "name": "l.txt"}]
    )
    names = [entry["name"] for entry in made["entries"]]
    assert {"logs/a%0Ab.log", "logs/back%5Cslash", "logs/%FF.log", "logs/turn%E2%80%AEgol.exe", "logs/token=[scrubbed]"} <= set(names)
    assert call(state="verified", dest=str(site / "run.zip"))["status"] == "ok"


def test_nobody_who_writes_logs_prevents_a_bundle(site):
    (site / "logs" / "a%5Cb").write_text("x")
    (site / "logs" / "a\\b").write_text("y")
    (site / "logs" / ("z" * 250)).write_text("x")
    deep = site / "logs" / "d"
    for _level in range(60):
        deep = deep / "d"
    deep.mkdir(parents=True)
    (deep / "x").write_text("x")
    made = call(dest=str(site / "run.zip"), sources=[{"src": str(site / "logs"), "name": "logs"}])
    reasons = " ".join(item["reason"] for item in made["left_out"])
    assert "is another's already" in reasons and "is too deep" in reasons


def test_collected_travels_and_becomes_a_bundle(site):
    (site / "logs" / "odd.log").write_bytes(b"caf\xe9\n")
    found = call(state="collected", sources=[{"src": str(site / "logs"), "name": "web1/logs"}])
    assert [item["name"] for item in found["documents"]] == ["web1/logs/app.log", "web1/logs/odd.log", "web1/logs/ع.log"]
    assert SECRET not in json.dumps(found)
    made = call(dest=str(site / "run.zip"), sources=found["documents"])
    assert len(made["entries"]) == 3


def rewrite(path, change):
    """The bundle with its files as ``change`` (name, data) makes them; None drops one."""
    with zipfile.ZipFile(path) as bundle:
        files = {info.filename: bundle.read(info) for info in bundle.infolist()}
    with zipfile.ZipFile(path, "w") as bundle:
        for name, data in change(dict(files)).items():
            bundle.writestr(name, data)


TAMPERED = [
    ("an altered file", lambda files: {**files, "a.txt": b"b"}, "differs: a.txt"),
    ("a file taken away", lambda files: {name: data for name, data in files.items() if name != "a.txt"}, "is missing: a.txt"),
    ("a file added", lambda files: {**files, "b.txt": b"b"}, "was added: b.txt"),
    ("an altered manifest", lambda files: {**files, "manifest.json": files["manifest.json"].replace(b"prod", b"test")}, "differs"),
    ("no sums", lambda files: {name: data for name, data in files.items() if name != "SHA256SUMS"}, "no SHA256SUMS"),
    ("odd sums", lambda files: {**files, "SHA256SUMS": files["SHA256SUMS"] + b"x\n"}, "damaged"),
    ("a name that climbs", lambda files: {**files, "../x": b""}, "names that no bundle has: ../x"),
    ("another format", lambda files: with_manifest(files, format=99), "format 99"),
    ("another story", lambda files: with_manifest(files, entries=[]), "tell different things"),
    ("no story", lambda files: with_manifest(files, entries=7), "manifest.json is none"),
]  # fmt: skip


def with_manifest(files, **changes):
    text = json.dumps({**json.loads(files["manifest.json"]), **changes}).encode()
    sums = f"{hashlib.sha256(files['a.txt']).hexdigest()}  a.txt\n{hashlib.sha256(text).hexdigest()}  manifest.json\n"
    return {**files, "manifest.json": text, "SHA256SUMS": sums.encode()}


@pytest.mark.parametrize(("what", "change", "said"), TAMPERED, ids=[case[0] for case in TAMPERED])
def test_no_change_goes_unnoticed(tmp_path, what, change, said):
    dest = str(tmp_path / "run.zip")
    call(dest=dest, sources=[{"content": "a", "name": "a.txt"}], metadata={"label": "prod"})
    assert call(state="verified", dest=dest)["status"] == "ok"
    rewrite(dest, change)
    with pytest.raises(RunbookError, match=said):
        call(state="verified", dest=dest)
    assert call(state="verified", dest=dest, fail=False)["status"] == "failed"


def test_files_that_are_no_bundle(tmp_path):
    path = tmp_path / "x.zip"
    for data in (b"", b"no zip", b"PK\x05\x06" + b"\0" * 18):
        path.write_bytes(data)
        assert call(state="verified", dest=str(path), fail=False)["status"] == "failed"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr("bomb", b"\0" * 50_000_000)
    assert call(state="verified", dest=str(path), fail=False, max_total_bytes=1_000_000)["status"] == "crashed"
    path.unlink()
    path.symlink_to("/etc/hostname")
    with pytest.raises(InvalidInput, match="symbolic link"):
        call(state="verified", dest=str(path))


def test_every_byte_counts(tmp_path):
    dest = tmp_path / "run.zip"
    call(dest=str(dest), sources=[{"content": "abc" * 30, "name": "a.txt"}], compress=False)
    data = dest.read_bytes()
    end = zipfile.ZipFile(dest).getinfo("manifest.json").header_offset
    for place in range(30 + len("a.txt"), end):
        dest.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert call(state="verified", dest=str(dest), fail=False)["status"] in ("failed", "crashed"), place


@pytest.fixture
def key(tmp_path):
    if not shutil.which("ssh-keygen"):
        pytest.skip("no ssh-keygen here")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "x", "-f", tmp_path / "key"], check=True)
    public = (tmp_path / "key.pub").read_text()
    (tmp_path / "allowed").write_text(f"ops@example.com {public}")
    return tmp_path / "key"


def test_signatures(tmp_path, key):
    dest, allowed = str(tmp_path / "run.zip"), str(tmp_path / "allowed")
    options = {"dest": dest, "sources": [{"content": "a", "name": "a.txt"}], "sign_key": str(key)}
    asked = {"state": "verified", "dest": dest, "allowed_signers": allowed, "signer": "ops@example.com", "fail": False}
    assert call(**options)["signed"] and not call(**options)["changed"]
    assert call(**asked)["status"] == "ok"
    assert call(state="verified", dest=dest)["status"] == "warning"
    assert call(**{**asked, "signer": "eve@example.com"})["status"] == "failed"
    # What docs/evidence.md tells an auditor to do without Ansible.
    subprocess.run(["unzip", "-q", dest, "-d", tmp_path / "out"], check=True) if shutil.which("unzip") else shutil.unpack_archive(
        dest, tmp_path / "out"
    )
    words = ["ssh-keygen", "-Y", "verify", "-f", allowed, "-I", "ops@example.com", "-n", "runbook-evidence", "-s", "SHA256SUMS.sig"]
    with open(tmp_path / "out" / "SHA256SUMS", "rb") as sums:
        subprocess.run(words, stdin=sums, cwd=tmp_path / "out", check=True)
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=tmp_path / "out", check=True)
    # A forger can make all sums agree, but not the signature.
    rewrite(dest, lambda files: with_manifest({**files, "a.txt": b"forged"}))
    verdict = call(**asked)
    assert [item["status"] for item in verdict["checks"]] == ["ok", "failed", "failed"] or verdict["checks"][2]["status"] == "failed"
    call(**{**options, "sign_key": None})
    assert "it is not signed" in call(**asked)["msg"]


def test_keys_that_can_not_sign(tmp_path, key):
    options = {"dest": str(tmp_path / "run.zip"), "sources": [{"content": "a", "name": "a.txt"}]}
    with pytest.raises(InvalidInput, match="does not exist"):
        call(**options, sign_key=str(tmp_path / "gone"))
    key.write_text("no key\n")
    with pytest.raises(RunbookError, match="nothing could be signed"):
        call(**options, sign_key=str(key))
    assert not (tmp_path / "run.zip").exists()
