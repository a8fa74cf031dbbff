# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options as Ansible would hand them over, also where there is no Ansible."""

from __future__ import annotations

import pytest


def filled(spec, given):
    """``given`` with the defaults of all other options, also of those inside lists."""
    options = {name: given.get(name, option.get("default")) for name, option in spec.items()}
    for name, option in spec.items():
        if option.get("options") and options[name] is not None:
            options[name] = [filled(option["options"], item) for item in options[name]]
    return options


@pytest.fixture(name="filled")
def _filled():
    return filled
