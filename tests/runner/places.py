# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are. Nothing that a run writes leaves .work, so that `rm -rf .work` undoes it."""

from __future__ import annotations

import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
WORK = ROOT / ".work"
LOGS = WORK / "logs"
JUNIT = WORK / "junit"
VENVS = WORK / "venvs"
COPIES = WORK / "copies"
DIST = WORK / "dist"
# The folder that holds ansible_collections/runbook/ops, a link to the checkout that `make setup` made.
COLLECTIONS = ROOT / ".venv" / "collections"
COLLECTION = COLLECTIONS / "ansible_collections" / "runbook" / "ops"
