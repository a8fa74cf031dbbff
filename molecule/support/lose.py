# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a test host off the network, or brings it back: ``lose.py web2 [back]``."""

from __future__ import annotations

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "testbed"))

from bed import hosts

AWAY = """
systemctl stop nginx.service ssh.service
# Sessions outlive the listener. This is the container's own process table, and this user is that of the scenario.
pkill -KILL -u deploy || true
for pid in $(pgrep -f '^sshd: deploy'); do kill -KILL "$pid"; done
"""
BACK = "systemctl start ssh.service nginx.service"

if __name__ == "__main__":
    hosts.execute(sys.argv[1], "sh", "-c", BACK if "back" in sys.argv[2:] else AWAY)
