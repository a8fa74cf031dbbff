# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources resolved to folders: what is returned, what is cached, and every way to ask for nonsense."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import json
import os
import shutil
import subprocess
import tarfile
import threading
import time
import types

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, Refused, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._source import source as source_module
from ansible_collections.runbook.ops.plugins.module_utils._source.source import resolve, resolve_source


@pytest.fixture
def here(tmp_path):
    """An archive ``site.tar.gz`` with one top folder, and a cache."""
    folder = tmp_path / "build" / "site" / "public"
    folder.mkdir(parents=True)
    (folder / "index.php").write_text("<?php\n")
    (tmp_path / "build" / "site" / "README").write_text("read me\n")
    with tarfile.open(tmp_path / "site.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "build" / "site", "site")
    then = time.time() - 60
    os.utime(tmp_path / "site.tar.gz", (then, then))
    return tmp_path


@pytest.fixture
def ask(here):
    return functools.partial(resolve_source, cache_dir=str(here / "cache"))


@pytest.fixture
def server(here, monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_GET(self):
            running.seen.append(self.path)
            super().do_GET()

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(here)))
    running.daemon_threads = True
    running.seen = []
    running.url = f"http://127.0.0.1:{running.server_address[1]}"
    threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


def digest(path, algorithm="sha256"):
    with open(path, "rb") as stream:
        return hashlib.new(algorithm, stream.read()).hexdigest()


def test_a_folder_is_returned_as_it_is(here, ask):
    (here / "link").symlink_to("build/site")
    source = ask(src=str(here / "link"), version="2.4")
    assert (source.path, source.kind, source.version, source.files) == (str(here / "build/site"), "folder", "2.4", None)
    assert not (here / "cache").exists(), "a folder needs no cache"


def test_an_archive_is_unpacked_once(here, ask):
    first = ask(src=str(here / "site.tar.gz"))
    assert (first.kind, first.files, first.bytes, first.cached) == ("archive", 2, 14, False)
    assert first.checksum == "sha256:" + digest(here / "site.tar.gz")
    assert sorted(os.listdir(first.path)) == ["site"]
    assert "strip_components to 1" in first.warnings[0]
    again = ask(src=str(here / "site.tar.gz"))
    assert (again.path, again.cached, again.warnings) == (first.path, True, first.warnings)
    shutil.copy(here / "site.tar.gz", here / "same content, other name")
    assert ask(src=str(here / "same content, other name")).path == first.path


def test_strip_components_and_subfolder(here, ask):
    stripped = ask(src=str(here / "site.tar.gz"), strip_components=1)
    assert sorted(os.listdir(stripped.path)) == ["README", "public"]
    assert stripped.warnings == ()
    inside = ask(src=str(here / "site.tar.gz"), subfolder="site/public/")
    assert os.listdir(inside.path) == ["index.php"]
    assert inside.warnings == ()
    assert ask(src=str(here / "build"), subfolder="site").path == str(here / "build/site")


@pytest.mark.parametrize("subfolder", ["/etc", "..", "site/../..", "site/../../etc"])
def test_a_subfolder_outside_is_refused(here, ask, subfolder):
    with pytest.raises(InvalidInput, match="leads out of the source"):
        ask(src=str(here / "build"), subfolder=subfolder)


def test_a_subfolder_that_a_link_leads_out_of_is_refused(here, ask):
    (here / "build" / "out").symlink_to("/etc")
    with pytest.raises(InvalidInput, match="leads out of the source"):
        ask(src=str(here / "build"), subfolder="out")
    with pytest.raises(InvalidInput, match="has no folder 'nothing'"):
        ask(src=str(here / "build"), subfolder="nothing")


