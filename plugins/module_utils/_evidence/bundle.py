# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``evidence_bundle``: options in; a bundle, what a bundle elsewhere will be made of, or a verdict out."""

from __future__ import annotations

import contextlib
import dataclasses
import glob
import hashlib
import os
import secrets
import stat
import tempfile
import typing as t

from .._common.argspec import ArgumentSpec
from .._common.errors import InvalidInput, Refused, RunbookError
from .._common.outcome import overall, summary
from .._common.runner import Run
from . import archive, names, places, signature
from .collect import Collector, Source
from .scrub import Scrubber
from .verify import verify

SOURCE: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str"},
    "src": {"type": "path"},
    "listing": {"type": "path"},
    "content": {"type": "raw"},
    "max_bytes": {"type": "int", "default": 10485760},
    "depth": {"type": "int", "default": 2},
    "optional": {"type": "bool", "default": False},
    "exclude": {"type": "list", "elements": "str", "default": []},
}
OWN_RULE: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str", "required": True},
    "regex": {"type": "str", "required": True},
    "replace": {"type": "str"},
}
BUNDLE = ArgumentSpec(
    {
        "state": {"type": "str", "choices": ["present", "collected", "verified"], "default": "present"},
        "dest": {"type": "path"},
        "sources": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": SOURCE,
            "mutually_exclusive": [("src", "listing", "content")],
            "required_one_of": [("src", "listing", "content")],
        },
        "metadata": {"type": "dict", "default": {}},
        "scrub_rules": {"type": "list", "elements": "dict", "default": [], "options": OWN_RULE},
        "scrub_without": {"type": "list", "elements": "str", "default": []},
        "scrub_values": {"type": "list", "elements": "str", "default": [], "no_log": True},
        "compress": {"type": "bool", "default": True},
        "max_total_bytes": {"type": "int", "default": 536870912},
        "mode": {"type": "str", "default": "0600"},
        "sign_key": {"type": "path"},
        "allowed_signers": {"type": "path"},
        "signer": {"type": "str", "default": ""},
        "fail": {"type": "bool", "default": True},
    },
    required_if=[("state", "present", ("dest",)), ("state", "verified", ("dest",))],
    required_by={"allowed_signers": ["signer"]},
)


