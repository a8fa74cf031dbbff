# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task's options as a module would see them."""

from __future__ import annotations

import json
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import remove_values
from ansible_collections.runbook.ops.plugins.module_utils._common.argspec import ArgumentSpec
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput


class TaskOptions:
    """Checked options of a task, and a way to keep its secrets out of the result.

    ``on_host`` names options that are paths on the host."""

    def __init__(self, arguments: t.Mapping[str, t.Any], spec: ArgumentSpec, on_host: t.Sequence[str] = ()) -> None:
        # Plain values, free of the template engine's own types.
        given = json.loads(json.dumps(arguments))
        rules = spec.to_kwargs()
        self._checked = ArgumentSpecValidator(rules.pop("argument_spec"), **rules).validate(given)
        if self._checked.error_messages:
            raise InvalidInput("; ".join(self._checked.error_messages))
        self.values: dict[str, t.Any] = self._checked.validated_parameters
        for name in on_host:
            # The check has expanded ~ to the home on this machine; the host does it for itself.
            if name in given:
                self.values[name] = given[name]

    def without_secrets(self, result: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", remove_values(dict(result), self._checked._no_log_values))
