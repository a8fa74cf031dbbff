# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import yaml
from ansible_collections.runbook.ops.plugins.module_utils._maintenance.options import MAINTENANCE
from ansible_collections.runbook.ops.plugins.module_utils._remote.options import BACKEND
from ansible_collections.runbook.ops.plugins.modules import maintenance


def test_documentation_and_options_agree() -> None:
    documented = yaml.safe_load(maintenance.DOCUMENTATION)["options"]
    ours = {name: option for name, option in MAINTENANCE.options.items() if name not in BACKEND.options}
    assert set(documented) == set(ours)
    for name, option in ours.items():
        for key in ("type", "choices", "default", "elements", "required"):
            assert documented[name].get(key) == option.get(key), (name, key)


def test_the_token_is_marked_as_a_secret() -> None:
    assert MAINTENANCE.options["bypass_token"]["no_log"] is True
