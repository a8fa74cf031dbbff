# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A build: what is in it, what is refused, what a second run does, and what a failure leaves."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import zipfile

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._build import build as module
from ansible_collections.runbook.ops.plugins.module_utils._build.build import release_build
from ansible_collections.runbook.ops.plugins.module_utils._build.options import BUILD
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, Refused
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run


@pytest.fixture
def src(tmp_path):
    root = tmp_path / "site"
    for name, text in {
        "index.php": "<?php",
        "assets/a.css": "a{}",
        "assets/a.css.map": "{}",
        "node_modules/x/index.js": "1",
        ".git/config": "[core]",
        ".gitignore": "dist",
        "docs/readme.txt": "hi",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture
def build(src, filled):
    def go(check=False, warn=None, **more):
        options = {"src": str(src), "dest": str(src / "dist"), "version": "1.4.2", "exclude": ["node_modules", "*.map"], **more}
        return release_build(filled(BUILD.options, options), Run(check_mode=check, diff=True, warn=warn or (lambda message: None)))

    return go


def names(result):
    with zipfile.ZipFile(result["path"]) as archive:
        return archive.namelist()


def test_a_build_and_what_it_says(build, src):
    result = build()
    assert names(result) == ["assets/", "assets/a.css", "docs/", "docs/readme.txt", "index.php"]
    data = (src / "dist/site-1.4.2.zip").read_bytes()
    said = json.loads((src / "dist/latest.json").read_text())
    assert said == {name: result[name] for name in ("version", "sha256", "size", "url", "time", "content")}
    assert (said["sha256"], said["size"], said["url"]) == (hashlib.sha256(data).hexdigest(), len(data), "site-1.4.2.zip")
    assert result["left_out"] == [".git/", ".gitignore", "assets/a.css.map", "node_modules/"]
    assert "left out: .git/\n" in result["diff"]["after"]
    assert sorted(os.listdir(src / "dist")) == ["latest.json", "site-1.4.2.zip"]
    assert os.stat(src / "dist/site-1.4.2.zip").st_mode & 0o777 == 0o644


def test_check_mode_writes_nothing_and_predicts(build, src):
    predicted = build(check=True)
    assert (predicted["changed"], predicted["sha256"], (src / "dist").exists()) == (True, None, False)
    done = build()
    assert (done["changed"], done["content"], done["files"]) == (True, predicted["content"], predicted["files"])
    for check in (True, False):
        again = build(check=check)
        assert (again["changed"], again["sha256"], again["time"]) == (False, done["sha256"], done["time"])
        assert "diff" not in again


def test_a_version_does_not_change(build, src):
    done = build()
    (src / "index.php").write_text("<?php 2")
    for check in (True, False):
        with pytest.raises(Refused, match="must not change"):
            build(check=check)
    assert sorted(os.listdir(src / "dist")) == ["latest.json", "site-1.4.2.zip"]
    assert json.loads((src / "dist/latest.json").read_text())["sha256"] == done["sha256"]
    predicted = build(check=True, overwrite=True)
    replaced = build(overwrite=True)
    assert predicted["sha256"] == replaced["sha256"] != done["sha256"]
    assert build(version="1.4.3")["path"].endswith("site-1.4.3.zip")
    # Back to an earlier version: its archive is there, and only latest.json changes.
    before = os.stat(src / "dist/site-1.4.2.zip").st_ino
    assert build()["changed"]
    assert os.stat(src / "dist/site-1.4.2.zip").st_ino == before
    assert json.loads((src / "dist/latest.json").read_text())["version"] == "1.4.2"


def test_what_latest_says_is_made_right(build, src):
    build()
    path = src / "dist/latest.json"
    for wrong in ("{", "[]", '{"version": "1.4.2"}'):
        path.write_text(wrong)
        assert build(check=True)["changed"]
        assert build()["changed"]
        assert not build()["changed"]
    assert build(url="https://releases.example.com/site/")["url"] == "https://releases.example.com/site/site-1.4.2.zip"
    assert build(metadata={"channel": "stable"})["changed"]
    assert json.loads(path.read_text())["channel"] == "stable"
    # A damaged archive is no release that was given away in this form; it is refused, then replaced.
    (src / "dist/site-1.4.2.zip").write_bytes(b"cut")
    with pytest.raises(Refused, match="other content"):
        build()
    assert build(overwrite=True)["changed"]


@pytest.mark.parametrize("form", ["zip", "tar.gz", "tar.zst"])
def test_a_killed_build_leaves_nothing_half(build, src, monkeypatch, form):
    def full(stream, *_arguments):
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_archive", full)
        with pytest.raises(OSError, match="No space"):
            build(format=form)
    assert os.listdir(src / "dist") == []
    # Killed between the two: the next run says what is there.
    with monkeypatch.context() as patch:
        patch.setattr(module, "write_atomic", full)
        with pytest.raises((OSError, AttributeError)):
            build(format=form)
    assert os.listdir(src / "dist") == [f"site-1.4.2.{form}"]
    assert build(format=form)["changed"]
    assert not build(format=form)["changed"]


KILLED = """
import json, os, sys
from ansible_collections.runbook.ops.plugins.module_utils._build import build
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
def die(*arguments):
    print("half", flush=True)
    sys.stdin.read()
def write(stream, *arguments):
    stream.write(b"half")
    stream.flush()
    die()
build.write_archive = write
build.release_build(json.loads(sys.argv[1]), Run())
"""


def test_what_a_killed_process_leaves_is_swept_away_and_what_a_living_one_writes_is_not(build, src, filled):
    options = {"src": str(src), "dest": str(src / "dist"), "version": "1.4.2", "exclude": ["node_modules", "*.map"]}
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    words = [sys.executable, "-c", KILLED, json.dumps(filled(BUILD.options, options))]
    with subprocess.Popen(words, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"half\n"
        (partial,) = os.listdir(src / "dist")
        assert build()["changed"]
        assert sorted(os.listdir(src / "dist")) == [partial, "latest.json", "site-1.4.2.zip"]
        process.kill()
    assert partial in os.listdir(src / "dist")
    (src / "index.php").write_text("<?php 2")
    assert build(overwrite=True)["changed"]
    assert sorted(os.listdir(src / "dist")) == ["latest.json", "site-1.4.2.zip"]


def test_include(build, src):
    (src / "outside").symlink_to("/etc/hostname")
    (src / ".env").write_text("A=1")
    assert names(build(include=["assets", "*.php"])) == ["assets/", "assets/a.css", "index.php"]
    left_out = [".env", ".git/", ".gitignore", "assets/", "dist/", "index.php", "node_modules/", "outside"]
    assert build(include=["/docs/*.txt"], version="2")["left_out"] == left_out
    with pytest.raises(InvalidInput, match="nothing of"):
        build(include=["nothing"])


def test_secrets_are_refused_without_being_shown(build, src):
    (src / ".env").write_text("A=1\n")
    (src / "config.php").write_text("<?php\n\ndefine('DB_PASSWORD', 'geheim77');\n")
    for check in (True, False):
        with pytest.raises(Refused, match=r"2 secrets .* \.env:1 \(environment file\), config\.php:3 \(password or key\)") as caught:
            build(check=check)
        assert "geheim" not in f"{caught.value.message} {caught.value.result}"
        assert caught.value.result["secrets"][1] == {"path": "config.php", "line": 3, "kind": "password or key"}
    assert not (src / "dist").exists()
    assert build(exclude=[".env", "config.php"])["allowed_secrets"] == []
    warnings = []
    result = build(allow_secrets=[".env", "config.php", "gone.php"], version="2", warn=warnings.append)
    assert [one["path"] for one in result["allowed_secrets"]] == [".env", "config.php"]
    assert "2 allowed secrets in .env, config.php" in result["msg"]
    assert warnings == ["allow_secrets names gone.php, which is not in the release; remove it, so that it allows nothing later"]
    with pytest.raises(Refused, match=r"a secret would be in the release: config\.php:3"):
        build(allow_secrets=[".env"], version="3")


def test_links(build, src):
    (src / "inside").symlink_to("assets/a.css")
    assert "inside" in names(build())
    (src / "outside").symlink_to("../../etc/passwd")
    with pytest.raises(Refused, match="outside in the source is a link that leads out of it"):
        build(version="2")


def test_a_source_that_changes_while_it_is_built(build, src, monkeypatch):
    hashed = module._hashed

    def change(*arguments):
        manifest = hashed(*arguments)
        (src / "index.php").write_text("<?xxx")
        return manifest

    monkeypatch.setattr(module, "_hashed", change)
    with pytest.raises(Refused, match="changed while it was read"):
        build()
    assert os.listdir(src / "dist") == []


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"src": "/nowhere/site"}, "is not a folder"),
        ({"name": "a/b"}, "name 'a/b' can't be part"),
        ({"version": "1 2"}, "version '1 2' can't be part"),
        ({"version": None}, "give version or version_file"),
        ({"latest": "../latest.json"}, "can't be part"),
        ({"latest": "site-1.4.2.zip"}, "the archive's own name"),
        ({"metadata": {"sha256": "x"}}, "metadata can't have sha256"),
        ({"url": "releases"}, "is relative"),
        ({"url": "https://u:p@releases.example.com/"}, "user information"),
        ({"url": "https://releases.example.com/?x=1"}, r"without \? and #"),
        ({"exclude": [" "]}, "exclude has an empty pattern"),
        ({"allow_secrets": ["/"]}, "allow_secrets has an empty pattern"),
        ({"mode": "rw"}, "must be an octal mode"),
        ({"source_date_epoch": -5}, "seconds since 1970"),
    ],
)
def test_bad_input(build, src, options, match):
    for check in (True, False):
        with pytest.raises(InvalidInput, match=match) as caught:
            build(check=check, **options)
        assert "\n" not in caught.value.message
    assert not (src / "dist").exists()


def test_places_that_are_no_files(build, src):
    with pytest.raises(InvalidInput, match="the same folder"):
        build(dest=str(src))
    (src / "dist/site-1.4.2.zip").mkdir(parents=True)
    with pytest.raises(Refused, match="is there and no file"):
        build()
