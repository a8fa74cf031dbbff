# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place where a use case meets ``AnsibleModule``: options in, result or failure out."""

from __future__ import annotations

import dataclasses
import typing as t

from .argspec import ArgumentSpec
from .errors import RunbookError
from .progress import Say, silent
from .progress_file import from_environment, reporting

# What takes work to be done later.
Later = t.Callable[[t.Callable[[], object]], object]


@dataclasses.dataclass(frozen=True)
class Run:
    """What a use case may know of how it was called. ``later``, if there is one, takes work that the result does not depend on
    and that the next run does if this one is killed: it is done when the result has been said."""

    check_mode: bool = False
    diff: bool = False
    warn: t.Callable[[str], None] = lambda message: None
    say: Say = silent  # how far long work is, in one line without secrets
    later: Later | None = None


UseCase = t.Callable[[t.Mapping[str, t.Any], Run], t.Mapping[str, t.Any]]


def in_one_line(error: Exception) -> str:
    """Why something could not be evaluated, for the message of a check that crashed."""
    if isinstance(error, RunbookError):
        text = str(error)
    else:
        text = describe_os_error(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split())


def describe_os_error(error: OSError) -> str:
    """One line for an operating-system error: the reason, the file, and what usually helps."""
    where = f" on {error.filename}" if error.filename else ""
    if error.filename2:
        where += f" -> {error.filename2}"
    hint = {
        "PermissionError": "; run the task as a user that may write there (become, or the site's owner)",
        "FileNotFoundError": "; check the path",
    }.get(type(error).__name__, "")
    if error.errno == 28:
        hint = "; free some space and run again, finished work is kept"
    return f"{error.strerror or error}{where}{hint}"


def printable(value: t.Any) -> t.Any:
    """A result with every text as valid Unicode: a file name that is not UTF-8 is shown with ``\\udc…`` for its odd bytes.

    Ansible refuses a result that has such a name as Python holds it.
    """
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return value.encode("utf-8", "backslashreplace").decode()
        return value
    if isinstance(value, t.Mapping):
        return {printable(key): printable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [printable(item) for item in value]
    return value


def run_module(spec: ArgumentSpec, use_case: UseCase) -> None:
    """Run ``use_case(options, run)`` as a module that supports check mode.

    Domain errors become ``fail_json`` with their partial result; other errors are defects and keep their traceback.
    """
    # Here, because use cases also run where nothing of Ansible is (plugin_utils/_agent_call.py).
    from ansible.module_utils.basic import AnsibleModule

    module = AnsibleModule(supports_check_mode=True, **spec.to_kwargs())
    try:
        with reporting(from_environment()) as say:
            result = use_case(module.params, Run(check_mode=module.check_mode, diff=module._diff, warn=module.warn, say=say))
    except RunbookError as error:
        module.fail_json(**printable({"msg": error.message, **error.result}))
    except OSError as error:
        module.fail_json(msg=printable(describe_os_error(error)))
    module.exit_json(**printable(result))
