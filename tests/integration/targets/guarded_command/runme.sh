#!/usr/bin/env bash
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# ansible-test would look the target up as a role, and find the collection's own role of the same name instead of these tasks.
set -eux
exec ansible-playbook -i "${INVENTORY_PATH:-../../inventory}" runme.yml "$@"