def evidence_bundle(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """Make, collect for, or verify a bundle, as ``state`` says."""
    if options["max_total_bytes"] < 1:
        raise InvalidInput("max_total_bytes must be at least 1")
    if options["state"] == "verified":
        return _verified(options)
    scrubber = Scrubber(options["scrub_without"], options["scrub_rules"], options["scrub_values"])
    sources = [_source(item, number) for number, item in enumerate(options["sources"], 1)]
    if not sources:
        raise InvalidInput("sources is empty; name what is to be collected")
    collector = Collector(scrubber, options["max_total_bytes"])
    if options["state"] == "collected":
        return _collected(collector, sources, run)
    return _present(options, collector, sources, scrubber, run)


def _source(item: t.Mapping[str, t.Any], number: int) -> Source:
    what = f"source {number}"
    if item["max_bytes"] < 1 or item["depth"] < 1:
        raise InvalidInput(f"{what}: max_bytes and depth must be at least 1")
    src = places.absolute(item["src"], f"{what}: src") if item["src"] else ""
    folder = places.absolute(item["listing"], f"{what}: listing") if item["listing"] else ""
    if "/" in (src, folder):
        raise InvalidInput(f"{what}: the whole system can't be collected; name a folder of it")
    name = item["name"]
    if not name and not (src or folder):
        raise InvalidInput(f"{what}: content needs a name")
    if name:
        name = names.given(name, f"{what}: name")
    else:
        name = names.found(src[1:]) if src else f"listings/{names.found(folder[1:]).replace('/', '_')}.txt"
    return Source(name, src, folder, item["content"], item["max_bytes"], item["depth"], item["optional"], tuple(item["exclude"]))


def _warn(collector: Collector, run: Run) -> None:
    for item in collector.left_out:
        if item["reason"] != "it does not exist":
            run.warn(f"{item['source']} is not in the evidence: {item['reason']}")


def _collected(collector: Collector, sources: t.Sequence[Source], run: Run) -> dict[str, t.Any]:
    """Texts as ``{name, content, ...}`` for a bundle that is made elsewhere; a binary file can't travel in a result."""
    documents: list[dict[str, t.Any]] = []
    for document in collector.documents(sources):
        if document.kind == "binary":
            collector.left_out.append({"name": document.name, "source": document.source, "reason": "it is binary"})
            continue
        documents.append({"name": document.name, "content": document.data.decode("utf-8", "replace")})
    _warn(collector, run)
    return {"changed": False, "documents": documents, "left_out": collector.left_out, "msg": f"{len(documents)} documents collected"}


def _present(
    options: t.Mapping[str, t.Any], collector: Collector, sources: t.Sequence[Source], scrubber: Scrubber, run: Run
) -> dict[str, t.Any]:
    dest = places.absolute(options["dest"], "dest")
    mode = _mode(options["mode"])
    # A bundle that lies in a folder that is collected is no evidence of its own.
    sources = [dataclasses.replace(source, exclude=(*source.exclude, glob.escape(dest))) for source in sources]

    def about() -> dict[str, t.Any]:
        return {"metadata": scrubber.data(options["metadata"]), "left_out": collector.left_out}

    def sign(sums: bytes) -> bytes:
        return signature.sign(sums, options["sign_key"]) if options["sign_key"] else b""

    with contextlib.ExitStack() as stack:
        folder = None if run.check_mode and not os.path.isdir(os.path.dirname(dest)) else stack.enter_context(_folder(dest, run))
        old = _old(dest, folder)
        stream: t.IO[bytes] = stack.enter_context(tempfile.TemporaryFile())
        manifest = archive.write(stream, collector.documents(sources), about, sign, options["compress"])
        size, digest = stream.tell(), _digest(stream)
        changed = old is None or old != (digest, mode)
        if changed and not run.check_mode and folder is not None:
            _write(stream, folder, os.path.basename(dest), mode)
    _warn(collector, run)
    result = {
        "changed": changed,
        "dest": dest,
        "sha256": digest,
        "bytes": size,
        "entries": manifest["entries"],
        "left_out": manifest["left_out"],
        "binary": [entry["name"] for entry in manifest["entries"] if entry["kind"] == "binary"],
        "scrubbed": sum(sum(entry["scrubbed"].values()) for entry in manifest["entries"]),
        "signed": bool(options["sign_key"]),
        "msg": f"{dest} {'would hold' if run.check_mode else 'holds'} {len(manifest['entries'])} files",
    }
    if run.diff and changed:
        shown = "".join(f"{entry['sha256']}  {entry['name']}\n" for entry in manifest["entries"])
        result["diff"] = {"before_header": dest, "after_header": dest, "before": f"sha256 {old[0]}\n" if old else "", "after": shown}
    return result


def _mode(text: str) -> int:
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if mode < 0 or mode & ~0o666:
        raise InvalidInput(f"mode {text!r} is none of a file that is read; write for example '0640'")
    return mode


@contextlib.contextmanager
def _folder(dest: str, run: Run) -> t.Iterator[int]:
    """The folder that a bundle goes into, made if it is not there."""
    where = os.path.dirname(dest)
    if not run.check_mode:
        os.makedirs(where, mode=0o700, exist_ok=True)
    with places.folder_of(dest) as fd:
        yield fd


def _old(dest: str, folder: int | None) -> tuple[str, int] | None:
    """Digest and mode of the bundle that is there; ``Refused`` when something else is."""
    if folder is None:
        return None
    try:
        fd, reason = places.open_file(os.path.basename(dest), folder)
    except FileNotFoundError:
        return None
    if fd < 0:
        raise Refused(f"dest {dest} is not written: {reason}")
    with os.fdopen(fd, "rb") as stream:
        return _digest(stream), stat.S_IMODE(os.fstat(fd).st_mode)


def _digest(stream: t.IO[bytes]) -> str:
    digest = hashlib.sha256()
    stream.seek(0)
    for block in iter(lambda: stream.read(1 << 20), b""):
        digest.update(block)
    return digest.hexdigest()


def _write(stream: t.IO[bytes], folder: int, name: str, mode: int) -> None:
    """Put the bundle into its place: whole, or not at all."""
    partial = f".{name[:200]}.{secrets.token_hex(6)}.partial"
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
    try:
        with os.fdopen(fd, "wb") as target:
            stream.seek(0)
            for block in iter(lambda: stream.read(1 << 20), b""):
                target.write(block)
            os.fchmod(target.fileno(), mode)
            target.flush()
            os.fsync(target.fileno())
        os.rename(partial, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(partial, dir_fd=folder)
        raise
    os.fsync(folder)


def _verified(options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    dest = places.absolute(options["dest"], "dest")
    outcomes, manifest = verify(dest, options["max_total_bytes"], options["allowed_signers"] or "", options["signer"])
    status = overall(item.status for item in outcomes)
    result = {
        "changed": False,
        "dest": dest,
        "status": status,
        "checks": [item.to_dict() for item in outcomes],
        "manifest": manifest,
        "msg": summary(outcomes, "check"),
    }
    if options["fail"] and status in ("failed", "crashed"):
        raise RunbookError(f"{dest} is not the bundle that was made: {result.pop('msg')}", **result)
    return result
