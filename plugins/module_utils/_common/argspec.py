# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options and the rules between them, kept together so that modules can share and merge them."""

from __future__ import annotations

import typing as t

from .errors import InvalidInput


class ArgumentSpec:
    """The keyword arguments of ``AnsibleModule`` that describe options, as one mergeable value."""

    def __init__(
        self,
        options: t.Mapping[str, t.Mapping[str, t.Any]],
        *,
        required_together: t.Sequence[t.Sequence[str]] = (),
        required_one_of: t.Sequence[t.Sequence[str]] = (),
        required_if: t.Sequence[t.Sequence[t.Any]] = (),
        mutually_exclusive: t.Sequence[t.Sequence[str]] = (),
        required_by: t.Mapping[str, t.Sequence[str]] | None = None,
    ) -> None:
        self.options = dict(options)
        self.required_together = list(required_together)
        self.required_one_of = list(required_one_of)
        self.required_if = list(required_if)
        self.mutually_exclusive = list(mutually_exclusive)
        self.required_by = dict(required_by or {})

    def merge(self, other: ArgumentSpec) -> ArgumentSpec:
        """A new specification with the options and rules of both; ``other`` wins where both name an option."""
        return ArgumentSpec(
            {**self.options, **other.options},
            required_together=self.required_together + other.required_together,
            required_one_of=self.required_one_of + other.required_one_of,
            required_if=self.required_if + other.required_if,
            mutually_exclusive=self.mutually_exclusive + other.mutually_exclusive,
            required_by={**self.required_by, **other.required_by},
        )

    def to_kwargs(self) -> dict[str, t.Any]:
        """Keyword arguments for ``AnsibleModule`` (and, but for the first's name, ``ArgumentSpecValidator``)."""
        return {
            "argument_spec": self.options,
            "required_together": self.required_together,
            "required_one_of": self.required_one_of,
            "required_if": self.required_if,
            "mutually_exclusive": self.mutually_exclusive,
            "required_by": self.required_by,
        }


def complete(spec: ArgumentSpec, given: t.Mapping[str, t.Any], what: str) -> dict[str, t.Any]:
    """Options inside an option, as a module of its own would get them: checked, converted, with defaults; else ``InvalidInput``."""
    # Here, because what is completed may be used where nothing of Ansible is.
    from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

    rules = spec.to_kwargs()
    result = ArgumentSpecValidator(rules.pop("argument_spec"), **rules).validate(dict(given))
    if result.error_messages:
        raise InvalidInput(f"{what}: {'; '.join(result.error_messages)}")
    return dict(result.validated_parameters)
