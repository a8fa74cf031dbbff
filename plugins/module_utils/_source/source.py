# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a release's content comes from: a folder, an archive, a URL or a git commit, resolved to a folder."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import stat
import time
import typing as t

from .._common.errors import InvalidInput, Refused
from .._common.files import write_json
from .address import safe_url
from .archive import DEFAULT_MAX_BYTES, DEFAULT_MAX_FILES, unpack
from .cache import Cache, Entry
from .checksum import Checksum, file_digest, parse_checksum
from .download import Access, download, resolve_checksum
from .git import Mirror, checked_repo, mirror_key
from .git_command import Login

if t.TYPE_CHECKING:
    from .._common.runner import Run

Kind = t.Literal["folder", "archive", "url", "git"]


@dataclasses.dataclass(frozen=True)
class ResolvedSource:
    """A folder with a release's content. It is read-only for everybody: other hosts and later runs use it too.

    ``checksum`` (``sha256:<hex>``) is that of the archive or download; ``commit``, ``summary`` (its subject) and ``date``
    (ISO 8601) are set for git; ``cached`` says that nothing had to be fetched or unpacked. ``files`` and ``bytes`` are
    those of the whole archive or commit, and ``None`` for a folder, which is not walked here.
    """

    path: str
    kind: Kind
    commit: str = ""
    version: str = ""
    summary: str = ""
    date: str = ""
    checksum: str = ""
    files: int | None = None
    bytes: int | None = None
    cached: bool = True
    warnings: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class _Limits:
    max_bytes: int
    max_files: int

    def check(self, data: t.Mapping[str, t.Any], what: str) -> None:
        """A cached tree may have been unpacked under wider limits."""
        for unit, most in (("bytes", self.max_bytes), ("files", self.max_files)):
            if data[unit] > most:
                raise Refused(f"{what} holds {data[unit]} {unit} once unpacked, more than {most} (max_{unit})")


def resolve_source(
    *,
    src: str | None = None,
    url: str | None = None,
    checksum: str | None = None,
    repo: str | None = None,
    version: str | None = None,
    cache_dir: str | None = None,
    strip_components: int = 0,
    subfolder: str | None = None,
    max_bytes: int = DEFAULT_MAX_BYTES,
    max_files: int = DEFAULT_MAX_FILES,
    timeout: float = 30.0,
    headers: t.Mapping[str, str] | None = None,
    username: str | None = None,
    password: str | None = None,
    validate_certs: bool = True,
    key_file: str | None = None,
    accept_hostkey: bool = False,
    depth: int | None = 1,
    where: t.Literal["controller", "host"] = "controller",
) -> ResolvedSource:
    """Resolve exactly one of ``src`` (folder or archive), ``url`` (with ``checksum``) and ``repo`` (with ``version``).

    A folder is returned as it is. Anything else is fetched and unpacked once into the cache, from where it is not removed
    while this process lives. ``subfolder`` picks a folder inside. ``where`` is the machine this runs on, for messages.
    Raises ``InvalidInput``, ``Refused`` or ``RunbookError``.
    """
    given = [name for name, value in (("src", src), ("url", url), ("repo", repo)) if value]
    if len(given) != 1:
        raise InvalidInput(f"give exactly one of src, url and repo ({' and '.join(given) or 'none'} given)")
    if strip_components < 0 or (strip_components and repo):
        raise InvalidInput(f"strip_components is {strip_components}; it must be 0 or more, and is for archives only (use subfolder)")
    for name, number in (("max_bytes", max_bytes), ("max_files", max_files), ("timeout", timeout), ("depth", depth)):
        if number is not None and not number > 0:
            raise InvalidInput(f"{name} is {number}; it must be more than 0")
    limits = _Limits(max_bytes, max_files)
    if src:
        source = _from_src(src, checksum, cache_dir, strip_components, limits, where)
    elif url:
        access = Access(timeout, dict(headers or {}), username, password, validate_certs)
        source = _from_url(url, checksum, cache_dir, strip_components, limits, access)
    else:
        login = Login(key_file, accept_hostkey, username, password, validate_certs, stall=timeout)
        source = _from_git(repo or "", version or "HEAD", cache_dir, depth, limits, login)
    if subfolder:  # whoever picks a folder has looked inside: no hint about the folders there
        hints = () if source.kind in ("archive", "url") else source.warnings
        source = dataclasses.replace(source, path=_inside(source.path, subfolder), warnings=hints)
    return dataclasses.replace(source, version=source.version or version or "")


