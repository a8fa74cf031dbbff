# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a release to an account: one archive, sent, unpacked there, and proved by what the API tells of the result."""

from __future__ import annotations

import contextlib
import tempfile
import time
import typing as t

from .._common.errors import Refused, RunbookError
from .._common.progress import Advance, Say, megabytes, unseen
from .._release.manifest import Manifest
from .._release.verify import Drift
from . import archive
from .answers import ApiError
from .facts import Item
from .files import LONG, Files
from .tree import compare, read_back

BLOCK = 4096
STILL = 5  # looks two seconds apart that must agree before nobody is unpacking any more


def check_room(files: Files, archive_size: int, manifest: Manifest) -> str:
    """Refuse what the account has no room for. Returns a note when the host does not tell how much it has."""
    need = archive_size + sum(-(-entry.size // BLOCK) * BLOCK + (BLOCK if entry.kind == "d" else 0) for entry in manifest.entries)
    answer = files.api.try_uapi("Quota", "get_quota_info")
    if not answer.ok or not isinstance(answer.data, dict):
        return f"the quota could not be checked ({'; '.join(answer.errors) or 'no data'})"

    def left(limit: str, remain: str) -> float | None:
        try:
            # 0 is what a limit is when there is none.
            return float(answer.data[remain]) if float(answer.data[limit]) > 0 else None
        except (KeyError, TypeError, ValueError):
            return None

    room, names = left("megabyte_limit", "megabytes_remain"), left("inode_limit", "inodes_remain")
    where = files.api.account.where
    if room is not None and room * 1048576 < need * 1.02:
        raise Refused(
            f"{where} has {room:,.0f} MB left of its quota but this release needs {need / 1048576:,.0f} MB while it is unpacked;"
            " prune old releases (release_prune) or ask for more, nothing was sent"
        )
    if names is not None and names < len(manifest.entries) + 10:
        raise Refused(
            f"{where} may have {names:,.0f} more files and folders but this release has {len(manifest.entries):,};"
            " prune old releases (release_prune) or ask for more, nothing was sent"
        )
    return ""


def check_upload_limit(files: Files, size: int) -> None:
    """Refuse an archive that is larger than the server takes, where it tells."""
    with contextlib.suppress(ApiError, ValueError, TypeError, IndexError):
        found = files.api.api2("Fileman", "getdiskinfo", {}).data[0]
        most = float(found.get("file_upload_max_bytes") or 0)
        if 0 < most < size:
            raise Refused(
                f"{files.api.account.host} takes uploads of at most {megabytes(most)} but the release's archive has {megabytes(size)};"
                " ask the host to raise the limit of its file manager, or deploy with backend: sftp"
            )


class Sender:
    """Makes a folder that tree. ``incoming``: where the archive lies meanwhile, ``there``: what lies there; ``remove``: removes a path,
    whatever it is; ``fresh``: the folder is known not to be there."""

    def __init__(
        self,
        files: Files,
        incoming: str,
        there: t.Mapping[str, Item],
        remove: t.Callable[[str], None],
        check: t.Callable[[], None],
        say: Say,
        fresh: bool = False,
    ) -> None:
        self._files, self._incoming, self._there, self._fresh = files, incoming, there, fresh
        self._remove, self._check, self._say = remove, check, say
        self.notes: list[str] = []
        self.sent_bytes = self.resumed = 0

    def send(self, source: str, manifest: Manifest, folder: str, advance: Advance) -> dict[str, Item]:
        """Returns the listing of what was made and proved, as it was before that was read back: what changes after the look shows.
        ``RunbookError`` when the server does not have it in the end."""
        archive.fit(manifest)
        found = None if self._fresh else self._files.tree(folder)
        if found is not None and not compare(found, manifest) and manifest.entries:
            self.resumed = len(manifest.files)
            proof = read_back(self._files, folder, manifest, advance)
            if not proof.drifted:
                self.notes.append(f"an interrupted run had brought everything; {proof.said}")
                return self._modes(folder, manifest, found)
            self.notes.append(f"{len(proof.drifted)} files of an interrupted run were damaged; all are sent anew")
            self.resumed = 0
        if found:
            self._remove(folder)
        for last in (False, True):
            name = self._archive(source, manifest, advance)
            drift, found = self._unpack(name, folder, manifest)
            self._refuse_without_links(drift, folder, manifest, name)
            if not drift:
                proof = read_back(self._files, folder, manifest, unseen)
                drift = Drift(proof.drifted, [], [])
            if not drift:
                self._remove(name)
                self.notes.append(proof.said)
                return self._modes(folder, manifest, found)
            self._remove(folder)
            self._remove(name)
            self._there = {}
            if last:
                break
            self.notes.append(f"what was unpacked was not what was sent ({drift.describe(len(manifest.entries))}); it was sent again")
        raise RunbookError(
            f"{self._files.api.account.host} says that it unpacked the release, but {drift.describe(len(manifest.entries))};"
            " it was removed again. Look whether the account is full, or deploy with backend: sftp"
        )

    # -- the archive -------------------------------------------------------------------------------------------

    def _archive(self, source: str, manifest: Manifest, advance: Advance) -> str:
        """The path of the archive, whole, on the server. Its name says what it is and how large: one that is there need not be sent."""
        stem = f"{manifest.root[:32]}-"
        for name in self._there:
            if not name.startswith(stem):
                self._remove(f"{self._incoming}/{name}")  # of a run that nobody resumed, and in the way of this one's quota
        for name, seen in self._there.items():
            if name.startswith(stem) and name.endswith(".tar.gz") and name[len(stem) : -7] == str(seen.size):
                self.resumed = len(manifest.files)
                self.notes.append(f"an interrupted run had sent the archive ({megabytes(seen.size)}); it was not sent again")
                return f"{self._incoming}/{name}"
        with tempfile.TemporaryFile(prefix="runbook-") as packed:
            self._say(f"packing {len(manifest.files):,} files")
            size = archive.build(source, manifest, int(time.time()), packed)
            note = check_room(self._files, size, manifest)
            if note:
                self.notes.append(note)
            check_upload_limit(self._files, size)
            name = f"{stem}{size}.tar.gz"
            self._check()
            share = manifest.total_bytes / size if size else 0.0
            # What is counted is the release's bytes, which the caller knows the sum of.
            self._files.put(f"{self._incoming}/{name}", packed, size, 0o600, advance=lambda _files, sent: advance(0, int(sent * share)))
        self.sent_bytes += size
        arrived = (self._files.names(self._incoming) or {}).get(name)
        if arrived is None or arrived.size != size:
            found = "it is not there" if arrived is None else f"{arrived.size:,} of {size:,} bytes are"
            raise RunbookError(
                f"{self._files.api.account.host} says that the archive arrived, but {found}; run again, or deploy with backend: sftp"
            )
        advance(len(manifest.files), 0)
        return f"{self._incoming}/{name}"

    def _unpack(self, name: str, folder: str, manifest: Manifest) -> tuple[Drift, dict[str, Item]]:
        """Extract, twice at most; what is lacking afterwards, and what is there."""
        for last in (False, True):
            self._check()
            self._files.make_folder(folder, 0o755)
            self._say(f"unpacking {len(manifest.files):,} files on {self._files.api.account.host}")
            trouble: ApiError | None = None
            try:
                self._files.file_operation("extract", name, folder, repeat=False, timeout=LONG)
            except ApiError as error:
                trouble = error
            found = self._still(folder, manifest, trouble)
            drift = compare(found, manifest)
            if not drift:
                break
            if trouble and trouble.kind != "unknown":
                if trouble.kind == "quota":
                    self._remove(folder)  # what was unpacked is of no use and in the way of freeing space
                raise trouble
            if last:
                break
        return drift, found

    def _refuse_without_links(self, drift: Drift, folder: str, manifest: Manifest, name: str) -> None:
        """Say so when links alone are what the host did not make; sending them again would change nothing."""
        links = {entry.path for entry in manifest.entries if entry.kind == "l"}
        wrong = {*drift.drifted, *drift.missing}
        if wrong and wrong <= links:
            self._remove(folder)
            self._remove(name)
            raise RunbookError(
                f"{self._files.api.account.host} makes no symbolic links when it unpacks (first {min(wrong)}, {len(wrong)} in all);"
                " deploy without shared paths and links, or with backend: sftp"
            )

    def _still(self, folder: str, manifest: Manifest, trouble: ApiError | None) -> dict[str, Item]:
        """What is there, once it is all or no longer becoming more: without an answer the server may still be unpacking."""
        found, same = self._files.tree(folder) or {}, 0
        until = time.monotonic() + LONG
        while trouble and trouble.kind == "unknown" and compare(found, manifest) and same < STILL and time.monotonic() < until:
            self._files.api.sleep(2.0)
            before, found = found, self._files.tree(folder) or {}
            same = same + 1 if found == before else 0
        return found

    # -- permissions -------------------------------------------------------------------------------------------

    def _modes(self, folder: str, manifest: Manifest, found: dict[str, Item]) -> dict[str, Item]:
        """Give what the host unpacked with other permissions those of the release, as far as it lets."""
        wrong = {entry.path: entry.mode for entry in manifest.entries if entry.kind != "l" and found[entry.path].mode != entry.mode}
        if not wrong:
            return found
        for mode in sorted(set(wrong.values())):
            paths = [f"{folder}/{path}" for path in sorted(wrong) if wrong[path] == mode and "," not in path]
            for start in range(0, len(paths), 100):
                self._check()
                try:
                    self._files.file_operation("chmod", ",".join(paths[start : start + 100]), metadata=f"{mode:04o}", repeat=True)
                except ApiError as error:
                    self.notes.append(f"permissions could not be set: {error.said or error.message}")
                    return found
        found = self._files.tree(folder) or {}
        left = [entry for entry in manifest.entries if entry.path in wrong and entry.path in found and found[entry.path].mode != entry.mode]
        if left:
            first = left[0]
            self.notes.append(
                f"{len(left):,} names have other permissions than in the source, first {first.path}:"
                f" {found[first.path].mode:04o} instead of {first.mode:04o}"
            )
        return found
