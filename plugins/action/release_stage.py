# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of ``release_stage``; what it says to the host is in ``plugin_utils/_conversation.py``."""

from __future__ import annotations

import os
import shlex
import socket
import tempfile
import typing as t

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

# Not used here: a deploy probes after staging. What that takes to import, a tenth of a round trip's patience, is imported while the
# connection is being made, once for all hosts.
from ansible_collections.runbook.ops.plugins.action import http_probe as _http_probe  # noqa: F401
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run, describe_os_error, printable
from ansible_collections.runbook.ops.plugins.module_utils._release import receive
from ansible_collections.runbook.ops.plugins.module_utils._release.backends import is_remote
from ansible_collections.runbook.ops.plugins.module_utils._release.manifest import Manifest
from ansible_collections.runbook.ops.plugins.module_utils._release.options import STAGE
from ansible_collections.runbook.ops.plugins.module_utils._release.stage_plan import rules_from_options, stage_request
from ansible_collections.runbook.ops.plugins.module_utils._release.stage_remote import stage_remote
from ansible_collections.runbook.ops.plugins.module_utils._source.cache import Cache
from ansible_collections.runbook.ops.plugins.module_utils._source.source import ResolvedSource, resolve_source
from ansible_collections.runbook.ops.plugins.plugin_utils._agent_call import ask_agent
from ansible_collections.runbook.ops.plugins.plugin_utils._collector import search_no_more
from ansible_collections.runbook.ops.plugins.plugin_utils._conversation import Conversation, Lost
from ansible_collections.runbook.ops.plugins.plugin_utils._line import never_arrived
from ansible_collections.runbook.ops.plugins.plugin_utils._on_controller import run_here
from ansible_collections.runbook.ops.plugins.plugin_utils._options import TaskOptions
from ansible_collections.runbook.ops.plugins.plugin_utils._source_walk import Memory, Walked, walk_once
from ansible_collections.runbook.ops.plugins.plugin_utils._watch import execute_watched, speaker

search_no_more()

MODULE = "runbook.ops.release_stage"
# What makes a program of receive.py: arguments and exit status.
_RECEIVE = """
import sys
try:
    print(receive(sys.stdin.buffer, sys.argv[1]))
except (OSError, ValueError) as error:
    sys.exit(f"receive: {error}")
"""


class _HostSaidNo(Exception):
    """The module failed on the host; its result is the task's."""

    def __init__(self, result: dict[str, t.Any]) -> None:
        super().__init__(result.get("msg"))
        self.result = result


