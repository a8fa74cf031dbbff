# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs as data: what a user describes, and the finished steps that a host runs."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import stat
import typing as t

from .._common.argspec import complete
from .._common.commands import parse
from .._common.errors import InvalidInput, Refused
from .._common.times import parse_duration
from .actions import ACTIONS
from .watch import NAME as HEARTBEATS

FORMAT = 1
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
# Without a dash, so that the names of units can be told apart.
_SET = re.compile(r"[a-z0-9]{1,40}")


@dataclasses.dataclass(frozen=True)
class Step:
    """One action with all its options, secrets among them."""

    action: str
    options: dict[str, t.Any] = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class Job:
    """Steps that are run in this order; the first that fails ends the job. ``timeout`` and ``missed_after`` in seconds.

    ``name`` is that of its files, ``title`` the one it was given where that is no name for files. ``alert_on_change``: a failure
    that was told is told again only when it is another one, and so is its end.
    """

    name: str
    steps: tuple[Step, ...]
    timeout: float
    schedule: str = ""
    alert_command: tuple[str, ...] = ()
    log: str = ""
    # Where its lock, its attempts and its heartbeat are.
    folder: str = "/var/lib/runbook/jobs/backup"
    title: str = ""
    heartbeat: str = ""
    missed_after: float = 0.0
    alert_on_change: bool = False
    # Told to the alert command as well.
    mailto: str = ""
    # It looks after the others of its set: what it finds is told, but not every time that it has looked.
    watcher: bool = False

    @property
    def called(self) -> str:
        """Its name in messages."""
        return self.title or self.name

    def to_json(self) -> bytes:
        """What ``read`` reads."""
        return (json.dumps({"format": FORMAT, **dataclasses.asdict(self)}, indent=1, sort_keys=True) + "\n").encode()


def read(path: str) -> Job:
    """A job's file. It may have passwords and names commands, so nobody else may read it or have written it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(fd, encoding="utf-8") as stream:
            information = os.fstat(stream.fileno())
            if not stat.S_ISREG(information.st_mode) or information.st_mode & 0o077 or information.st_uid not in (0, os.geteuid()):
                raise Refused(f"{path} is not a file of mode 0600 that belongs to root or this user; install the schedule again")
            raw = json.load(stream)
        if int(raw.pop("format")) != FORMAT:
            raise ValueError("it was written by another version of the collection")
        steps = tuple(Step(str(step["action"]), dict(step["options"])) for step in raw.pop("steps"))
        unknown = sorted({step.action for step in steps} - set(ACTIONS))
        if unknown:
            raise ValueError(f"it has the unknown action {unknown[0]}")
        raw["alert_command"] = tuple(map(str, raw["alert_command"]))
        return Job(steps=steps, **raw)
    except OSError as error:
        raise InvalidInput(f"the job {path} can't be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(f"the job {path} can't be read ({error}); install the schedule again") from None


def shown(content: bytes) -> str:
    """A job's file for people's eyes: without what is secret in it."""
    try:
        raw = json.loads(content)
        for step in raw["steps"]:
            options = ACTIONS[step["action"]].spec.options
            step["options"] = {
                name: "hidden" if value and options.get(name, {}).get("no_log") else value for name, value in step["options"].items()
            }
        return json.dumps(raw, indent=1, sort_keys=True) + "\n"
    except (ValueError, KeyError, TypeError, AttributeError):
        return "a job that can't be read\n"


def identify(name: str) -> tuple[str, str]:
    """``(name, title)``: what a job's files are called, and the name it was given if that is no name for files."""
    if _NAME.fullmatch(name) and name != HEARTBEATS:
        return name, ""
    if not name.strip() or not name.isprintable() or len(name) > 200:
        raise InvalidInput(f"{name[:60]!r} is no name of a job; use one line of at most 200 characters")
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40]
    return f"{plain or 'job'}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}", name


def folder_of(options: t.Mapping[str, t.Any]) -> str:
    """Where the locks, attempts and heartbeats of a set are; ``InvalidInput`` when the set can't be called that."""
    if not _SET.fullmatch(options["name"]):
        raise InvalidInput(f"name {options['name']!r} is no name of a set of jobs; use small letters and digits")
    return os.path.join(options["state_dir"], "jobs", options["name"])


def jobs_of(options: t.Mapping[str, t.Any]) -> list[Job]:
    """The backup jobs that a module's options describe, complete: every option is checked and has its default."""
    folder = folder_of(options)
    alert = tuple(parse([options["alert_command"]])[0]) if options["alert_command"] else ()
    jobs: list[Job] = []
    for given in options["jobs"]:
        name = given["name"]
        if not _NAME.fullmatch(name) or name == HEARTBEATS:
            raise InvalidInput(f"{name!r} is no name of a job; use small letters, digits, - and _, at most 60, and not {HEARTBEATS}")
        if any(job.name == name for job in jobs):
            raise InvalidInput(f"there are two jobs {name!r}; give each its own name")
        timeout = timeout_of(given, name)
        jobs.append(Job(name, _steps(given), timeout, given["schedule"] or "", alert, options["log"], folder))
    return jobs


def timeout_of(given: t.Mapping[str, t.Any], name: str) -> float:
    """Seconds that a job may take."""
    timeout = parse_duration(given["timeout"], f"timeout of {name}")
    if timeout <= 0:
        raise InvalidInput(f"the timeout of {name} is {given['timeout']}; a job needs some time")
    return timeout


def _steps(given: t.Mapping[str, t.Any]) -> tuple[Step, ...]:
    name, kind = given["name"], given["kind"]
    if kind == "command":
        if not given["command"]:
            raise InvalidInput(f"the job {name} is of the kind command and has none; give command")
        parse([given["command"]])
        return (_step(given, "command", "command", {"argv": given["command"], "timeout": parse_duration(given["timeout"], "timeout")}),)
    if kind == "files":
        if given["offsite"]:
            raise InvalidInput(f"the job {name} is of the kind files and has offsite; its repository can be at another place itself")
        return (_step(given, "files_backup", "backup", {**(given["backup"] or {}), **(given["retention"] or {})}),)
    backup = _step(given, "db_backup", "backup", given["backup"] or {})
    steps = [backup]
    if given["offsite"]:
        place = {"dest": backup.options["dest"], "name": backup.options["name"], "direction": "push"}
        steps.append(_step(given, "offsite_copy", "offsite", {**given["offsite"], **place}))
    if given["retention"]:
        place = {"dest": backup.options["dest"], "name": backup.options["name"]}
        steps.append(_step(given, "db_backup_prune", "retention", {**place, **given["retention"]}))
    return tuple(steps)


def _step(given: t.Mapping[str, t.Any], action: str, key: str, plain: t.Mapping[str, t.Any]) -> Step:
    spec = ACTIONS[action].spec
    for option in plain:
        if spec.options.get(option, {}).get("no_log"):
            raise InvalidInput(
                f"{option} of the job {given['name']} stands under {key}, where it would be logged; write secrets: {{{option}: …}}"
            )
    secrets = {option: value for option, value in (given["secrets"] or {}).items() if option in spec.options}
    return Step(action, complete(spec, {**plain, **secrets}, f"{key} of the job {given['name']}"))
