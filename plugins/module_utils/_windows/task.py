# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One scheduled task: what an inventory says of it, checked, in the words of ``community.windows.win_scheduled_task``."""

from __future__ import annotations

import datetime
import re
import typing as t

from .._common.argspec import ArgumentSpec, complete
from .._common.errors import InvalidInput
from .._common.times import parse_duration
from . import quoting, schedule
from .xml import document

TASK = ArgumentSpec(
    {
        "name": {"type": "str", "required": True},
        "folder": {"type": "str", "default": "\\"},
        "description": {"type": "str", "default": ""},
        "command": {"type": "raw", "required": True},
        "arguments": {"type": "raw"},
        "chdir": {"type": "str", "default": ""},
        "log": {"type": "str", "default": ""},
        "schedule": {"type": "str", "required": True},
        "start": {"type": "str", "default": "2026-01-01"},
        "user": {"type": "str", "default": "SYSTEM"},
        "logon": {"type": "str", "choices": ["password", "s4u", "interactive"]},
        "run_level": {"type": "str", "choices": ["limited", "highest"], "default": "limited"},
        "enabled": {"type": "bool", "default": True},
        "timeout": {"type": "str", "default": "1h"},
    }
)
NAME = ArgumentSpec({name: TASK.options[name] for name in ("name", "folder")})
# How Windows calls the accounts of services, by the names that people give them.
SERVICE_ACCOUNTS = {
    "system": "SYSTEM",
    "localsystem": "SYSTEM",
    "localservice": "LOCAL SERVICE",
    "networkservice": "NETWORK SERVICE",
}
CMD = r"C:\Windows\System32\cmd.exe"
# IgnoreNew: a task that is still running is not started again.
_ONE_AT_A_TIME = 2


def definition(given: t.Any, password_users: t.Collection[str] = ()) -> dict[str, t.Any]:
    """``{name, folder, arguments, xml}`` of one task: the module's arguments without any password, and the Task Scheduler's.

    ``password_users`` are the accounts whose password the caller has. ``InvalidInput`` says in one line what is wrong.
    """
    options = _complete(TASK, given)
    name, folder = _place(options)
    for option in ("description", "chdir", "log", "user"):
        _check_line(options[option], option, name)
    user = _user(options["user"])
    program, words = _command(options, name)
    action: dict[str, t.Any] = {"path": program}
    if options["log"]:
        _check_path(options["log"], "log", name)
        action = {"path": CMD, "arguments": quoting.logged(program, words, options["log"], name)}
    elif words:
        action["arguments"] = quoting.joined(words)
    if options["chdir"]:
        _check_path(options["chdir"], "chdir", name)
        action["working_directory"] = options["chdir"]
    seconds = parse_duration(options["timeout"], f"timeout of the task {name}")
    arguments: dict[str, t.Any] = {
        "name": name,
        "path": folder,
        "state": "present",
        "description": options["description"],
        "actions": [action],
        "triggers": schedule.triggers(options["schedule"], _start(options["start"], name), name),
        "username": user,
        "logon_type": _logon(options["logon"], user, name, password_users),
        "run_level": options["run_level"],
        "enabled": options["enabled"],
        "execution_time_limit": schedule.duration(seconds),
        "multiple_instances": _ONE_AT_A_TIME,
        # A machine that was off at the time makes up for it, and a notebook is no exception.
        "start_when_available": True,
        "disallow_start_if_on_batteries": False,
        "stop_if_going_on_batteries": False,
    }
    return {"name": name, "folder": folder, "arguments": arguments, "xml": document(arguments)}


def removal(given: t.Any) -> dict[str, t.Any]:
    """``{name, folder, arguments}`` that take a task away; only its name and folder are looked at."""
    known = {key: value for key, value in given.items() if key in NAME.options} if isinstance(given, t.Mapping) else given
    name, folder = _place(_complete(NAME, known))
    return {"name": name, "folder": folder, "arguments": {"name": name, "path": folder, "state": "absent"}}


