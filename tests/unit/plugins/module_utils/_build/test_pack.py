# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives: what real programs unpack from them, and that their bytes follow from the content alone."""

from __future__ import annotations

import hashlib
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import tarfile
import zipfile

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._build.pack import EARLIEST, FORMATS, write_archive
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, Refused
from ansible_collections.runbook.ops.plugins.module_utils._release.manifest import Entry, Manifest
from ansible_collections.runbook.ops.plugins.module_utils._release.walk import Rules, manifest_of
from ansible_collections.runbook.ops.plugins.module_utils._source.source import resolve_source

WHEN = 1700000000
# Of the same source, by any supported version of Python with the zlib of this system, whatever the time, the user and the place.
DEEP = "a/" + "d" * 120 + "/ü/n.txt"
COLLECTIONS = next(path for path in sys.path if os.path.isdir(os.path.join(path, "ansible_collections/runbook/ops")))


@pytest.fixture
def source(tmp_path):
    root = tmp_path / "src"
    (root / DEEP).parent.mkdir(parents=True)
    (root / DEEP).write_text("".join(f"{number}\n" for number in range(20000)))
    (root / "a/ü.txt").write_text("hi\n")
    (root / "a-b").write_bytes(b"")
    (root / "run").write_text("#!/bin/sh\n")
    (root / "run").chmod(0o700)
    (root / "empty").mkdir(mode=0o700)
    (root / "link").symlink_to("a/ü.txt")
    (root / "far").symlink_to("a/" + "d" * 120 + "/ü/n.txt")
    return root


def build(source, path, form, moment=WHEN):
    manifest = manifest_of(str(source), Rules())
    with open(path, "w+b") as stream:
        write_archive(stream, form, str(source), manifest, moment)
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def unpack(path, form, dest):
    dest.mkdir()
    if form == "zip":
        if not shutil.which("unzip"):
            pytest.skip("no unzip here")
        subprocess.run(["unzip", "-q", str(path), "-d", str(dest)], check=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    else:
        subprocess.run(["tar", "-xpf", str(path), "-C", str(dest)], check=True)


@pytest.mark.parametrize("form", FORMATS)
def test_programs_unpack_the_same_tree(source, tmp_path, form):
    build(source, tmp_path / "x", form)
    unpack(tmp_path / "x", form, tmp_path / "out")
    assert manifest_of(str(tmp_path / "out"), Rules()).root == manifest_of(str(source), Rules()).root
    assert stat.S_IMODE((tmp_path / "out/run").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "out/empty").stat().st_mode) == 0o755
    assert os.readlink(tmp_path / "out/link") == "a/ü.txt"


@pytest.mark.parametrize("form", FORMATS)
def test_release_stage_takes_it(source, tmp_path, form):
    path = tmp_path / f"site-1.{form}"
    build(source, path, form)
    unpacked = resolve_source(src=str(path), cache_dir=str(tmp_path / "cache"))
    assert manifest_of(unpacked.path, Rules()).root == manifest_of(str(source), Rules()).root


@pytest.mark.parametrize("form", FORMATS)
def test_bytes_follow_from_the_content(source, tmp_path, form):
    one = build(source, tmp_path / "one", form)
    other = tmp_path / "elsewhere"
    shutil.copytree(source, other, symlinks=True)
    for path in other.rglob("*"):
        if not path.is_symlink():
            os.utime(path, (1, 1))
            path.chmod(path.stat().st_mode | 0o060)
    assert build(other, tmp_path / "two", form) == one
    assert build(other, tmp_path / "three", form, WHEN + 2) != one
    (other / "a-b").write_text("x")
    assert build(other, tmp_path / "four", form) != one


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.11", "3.12", "3.13"])
def test_bytes_do_not_depend_on_the_version_of_python(source, tmp_path, version):
    python = next(
        (
            path
            for path in [
                *map(str, pathlib.Path.home().glob(f".pyenv/versions/{version}.*/bin/python")),
                f"/usr/bin/python{version}",
                f"/usr/local/bin/python{version}",
            ]
            if os.path.exists(path)
        ),
        None,
    )
    if python is None:
        pytest.skip(f"there is no Python {version}")
    script = (
        "import sys\n"
        "from ansible_collections.runbook.ops.plugins.module_utils._build.pack import write_archive\n"
        "from ansible_collections.runbook.ops.plugins.module_utils._release.walk import Rules, manifest_of\n"
        f"with open(sys.argv[3], 'w+b') as stream:\n"
        f"    write_archive(stream, sys.argv[1], sys.argv[2], manifest_of(sys.argv[2], Rules()), {WHEN})\n"
    )
    for form in FORMATS:
        path = tmp_path / f"{version}.{form}"
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": COLLECTIONS, "LC_ALL": "C.UTF-8"}
        subprocess.run([python, "-c", script, form, str(source), str(path)], check=True, env=env)
        assert hashlib.sha256(path.read_bytes()).hexdigest() == build(source, tmp_path / "here", form)


def test_nobody_and_one_time_are_in_it(source, tmp_path):
    build(source, tmp_path / "x.tar.gz", "tar.gz")
    with tarfile.open(tmp_path / "x.tar.gz") as archive:
        members = archive.getmembers()
    assert {(one.uid, one.gid, one.uname, one.gname, one.mtime) for one in members} == {(0, 0, "root", "root", WHEN)}
    assert [one.name for one in members] == sorted(one.name for one in members)
    build(source, tmp_path / "x.zip", "zip", 0)
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert EARLIEST == 315532800


def test_a_large_file_has_a_size_in_a_tar():
    from ansible_collections.runbook.ops.plugins.module_utils._build import pack

    header = pack._header(Entry("big", "f", 0o644, 9 << 30, ""), WHEN)
    info = tarfile.TarInfo.frombuf(header[:512], "utf-8", "strict")
    assert (info.type, header[512 : 512 + info.size]) == (b"x", b"19 size=9663676416\n")


@pytest.mark.parametrize("number", [1, 86, 87, 94, 95, 96, 97, 985, 986, 987, 988, 989, 990, 991])
def test_the_length_of_a_record_counts_itself(number):
    from ansible_collections.runbook.ops.plugins.module_utils._build.pack import _record

    record = _record(b"path", b"x" * number)
    assert int(record.split(b" ")[0]) == len(record)


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_that_changed_is_refused(source, tmp_path, form):
    manifest = manifest_of(str(source), Rules())
    for text in ("ho\n", "longer than before\n", ""):
        (source / "a/ü.txt").write_text(text)
        with open(tmp_path / "x", "w+b") as stream, pytest.raises(Refused, match="changed while it was read"):
            write_archive(stream, form, str(source), manifest, WHEN)


@pytest.mark.parametrize("name", ["a\\b", "a\nb", "a\udcffb"])
def test_names_that_unpack_as_others(tmp_path, name):
    manifest = Manifest.of([Entry(name, "f", 0o644, 0, hashlib.sha256().hexdigest())])
    with open(tmp_path / "x", "w+b") as stream, pytest.raises(InvalidInput, match="rename"):
        write_archive(stream, "zip", str(tmp_path), manifest, WHEN)