def resolve(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """The use case of ``release_source``: options of that name, and its result. Check mode resolves too: hosts see nothing of it."""
    source = resolve_source(**{name: value for name, value in options.items() if value is not None})
    for warning in source.warnings:
        run.warn(warning)
    result = dataclasses.asdict(source)
    del result["warnings"]
    return {"changed": False, **result}


def _from_src(
    src: str, checksum: str | None, cache_dir: str | None, strip_components: int, limits: _Limits, where: t.Literal["controller", "host"]
) -> ResolvedSource:
    path = os.path.expanduser(src)
    there = "on the controller (the machine this task runs on)" if where == "controller" else "on the host (remote_src)"
    if not path.startswith("/"):
        raise InvalidInput(f"src {src} is not absolute; give the whole path, for example with playbook_dir in front")
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise InvalidInput(f"src {src} does not exist {there}; check the path, and where the build puts it") from None
    except PermissionError:
        raise InvalidInput(f"src {src} may not be read {there}; check the permissions of its folders") from None
    if stat.S_ISDIR(status.st_mode):
        if checksum or strip_components:
            raise InvalidInput(f"src {src} is a folder; checksum and strip_components are for archives")
        if not os.access(path, os.R_OK | os.X_OK):
            raise InvalidInput(f"src {src} may not be read {there}; check its permissions")
        return ResolvedSource(path=os.path.realpath(path), kind="folder")
    if not stat.S_ISREG(status.st_mode):
        raise InvalidInput(f"src {src} is neither a folder nor a file {there}")
    wanted = parse_checksum(checksum) if checksum else None
    if isinstance(wanted, str):
        raise InvalidInput("a checksum list is for url; give src's checksum as sha256:<hex digits>")
    try:
        return _from_archive(os.path.realpath(path), wanted, Cache(cache_dir), strip_components, limits)
    except PermissionError as error:
        if error.filename not in (path, os.path.realpath(path)):
            raise
        raise InvalidInput(f"src {src} may not be read {there}; check its permissions") from None


def _from_archive(path: str, wanted: Checksum | None, cache: Cache, strip_components: int, limits: _Limits) -> ResolvedSource:
    before = _identity(path)
    found = Checksum(wanted.algorithm if wanted else "sha256", _remembered_digest(path, wanted.algorithm if wanted else "sha256", cache))
    if wanted:
        wanted.check(found.digest, path)

    def build(tree: str) -> t.Mapping[str, t.Any]:
        data = _unpacked(path, tree, strip_components, limits)
        if _identity(path) != before:
            raise Refused(f"{path} was changed while it was unpacked; run again when the build is finished")
        return data

    entry = cache.entry(_archive_key(found, strip_components), build)
    return _from_entry(entry, "archive", path, limits, strip_components, checksum=str(found))


def _from_url(
    url: str, checksum: str | None, cache_dir: str | None, strip_components: int, limits: _Limits, access: Access
) -> ResolvedSource:
    if not checksum:
        raise InvalidInput("url needs checksum, for example sha256:<64 hex digits> or sha256:https://.../SHA256SUMS")
    cache = Cache(cache_dir)
    wanted = resolve_checksum(checksum, url, access)

    def build(tree: str) -> t.Mapping[str, t.Any]:
        key = f"download-{wanted.algorithm}-{wanted.digest}"
        with cache.locked(key):
            path = cache.partial(key)
            download(url, path, checksum=wanted, max_bytes=limits.max_bytes, **dataclasses.asdict(access))
            try:
                return _unpacked(path, tree, strip_components, limits, name=safe_url(url))
            finally:
                os.unlink(path)

    entry = cache.entry(_archive_key(wanted, strip_components), build)
    return _from_entry(entry, "url", safe_url(url), limits, strip_components, checksum=str(wanted))


def _from_git(repo: str, version: str, cache_dir: str | None, depth: int | None, limits: _Limits, login: Login) -> ResolvedSource:
    repo = checked_repo(repo)
    cache = Cache(cache_dir)
    key = mirror_key(repo)
    with cache.locked(key) as lock_fd:
        mirror = Mirror(cache.repository(key), repo, login, lock_fd=lock_fd)
        commit = mirror.fetch_commit(version, depth=depth)

        def build(tree: str) -> t.Mapping[str, t.Any]:
            unpacked = mirror.export(commit.commit, tree, max_bytes=limits.max_bytes, max_files=limits.max_files)
            return {"files": unpacked.files, "bytes": unpacked.bytes}

        entry = cache.entry(f"commit-{key}-{commit.commit}", build)
    source = _from_entry(entry, "git", f"commit {commit.commit[:12]} of {safe_url(repo)}", limits, 0)
    return dataclasses.replace(
        source, commit=commit.commit, version=commit.version, summary=commit.summary, date=commit.date, warnings=commit.warnings
    )


def _unpacked(path: str, tree: str, strip_components: int, limits: _Limits, name: str | None = None) -> t.Mapping[str, t.Any]:
    unpacked = unpack(path, tree, max_bytes=limits.max_bytes, max_files=limits.max_files, strip_components=strip_components, name=name)
    return {"files": unpacked.files, "bytes": unpacked.bytes, "top_folder": unpacked.top_folder}


def _from_entry(entry: Entry, kind: Kind, what: str, limits: _Limits, strip_components: int, checksum: str = "") -> ResolvedSource:
    limits.check(entry.data, what)
    top = entry.data.get("top_folder", "")
    hint = f"everything in {what} lies below the folder {top!r}; if it should not, set strip_components to {strip_components + 1}"
    return ResolvedSource(
        path=entry.path,
        kind=kind,
        checksum=checksum,
        files=entry.data["files"],
        bytes=entry.data["bytes"],
        cached=not entry.created,
        warnings=(hint,) if top else (),
    )


def _inside(path: str, subfolder: str) -> str:
    """The folder ``subfolder`` of ``path``, which no link may lead out of."""
    found = os.path.realpath(os.path.join(path, subfolder))
    if subfolder.startswith("/") or ".." in subfolder.split("/") or not (found + "/").startswith(os.path.realpath(path) + "/"):
        raise InvalidInput(f"subfolder {subfolder!r} leads out of the source; give a folder inside it")
    if not os.path.isdir(found):
        raise InvalidInput(f"the source has no folder {subfolder!r}; check subfolder")
    return found


def _archive_key(checksum: Checksum, strip_components: int) -> str:
    return f"archive-{checksum.algorithm}-{checksum.digest}-s{strip_components}"


def _identity(path: str) -> list[int]:
    """What changes when a file is replaced or written to."""
    status = os.stat(path)
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _remembered_digest(path: str, algorithm: str, cache: Cache) -> str:
    """The file's digest; not read again, by this or another host's worker, while the file stays as it is.

    A file changed within the last two seconds is not remembered: a second change might leave its times as they are.
    """
    key = "digest-" + hashlib.sha256(f"{algorithm}:{path}".encode("utf-8", "surrogateescape")).hexdigest()[:32]
    with cache.locked(key):
        identity = _identity(path)
        with contextlib.suppress(OSError, ValueError):
            with open(cache.digests(key), encoding="utf-8") as stream:
                said = json.load(stream)
            if isinstance(said, dict) and said.get("identity") == identity:
                os.utime(cache.digests(key))
                return str(said["digest"])
        begun = time.time()
        digest = file_digest(path, algorithm)
        if _identity(path) == identity and max(identity[3], identity[4]) < (begun - 2) * 1e9:
            write_json(cache.digests(key), {"identity": identity, "digest": digest})
        return digest