def test_an_archive_is_not_read_twice_while_it_stays_the_same(here, ask, monkeypatch):
    ctime_passed = time.time() + 10
    monkeypatch.setattr(source_module.time, "time", lambda: ctime_passed)
    first = ask(src=str(here / "site.tar.gz"))
    with monkeypatch.context() as patch:
        patch.setattr(source_module, "file_digest", lambda *_: pytest.fail("read again"))
        assert ask(src=str(here / "site.tar.gz")).path == first.path
    with tarfile.open(here / "site.tar.gz", "w:gz") as tar:
        tar.add(here / "build" / "site" / "README", "READ")
    changed = ask(src=str(here / "site.tar.gz"))
    assert changed.path != first.path
    assert os.listdir(changed.path) == ["READ"]


def test_a_fresh_archive_is_always_read(here, ask, monkeypatch):
    """Within two seconds a second change may leave the times of the file as they are."""
    os.utime(here / "site.tar.gz")
    calls = []
    real = source_module.file_digest
    monkeypatch.setattr(source_module, "file_digest", lambda *a: calls.append(a) or real(*a))
    ask(src=str(here / "site.tar.gz"))
    ask(src=str(here / "site.tar.gz"))
    assert len(calls) == 2


def test_an_archive_that_changes_meanwhile_is_refused(here, ask, monkeypatch):
    real = source_module.unpack

    def unpack(path, *args, **kwargs):
        result = real(path, *args, **kwargs)
        with open(path, "ab") as stream:
            stream.write(b"\0")
        return result

    monkeypatch.setattr(source_module, "unpack", unpack)
    with pytest.raises(Refused, match="was changed while it was unpacked"):
        ask(src=str(here / "site.tar.gz"))
    assert os.listdir(here / "cache" / "entries") == []


def test_the_checksum_of_a_local_archive(here, ask):
    path = str(here / "site.tar.gz")
    assert ask(src=path, checksum="sha512:" + digest(path, "sha512")).checksum.startswith("sha512:")
    with pytest.raises(Refused, match=f"{digest(path)}, not {'0' * 64}"):
        ask(src=path, checksum="sha256:" + "0" * 64)
    with pytest.raises(InvalidInput, match="checksum list is for url"):
        ask(src=path, checksum="sha256:https://www.example.com/SHA256SUMS")


def test_limits_count_for_cached_archives_too(here, ask):
    ask(src=str(here / "site.tar.gz"))
    with pytest.raises(Refused, match=r"14 bytes once unpacked, more than 10 .max_bytes"):
        ask(src=str(here / "site.tar.gz"), max_bytes=10)
    with pytest.raises(Refused, match="max_files"):
        ask(src=str(here / "site.tar.gz"), max_files=1)


def test_a_hostile_archive_leaves_nothing(here, ask):
    with tarfile.open(here / "evil.tar", "w") as tar:
        info = tarfile.TarInfo("../evil")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    with pytest.raises(Refused, match=r"evil\.tar holds the name"):
        ask(src=str(here / "evil.tar"))
    assert os.listdir(here / "cache" / "entries") == []


def test_a_url_is_fetched_once(here, ask, server):
    checksum = "sha256:" + digest(here / "site.tar.gz")
    first = ask(url=server.url + "/site.tar.gz", checksum=checksum, strip_components=1, version="2.4")
    assert (first.kind, first.checksum, first.cached, first.version) == ("url", checksum, False, "2.4")
    assert sorted(os.listdir(first.path)) == ["README", "public"]
    assert os.listdir(here / "cache" / "partial") == [], "the archive itself is not kept"
    again = ask(url=server.url + "/site.tar.gz", checksum=checksum, strip_components=1)
    assert (again.path, again.cached) == (first.path, True)
    assert server.seen == ["/site.tar.gz"]


def test_a_url_with_a_checksum_list(here, ask, server):
    (here / "SHA256SUMS").write_text(digest(here / "site.tar.gz") + "  site.tar.gz\n")
    source = ask(url=server.url + "/site.tar.gz", checksum=f"sha256:{server.url}/SHA256SUMS")
    assert source.checksum == "sha256:" + digest(here / "site.tar.gz")


