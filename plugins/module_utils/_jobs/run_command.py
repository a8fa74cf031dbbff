# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command of the user's as a step of a job: as any user, with an environment, an input, and a file for what it says."""

from __future__ import annotations

import os
import pwd
import stat
import typing as t

from .._common.argspec import ArgumentSpec
from .._common.commands import Surroundings, parse, run_one
from .._common.errors import Refused, RunbookError
from .._common.runner import Run

COMMAND = ArgumentSpec(
    {
        "argv": {"type": "raw", "required": True},
        # The home of the user when it is empty.
        "chdir": {"type": "path", "default": "/"},
        "timeout": {"type": "float", "default": 21600},
        # Who runs it; the process itself when it is empty.
        "user": {"type": "str", "default": ""},
        "environment": {"type": "dict", "default": {}},
        # Variables too, that nobody may see.
        "secrets": {"type": "dict", "default": {}, "no_log": True},
        "stdin": {"type": "str", "default": ""},
        "output": {"type": "path", "default": ""},
    }
)
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def command(options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
    """Run a command of the user's to its end; its exit status is the step's, in ``rc`` of the error too."""
    # A job's file may be of a time when there were fewer options.
    options = {**{name: option.get("default") for name, option in COMMAND.options.items()}, **options}
    words = parse([options["argv"]])[0]
    if run.check_mode:
        return {"changed": True}
    account = _account(options["user"]) if options["user"] else None
    env = {name: str(value) for name, value in {**options["environment"], **options["secrets"]}.items()}
    output = _open_output(options["output"]) if options["output"] else None
    try:
        around = Surroundings(stdin=options["stdin"].encode("utf-8", "surrogateescape"), output=output)
        if account:
            own = {"HOME": account.pw_dir, "LOGNAME": account.pw_name, "USER": account.pw_name, "SHELL": "/bin/sh", "PATH": _PATH}
            env = {**own, **env}
            # Dropping to another user takes root; as that user nothing has to be dropped.
            if account.pw_uid != os.geteuid():
                groups = os.getgrouplist(account.pw_name, account.pw_gid)
                around = Surroundings(account.pw_uid, account.pw_gid, groups, around.stdin, output, inherit=False)
            else:
                around = Surroundings(stdin=around.stdin, output=output, inherit=False)
        folder = options["chdir"] or (env.get("HOME") or account.pw_dir if account else "/")
        ran = run_one(words, folder, env, options["timeout"], around)
    finally:
        if output:
            output.close()
    if ran.rc != 0:
        said = (ran.stderr.strip() or ran.stdout.strip() or "it said nothing").splitlines()[-1]
        # Arguments may have passwords in them, and this goes into logs and alerts.
        raise RunbookError(f"{os.path.basename(words[0])} ended with {ran.rc}: {said}", rc=ran.rc)
    return {"changed": True, "stdout": ran.stdout}


def _account(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise RunbookError(f"there is no user {name} on this host; create it, or name another") from None


def _open_output(path: str) -> t.IO[bytes]:
    """The file for what a command says. Root writes it, so nobody else may choose what is behind the name."""
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o750, exist_ok=True)
    about = os.stat(folder)
    if about.st_uid not in (0, os.geteuid()) or about.st_mode & 0o022:
        raise Refused(f"output {path} is in a folder that others may write; give one below /var/log")
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o640)
    stream = os.fdopen(fd, "ab+")
    opened = os.fstat(fd)
    if not stat.S_ISREG(opened.st_mode) or opened.st_nlink != 1:
        stream.close()
        raise Refused(f"output {path} is no plain file with one name; give another")
    return stream
