# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: evidence
type: aggregate
short_description: Record every task's outcome of a run as JSON lines
version_added: 0.1.0
description:
  - Leaves a file of JSON lines for each run, so that any playbook leaves evidence - who did what, where, when, how long it took and what
    came of it.
  - Lines are appended as tasks end and flushed to the disk when a play begins, when a task fails, at the end and at least every five
    seconds while there are any.
  - Nothing of a task with C(no_log) is recorded but that it ran and how it ended. Secrets in everything else are taken out by the rules
    of M(runbook.ops.evidence_bundle).
  - When the file can't be written, the run goes on and a warning says so.
author:
  - runbook.ops contributors (@runbook-ops)
requirements:
  - Enable it with C(callbacks_enabled = runbook.ops.evidence) in C(ansible.cfg) or with E(ANSIBLE_CALLBACKS_ENABLED).
options:
  folder:
    description:
      - Where the files go. A file is called C(<moment>_<playbook>_<process>.jsonl).
    type: path
    default: ~/.ansible/evidence
    ini:
      - section: callback_evidence
        key: folder
    env:
      - name: RUNBOOK_EVIDENCE_FOLDER
  file:
    description:
      - The file to append to instead, for example one for each day or ticket.
    type: path
    ini:
      - section: callback_evidence
        key: file
    env:
      - name: RUNBOOK_EVIDENCE_FILE
  detail:
    description:
      - With V(outcome), a line has how a task ended and its message.
      - With V(result), also what the task returned.
      - With V(full), also its diff and, where Ansible tells them, its arguments.
    type: str
    choices: [outcome, result, full]
    default: outcome
    ini:
      - section: callback_evidence
        key: detail
    env:
      - name: RUNBOOK_EVIDENCE_DETAIL
notes:
  - While a run lasts, C(lookup('ansible.builtin.env', 'RUNBOOK_EVIDENCE_RUN')) is the path of its file.
seealso:
  - module: runbook.ops.evidence_bundle
