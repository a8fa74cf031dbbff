# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives, good and hostile. Every hostile one is built here, byte for byte where a tool would not do it."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import os
import random
import shutil
import stat
import struct
import subprocess
import tarfile
import time
import zipfile

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, Refused, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._source import archive
from ansible_collections.runbook.ops.plugins.module_utils._source.archive import unpack

LIMITS = {"max_bytes": 10_000_000, "max_files": 1000}
CONTENT = b"<?php echo 1;\n" * 100


def member(name, kind=tarfile.REGTYPE, data=b"", link="", mode=0o644):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname, info.mode = kind, len(data), link, mode
    return info, data


def tar_bytes(*members, form=tarfile.PAX_FORMAT):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def good():
    return tar_bytes(
        member("site", tarfile.DIRTYPE, mode=0o755),
        member("site/index.php", data=CONTENT),
        member("site/bin/run", data=b"#!/bin/sh\n", mode=0o4777),
        member("site/صور/مرحبا.txt", data="سلام".encode()),
        member("site/" + "deep/" * 60 + "leaf", data=b"leaf"),
        member("site/empty"),
        member("site/copy.php", tarfile.LNKTYPE, link="site/index.php"),
        member("site/latest", tarfile.SYMTYPE, link="bin/../index.php"),
    )


def written(tmp_path, data, name="a.bin"):
    path = tmp_path / name
    path.write_bytes(data)
    return str(path)


def refused(tmp_path, data, match, **options):
    """Unpacking must be refused in one line that matches, leave nothing, and touch nothing beside its folder."""
    path = written(tmp_path, data)
    beside = sorted(os.listdir(tmp_path))
    dest = str(tmp_path / "out")
    with pytest.raises((Refused, InvalidInput), match=match) as caught:
        unpack(path, dest, **{**LIMITS, **options})
    assert "\n" not in caught.value.message
    assert sorted(os.listdir(tmp_path)) == beside