def _complete(spec: ArgumentSpec, given: t.Any) -> dict[str, t.Any]:
    if not isinstance(given, t.Mapping):
        raise InvalidInput(f"a scheduled task must be a dictionary with name, command and schedule, and not {given!r}")
    called = f"the scheduled task {given.get('name') or '(no name)'}"
    unknown = sorted(str(key) for key in given if key not in spec.options)
    if unknown:
        raise InvalidInput(f"{called} has {', '.join(unknown)}, which is not known; what is known is {', '.join(sorted(spec.options))}")
    return complete(spec, given, called)


def _place(options: t.Mapping[str, t.Any]) -> tuple[str, str]:
    name, folder = options["name"], "\\" + options["folder"].strip("\\")
    if not re.fullmatch(r'[^\\/:*?"<>|\x00-\x1f]{1,200}', name) or name != name.strip(" ."):
        raise InvalidInput(f"{name!r} can't be the name of a scheduled task; leave \\ / : * ? \" < > | and blanks or dots at its ends out")
    for part in folder[1:].split("\\") if folder != "\\" else []:
        if not re.fullmatch(r'[^/:*?"<>|\x00-\x1f]{1,100}', part) or part != part.strip(" ."):
            raise InvalidInput(f"{options['folder']!r} can't be the folder of the scheduled task {name}; write for example \\Company\\Site")
    return name, folder


def _command(options: t.Mapping[str, t.Any], name: str) -> tuple[str, list[str]]:
    """The program, and what it is given."""
    command, more = options["command"], options["arguments"]
    # Beside arguments a text is the program's path as it is, blanks included.
    words = [command] if isinstance(command, str) and more is not None else _words(command, "command", name)
    if not words or not words[0].strip():
        raise InvalidInput(f"the task {name} has no command; give for example [php.exe, tools/run.php]")
    words = words + _words(more, "arguments", name)
    _check_path(words[0], "command", name)
    for word in words:
        _check_line(word, "arguments", name)
        if "$(" in word:
            raise InvalidInput(f"{word!r} of the task {name} would be replaced by the Task Scheduler, because of its $(; pass it in a file")
    return words[0], words[1:]


def _words(given: t.Any, option: str, name: str) -> list[str]:
    if given is None:
        return []
    if isinstance(given, str):
        return quoting.split(given, name)
    if not isinstance(given, t.Sequence) or not all(isinstance(word, (str, int, float)) and not isinstance(word, bool) for word in given):
        raise InvalidInput(f"{option} of the task {name} must be a text or a list of texts")
    return [str(word) for word in given]


def _check_line(text: str, option: str, name: str) -> None:
    if any(ord(letter) < 32 or ord(letter) == 127 or 0xD800 <= ord(letter) <= 0xDFFF or ord(letter) in (0xFFFE, 0xFFFF) for letter in text):
        raise InvalidInput(
            f"{option} of the task {name} holds line breaks or control characters, which Windows can't keep there; leave them out"
        )


def _check_path(text: str, option: str, name: str) -> None:
    if re.search(r'["<>|*?]', text):
        raise InvalidInput(f"{option} {text!r} of the task {name} is no path of Windows; leave quotes and < > | * ? out, blanks are fine")


def _start(text: str, name: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise InvalidInput(f"start {text!r} of the task {name} is no date; write for example 2026-01-01") from None


def _user(text: str) -> str:
    plain = re.sub(r"^nt authority\\", "", text.strip().lower()).replace(" ", "")
    return SERVICE_ACCOUNTS.get(plain, text.strip())


def _logon(wanted: str | None, user: str, name: str, password_users: t.Collection[str]) -> str:
    if not user:
        raise InvalidInput(f"user of the task {name} is empty; name an account, such as SYSTEM or SHOP\\tasks")
    known = user.lower() in {one.lower() for one in password_users}
    if user in SERVICE_ACCOUNTS.values():
        if wanted:
            raise InvalidInput(f"logon of the task {name} can't be chosen, because {user} is an account of services; leave it out")
        return "service_account"
    # A group managed account has a password that nobody knows.
    if wanted == "password" and not known and not user.endswith("$"):
        raise InvalidInput(f"the password of {user}, who runs the task {name}, is missing; add it to windows_tasks_passwords")
    chosen = wanted or ("password" if known or user.endswith("$") else "s4u")
    return "interactive_token" if chosen == "interactive" else chosen
