# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets unit tests import the collection by its full name, however pytest was started."""

from __future__ import annotations

import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def _collections() -> pathlib.Path:
    """The folder that holds ansible_collections: around the checkout itself, or the link that `make setup` made."""
    if ROOT.parts[-3:] == ("ansible_collections", "runbook", "ops"):
        return ROOT.parents[2]
    link = ROOT / ".venv" / "collections"
    if not (link / "ansible_collections" / "runbook" / "ops" / "galaxy.yml").is_file():
        raise RuntimeError("the collection is not importable; run 'make setup' once")
    return link


sys.path.insert(0, str(_collections()))
sys.path.insert(0, str(ROOT / "tests"))
pytest.register_assert_rewrite("contract")
