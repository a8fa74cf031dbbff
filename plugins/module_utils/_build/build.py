# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build a release from a source folder: one archive, and the ``latest.json`` that says which one is the newest."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import glob
import hashlib
import json
import os
import re
import secrets
import tempfile
import typing as t

from .._common import clock
from .._common.errors import InvalidInput, Refused
from .._common.files import fsync_folder, write_atomic
from .._common.progress import Progress
from .._common.runner import Run
from .._http.address import parse_target
from .._release.manifest import Manifest
from .._release.walk import Rules, Walker, complete, hash_found, matcher, octal
from .._source.checksum import file_digest
from .pack import write_archive
from .secret_scan import Secret, find_secrets
from .version import check_version, find_moment, find_version

Options = t.Mapping[str, t.Any]

# What version control and the systems around it leave in a source, besides what release_stage leaves out already.
VERSION_CONTROL = (".bzr", "CVS", "_darcs", ".gitignore", ".gitattributes", ".gitmodules", ".gitkeep", ".hgignore", ".hgtags")
_FIELDS = ("version", "sha256", "size", "url", "time", "content")
# Of many secrets, the message has the first.
_SHOWN = 10
# Changes when the same source makes other bytes, so that what an earlier version of this file built is built again.
_BUILDER = 1


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be built: the parts of ``latest.json`` that are known before, and where everything goes."""

    src: str
    folder: str
    file: str
    latest: str
    form: str
    moment: int
    mode: int
    version: str
    address: str
    metadata: t.Mapping[str, t.Any]
    overwrite: bool

    @property
    def path(self) -> str:
        return os.path.join(self.folder, self.file)

    @property
    def latest_path(self) -> str:
        return os.path.join(self.folder, self.latest)


def release_build(options: Options, run: Run) -> dict[str, t.Any]:
    """Build what ``src`` holds, unless it is built already.

    Returns the archive's path and the fields of its ``latest.json``; raises ``Refused`` when a secret, or a link that leads out, would
    be in it.
    """
    src, folder = os.path.abspath(options["src"]), os.path.abspath(options["dest"])
    walker = _walk(src, folder, options)
    plan = _plan(src, folder, options)
    found, allowed = _secrets(walker, options["allow_secrets"], run)
    if found:
        raise Refused(_told(found), secrets=[secret._asdict() for secret in found])
    manifest = _hashed(walker, run)
    if not manifest.files:
        raise InvalidInput(f"nothing of {src} would be in the release; correct include and exclude")
    content = hashlib.sha256(f"{_BUILDER} {plan.form} {plan.moment} {manifest.root}".encode()).hexdigest()
    before = _read(plan.latest_path)
    document, changed = _made(plan, manifest, content, before, run)
    result = {
        "changed": changed,
        "path": plan.path,
        "latest": plan.latest_path,
        **{name: document.get(name) for name in _FIELDS},
        "files": len(manifest.files),
        "bytes": manifest.total_bytes,
        "left_out": walker.left_out,
        "allowed_secrets": [secret._asdict() for secret in allowed],
        "msg": _said(plan, manifest, changed, allowed, run),
    }
    if run.diff and changed:
        result["diff"] = _diff(plan, manifest, walker.left_out, before)
    return result


def _diff(plan: Plan, manifest: Manifest, left_out: t.Sequence[str], before: t.Mapping[str, t.Any]) -> dict[str, str]:
    """The names that are in, and those that are left out."""
    was = f"version {before['version']}, sha256 {before.get('sha256')}\n" if before.get("version") else ""
    names = [f"{entry.path}{'/' * (entry.kind == 'd')}\n" for entry in manifest.entries]
    names += [f"left out: {name}\n" for name in left_out]
    return {"before_header": plan.path, "after_header": plan.path, "before": was, "after": "".join(names)}


def _walk(src: str, folder: str, options: Options) -> Walker:
    if src == folder:
        raise InvalidInput(f"src and dest are the same folder {src}; build into another one")
    exclude = [*VERSION_CONTROL, *options["exclude"]]
    if folder.startswith(src + "/"):
        exclude.append("/" + glob.escape(os.path.relpath(folder, src)))  # what was built before is no part of the source
    for name in ("include", "exclude", "allow_secrets"):
        if any(not pattern.strip().strip("/") for pattern in options[name]):
            raise InvalidInput(f"{name} has an empty pattern; remove it")
    walker = Walker(src, Rules(exclude=tuple(exclude), include=tuple(options["include"])))
    walker.walk()
    return walker


def _plan(src: str, folder: str, options: Options) -> Plan:
    name = check_version(options["name"] if options["name"] is not None else os.path.basename(src), "name")
    latest = check_version(options["latest"], "latest")
    version = find_version(src, options["version"], options["version_file"])
    file = f"{name}-{version}.{options['format']}"
    if file == latest:
        raise InvalidInput(f"latest {latest!r} is the archive's own name; choose another")
    taken = sorted(set(options["metadata"]) & set(_FIELDS))
    if taken:
        raise InvalidInput(f"metadata can't have {taken[0]}, which {latest} says by itself")
    try:
        metadata = json.loads(json.dumps(options["metadata"]))
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"metadata can't be written as JSON ({error})") from None
    return Plan(
        src=src,
        folder=folder,
        file=file,
        latest=latest,
        form=options["format"],
        moment=find_moment(src, options["source_date_epoch"], os.environ),
        mode=octal(options["mode"], "mode") or 0o644,
        version=version,
        address=_address(options["url"], file),
        metadata=metadata,
        overwrite=options["overwrite"],
    )


def _address(url: str | None, file: str) -> str:
    """Where the archive will be: below ``url``, or beside ``latest.json``."""
    name = file.replace("+", "%2B")  # some servers take a plus sign for a space
    if not url:
        return name
    if re.search(r"[?#]", url):
        raise InvalidInput("url is the folder that the archive is uploaded to, without ? and #")
    parse_target(url, None)
    return f"{url.rstrip('/')}/{name}"


def _secrets(walker: Walker, allow: t.Sequence[str], run: Run) -> tuple[list[Secret], list[Secret]]:
    """Those that must not be there, and those that were allowed."""
    for pattern in allow:
        one = matcher([pattern])
        if one and not any(one.fullmatch(item.path) for item in walker.files):
            run.warn(f"allow_secrets names {pattern}, which is not in the release; remove it, so that it allows nothing later")
    allowing = matcher(allow)
    found = find_secrets(walker.root, [item.path for item in walker.files], [item.stamp[1] for item in walker.files], run.say)
    allowed = [secret for secret in found if allowing and allowing.fullmatch(secret.path)]
    return [secret for secret in found if secret not in allowed], allowed


def _told(found: t.Sequence[Secret]) -> str:
    count = f"{len(found)} secrets" if len(found) > 1 else "a secret"
    shown = ", ".join(map(str, found[:_SHOWN])) + (f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")
    return f"{count} would be in the release: {shown}; take them out, exclude the files, or name those that may be there in allow_secrets"


def _hashed(walker: Walker, run: Run) -> Manifest:
    progress = Progress(f"hashing {walker.root}", run.say, files=len(walker.files), size=sum(item.stamp[1] for item in walker.files))
    return complete(walker, hash_found(walker.root, walker.files, progress.advance))


def _read(path: str) -> dict[str, t.Any]:
    """What an earlier ``latest.json`` says; nothing when there is none that can be read."""
    try:
        with open(path, encoding="utf-8") as stream:
            document = json.load(stream)
    except FileNotFoundError:
        return {}
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _made(plan: Plan, manifest: Manifest, content: str, before: t.Mapping[str, t.Any], run: Run) -> tuple[dict[str, t.Any], bool]:
    """The new ``latest.json`` and whether anything was, or would be, changed. In check mode, what is not built has no sha256."""
    there = _there(plan.path)
    same_build = before.get("content") == content and before.get("version") == plan.version
    document: dict[str, t.Any] = {**plan.metadata, "version": plan.version, "url": plan.address, "content": content}
    if there and same_build and there == (before.get("sha256"), before.get("size")):
        document.update(sha256=there[0], size=there[1], time=before.get("time"))
        if document == before:
            return document, False
    elif there or not run.check_mode:
        document.update(_archive(plan, manifest, there, run))
    else:
        document.update(sha256=None, size=None)
    document["time"] = clock.now()
    if not run.check_mode:
        write_atomic(plan.latest_path, (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode(), plan.mode)
    return document, True


def _there(path: str) -> tuple[str, int] | None:
    """Digest and size of the archive that is there; ``Refused`` when something else is."""
    if os.path.islink(path) or (os.path.lexists(path) and not os.path.isfile(path)):
        raise Refused(f"{path} is there and no file; remove it, or choose another name")
    return (file_digest(path), os.path.getsize(path)) if os.path.exists(path) else None


def _archive(plan: Plan, manifest: Manifest, there: tuple[str, int] | None, run: Run) -> dict[str, t.Any]:
    """Write the archive and put it into its place, whole or not at all; one of the same name is only replaced when that was asked for."""
    progress = Progress(f"writing {plan.file}", run.say, files=len(manifest.files), size=manifest.total_bytes)
    with contextlib.ExitStack() as stack:
        partial = ""
        if run.check_mode:
            stream: t.IO[bytes] = stack.enter_context(tempfile.TemporaryFile())
        else:
            os.makedirs(plan.folder, mode=0o755, exist_ok=True)
            _sweep(plan)
            partial = os.path.join(plan.folder, f".{plan.file[:200]}.{secrets.token_hex(6)}.partial")
            fd = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            stack.callback(_forget, partial)
            stream = stack.enter_context(os.fdopen(fd, "w+b"))
            fcntl.flock(fd, fcntl.LOCK_EX)  # tells other runs that it is being written
        write_archive(stream, plan.form, plan.src, manifest, plan.moment, progress.advance)
        stream.flush()
        made = _digest(stream)
        if there and there != made and not plan.overwrite:
            raise Refused(
                f"{plan.path} is there already with other content, and a version that was given away must not change; "
                "build it as another version, or set overwrite"
            )
        if partial and there != made:
            os.fchmod(stream.fileno(), plan.mode)
            os.fsync(stream.fileno())
            os.rename(partial, plan.path)
            fsync_folder(plan.folder)
    return {"sha256": made[0], "size": made[1]}


def _sweep(plan: Plan) -> None:
    """Remove what a killed run left: partial files that nobody writes any more."""
    for path in glob.glob(os.path.join(glob.escape(plan.folder), f".{glob.escape(plan.file[:200])}.*.partial")):
        with contextlib.suppress(OSError), open(path, "rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(path)


def _digest(stream: t.IO[bytes]) -> tuple[str, int]:
    digest = hashlib.sha256()
    stream.seek(0)
    for data in iter(lambda: stream.read(1 << 20), b""):
        digest.update(data)
    return digest.hexdigest(), stream.tell()


def _forget(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _said(plan: Plan, manifest: Manifest, changed: bool, allowed: t.Sequence[Secret], run: Run) -> str:
    word = "is built already," if not changed else "would be built," if run.check_mode else "is built,"
    count = len(manifest.files)
    text = f"{plan.file} {word} {count} file{'s' * (count != 1)} of version {plan.version}"
    if allowed:
        text += f"; with {len(allowed)} allowed secret{'s' * (len(allowed) > 1)} in {', '.join(dict.fromkeys(one.path for one in allowed))}"
    return text