# -- what must work --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["tar", "gzip", "bzip2", "xz", "zstd"])
def test_tar_is_recognised_by_content_and_unpacked(tmp_path, form):
    data = good()
    if form == "zstd":
        if not shutil.which("zstd"):
            pytest.skip("no zstd command")
        data = subprocess.run(["zstd", "-c", "-q"], input=data, stdout=subprocess.PIPE, check=True).stdout
    else:
        data = {"tar": lambda d: d, "gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}[form](data)
    path = written(tmp_path, data, "misleading.zip")
    assert archive.recognise(path) == form
    out = tmp_path / "out"
    result = unpack(path, str(out), **LIMITS)
    assert (out / "site/index.php").read_bytes() == CONTENT
    assert (out / "site/صور/مرحبا.txt").read_text(encoding="utf-8") == "سلام"
    assert (out / ("site/" + "deep/" * 60 + "leaf")).read_bytes() == b"leaf"
    assert stat.S_IMODE((out / "site/index.php").stat().st_mode) == 0o644
    assert stat.S_IMODE((out / "site/bin/run").stat().st_mode) == 0o755, "setuid and write for others are stripped, execute is kept"
    assert os.readlink(out / "site/latest") == "bin/../index.php"
    assert os.path.samefile(out / "site/copy.php", out / "site/index.php")
    assert (result.files, result.links, result.top_folder) == (6, 1, "site")
    assert result.bytes == 2 * len(CONTENT) + len(b"#!/bin/sh\n") + len("سلام".encode()) + 4


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_and_long_links(tmp_path, form):
    name, link = "a" * 200 + "/" + "b" * 200, "c" * 250
    data = tar_bytes(member(name, data=b"1"), member(link, data=b"2"), member("l", tarfile.SYMTYPE, link=link), form=form)
    unpack(written(tmp_path, data), str(tmp_path / "out"), **LIMITS)
    assert (tmp_path / "out" / name).read_bytes() == b"1"
    assert (tmp_path / "out" / "l").read_bytes() == b"2"


def test_tar_by_the_tar_command_and_its_global_headers(tmp_path):
    source = tmp_path / "src"
    (source / "d").mkdir(parents=True)
    (source / "d/file").write_bytes(b"x" * 3_000_000)
    (source / "link").symlink_to("d/file")
    path = str(tmp_path / "a.tar")
    for form in ("gnu", "posix", "v7", "ustar"):
        extra = ["--pax-option=globexthdr.name=g,comment=hello"] if form == "posix" else []
        subprocess.run(["tar", "-C", str(source), f"--format={form}", *extra, "-cf", path, "."], check=True)
        result = unpack(path, str(tmp_path / f"out-{form}"), **LIMITS)
        assert (tmp_path / f"out-{form}" / "link").read_bytes() == b"x" * 3_000_000
        assert (result.files, result.links, result.top_folder) == (1, 1, "")


def test_headers_of_old_tars(tmp_path):
    """A checksum of signed bytes, no magic, and a name in Latin-1."""
    info = tarfile.TarInfo("caf\u00e9.txt")
    block = bytearray(info.tobuf(tarfile.USTAR_FORMAT, "latin-1"))
    block[257:512] = bytes(255)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(struct.unpack("512b", block))
    path = written(tmp_path, bytes(block) + b"\0" * 1024)
    unpack(path, str(tmp_path / "out"), **LIMITS)
    assert os.listdir(os.fsencode(tmp_path / "out")) == [b"caf\xe9.txt"]


def test_large_numbers_in_binary_form(tmp_path):
    info = tarfile.TarInfo("big")
    info.size = 9 << 30
    refused(tmp_path, info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 100_000, "truncated")
    info.size, info.mtime = 3, 1 << 40
    unpack(written(tmp_path, info.tobuf(tarfile.GNU_FORMAT) + b"abc" + b"\0" * 2000), str(tmp_path / "out"), **LIMITS)
    assert (tmp_path / "out/big").read_bytes() == b"abc"


def test_strip_components(tmp_path):
    result = unpack(written(tmp_path, good()), str(tmp_path / "out"), strip_components=1, **LIMITS)
    assert (tmp_path / "out/index.php").read_bytes() == CONTENT
    assert os.path.samefile(tmp_path / "out/copy.php", tmp_path / "out/index.php")
    assert result.top_folder == ""


def test_strip_components_never_drops_a_file(tmp_path):
    refused(tmp_path, tar_bytes(member("top.txt", data=b"1"), member("site/a", data=b"1")), "top.txt.*without a name", strip_components=1)
    refused(tmp_path, tar_bytes(member("site", tarfile.DIRTYPE)), "holds no file below 1 leading", strip_components=1)


def zip_bytes(*members, method=zipfile.ZIP_DEFLATED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as out:
        for name, data, mode in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16 or 0x20
            info.compress_type = method
            out.writestr(info, data)
    return stream.getvalue()


def test_zip(tmp_path):
    data = zip_bytes(
        ("site/", b"", 0o40755),
        ("site/index.php", CONTENT, 0o100644),
        ("site/run", b"#!", 0o100755),
        ("site/dos.txt", b"no mode", 0),
        ("site/مرحبا.txt", b"1", 0o100644),
        ("site/latest", b"index.php", 0o120777),
    )
    out = tmp_path / "out"
    result = unpack(written(tmp_path, data), str(out), **LIMITS)
    assert (out / "site/latest").read_bytes() == CONTENT
    assert (out / "site/latest").is_symlink()
    assert stat.S_IMODE((out / "site/run").stat().st_mode) == 0o755
    assert stat.S_IMODE((out / "site/dos.txt").stat().st_mode) == 0o644
    assert (out / "site/مرحبا.txt").exists()
    assert (result.files, result.links, result.top_folder) == (4, 1, "site")


def test_zip_with_undeclared_utf8_names(tmp_path):
    data = zip_bytes(("صفحة", b"1", 0o100644))
    at = data.index(b"PK\x01\x02")
    plain = bytearray(data)
    for offset in (6, at + 8):  # clear the flag that declares UTF-8, as Info-ZIP leaves it
        plain[offset : offset + 2] = struct.pack("<H", struct.unpack_from("<H", plain, offset)[0] & ~0x800)
    unpack(written(tmp_path, bytes(plain)), str(tmp_path / "out"), **LIMITS)
    assert os.listdir(tmp_path / "out") == ["صفحة"]


def test_the_folder_is_private_and_may_exist_if_empty(tmp_path):
    dest = tmp_path / "out"
    unpack(written(tmp_path, good()), str(dest), **LIMITS)
    assert stat.S_IMODE(dest.stat().st_mode) == 0o700
    with pytest.raises(Refused, match="no empty folder"):
        unpack(str(tmp_path / "a.bin"), str(dest), **LIMITS)
    assert (dest / "site/index.php").exists(), "what was there is not removed"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to("elsewhere")
    with pytest.raises(Refused, match="no empty folder"):
        unpack(str(tmp_path / "a.bin"), str(tmp_path / "link"), **LIMITS)


# -- hostile tar -----------------------------------------------------------------------------------------------

HOSTILE = {
    "absolute": ([member("/etc/passwd", data=b"x")], "absolute name"),
    "dotdot": ([member("site/../../evil", data=b"x")], r"with '\.\.'"),
    "dotdot folder": ([member("../evil", tarfile.DIRTYPE)], r"with '\.\.'"),
    "newline": ([member("a\nb", data=b"x")], "control character"),
    "escape sequence": ([member("a\x1b[2J", data=b"x")], "control character"),
    "long component": ([member("a" * 256, data=b"x")], "too long"),
    "long name": ([member("a/" * 1600 + "b", data=b"x")], "too long"),
    "nameless": ([member("./", tarfile.REGTYPE, data=b"")], "no file"),
    "device": ([member("null", tarfile.CHRTYPE)], "a character device"),
    "block device": ([member("sda", tarfile.BLKTYPE)], "a block device"),
    "fifo": ([member("pipe", tarfile.FIFOTYPE)], "a named pipe"),
    "unknown type": ([member("odd", b"Z")], "unknown type"),
    "gnu sparse": ([member("odd", tarfile.GNUTYPE_SPARSE)], "sparse"),
    "duplicate file": ([member("a", data=b"1"), member("a", data=b"2")], "'a' twice"),
    "duplicate by dots": ([member("a", data=b"1"), member("./a", data=b"2")], "twice"),
    "file over folder": ([member("a/b", data=b"1"), member("a", data=b"2")], "twice"),
    "link over folder": ([member("a/b", data=b"1"), member("a", tarfile.SYMTYPE, link="b")], "twice"),
    "folder over file": ([member("a", data=b"1"), member("a", tarfile.DIRTYPE)], "twice"),
    "below a file": ([member("a", data=b"1"), member("a/b", data=b"2")], "through its own file"),
    "link absolute": ([member("a", tarfile.SYMTYPE, link="/etc/passwd")], "leads out"),
    "link up": ([member("d/a", tarfile.SYMTYPE, link="../../etc/passwd")], "leads out"),
    "link to the parent": ([member("a", tarfile.SYMTYPE, link="..")], "leads out"),
    "link empty": ([member("a", tarfile.SYMTYPE, link="")], "impossible target"),
    "link newline": ([member("a", tarfile.SYMTYPE, link="b\nc")], "impossible target"),
    "link loop": ([member("a", tarfile.SYMTYPE, link="b"), member("b", tarfile.SYMTYPE, link="a")], "in circles"),
    # d/in -> . is fine and d/in/../.. is inside by letters, but the kernel goes up from d, not from d/in.
    "link through a link": (
        [
            member("d/e", tarfile.DIRTYPE),
            member("d/in", tarfile.SYMTYPE, link="."),
            member("d/out", tarfile.SYMTYPE, link="in/../../x"),
        ],
        "leads out",
    ),
    "link through a later link": (
        [member("a", tarfile.SYMTYPE, link="up/x"), member("d/k", data=b"1"), member("up", tarfile.SYMTYPE, link="d/../..")],
        "leads out",
    ),
    "link through nothing": ([member("a", tarfile.SYMTYPE, link="shared/../x"), member("x", data=b"1")], "does not hold"),
    "file through a link": ([member("a", tarfile.SYMTYPE, link="."), member("a/x", data=b"1")], "through its own symbolic link"),
    "file through a link out": ([member("a", tarfile.SYMTYPE, link="/tmp"), member("a/x", data=b"1")], "through its own symbolic link"),
    "folder through a link": ([member("a", tarfile.SYMTYPE, link="."), member("a/x", tarfile.DIRTYPE)], "through its own symbolic link"),
    "hard link out": ([member("a", tarfile.LNKTYPE, link="../../etc/passwd")], "hard link out"),
    "hard link absolute": ([member("a", tarfile.LNKTYPE, link="/etc/passwd")], "hard link out"),
    "hard link to a link": (
        [member("l", tarfile.SYMTYPE, link="/etc/passwd"), member("a", tarfile.LNKTYPE, link="l")],
        "no file that came before",
    ),
    "hard link through a link": (
        [member("l", tarfile.SYMTYPE, link="/etc"), member("a", tarfile.LNKTYPE, link="l/passwd")],
        "no file that came before",
    ),
    "hard link to nothing": ([member("a", tarfile.LNKTYPE, link="b"), member("b", data=b"1")], "no file that came before"),
    "hard link through another's write": (
        [member("a", data=b"1"), member("b", tarfile.LNKTYPE, link="a"), member("b", data=b"2")],
        "twice",
    ),
    "nothing": ([member("d", tarfile.DIRTYPE)], "holds no file"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_tar_is_refused(tmp_path, case):
    members, match = HOSTILE[case]
    refused(tmp_path, tar_bytes(*members), match)


@pytest.mark.parametrize("key", ["path", "linkpath", "size"])
def test_tar_with_a_global_header_that_renames_is_refused(tmp_path, key):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT, pax_headers={key: "0"}) as tar:
        tar.addfile(*[part if isinstance(part, tarfile.TarInfo) else io.BytesIO(part) for part in member("a", data=b"1")])
    refused(tmp_path, stream.getvalue(), "all its members at once")


def pax(records, following):
    info = tarfile.TarInfo("x")
    info.type, info.size = b"x", len(records)
    return info.tobuf(tarfile.USTAR_FORMAT) + records + b"\0" * (-len(records) % 512) + following


@pytest.mark.parametrize(
    ("records", "match"),
    [
        (b"20 path=../../evil2\n", r"with '\.\.'"),
        (b"11 path=/e\n", "absolute"),
        (b"10 path=\0\n", "control character"),
        (b"12 size=-10\n", "size that is no number"),
        (b"13 size=9999\n", "truncated"),
        (b"5009 size=" + b"9" * 4998 + b"\n", "size that is no number"),
        (b"99 path=a\n", "malformed"),
        (b"0 path=a\n", "malformed"),
        (b"x path=a\n", "malformed"),
        (b"22 GNU.sparse.major=1\n", "sparse"),
    ],
)
def test_tar_with_a_hostile_extended_header_is_refused(tmp_path, records, match):
    refused(tmp_path, pax(records, tar_bytes(member("a", data=b"1"))[: 1024 + 1024]), match)


def test_tar_with_a_huge_extended_header_is_refused_unread(tmp_path):
    info = tarfile.TarInfo("x")
    info.type, info.size = b"x", 6 << 30
    refused(tmp_path, info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 4096, "extended header of 6442450944 bytes")


def test_tar_with_a_negative_size_is_refused(tmp_path):
    info = tarfile.TarInfo("a")
    info.size = -512
    refused(tmp_path, info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 1024, "a number out of range")


def test_tar_with_content_in_a_link_is_refused(tmp_path):
    info, _data = member("a", tarfile.LNKTYPE, link="b")
    info.size = 512
    refused(tmp_path, tar_bytes(member("b", data=b"1"))[:1024] + info.tobuf() + b"\0" * 2048, "has content but is no file")


@pytest.mark.parametrize("cut", [600, 512, 1024, 1500, 40_000])
def test_truncated_tar_is_refused(tmp_path, cut):
    """Also where it is cut between two members: without its end mark a tar is not complete."""
    data = tar_bytes(member("a", data=b"1"), member("b", data=b"2" * 100_000))
    refused(tmp_path, data[:cut], "truncated")


def test_tar_damaged_in_the_middle_is_refused(tmp_path):
    data = bytearray(tar_bytes(member("a", data=b"1"), member("b", data=b"2"), member("c", data=b"3")))
    data[1024 + 10] ^= 0xFF  # in the second header, which tarfile takes for the end
    refused(tmp_path, bytes(data), "damaged")


def test_what_only_looks_like_the_end_is_damage(tmp_path):
    nameless = bytes(100) + member("a", data=b"x" * 10)[0].tobuf()[100:]
    refused(tmp_path, tar_bytes(member("a", data=b"1"))[:1024] + nameless + b"\0" * 2048, "damaged")
    refused(tmp_path, tar_bytes(member("a", data=b"1"))[:1024] + pax(b"6 a=b\n", b"\0" * 2048), "without its member")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_truncated_and_corrupt_compression_is_refused(tmp_path, pack):
    data = pack(good() + os.urandom(0))
    refused(tmp_path, data[:-20], "truncated or damaged")
    refused(tmp_path, data[: len(data) // 2], "truncated or damaged")
    corrupt = bytearray(data)
    corrupt[-6 if pack is gzip.compress else len(data) // 2] ^= 0x55  # the CRC of gzip, content elsewhere
    refused(tmp_path, bytes(corrupt), "truncated or damaged|is damaged|holds no tar")


@pytest.mark.skipif(not shutil.which("zstd"), reason="no zstd command")
def test_truncated_and_corrupt_zstd_is_refused(tmp_path):
    data = subprocess.run(["zstd", "-c", "-q", "--check"], input=good(), stdout=subprocess.PIPE, check=True).stdout
    refused(tmp_path, data[:-10], "truncated or damaged")
    corrupt = bytearray(data)
    corrupt[-2] ^= 0x55  # the checksum: every member is fine, and still the archive is not
    refused(tmp_path, bytes(corrupt), "truncated or damaged")


def test_zstd_missing_is_said_with_the_package(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RunbookError, match="install the package zstd"):
        unpack(written(tmp_path, b"\x28\xb5\x2f\xfd" + b"\0" * 600), str(tmp_path / "out"), **LIMITS)
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not shutil.which("zstd"), reason="no zstd command")
def test_no_zstd_process_is_left_behind(tmp_path):
    big = tar_bytes(member("/evil", data=b"x"), member("b", data=b"\0" * 5_000_000))
    data = subprocess.run(["zstd", "-c", "-q"], input=big, stdout=subprocess.PIPE, check=True).stdout
    refused(tmp_path, data, "absolute")
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


# -- bombs -----------------------------------------------------------------------------------------------------


def test_bombs_are_bounded_by_what_is_really_written(tmp_path):
    data = gzip.compress(tar_bytes(member("zeros", data=b"\0" * 3_000_000)))
    assert len(data) < 10_000
    refused(tmp_path, data, "more than 1000000 bytes.*max_bytes", max_bytes=1_000_000)


def test_hard_links_count_as_files_of_their_size(tmp_path):
    links = [member(f"l{n}", tarfile.LNKTYPE, link="a") for n in range(20)]
    refused(tmp_path, tar_bytes(member("a", data=b"1" * 100_000), *links), "more than 1000000 bytes", max_bytes=1_000_000)


def test_too_many_members_are_refused(tmp_path):
    refused(tmp_path, tar_bytes(*(member(f"f{n}") for n in range(20))), "more than 10 members", max_files=10)
    refused(tmp_path, tar_bytes(member("a/b/c/d/e/f/g/h/i/j/k")), "more than 5 members", max_files=5)
    refused(tmp_path, zip_bytes(*((f"f{n}", b"", 0o100644) for n in range(20))), "more than 10 members", max_files=10)


def test_headers_without_members_are_bounded(tmp_path):
    header = pax(b"12 a=bcdefg\n", b"")
    refused(tmp_path, gzip.compress(header * 200), "more than 10 members", max_files=10)


def test_what_follows_the_end_is_bounded(tmp_path):
    refused(tmp_path, gzip.compress(tar_bytes(member("a", data=b"1")) + b"\0" * (70 << 20), 1), "goes on after its end")


def test_zip_bomb_is_refused_before_and_while_unpacking(tmp_path):
    data = zip_bytes(("zeros", b"\0" * 3_000_000, 0o100644))
    refused(tmp_path, data, "3000000 bytes once unpacked", max_bytes=1_000_000)
    lying = bytearray(data)
    for at in (22, data.index(b"PK\x01\x02") + 24):  # both headers claim 1000 bytes
        struct.pack_into("<L", lying, at, 1000)
    refused(tmp_path, bytes(lying), "damaged|more than", max_bytes=1_000_000)


def test_space_is_checked_before_anything_is_written(tmp_path, monkeypatch):
    real = os.statvfs(tmp_path)

    class Full:
        f_bavail, f_frsize = 1, real.f_frsize

    monkeypatch.setattr(archive.os, "statvfs", lambda _path: Full)
    refused(tmp_path, good(), r"needs at least \d+ bytes, .* has \d+ free")


# -- hostile zip -----------------------------------------------------------------------------------------------

HOSTILE_ZIP = {
    "absolute": ([("/etc/passwd", b"x", 0o100644)], "absolute name"),
    "dotdot": ([("a/../../evil", b"x", 0o100644)], r"with '\.\.'"),
    "backslash": ([("..\\evil", b"x", 0o100644)], "Windows name"),
    "drive": ([("C:/evil", b"x", 0o100644)], "Windows name"),
    "link out": ([("a", b"../../etc", 0o120777)], "leads out"),
    "link absolute": ([("a", b"/etc", 0o120777)], "leads out"),
    "link huge": ([("a", b"x" * 5000, 0o120777)], "impossible target"),
    "file through a link": ([("a", b".", 0o120777), ("a/b", b"x", 0o100644)], "through its own symbolic link"),
    "device": ([("a", b"", 0o020644)], "a device, pipe or socket"),
    "fifo": ([("a", b"", 0o010644)], "a device, pipe or socket"),
    "folder with content": ([("a/", b"x", 0o40755)], "has content"),
    "duplicate": ([("a", b"1", 0o100644), ("./a", b"2", 0o100644)], "twice"),
    "empty": ([], "holds no file"),
}


@pytest.mark.parametrize("case", HOSTILE_ZIP)
def test_hostile_zip_is_refused(tmp_path, case):
    members, match = HOSTILE_ZIP[case]
    refused(tmp_path, zip_bytes(*members), match)


def test_zip_with_nul_in_a_name_is_refused(tmp_path):
    data = zip_bytes(("index.phpX.txt", b"x", 0o100644)).replace(b"index.phpX.txt", b"index.php\0.txt")
    refused(tmp_path, data, "control character")


def test_zip_with_a_bad_crc_is_refused(tmp_path):
    data = bytearray(zip_bytes(("a", b"0123456789" * 100, 0o100644), method=zipfile.ZIP_STORED))
    data[60] ^= 0xFF
    refused(tmp_path, bytes(data), "damaged.*CRC")


def test_truncated_zip_is_refused(tmp_path):
    data = zip_bytes(("a", os.urandom(5000), 0o100644))
    for cut in (len(data) - 1, len(data) - 30, 100):
        refused(tmp_path, data[:cut], "damaged")


def test_encrypted_zip_is_refused(tmp_path):
    data = bytearray(zip_bytes(("a", b"x", 0o100644)))
    for at in (6, data.index(b"PK\x01\x02") + 8):
        data[at] |= 1
    refused(tmp_path, bytes(data), "encrypted")


def test_zip_packed_by_an_odd_method_is_refused(tmp_path):
    """LZMA in a zip names a dictionary of any size, and the standard library allocates it."""
    refused(tmp_path, zip_bytes(("a", b"x", 0o100644), method=zipfile.ZIP_LZMA), "unsupported method 14")


def test_xz_that_asks_for_much_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "_XZ_MEMORY", 1 << 20)
    refused(tmp_path, lzma.compress(good(), preset=6), "truncated or damaged .*[Mm]emory")


def test_zip_directory_is_not_read_when_it_is_too_large(tmp_path):
    data = bytearray(zip_bytes(("a", b"x", 0o100644)))
    struct.pack_into("<L", data, data.rindex(b"PK\x05\x06") + 12, 4_000_000_000)
    refused(tmp_path, bytes(data), "more than 1000 members")


# -- what is no archive ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "is empty"),
        (b"hello", "not an archive"),
        (b"7z\xbc\xaf\x27\x1c" + b"\0" * 600, "a 7-Zip archive"),
        (b"\0" * 10240, "not an archive"),
    ],
)
def test_no_archive(tmp_path, data, match):
    refused(tmp_path, data, match)


def test_gzip_of_something_else(tmp_path):
    refused(tmp_path, gzip.compress(b"CREATE TABLE x;" * 100), "holds no tar archive")


@pytest.mark.parametrize("form", ["tar", "gzip", "zip"])
def test_random_damage_never_ends_in_a_traceback_or_outside(tmp_path, form):
    """Each damaged archive is either refused or unpacked inside its folder; nothing else may be raised."""
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    plain = zip_bytes(("a/b", CONTENT, 0o100644), ("a/l", b"b", 0o120777), ("c", b"1", 0o100755)) if form == "zip" else good()
    for round_ in range(300):
        data = bytearray(plain)
        for _change in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.choice([0, 0x2F, 0x2E, 0xFF, chance.randrange(256)])
        data = bytes(data[: chance.randrange(len(data))]) if chance.random() < 0.2 else bytes(data)
        if form == "gzip":
            data = bytearray(gzip.compress(data, 1)) if chance.random() < 0.5 else bytearray(gzip.compress(plain, 1))
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        dest = tmp_path / "out"
        try:
            with contextlib.suppress(RunbookError):
                unpack(written(tmp_path, bytes(data)), str(dest), **LIMITS)
        except BaseException as error:
            raise AssertionError(f"seed {seed}, round {round_}: {error!r}") from error
        shutil.rmtree(dest, ignore_errors=True)
        assert os.listdir(tmp_path) == ["a.bin"], f"seed {seed}, round {round_}"


def test_ten_thousand_small_files_are_quick(tmp_path):
    path = written(tmp_path, tar_bytes(*(member(f"d{n // 100}/f{n}", data=b"x" * 500) for n in range(10_000)), form=tarfile.USTAR_FORMAT))
    begun = time.process_time()
    assert unpack(path, str(tmp_path / "out"), max_bytes=10_000_000, max_files=20_000).files == 10_000
    assert time.process_time() - begun < 10, "a sane reader takes about half a second"
