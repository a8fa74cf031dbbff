# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last lines of a log."""

from __future__ import annotations

import os

from ansible_collections.runbook.ops.plugins.module_utils._evidence.scrub import Scrubber
from ansible_collections.runbook.ops.plugins.module_utils._smoke.tail import last_lines


def test_last_lines(tmp_path):
    scrub = Scrubber()
    log = tmp_path / "a.log"
    log.write_bytes(b"".join(b"line %06d\n" % number for number in range(20000)) + b"x" * 600)
    found = last_lines(str(log), 3, scrub)
    assert found == {"path": str(log), "lines": ["line 019998", "line 019999", "x" * 500], "message": ""}
    assert len(last_lines(str(log), 500, scrub)["lines"]) == 500
    assert last_lines(str(log), 0, scrub)["lines"] == []
    log.write_bytes(b"")
    assert last_lines(str(log), 3, scrub)["message"] == "it is empty"
    assert last_lines(str(tmp_path), 3, scrub)["message"] in ("it is no file", "Is a directory")
    os.mkfifo(tmp_path / "pipe")
    assert last_lines(str(tmp_path / "pipe"), 3, scrub)["message"] == "it is no file"
