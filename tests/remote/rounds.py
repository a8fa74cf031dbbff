# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many rounds, from which seed."""

from __future__ import annotations

import os
import random

SOAK = os.environ.get("RUNBOOK_SOAK") == "1"
SEED = int(os.environ.get("RUNBOOK_SEED", "0")) or random.randrange(1 << 30)


def rounds(usual: int) -> int:
    """``usual`` in an ordinary run, a hundred in the long one."""
    return 100 if SOAK else usual