class ActionModule(ActionBase):  # type: ignore[misc] # ansible-core is not typed
    # True would make a folder on the host ahead of time, two round trips for what only connections without pipelining need.
    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        self._vars = task_vars or {}
        try:
            given = TaskOptions(self._task.args, STAGE, on_host=["path"])
            options = given.values
            if is_remote(options):
                result.update(run_here(self, self._stage_from_here, given, self._vars))
                return result
            if options["swap"] and (options["remote_src"] or not options["lock_owner"]):
                raise InvalidInput("swap needs lock_owner and a source on the controller; use the module release_swap otherwise")
            if options["remote_src"]:
                return self._module()
            result.update(self._stage(options))
        except _HostSaidNo as no:
            result.update(no.result)
        except RunbookError as error:
            result.update(failed=True, msg=error.message, **error.result)
        except OSError as error:
            result.update(failed=True, msg=f"on the controller: {describe_os_error(error)}")
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return t.cast("dict[str, t.Any]", printable(result))

    def _module(self) -> dict[str, t.Any]:
        # As they were given: checking them here has expanded ~ to this machine's home.
        return execute_watched(self, MODULE, dict(self._task.args), self._vars)

    def _source(self, options: t.Mapping[str, t.Any]) -> ResolvedSource:
        src = options["src"]
        return resolve_source(
            src=src and self._find(src),
            url=options["url"],
            checksum=options["checksum"],
            cache_dir=options["cache_dir"],
            max_bytes=options["max_size"] * 1_000_000,
            strip_components=options["strip_components"],
            timeout=options["timeout"],
        )

    def _walked(self, source: ResolvedSource, options: t.Mapping[str, t.Any]) -> Walked:
        # The worker's parent is the run, the task is the same for all hosts: together they name one walk.
        run = f"{os.getppid()} {self._task._uuid}"
        return walk_once(source.path, rules_from_options(options), Cache(options["cache_dir"]).root, run)

    def _stage_from_here(self, options: t.Mapping[str, t.Any], run: Run) -> dict[str, t.Any]:
        """The use case for a host on which nothing can be executed."""
        if options["remote_src"]:
            raise InvalidInput(f"remote_src can't be used over {options['backend']}, nothing can be executed on that host; give src or url")
        if options["swap"] and not options["lock_owner"]:
            raise InvalidInput("swap needs lock_owner; use the module release_swap otherwise")
        source = self._source(options)  # a download may take longer than a server waits for a first request
        walked: list[Walked] = []

        def walk() -> tuple[str, Manifest]:
            walked.append(self._walked(source, options))
            return source.path, walked[0].manifest

        return self._with_notes(stage_remote(options, run, walk), source, walked[0])

    @staticmethod
    def _with_notes(result: dict[str, t.Any], source: ResolvedSource, walked: Walked) -> dict[str, t.Any]:
        result["notes"].extend(source.warnings)
        if walked.hidden:
            result["notes"].append(f"{walked.hidden} names of the source are hidden by shared paths and were not staged")
        if result.get("swap", {}).get("failed"):
            result.update(failed=True, msg=result["swap"]["msg"])
        return result

    def _stage(self, options: dict[str, t.Any]) -> dict[str, t.Any]:
        rules = rules_from_options(options)
        cache = Cache(options["cache_dir"]).root
        source = self._source(options)
        walked = self._walked(source, options)
        request = stage_request(options, rules, walked.manifest.root, socket.gethostname())
        memory = Memory(cache, str(self._vars.get("inventory_hostname")), options["path"])
        talk = Conversation(
            _Host(self),
            request,
            source.path,
            walked.manifest,
            path=options["path"],
            compress=options["compress"],
            check_mode=self._task.check_mode,
            diff=self._task.diff,
            last=memory.recall(walked.manifest),
            swap=options["reason"] if options["swap"] else None,
        )
        try:
            result = talk.run()
        except AnsibleConnectionFailure as error:
            if not options["swap"]:
                raise
            # Failed, not unreachable: such a host would leave the play, and what is to be done now is its rescue's to do.
            return {"failed": True, "msg": str(error), **({"may_be_current": True} if talk.may_be_current else {})}
        except _HostSaidNo as no:
            if talk.may_be_current:
                no.result["may_be_current"] = True
            raise
        if not self._task.check_mode:
            memory.keep(walked.manifest)
            if options["swap"] and "swap" not in result:
                said = f"release {result['release']} is staged, but the connection broke before it was made current"
                result.update(failed=True, msg=f"{said}; make it current with release_swap, or run the deploy again")
        return self._with_notes(result, source, walked)

    def _find(self, src: str) -> str:
        """``src`` as playbooks mean it: absolute, or beside the role or playbook; never the current working folder."""
        expanded = os.path.expanduser(src)
        if os.path.isabs(expanded):
            return expanded
        return t.cast(str, self._loader.path_dwim_relative_stack(self._task.get_search_path(), "files", expanded))


class _Host:
    """One host, reached by the task's own connection, with its privilege escalation."""

    def __init__(self, action: ActionModule) -> None:
        self._action = action
        self.say = speaker(action, action._vars)
        self._python = self._folder = ""

    def ask(self, message: str, once: bool = False) -> dict[str, t.Any]:
        try:
            reply = ask_agent(self._action, message, self._action._vars, stays=True, once=once)
        except AnsibleConnectionFailure as error:
            if never_arrived(self._action, error):
                raise
            raise Lost(error) from error
        if reply.get("failed") or reply.get("unreachable"):
            said_no = _HostSaidNo(reply)
            # A process that ended before it could answer has an exit status.
            raise Lost(said_no) if "rc" in reply or reply.get("unreachable") else said_no
        return reply

    def prepare(self, python: str, folder: str, receive_file: t.Callable[[str], object]) -> None:
        self._python, self._folder, self._receive_file = python, folder, receive_file

    def put(self, upload: bytes) -> None:
        action = self._action
        become = action._connection.become
        if not action._connection.has_pipelining or (become is not None and not action._is_pipelining_enabled("new")):
            self._put_file(upload)
            return
        with open(receive.__file__, encoding="utf-8") as stream:
            script = stream.read() + _RECEIVE
        command = shlex.join([self._python, "-c", script, self._folder])
        done = action._low_level_execute_command(command, in_data=upload)
        if done["rc"] == 255 and "receive:" not in done["stderr"]:
            raise AnsibleConnectionFailure(
                f"the connection broke while files were sent ({_last(done['stderr'])}); run the deploy again, what arrived is kept"
            )
        if done["rc"] != 0:
            said = _last(done["stderr"]) or _last(done["stdout"])
            raise RunbookError(f"the host could not store an upload: {said}; run the deploy again, what arrived is kept")

    def _put_file(self, upload: bytes) -> None:
        """Where a command's input can't carry data (no pipelining): a file, read by the module."""
        action = self._action
        folder = action._connection._shell.tmpdir or action._make_tmp_path()
        remote = action._connection._shell.join_path(folder, "upload")
        with tempfile.NamedTemporaryFile() as local:
            local.write(upload)
            local.flush()
            action._transfer_file(local.name, remote)
        action._fixup_perms2((folder, remote), execute=False)
        self._receive_file(remote)


def _last(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""