def test_a_wrong_download_leaves_nothing(here, ask, server):
    with pytest.raises(Refused, match="has the sha256 checksum"):
        ask(url=server.url + "/site.tar.gz?token=s3cret", checksum="sha256:" + "0" * 64)
    (here / "page.html").write_text("<h1>Log in</h1>")
    with pytest.raises(InvalidInput, match=r"/page.html\?token=\*\*\* is not an archive"):
        ask(url=server.url + "/page.html?token=s3cret", checksum="sha256:" + digest(here / "page.html"))
    assert os.listdir(here / "cache" / "entries") == []
    assert os.listdir(here / "cache" / "partial") == []


@pytest.mark.skipif(not shutil.which("git"), reason="no git command")
def test_a_commit(here, ask):
    repo = here / "build" / "site"
    env = {**os.environ, "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.com"}
    env.update(GIT_COMMITTER_NAME="A", GIT_COMMITTER_EMAIL="a@example.com")
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "Fix the checkout"]):
        subprocess.run(["git", "-C", str(repo), *words], env=env, check=True)
    commit = subprocess.run(["git", "-C", str(repo), "rev-parse", "HEAD"], stdout=subprocess.PIPE, check=True).stdout.decode().strip()
    source = ask(repo=str(repo), version="main")
    assert (source.kind, source.commit, source.version, source.summary) == ("git", commit, "main", "Fix the checkout")
    assert (source.files, source.cached) == (2, False)
    assert sorted(os.listdir(source.path)) == ["README", "public"], "no .git"
    again = ask(repo=str(repo), subfolder="public")
    assert (again.path, again.cached, again.version) == (source.path + "/public", True, "HEAD")
    with pytest.raises(RunbookError, match="has no branch, tag or commit 'nothing'"):
        ask(repo=str(repo), version="nothing")
    with pytest.raises(InvalidInput, match="is for archives only"):
        ask(repo=str(repo), strip_components=1)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "exactly one of src, url and repo .none given"),
        ({"src": "/a", "repo": "/b"}, "src and repo given"),
        ({"src": "", "url": None}, "none given"),
        ({"src": "relative/site.tar"}, "is not absolute"),
        ({"src": "/does/not/exist.tar"}, "does not exist on the controller"),
        ({"src": "/dev/null"}, "neither a folder nor a file"),
        ({"src": "/usr", "checksum": "sha256:" + "0" * 64}, "is a folder"),
        ({"src": "/usr", "strip_components": 1}, "is a folder"),
        ({"src": "/usr", "strip_components": -1}, "0 or more"),
        ({"src": "/usr", "max_bytes": 0}, "max_bytes is 0"),
        ({"src": "/usr", "timeout": -1}, "timeout is -1"),
        ({"repo": "/usr", "depth": 0}, "depth is 0"),
        ({"url": "https://www.example.com/a.tar"}, "url needs checksum"),
        ({"url": "file:///etc/passwd", "checksum": "sha256:" + "0" * 64}, "neither http nor https"),
        ({"url": "https://www.example.com/a.tar", "checksum": "md5:1"}, "too weak"),
        ({"repo": "-x"}, "no repository address"),
        ({"src": "/etc/passwd", "cache_dir": "relative"}, "cache_dir .* is not absolute"),
    ],
)
def test_nonsense_is_refused_in_one_line(ask, options, match):
    with pytest.raises(InvalidInput, match=match) as caught:
        ask(**options)
    assert "\n" not in caught.value.message


def test_a_missing_source_names_the_machine(ask):
    with pytest.raises(InvalidInput, match=r"on the host \(remote_src\)"):
        ask(src="/does/not/exist", where="host")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_source(here, ask):
    (here / "site.tar.gz").chmod(0)
    with pytest.raises(InvalidInput, match="may not be read on the controller"):
        ask(src=str(here / "site.tar.gz"))


def test_the_use_case_returns_plain_values(here):
    options = {"src": str(here / "site.tar.gz"), "cache_dir": str(here / "cache"), "url": None, "version": None, "max_files": 10}
    warned = []
    result = resolve(options, types.SimpleNamespace(warn=warned.append))
    assert result["changed"] is False
    assert result["kind"] == "archive"
    assert len(warned) == 1
    assert "warnings" not in result
    json.dumps(result)
