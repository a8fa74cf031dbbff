# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have the agent on the host serve one request.

Ansible's way of running a module costs the controller a quarter of a second to pack it, 250 kB for each execution, and the
host an eighth of a second to compile what of Ansible comes along. The agent needs none of that: it is plain Python. Where a
program can be given to the host's Python on its standard input (pipelining) and that Python is known, it goes there by
itself, in one execution as a module would, under the same privilege escalation and environment. Elsewhere the module
``release_agent`` is executed.
"""

from __future__ import annotations

import base64
import functools
import json
import os
import typing as t
import zlib

from ansible.plugins.action import ActionBase
from ansible_collections.runbook.ops.plugins.module_utils import _common, _release

from ._line import line_to
from ._watch import execute_telling, speaker, watching

MODULE = "runbook.ops.release_agent"
_BASE = "ansible_collections.runbook.ops.plugins.module_utils"

# What the host's Python reads: modules come from the text in the program, nothing is written to disk.
_PROGRAM = """\
import binascii, importlib.machinery, json, sys, zlib
SOURCES = json.loads({sources})
class Carried:
    def find_spec(self, name, path=None, target=None):
        if name in SOURCES:
            return importlib.machinery.ModuleSpec(name, self, is_package=SOURCES[name] is None)
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        exec(compile(SOURCES[module.__name__] or "", "<" + module.__name__ + ">", "exec", dont_inherit=True), module.__dict__)
sys.meta_path.insert(0, Carried())
from {base}._release.agent import {door}
{door}({call})
"""


def ask_agent(
    action: ActionBase, request: str, task_vars: t.Mapping[str, t.Any], *, stays: bool = False, last: bool = False, once: bool = False
) -> dict[str, t.Any]:
    """The agent's answer to a request that ``pack`` made, as a module's result. Says meanwhile how far long work is.

    ``stays``: more requests are going to follow, so a line to the agent is opened for them if there is none; only for requests
    that may be asked twice. ``last``: none is going to follow. ``once``: the caller wants to know before it is asked twice."""
    with watching(action, speaker(action, task_vars)) as path:
        return _ask(action, request, task_vars, path, stays, last, once)


def _ask(
    action: ActionBase, request: str, task_vars: t.Mapping[str, t.Any], path: str, stays: bool, last: bool, once: bool
) -> dict[str, t.Any]:
    python = _python(action, task_vars)
    if not python:
        answer = execute_telling(action, MODULE, {"request": request}, task_vars, path)
        answer.pop("invocation", None)
        return answer
    call = {"request": request, "check_mode": action._task.check_mode, "diff": action._task.diff, "progress": path}
    line = line_to(action, python, _standing_program)
    if line and (not stays or line.open()):
        reply = line.ask(call, repeatable=stays, last=last, once=once)
        if reply is not None:
            return reply
    carried = base64.b64encode(zlib.compress(_sources().encode(), 6)).decode()
    argument = f'json.loads(binascii.a2b_base64("{base64.b64encode(json.dumps(call).encode()).decode()}"))'
    program = _PROGRAM.format(base=_BASE, sources=f'zlib.decompress(binascii.a2b_base64("{carried}"))', door="main", call=argument)
    command = action._connection._shell.build_module_command(action._compute_environment_string(), f"#!{python}", "")
    done = action._low_level_execute_command(command.strip(), in_data=program.encode())
    return _result(done, python)


def connect_ahead(action: ActionBase, task_vars: t.Mapping[str, t.Any]) -> bool:
    """Open a line to the agent without waiting for it. Whether one may be there now."""
    python = _python(action, task_vars)
    line = line_to(action, python, _standing_program) if python else None
    return line is not None and line.open()


@functools.lru_cache(maxsize=1)
def _standing_program() -> bytes:
    """The program of an agent that stays, compressed."""
    return zlib.compress(_PROGRAM.format(base=_BASE, sources=repr(_sources()), door="attend", call="").encode(), 6)


def _result(done: t.Mapping[str, t.Any], python: str) -> dict[str, t.Any]:
    """What the agent printed, whatever a login shell or a banner printed before it; else a failure that names the reason."""
    for line in reversed(str(done.get("stdout", "")).splitlines()):
        if line.startswith("{"):
            try:
                return t.cast("dict[str, t.Any]", json.loads(line))
            except ValueError:
                break
    said = (str(done.get("stderr", "")).strip() or str(done.get("stdout", "")).strip()).splitlines()
    message = (
        f"{python} on the host did not run the collection's code (exit status {done.get('rc')}): {said[-1] if said else 'it said nothing'}"
    )
    if done.get("rc") == 127:
        message = f"the host has no Python at {python}; install python3 there or correct ansible_python_interpreter"
    return {"failed": True, "msg": message, "rc": done.get("rc"), "module_stderr": "\n".join(said[-30:])}


def _python(action: ActionBase, task_vars: t.Mapping[str, t.Any]) -> str:
    """The host's Python, when the inventory says it or Ansible has found it out and a program can be given to it; else nothing."""
    given = task_vars.get("ansible_python_interpreter")
    if not given or str(given).startswith("auto"):
        given = (task_vars.get("ansible_facts") or {}).get("discovered_interpreter_python")
    path = str(given or "")
    if not path.startswith("/") or "{" in path or " " in path or action._task.delegate_to or not action._is_pipelining_enabled("new"):
        return ""
    return path


@functools.lru_cache(maxsize=1)
def _sources() -> str:
    """The agent's modules by name, packages as null, as JSON."""
    sources: dict[str, str | None] = {}
    parts = _BASE.split(".")
    for count in range(1, len(parts) + 1):
        sources[".".join(parts[:count])] = None
    for package in (_common, _release):
        folder = os.path.dirname(t.cast(str, package.__file__))
        name = f"{_BASE}.{os.path.basename(folder)}"
        sources[name] = None
        for file in sorted(os.listdir(folder)):
            if file.endswith(".py") and file != "__init__.py":
                with open(os.path.join(folder, file), encoding="utf-8") as stream:
                    sources[f"{name}.{file[:-3]}"] = stream.read()
    return json.dumps(sources)
