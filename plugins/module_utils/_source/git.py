# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One commit of a git repository as a folder: fetched into a bare repository of the cache, archived, unpacked.

Only the commit that is asked for is fetched (``depth`` 1), the next one as a difference to what is there. Nothing of the
repository is ever executed: no hooks, no checkout, no transport but file, git, http(s) and ssh.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import re
import shutil
import urllib.parse

from .._common.errors import InvalidInput, Refused, RunbookError
from .address import safe_url
from .archive import DEFAULT_MAX_BYTES, DEFAULT_MAX_FILES, Unpacked, unpack_tar_stream
from .git_command import Git, GitFailed, Login

_COMMIT = re.compile(r"^(?:[0-9a-f]{40}|[0-9a-f]{64})$")
_ABBREVIATED = re.compile(r"^[0-9a-f]{7,63}$")
_SCP = re.compile(r"^(?:[A-Za-z0-9._][A-Za-z0-9._-]*@)?[A-Za-z0-9._][A-Za-z0-9._-]*:(?!:)(?!//)[^:]")
_SCHEMES = ("https", "http", "ssh", "git", "file")
# What git-check-ref-format forbids, and a leading dash, which would be an option.
_BAD_VERSION = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[-/]|[/.]$|\.lock$")


@dataclasses.dataclass(frozen=True)
class Commit:
    """``version`` as it was asked for, the full commit it means, when that was committed (ISO 8601) and its subject."""

    commit: str
    version: str
    date: str
    summary: str
    warnings: tuple[str, ...] = ()


def checked_repo(repo: str) -> str:
    """The repository's address or path as git may be given it, or ``InvalidInput``."""
    shown = safe_url(repo)
    if not repo or re.search(r"[\x00-\x1f\x7f]", repo) or repo.startswith("-"):
        raise InvalidInput(f"repo {shown!r} is no repository address")
    if repo.startswith("~"):
        repo = os.path.expanduser(repo)
    if repo.startswith("/"):
        if not os.path.isdir(repo):
            raise InvalidInput(f"repo {repo} does not exist on the controller (this machine); give a path or address of a git repository")
        return repo
    if re.match(r"^[A-Za-z0-9+.-]+::", repo):
        raise InvalidInput(f"repo {shown} uses a transport helper, which is not allowed; give an https or ssh address")
    if "://" in repo:
        parts = urllib.parse.urlsplit(repo)
        if parts.scheme not in _SCHEMES:
            raise InvalidInput(f"repo {shown} uses {parts.scheme!r}; use one of {', '.join(_SCHEMES)}")
        if parts.scheme != "file" and (not parts.hostname or parts.netloc.rpartition("@")[2].startswith("-")):
            raise InvalidInput(f"repo {shown} names no host")
        if ":" in parts.netloc.rpartition("@")[0] or (parts.scheme in ("http", "https") and "@" in parts.netloc):
            raise InvalidInput(f"repo {shown} carries a user name or password; give them as username and password instead")
        return repo
    if _SCP.match(repo):
        return repo
    raise InvalidInput(f"repo {shown} is a relative path; give an absolute one, or an address such as https://git.example.com/site.git")


def checked_version(version: str) -> str:
    """A branch, tag, commit or full ref name, or ``InvalidInput``."""
    if not version or len(version) > 250 or _BAD_VERSION.search(version):
        raise InvalidInput(f"version {version!r} is no branch, tag or commit")
    return version


def mirror_key(repo: str) -> str:
    """The name under which the cache keeps the repository."""
    return "git-" + hashlib.sha256(repo.encode("utf-8", "surrogateescape")).hexdigest()[:32]


