# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of staging: describe the release, send what the host lacks, have it built."""

from __future__ import annotations

import base64
import typing as t

from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.progress import Progress
from ansible_collections.runbook.ops.plugins.module_utils._release.manifest import SHORT, Manifest
from ansible_collections.runbook.ops.plugins.module_utils._release.stage_plan import Result, finish_stage, predict_stage
from ansible_collections.runbook.ops.plugins.module_utils._release.staging import Request
from ansible_collections.runbook.ops.plugins.module_utils._release.wire import pack

from ._upload import Uploads

# A host may find that an earlier release's file was spoilt and ask again; more rounds than this mean something else.
ROUNDS = 4
# With more new folders than this a guess that proves wrong would have cost more than it could save.
GUESSED = 200


class Lost(Exception):
    """What has become of a message is not known: the connection broke, or the host's process was killed."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class Host(t.Protocol):
    """What the conversation needs of a host: messages answered by the module (or ``Lost``), and a way for bytes. A message that is for
    ``once`` is not sent again by the host itself."""

    def ask(self, message: str, once: bool = False) -> dict[str, t.Any]: ...
    def prepare(self, python: str, folder: str, receive_file: t.Callable[[str], object]) -> None: ...
    def put(self, upload: bytes) -> None: ...
    def say(self, line: str) -> None: ...


class Conversation:
    """Stages one release on one host. ``swap``, the reason: and makes it current in the same message."""

    def __init__(
        self,
        host: Host,
        request: Request,
        source: str,
        manifest: Manifest,
        *,
        path: str,
        compress: str,
        check_mode: bool,
        diff: bool,
        last: Manifest | None = None,
        swap: str | None = None,
    ) -> None:
        self.host, self.request, self.source, self.manifest = host, request, source, manifest
        self.path, self.compress, self.check_mode, self.diff = path, compress, check_mode, diff
        self.last = last  # what this controller staged on the host before
        self.swap = None if swap is None else {"reason": swap, "make": True}
        self.may_be_current = False  # a message that makes the release current was lost, and no answer has come since
        self.sent_bytes = 0
        self.sent_files = 0
        self.notes: list[str] = []

    def _ask(self, step: str, **more: t.Any) -> dict[str, t.Any]:
        once = False
        if self.swap is not None and step in ("offer", "build"):
            more["swap"], once = self.swap, bool(self.swap["make"])
        message = pack("stage", {"step": step, "path": self.path, "request": self.request.to_wire(), **more})
        self.sent_bytes += len(message)
        reply = self.host.ask(message, once)
        self.may_be_current = False
        for note in reply.get("notes") or reply.get("done", {}).get("notes") or ():
            if note not in self.notes:
                self.notes.append(note)
        return reply

    def run(self) -> Result:
        try:
            return self._talk()
        except Lost as lost:
            if self.swap is None or self.check_mode:
                raise lost.error from None
            # The release may be current. Asking again takes staging up where it was, and tells; it makes no swap, lest two
            # calls of which one is late make it twice.
            self.swap = {**self.swap, "make": False}
            self.sent_files, self.may_be_current = 0, True
        try:
            return self._talk()
        except Lost as lost:
            raise lost.error from None

    def _talk(self) -> Result:
        folders = sorted(self.manifest.trees)
        digests = "".join(self.manifest.trees[folder][: SHORT * 2] for folder in folders)
        trees, upload = self._guess(folders)
        guessed = [index for index, folder in enumerate(folders) if folder in trees]
        reply = self._ask("offer", digests=digests, guessed=guessed, trees=trees, upload=upload)
        if "done" in reply:
            return self._finished(reply, reply.get("accepted"))
        self.host.prepare(reply["python"], reply["incoming"], lambda file: self._ask("receive_file", file=file))
        if "missing" in reply:
            self.sent_files = 0  # the host is not what it was taken for, and did not keep what was sent unasked
            reply = self._ask("detail", trees={folders[index]: self._describe(folders[index]) for index in reply["missing"]})
        accepted = reply
        if self.check_mode:
            size, files = self.manifest.total_bytes, len(self.manifest.files)
            return self._result(predict_stage(self.path, self.request, size, files, accepted, self.diff), predicted=True)
        lacking = accepted["lacking"]
        for _round in range(ROUNDS):
            upload = self._send(lacking)
            reply = self._ask("build", upload=upload)
            if "done" in reply:
                return self._finished(reply, accepted)
            lacking = reply["lacking"]
        raise RunbookError(f"the host still lacks {len(lacking)} files after {ROUNDS} rounds; look at its disk and run the deploy again")

    def _finished(self, reply: Result, accepted: Result | None) -> Result:
        return self._result(finish_stage(reply["done"], self.diff, accepted))

    def _guess(self, folders: t.Sequence[str]) -> tuple[dict[str, list[list[t.Any]]], str]:
        """What is new to a host that has what this controller sent it last, if that is little enough to send unasked."""
        if self.last is None or self.check_mode:
            return {}, ""
        old_trees, old_files = set(self.last.trees.values()), {entry.digest for entry in self.last.files.values()}
        lacking = sorted({entry.digest for entry in self.manifest.files.values()} - old_files)
        new = [folder for folder in folders if self.manifest.trees[folder] not in old_trees]
        inline = Uploads(self.source, self.manifest, lacking, self.compress).inline() if len(new) <= GUESSED else None
        if inline is None:
            return {}, ""
        self.sent_files += len(lacking)
        return {folder: self._describe(folder) for folder in new}, base64.b64encode(inline).decode()

    def _describe(self, folder: str) -> list[list[t.Any]]:
        cut = len(folder) + 1 if folder else 0
        return [
            [entry.path[cut:], entry.kind, entry.mode, entry.size, self.manifest.trees[entry.path] if entry.kind == "d" else entry.digest]
            for entry in self.manifest.children[folder]
        ]

    def _send(self, lacking: t.Sequence[str]) -> str:
        """Send files ahead, or return them as text for the next message when they are few."""
        uploads = Uploads(self.source, self.manifest, lacking, self.compress)
        self.sent_files += uploads.files
        inline = uploads.inline()
        if inline is not None:
            return base64.b64encode(inline).decode()
        progress = Progress(f"staging {self.request.release}", self.host.say, files=uploads.files, size=uploads.size)
        uploads.send(self.host.put, progress)
        self.sent_bytes += uploads.sent_bytes
        return ""

    def _result(self, result: Result, predicted: bool = False) -> Result:
        if not predicted:
            result["sent_bytes"], result["sent_files"] = self.sent_bytes, self.sent_files
        result["notes"] = self.notes
        return result
