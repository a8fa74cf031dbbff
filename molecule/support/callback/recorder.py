# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what came of every task on every host to the file that RUNBOOK_RECORD names, one JSON object a line."""

from __future__ import annotations

DOCUMENTATION = r"""
name: recorder
type: notification
short_description: Record task results for tests
description: Writes what came of every task to the file named by C(RUNBOOK_RECORD).
"""

import json
import os

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "recorder"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        path = os.environ.get("RUNBOOK_RECORD")
        self.disabled = not path
        self._path = path

    def _write(self, line):
        with open(self._path, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(line, default=str) + "\n")

    def _task(self, status, result):
        self._write(
            {
                "task": result.task.get_name().split(" : ")[-1],
                "host": result.host.get_name(),
                "status": status,
                "result": dict(result.result),
            }
        )

    def v2_runner_on_ok(self, result):
        self._task("ok", result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._task("ignored" if ignore_errors else "failed", result)

    def v2_runner_on_unreachable(self, result):
        self._task("unreachable", result)

    def v2_runner_on_skipped(self, result):
        self._task("skipped", result)

    def v2_playbook_on_stats(self, stats):
        for host in stats.processed:
            self._write({"recap": stats.summarize(host), "host": host})