"""

import functools
import getpass
import os
import secrets
import socket
import time
import typing as t

from ansible import context
from ansible.plugins.callback import CallbackBase
from ansible.release import __version__ as ansible_version
from ansible_collections.runbook.ops.plugins.module_utils._common import clock
from ansible_collections.runbook.ops.plugins.module_utils._evidence.scrub import Scrubber
from ansible_collections.runbook.ops.plugins.plugin_utils._evidence_file import EvidenceFile

FORMAT = 1
# Where a playbook finds the file of the run that it belongs to.
CURRENT = "RUNBOOK_EVIDENCE_RUN"
# Told in fields of their own, or of no use to anybody.
_NOT_RESULT = frozenset(["changed", "failed", "skipped", "unreachable", "msg", "rc", "attempts", "results", "stdout_lines", "stderr_lines"])
_ON_REQUEST = frozenset(["invocation", "diff"])


def _never_breaks(method: t.Callable[..., None]) -> t.Callable[..., None]:
    """A defect of evidence must not end the run that it is about; it is said once."""

    @functools.wraps(method)
    def guarded(self: CallbackModule, *words: t.Any, **options: t.Any) -> None:
        try:
            method(self, *words, **options)
        except Exception as error:
            # Not the error's text, which may quote what it was about.
            self.complain(f"evidence of this run is incomplete: {method.__name__} met {type(error).__name__}")

    return guarded


class CallbackModule(CallbackBase):  # type: ignore[misc]
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "runbook.ops.evidence"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *words: t.Any, **options: t.Any) -> None:
        super().__init__(*words, **options)
        self._run = secrets.token_hex(8)
        self._began = time.monotonic()
        self._file: EvidenceFile | None = None
        self._scrubber = Scrubber()
        self._playbook = "adhoc"
        self._play = ""
        self._started: dict[tuple[str, str], float] = {}
        self._handlers: set[str] = set()
        self._complained = False

    def complain(self, message: str) -> None:
        """Say something once."""
        if not self._complained:
            self._complained = True
            self._display.warning(message)

    # What Ansible tells

    @_never_breaks
    def v2_playbook_on_start(self, playbook: t.Any) -> None:
        self._playbook = str(getattr(playbook, "_file_name", "") or "playbook")
        self._open()

    @_never_breaks
    def v2_playbook_on_play_start(self, play: t.Any) -> None:
        self._play = play.get_name()
        self._write({"event": "play", "play": self._play}, True)

    @_never_breaks
    def v2_playbook_on_handler_task_start(self, task: t.Any) -> None:
        self._handlers.add(task._uuid)

    @_never_breaks
    def v2_runner_on_start(self, host: t.Any, task: t.Any) -> None:
        self._started[host.get_name(), task._uuid] = time.monotonic()

    @_never_breaks
    def v2_runner_on_ok(self, result: t.Any) -> None:
        self._task(result, "ok")

    @_never_breaks
    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        self._task(result, "failed", ignored=bool(ignore_errors))

    @_never_breaks
    def v2_runner_on_skipped(self, result: t.Any) -> None:
        self._task(result, "skipped")

    @_never_breaks
    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        self._task(result, "unreachable")

    @_never_breaks
    def v2_runner_item_on_ok(self, result: t.Any) -> None:
        self._item(result, "ok")

    @_never_breaks
    def v2_runner_item_on_failed(self, result: t.Any) -> None:
        self._item(result, "failed")

    @_never_breaks
    def v2_runner_item_on_skipped(self, result: t.Any) -> None:
        self._item(result, "skipped")

    @_never_breaks
    def v2_playbook_on_no_hosts_matched(self) -> None:
        self._write({"event": "no_hosts", "play": self._play}, True)

    @_never_breaks
    def v2_playbook_on_stats(self, stats: t.Any) -> None:
        hosts = {host: stats.summarize(host) for host in sorted(stats.processed)}
        bad = any(counts["failures"] or counts["unreachable"] for counts in hosts.values())
        took = round((time.monotonic() - self._began) * 1000)
        self._write({"event": "end", "status": "failed" if bad else "ok", "duration_ms": took, "hosts": hosts}, True)
        if self._file:
            self._file.close()
        os.environ.pop(CURRENT, None)

    # What is made of it

    def _task(self, result: t.Any, status: str, **more: t.Any) -> None:
        began = self._started.pop((result.host.get_name(), result.task._uuid), None)
        took = None if began is None else round((time.monotonic() - began) * 1000, 1)
        self._write({"event": "task", "duration_ms": took, **self._about(result, status), **more}, status in ("failed", "unreachable"))

    def _item(self, result: t.Any, status: str) -> None:
        record = self._about(result, status)
        if "hidden" not in record:
            values = result.result
            record["item"] = values.get("_ansible_item_label", values.get(values.get("ansible_loop_var", "item")))
        self._write({"event": "item", **record})

    def _about(self, result: t.Any, status: str) -> dict[str, t.Any]:
        task, values = result.task, result.result
        hidden = is_hidden(task.no_log, values)
        host, _arrow, delegate = CallbackBase.host_label(result).partition(" -> ")
        role = task._role.get_name() if task._role else ""
        record = {
            "play": self._play,
            "host": host,
            # Newer versions of Ansible put the role before the name.
            "task": _plain_name(task) if hidden else result.task_name.removeprefix(f"{role} : "),
            "action": task.action,
            "path": task.get_path() or "",
            "status": status,
            "changed": bool(result.is_changed()),
        }
        if role:
            record["role"] = role
        if delegate:
            record["delegated_to"] = delegate
        if task._uuid in self._handlers:
            record["handler"] = True
        if values.get("attempts"):
            record["attempts"] = values["attempts"]
        if hidden:
            return {**record, "hidden": True}
        return {**record, **self._told(values)}

    def _told(self, values: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        told = {name: values[name] for name in ("msg", "rc") if values.get(name) not in (None, "")}
        if values.get("skip_reason"):
            told["msg"] = values["skip_reason"]
        detail = self.get_option("detail")
        if detail == "outcome":
            return told
        left = _NOT_RESULT if detail == "full" else _NOT_RESULT | _ON_REQUEST
        told["result"] = {name: value for name, value in values.items() if name not in left and not name.startswith("_ansible_")}
        return told

    def _write(self, record: dict[str, t.Any], important: bool = False) -> None:
        if self._open():
            clean = self._scrubber.data({"at": clock.now(), "run": self._run, **record})
            t.cast(EvidenceFile, self._file).write(clean, important)

    def _open(self) -> bool:
        if self._file is not None:
            return True
        stem = os.path.splitext(os.path.basename(self._playbook))[0]
        moment = time.strftime("%Y%m%d_%H%M%S", time.gmtime())
        path = self.get_option("file") or os.path.join(self.get_option("folder"), f"{moment}_{stem}_{os.getpid()}.jsonl")
        self._file = EvidenceFile(os.path.abspath(os.path.expanduser(path)), self._display.warning)
        if self._file.open():
            os.environ[CURRENT] = self._file.path
        self._write(
            {
                "event": "run",
                "format": FORMAT,
                "playbook": self._playbook,
                "check_mode": bool(context.CLIARGS.get("check")),
                "by": _user(),
                "controller": socket.gethostname(),
                "ansible": ansible_version,
            },
            True,
        )
        return True


def is_hidden(no_log: t.Any, values: t.Mapping[str, t.Any]) -> bool:
    """Whether a result is nobody's business. A ``no_log`` that is still a template hides what does not say that it may be shown."""
    if values.get("_ansible_no_log") or "censored" in values:
        return True
    if isinstance(no_log, bool) or no_log is None:
        return bool(no_log)
    return values.get("_ansible_no_log") is not False


def _plain_name(task: t.Any) -> str:
    """A task's name as it was written: with values put into it, it may say what ``no_log`` hides."""
    written = getattr(task, "_ds", None)
    name = written.get("name") if isinstance(written, dict) else None
    return str(name or task.action)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())
