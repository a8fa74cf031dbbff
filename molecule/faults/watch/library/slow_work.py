# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: slow_work
short_description: Work for some seconds and say how far it is
description:
  - For the tests of how progress is shown.
author:
  - runbook.ops contributors (@runbook-ops)
options:
  seconds:
    description:
      - How long to work.
    type: float
    required: true
"""

import os
import time

from ansible_collections.runbook.ops.plugins.module_utils._common.argspec import ArgumentSpec
from ansible_collections.runbook.ops.plugins.module_utils._common.progress import Progress
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module

SPEC = ArgumentSpec({"seconds": {"type": "float", "required": True}})


def slow_work(options, run):
    steps = int(options["seconds"] * 10)
    progress = Progress("working", run.say, files=steps)
    for _step in range(steps):
        time.sleep(0.1)
        progress.advance(1, 0)
    return {"changed": True, "uid": os.geteuid(), "left_in_environment": os.environ.get("RUNBOOK_PROGRESS", "")}


def main():
    run_module(SPEC, slow_work)


if __name__ == "__main__":
    main()