class Mirror:
    """The bare repository ``path`` that stands for ``repo``. The caller holds its lock, open as ``lock_fd``.

    Git's processes inherit the lock: should this process be killed, nobody works on the repository before they are gone.
    """

    def __init__(self, path: str, repo: str, login: Login, *, lock_fd: int | None = None) -> None:
        self.path = path
        self.repo = checked_repo(repo)
        self._git = Git(path, self.repo, login, () if lock_fd is None else (lock_fd,))
        self._prepare()

    def fetch_commit(self, version: str, *, depth: int | None = 1) -> Commit:
        """Resolve ``version`` and have its commit here. A full commit id that is here already asks nobody.

        ``depth`` is the number of commits to fetch, all when ``None``; more than one only serves servers that
        can't do 1. ``RunbookError`` when repository or version can't be had, in git's words.
        """
        version = checked_version(version)
        if _COMMIT.match(version):
            if not self._has(version):
                self._fetch_id(version, depth)
            return self._describe(version, version)
        found = self._advertised(version)
        if found:
            ref, commit = found
            if not self._has(commit):
                self._fetch(f"+{ref}:refs/runbook/{hashlib.sha256(ref.encode()).hexdigest()[:16]}", depth)
            if not self._has(commit):  # the branch moved on in between
                self._fetch_id(commit, depth)
            return self._describe(commit, version)
        if _ABBREVIATED.match(version):
            self._fetch_all()
            commit = self._git.local("rev-parse", "--verify", "--quiet", "--end-of-options", version + "^{commit}", check=False).strip()
            if _COMMIT.match(commit):
                return self._describe(commit, version)
        raise RunbookError(f"{self._git.shown} has no branch, tag or commit {version!r}; check version, and that it was pushed")

    def export(self, commit: str, dest: str, *, max_bytes: int = DEFAULT_MAX_BYTES, max_files: int = DEFAULT_MAX_FILES) -> Unpacked:
        """Unpack the commit's files into the new folder ``dest``, under the rules for archives."""
        with self._git.stream("archive", "--format=tar", commit) as (read, complete):
            name = f"commit {commit[:12]} of {self._git.shown}"
            return unpack_tar_stream(read, dest, name=name, complete=complete, max_bytes=max_bytes, max_files=max_files)

    # -- what is where -----------------------------------------------------------------------------------------

    def _has(self, commit: str) -> bool:
        """Whether the commit and all its files are here; a killed fetch may leave neither, never a part."""
        return bool(self._git.local("rev-list", "--no-walk", "--quiet", "--end-of-options", commit, check=False, ok="yes"))

    def _advertised(self, version: str) -> tuple[str, str] | None:
        """The full name and commit of the branch or tag that the repository offers under this name."""
        full = version == "HEAD" or version.startswith("refs/")
        names = [version] if full else [f"refs/heads/{version}", f"refs/tags/{version}"]
        listing = self._git.remote("ls-remote", "--", self.repo, *names, *(name + "^{}" for name in names))
        offered: dict[str, str] = {}
        for line in listing.splitlines():
            commit, _tab, name = line.partition("\t")
            offered[name] = commit
        found = [(name, offered.get(name + "^{}", offered[name])) for name in names if name in offered]
        if len({commit for _name, commit in found}) > 1:
            raise Refused(f"{version!r} is both a branch and a tag of {self._git.shown}; give refs/heads/{version} or refs/tags/{version}")
        return found[-1] if found else None

    def _fetch_id(self, commit: str, depth: int | None) -> None:
        """Have a commit by its id; servers that don't give single commits away are asked for everything."""
        with contextlib.suppress(GitFailed):
            self._fetch(f"+{commit}:refs/runbook/{commit[:16]}", depth)
        if not self._has(commit):
            self._fetch_all()
        if not self._has(commit):
            raise RunbookError(f"{self._git.shown} has no commit {commit}; check version, and that it was pushed")

    def _fetch(self, refspec: str, depth: int | None) -> None:
        options = ["--no-tags", "--quiet", "--no-write-fetch-head"]
        if depth:
            try:
                self._git.remote("fetch", *options, f"--depth={depth}", "--", self.repo, refspec)
                return
            except GitFailed as error:
                if "shallow" not in error.message:
                    raise
        self._git.remote("fetch", *options, *self._unshallow(), "--", self.repo, refspec)

    def _fetch_all(self) -> None:
        """Every branch and tag with its whole history."""
        refspecs = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        options = ("--no-tags", "--quiet", "--prune", "--no-write-fetch-head", *self._unshallow())
        self._git.remote("fetch", *options, "--", self.repo, *refspecs)

    def _unshallow(self) -> tuple[str, ...]:
        return ("--unshallow",) if os.path.exists(os.path.join(self.path, "shallow")) else ()

    def _describe(self, commit: str, version: str) -> Commit:
        if self._git.local("cat-file", "-t", commit).strip() != "commit":
            raise InvalidInput(f"version {version!r} of {self._git.shown} is no commit; give a branch, tag or commit")
        shown = self._git.local("show", "-s", "--no-color", "--encoding=UTF-8", "--format=%cI%n%s", "--end-of-options", commit)
        date, _newline, subject = shown.partition("\n")
        warnings = []
        special = self._git.local("ls-tree", "--name-only", "--end-of-options", commit, "--", ".gitmodules", ".gitattributes").split()
        if ".gitmodules" in special:
            warnings.append(f"commit {commit[:12]} has submodules, which are not part of the release; vendor them or build an archive")
        if ".gitattributes" in special and "filter=lfs" in self._git.local("cat-file", "blob", f"{commit}:.gitattributes", check=False):
            warnings.append(f"commit {commit[:12]} keeps files in Git LFS; without git-lfs on the controller it holds pointers to them")
        return Commit(commit=commit, version=version, date=date.strip(), summary=subject.strip(), warnings=tuple(warnings))

    def _prepare(self) -> None:
        """Make the repository if it is missing; under its lock, every lock file of git's and every login is a dead run's."""
        if not os.path.isdir(os.path.join(self.path, "objects")) or not os.path.isfile(os.path.join(self.path, "HEAD")):
            shutil.rmtree(self.path, ignore_errors=True)
            os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
            partial = self.path + ".building"
            shutil.rmtree(partial, ignore_errors=True)
            self._git.init(partial)
            os.rename(partial, self.path)
        for folder, folders, files in os.walk(self.path):
            if folder == self.path and "objects" in folders:
                folders.remove("objects")
            for name in files:
                if name.endswith(".lock") or name.startswith("login-"):
                    os.unlink(os.path.join(folder, name))
        pack = os.path.join(self.path, "objects", "pack")
        for name in os.listdir(pack) if os.path.isdir(pack) else ():
            if name.startswith("tmp_") or name.endswith(".lock"):
                os.unlink(os.path.join(pack, name))
        os.utime(self.path)
