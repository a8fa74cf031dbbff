# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say what long work on a host says of itself while it runs.

The host writes its newest line to a file (``module_utils/_common/progress_file.py``); a thread of the task's process reads it
over a second connection object. The task's own can't be used: ssh's keeps the state of its one command, privilege escalation
included, in itself. Over a shared ControlMaster the second one costs a round trip for each look.
"""

from __future__ import annotations

import contextlib
import copy
import secrets
import shlex
import threading
import typing as t

from ansible.plugins.action import ActionBase
from ansible.plugins.loader import connection_loader
from ansible.utils.display import Display
from ansible_collections.runbook.ops.plugins.module_utils._common.progress import Say, silent
from ansible_collections.runbook.ops.plugins.module_utils._common.progress_file import ENVIRONMENT, SIZE, newest_line

display = Display()

# Seconds from the start to the first look at the host, and between looks.
EVERY = 4.0
# Seconds to wait for a look that is under way when the work ends.
PATIENCE = 1.0
# Connections that run a command for whoever asks, as often as asked.
WATCHABLE = {"docker", "docker_api", "local", "paramiko", "paramiko_ssh", "podman", "ssh"}


def speaker(action: ActionBase, task_vars: t.Mapping[str, t.Any]) -> Say:
    """Displays lines as the host's; nothing for a task with ``no_log``."""
    host = task_vars.get("inventory_hostname")
    return silent if action._task.no_log else lambda line: display.display(f"[{host}] {line}")


@contextlib.contextmanager
def watching(action: ActionBase, say: Say) -> t.Iterator[str]:
    """``say`` the new lines of what the body runs on the host by ``action``, from ``EVERY`` seconds on.

    Yields the path of the file on the host, empty where nothing can be watched. What goes wrong here ends the watch, never the work.
    """
    connection = action._connection
    if connection.transport.rpartition(".")[2] not in WATCHABLE or getattr(connection._shell, "_IS_WINDOWS", False) or say is silent:
        yield ""
        return
    path = f"/tmp/.runbook-{secrets.token_hex(16)}"  # noqa: S108 # opened with O_EXCL, read only if the task's user owns it
    ended = threading.Event()
    user = action.get_become_option("become_user") or "root" if connection.become else None
    watcher = threading.Thread(name="progress", target=_watch, args=(connection, path, user, say, ended), daemon=True)
    watcher.start()
    try:
        yield path
    finally:
        ended.set()
        watcher.join(PATIENCE)


def execute_watched(action: ActionBase, module: str, arguments: dict[str, t.Any], task_vars: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The result of a module; says meanwhile how far it is."""
    with watching(action, speaker(action, task_vars)) as path:
        return execute_telling(action, module, arguments, task_vars, path)


def execute_telling(
    action: ActionBase, module: str, arguments: dict[str, t.Any], task_vars: t.Mapping[str, t.Any], path: str
) -> dict[str, t.Any]:
    """The result of a module that finds ``path``, if there is one, in its environment."""
    task = action._task
    before = task.environment
    if path:
        task.environment = [*(before if isinstance(before, list) else [before]), {ENVIRONMENT: path}]
    try:
        return t.cast("dict[str, t.Any]", action._execute_module(module_name=module, module_args=arguments, task_vars=dict(task_vars)))
    finally:
        task.environment = before


def _watch(connection: t.Any, path: str, user: str | None, say: Say, ended: threading.Event) -> None:
    last, other = "", None
    while not ended.wait(EVERY):
        try:
            other = other or _another(connection)
            status, output, _errors = other.exec_command(_look(other, path, user), sudoable=False)
        except Exception as error:
            display.vvv(f"progress can't be read: {error}")
            return
        if status == 255:  # ssh could not connect; trying on and on may lock somebody out
            return
        line = newest_line(path, output)
        if line and line != last and not ended.is_set():
            last = line
            say(line)


def _look(connection: t.Any, path: str, user: str | None) -> str:
    """Read the record, if it is a file, no link or pipe, that the task's user made: others may see its name and plant one."""
    owner = '"$(id -u)"' if user is None else shlex.quote(user)
    command = f"find {path} -type f -user {owner} -exec head -c {SIZE} {{}} +"
    executable = connection._play_context.executable
    return f"{executable} -c {shlex.quote(command)}" if connection.allow_executable and executable else command


def _another(connection: t.Any) -> t.Any:
    """A connection with the same options and no privilege escalation. It is not closed: some kinds share what they would close."""
    other = connection_loader.get(
        connection._load_name,
        copy.copy(connection._play_context),
        new_stdin=None,  # some kinds of connection still ask for it
        shell=connection._shell,
    )
    other.set_options(direct=connection.get_options())
    return other
