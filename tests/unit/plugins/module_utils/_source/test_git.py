# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commits from real repositories: by path, by file://, and over HTTP with a login (git's own http-backend)."""

from __future__ import annotations

import base64
import http.server
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, Refused, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._source import git_command
from ansible_collections.runbook.ops.plugins.module_utils._source.cache import Cache
from ansible_collections.runbook.ops.plugins.module_utils._source.git import Mirror, checked_repo, checked_version
from ansible_collections.runbook.ops.plugins.module_utils._source.git_command import Login

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="no git command")

ENV = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.com",
    "GIT_AUTHOR_DATE": "2026-11-21T10:15:00+01:00",
    "GIT_COMMITTER_DATE": "2026-11-21T10:15:00+01:00",
}


class Repository:
    def __init__(self, path):
        self.path = str(path)
        os.mkdir(path)
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments):
        command = ["git", "-C", self.path, *arguments]
        return subprocess.run(command, env=ENV, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def commit(self, message="A change", **files):
        for name, text in files.items():
            path = os.path.join(self.path, name.replace("__", "/").replace("_dot_", "."))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def repository(tmp_path):
    made = Repository(tmp_path / "site")
    made.first = made.commit("First", index_dot_php="1")
    made.git("tag", "v1")
    made.git("tag", "-a", "-m", "annotated", "v1-annotated")
    made.second = made.commit("Second: \u0633\u0644\u0627\u0645 & more\n\nbody", index_dot_php="2", bin__run="#!/bin/sh\n")
    return made


@pytest.fixture
def mirror(tmp_path, repository):
    return Mirror(str(tmp_path / "cache" / "git-1"), repository.path, Login())


def counting(monkeypatch):
    """The git commands that talk to the repository from now on."""
    talked = []
    real = git_command.Git.remote

    def remote(self, *arguments):
        talked.append(arguments[0])
        return real(self, *arguments)

    monkeypatch.setattr(git_command.Git, "remote", remote)
    return talked


@pytest.mark.parametrize("version", ["main", "HEAD", "refs/heads/main"])
def test_a_branch(repository, mirror, version):
    commit = mirror.fetch_commit(version)
    assert (commit.commit, commit.version) == (repository.second, version)
    assert commit.summary == "Second: \u0633\u0644\u0627\u0645 & more"
    assert commit.date == "2026-11-21T10:15:00+01:00"
    assert commit.warnings == ()


@pytest.mark.parametrize("version", ["v1", "v1-annotated", "refs/tags/v1-annotated"])
def test_a_tag(repository, mirror, version):
    assert mirror.fetch_commit(version).commit == repository.first


def test_a_commit_by_its_id(repository, mirror, monkeypatch):
    for commit in (repository.second, repository.first):
        assert mirror.fetch_commit(commit).commit == commit
    talked = counting(monkeypatch)
    assert mirror.fetch_commit(repository.first).commit == repository.first
    assert talked == [], "what is here needs nobody"


def test_an_abbreviated_commit(repository, mirror):
    assert mirror.fetch_commit(repository.first[:9]).commit == repository.first


def test_a_server_that_gives_no_single_commits_is_asked_for_everything(repository, mirror, monkeypatch):
    """Without protocol 2 only the tips of branches and tags may be asked for."""
    repository.commit("Third", index_dot_php="3")
    monkeypatch.setattr(git_command, "_SETTINGS", (*git_command._SETTINGS, "protocol.version=0"))
    talked = counting(monkeypatch)
    assert mirror.fetch_commit(repository.second).commit == repository.second
    assert talked == ["fetch", "fetch"]
    mirror.fetch_commit("main")
    mirror.fetch_commit(repository.first)


def test_a_branch_that_moved_is_fetched_again_and_also_when_rewritten(repository, mirror, monkeypatch):
    mirror.fetch_commit("main")
    third = repository.commit("Third", index_dot_php="3")
    assert mirror.fetch_commit("main").commit == third
    repository.git("reset", "-q", "--hard", repository.first)
    fourth = repository.commit("Fourth", index_dot_php="4")
    assert mirror.fetch_commit("main").commit == fourth
    talked = counting(monkeypatch)
    assert mirror.fetch_commit("main").commit == fourth
    assert talked == ["ls-remote"]


def test_branches_may_replace_each_other_as_folders(repository, mirror):
    repository.git("branch", "topic")
    assert mirror.fetch_commit("topic").commit == repository.second
    repository.git("branch", "-D", "topic")
    repository.git("branch", "topic/one")
    assert mirror.fetch_commit("topic/one").commit == repository.second


def test_a_name_that_is_both_branch_and_tag_is_refused_unless_they_agree(repository, mirror):
    repository.git("branch", "both", repository.first)
    repository.git("tag", "both", repository.second)
    with pytest.raises(Refused, match=r"both a branch and a tag .*refs/heads/both"):
        mirror.fetch_commit("both")
    assert mirror.fetch_commit("refs/heads/both").commit == repository.first
    repository.git("tag", "-f", "both", repository.first)
    assert mirror.fetch_commit("both").commit == repository.first


def test_a_small_fetch_is_kept_as_a_pack(mirror):
    """Objects that are unpacked one by one could be a part of a commit when the fetch is killed."""
    mirror.fetch_commit("main")
    assert sorted(os.listdir(os.path.join(mirror.path, "objects"))) == ["info", "pack"]


def test_only_one_commit_is_fetched(tmp_path, repository):
    mirror = Mirror(str(tmp_path / "m"), "file://" + repository.path, Login())
    commit = mirror.fetch_commit("main")
    count = subprocess.run(
        ["git", f"--git-dir={mirror.path}", "rev-list", "--count", commit.commit], stdout=subprocess.PIPE, check=True
    ).stdout
    assert int(count) == 1


@pytest.mark.parametrize("version", ["nothing", "deadbee", "0" * 40, "refs/heads/nothing"])
def test_a_version_that_is_not_there(mirror, version):
    with pytest.raises(RunbookError, match=f"has no .*{version}.*check version"):
        mirror.fetch_commit(version)


def test_a_tag_of_something_else(repository, mirror):
    blob = repository.git("rev-parse", "HEAD:index.php")
    repository.git("tag", "blob", blob)
    with pytest.raises(InvalidInput, match="is no commit"):
        mirror.fetch_commit("blob")


def test_the_export_goes_through_the_archive_rules(tmp_path, repository, mirror):
    os.chmod(os.path.join(repository.path, "bin/run"), 0o755)
    os.symlink("index.php", os.path.join(repository.path, "latest"))
    commit = repository.commit("Modes", private="x", _dot_gitattributes="private export-ignore\n")
    mirror.fetch_commit("main")
    result = mirror.export(commit, str(tmp_path / "out"))
    assert sorted(os.listdir(tmp_path / "out")) == [".gitattributes", "bin", "index.php", "latest"]
    assert stat.S_IMODE(os.stat(tmp_path / "out/bin/run").st_mode) == 0o755
    assert stat.S_IMODE(os.stat(tmp_path / "out/index.php").st_mode) == 0o644
    assert (result.files, result.links) == (3, 1)
    os.symlink("/etc/passwd", os.path.join(repository.path, "evil"))
    evil = repository.commit("Evil")
    mirror.fetch_commit("main")
    with pytest.raises(Refused, match=f"commit {evil[:12]} of .* holds 'evil'.*leads out"):
        mirror.export(evil, str(tmp_path / "out2"))
    assert not (tmp_path / "out2").exists()
    with pytest.raises(Refused, match="max_bytes"):
        mirror.export(commit, str(tmp_path / "out2"), max_bytes=1)


def test_a_failing_archive_is_reported_and_leaves_nothing(tmp_path, mirror):
    with pytest.raises(RunbookError, match=r"not a valid object name|not a tree|fatal"):
        mirror.export("0" * 40, str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_submodules_and_lfs_are_warned_of(repository, mirror):
    modules = '[submodule "x"]\n\tpath = x\n\turl = https://git.example.com/x.git\n'
    repository.commit("Sub", _dot_gitmodules=modules, _dot_gitattributes="*.bin filter=lfs diff=lfs\n")
    warnings = mirror.fetch_commit("main").warnings
    assert len(warnings) == 2
    assert "submodules" in warnings[0]
    assert "LFS" in warnings[1]


def test_nothing_of_the_repository_or_of_the_mirror_is_executed(tmp_path, repository, mirror):
    proof = tmp_path / "executed"
    for folder in (os.path.join(repository.path, ".git", "hooks"), os.path.join(mirror.path, "hooks")):
        os.makedirs(folder, exist_ok=True)
        for hook in ("post-checkout", "reference-transaction", "post-update", "pre-auto-gc", "post-index-change"):
            path = os.path.join(folder, hook)
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(f"#!/bin/sh\necho {hook} >> {proof}\n")
            os.chmod(path, 0o755)
    repository.git("config", "core.hooksPath", "/nonexistent")  # our own commits below run none
    repository.commit("More", index_dot_php="5")
    mirror.export(mirror.fetch_commit("main").commit, str(tmp_path / "out"))
    assert not proof.exists()


def test_a_mirror_with_leftovers_of_a_killed_git_is_usable(tmp_path, repository):
    path = str(tmp_path / "m")
    Mirror(path, repository.path, Login()).fetch_commit("main")
    for name in ("shallow.lock", "packed-refs.lock", "config.lock", "refs/runbook/x.lock", "login-x", "objects/pack/tmp_pack_x"):
        os.makedirs(os.path.dirname(os.path.join(path, name)), exist_ok=True)
        with open(os.path.join(path, name), "w", encoding="utf-8") as stream:
            stream.write("left")
    third = repository.commit("Third", index_dot_php="3")
    mirror = Mirror(path, repository.path, Login())
    assert mirror.fetch_commit("main").commit == third
    left = [
        name for _folder, _folders, files in os.walk(path) for name in files if name.endswith(".lock") or "tmp_" in name or "login" in name
    ]
    assert left == []


def test_a_mirror_killed_while_it_was_made_is_made_again(tmp_path, repository):
    os.makedirs(tmp_path / "m.building" / "objects")
    os.makedirs(tmp_path / "m")
    assert Mirror(str(tmp_path / "m"), repository.path, Login()).fetch_commit("main").commit == repository.second


def test_a_fetch_killed_at_any_moment_leaves_a_usable_mirror(tmp_path, repository):
    repository.commit("Many files", **{f"d{number % 7}__f{number}": str(number) * 2000 for number in range(400)})
    script = textwrap.dedent(
        """
        import sys
        from ansible_collections.runbook.ops.plugins.module_utils._source.cache import Cache
        from ansible_collections.runbook.ops.plugins.module_utils._source.git import Mirror
        from ansible_collections.runbook.ops.plugins.module_utils._source.git_command import Login
        cache = Cache(sys.argv[1])
        with cache.locked("git-1") as fd:
            print("go", flush=True)
            mirror = Mirror(cache.repository("git-1"), sys.argv[2], Login(), lock_fd=fd)
            mirror.fetch_commit("main")
        """
    )
    root = str(tmp_path / "cache")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for number in range(8):
        shutil.rmtree(os.path.join(root, "git"), ignore_errors=True)
        process = subprocess.Popen([sys.executable, "-c", script, root, repository.path], env=env, stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(0.006 * number)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        cache = Cache(root)
        with cache.locked("git-1") as fd:  # waits for a git that outlived its parent
            mirror = Mirror(cache.repository("git-1"), repository.path, Login(), lock_fd=fd)
            commit = mirror.fetch_commit("main").commit
            assert mirror.export(commit, str(tmp_path / f"out{number}")).files > 0


# -- logins ----------------------------------------------------------------------------------------------------


@pytest.fixture
def web(repository):
    """git http-backend behind basic authentication; ``seen`` holds the command lines of all git processes meanwhile."""
    seen, wanted = [], "Basic " + base64.b64encode(b"deploy@x:s3cr:t/@").decode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_GET(self):
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    with open(f"/proc/{pid}/cmdline", "rb") as stream:
                        seen.append(stream.read().replace(b"\0", b" ").decode("utf-8", "replace"))
                except OSError:
                    pass
            if self.headers.get("Authorization") != wanted:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
                self.end_headers()
                return
            path, _mark, query = self.path.partition("?")
            env = {
                **ENV,
                "GIT_PROJECT_ROOT": os.path.dirname(repository.path),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "REMOTE_USER": "deploy",
            }
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            out = subprocess.run(["git", "http-backend"], env=env, input=body, stdout=subprocess.PIPE, check=False).stdout
            head, _blank, content = out.partition(b"\r\n\r\n")
            status = re.search(rb"^Status: (\d+)", head)
            self.send_response(int(status.group(1)) if status else 200)
            for line in head.decode().split("\r\n"):
                name, _colon, value = line.partition(": ")
                if name != "Status":
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.seen = seen
    server.url = f"http://127.0.0.1:{server.server_address[1]}/site/.git"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_login_travels_in_no_command_line_and_is_not_kept(tmp_path, repository, web):
    mirror = Mirror(str(tmp_path / "m"), web.url, Login(username="deploy@x", password="s3cr:t/@"))
    assert mirror.fetch_commit("main").commit == repository.second
    assert any("ls-remote" in line for line in web.seen)
    for line in web.seen:
        assert "s3cr" not in line
    for folder, _folders, files in os.walk(mirror.path):
        for name in files:
            with open(os.path.join(folder, name), "rb") as stream:
                assert b"s3cr" not in stream.read(), name


@pytest.mark.parametrize("login", [Login(), Login(username="deploy@x", password="wr0ng")])
def test_a_refused_login_asks_nobody_and_says_what_to_give(tmp_path, web, login):
    with pytest.raises(RunbookError, match="give username and password") as caught:
        Mirror(str(tmp_path / "m"), web.url, login).fetch_commit("main")
    assert "wr0ng" not in caught.value.message
    assert "\n" not in caught.value.message


def test_ssh_gets_the_key_and_never_asks(tmp_path, monkeypatch):
    log = tmp_path / "log"
    fake = tmp_path / "ssh"
    fake.write_text(f'#!/bin/sh\nfor a; do echo "$a" >> {log}; done\necho "Host key verification failed." >&2\nexit 255\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    key = str(tmp_path / "it's my key; touch pwned")
    login = Login(key_file=key, accept_hostkey=True)
    with pytest.raises(RunbookError, match=r"Host key verification failed.*known_hosts, or set accept_hostkey"):
        Mirror(str(tmp_path / "m"), "git@git.example.com:shop/site.git", login).fetch_commit("main")
    words = log.read_text().splitlines()
    for word in (key, "BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=accept-new", "git@git.example.com"):
        assert word in words


def test_a_password_is_for_http_only(tmp_path):
    with pytest.raises(InvalidInput, match="takes key_file"):
        Mirror(str(tmp_path / "m"), "ssh://git@git.example.com/x.git", Login(password="x")).fetch_commit("main")


# -- bad input -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "repo",
    [
        "",
        "-oProxyCommand=evil",
        "--upload-pack=evil",
        "ext::sh -c evil",
        "fd::17",
        "https://a.example.com/\nx",
        "relative/path",
        "./site",
        "../site",
        "ftp://a.example.com/x",
        "https:///x",
        "ssh://-oProxyCommand=evil/x",
        "-x@git.example.com:site",
        "user@-oProxyCommand=evil:site",
        "https://user:pw@a.example.com/x.git",
        "https://token@a.example.com/x.git",
        "ssh://git:pw@a.example.com/x.git",
        "/does/not/exist",
    ],
)
def test_repositories_that_are_refused(repo):
    with pytest.raises(InvalidInput) as caught:
        checked_repo(repo)
    assert "pw" not in caught.value.message
    assert "token" not in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "repo",
    [
        "https://git.example.com/x.git",
        "http://git.example.com:8080/x",
        "ssh://git@git.example.com:2222/x.git",
        "git@git.example.com:shop/site.git",
        "git.example.com:site.git",
        "git://git.example.com/x",
        "file:///srv/git/x.git",
        "/",
    ],
)
def test_repositories_that_are_taken(repo):
    assert checked_repo(repo) == repo


@pytest.mark.parametrize("version", ["", "-x", "a..b", "a b", "a~1", "a^", "a:b", "a@{1}", "a\nb", "/a", "a/", "a.lock", "a*", "x" * 300])
def test_versions_that_are_refused(version):
    with pytest.raises(InvalidInput, match="no branch, tag or commit"):
        checked_version(version)


def test_a_repository_that_is_none(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunbookError, match=r"git can't read .*empty"):
        Mirror(str(tmp_path / "m"), str(tmp_path / "empty"), Login()).fetch_commit("main")


def test_an_empty_repository(tmp_path):
    empty = Repository(tmp_path / "empty")
    with pytest.raises(RunbookError, match="has no branch, tag or commit 'HEAD'"):
        Mirror(str(tmp_path / "m"), empty.path, Login()).fetch_commit("HEAD")


def test_git_missing_is_said_with_the_package(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RunbookError, match="install the package git"):
        Mirror(str(tmp_path / "m"), "https://git.example.com/x.git", Login())


def test_git_that_hangs_is_ended_with_all_its_children(tmp_path, monkeypatch):
    fake = tmp_path / "ssh"
    fake.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    begun = time.monotonic()
    with pytest.raises(RunbookError, match=r"did not finish .*within 0.5 s"):
        Mirror(str(tmp_path / "m"), "git@git.example.com:site.git", Login(timeout=0.5)).fetch_commit("main")
    assert time.monotonic() - begun < 10
    stat_file = pathlib.Path("/proc") / (tmp_path / "pid").read_text().strip() / "stat"
    deadline = time.monotonic() + 5
    while stat_file.exists() and stat_file.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline, "ssh outlived git"
        time.sleep(0.02)


def test_the_callers_own_git_environment_does_not_interfere(tmp_path, repository, monkeypatch):
    other = Repository(tmp_path / "other")
    other.commit("Other", x="1")
    monkeypatch.setenv("GIT_DIR", other.path + "/.git")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nonexistent/index")
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", "/nonexistent/objects")
    assert Mirror(str(tmp_path / "m"), repository.path, Login()).fetch_commit("main").commit == repository.second


def test_the_lock_is_held_by_gits_processes_too(tmp_path, repository):
    cache = Cache(str(tmp_path / "cache"))
    with cache.locked("git-1") as fd:
        mirror = Mirror(cache.repository("git-1"), repository.path, Login(), lock_fd=fd)
        process = mirror._git._start(["sleep", "30"], subprocess.DEVNULL)
    try:
        locks = os.path.join(cache.root, "locks", "git-1")
        script = f"import fcntl; fcntl.flock(open({locks!r}), fcntl.LOCK_EX | fcntl.LOCK_NB)"
        assert subprocess.run([sys.executable, "-c", script], stderr=subprocess.DEVNULL, check=False).returncode != 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
