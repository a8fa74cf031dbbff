# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers, as Docker or Podman tell of them: over the engine's socket, or through its command line."""

from __future__ import annotations

import json
import os
import re
import socket
import typing as t
import urllib.parse

from .._common.errors import InvalidInput, RunbookError
from .._common.process import Command, ProgramFailed, find_program, run
from .kind import Check, Kind, Measure, Reading

SOCKET = "/var/run/docker.sock"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def _refuse(given: t.Mapping[str, t.Any]) -> None:
    if not _NAME.fullmatch(str(given["container"])):
        raise InvalidInput(f"container {given['container']!r} is no name of a container")


def _container(check: Check) -> Reading:
    path = check.text("socket") or (SOCKET if os.path.exists(SOCKET) else "")
    facts = _by_socket(check, path) if path else _by_command(check)
    try:
        state, restarts = facts["State"], int(facts.get("RestartCount") or 0)
        status, health = str(state["Status"]), str((state.get("Health") or state.get("Healthcheck") or {}).get("Status") or "")
    except (KeyError, TypeError, ValueError, AttributeError):
        raise RunbookError(f"what is told of the container {check.text('container')} can't be understood") from None
    details = {"state": status, "health": health, "image": str((facts.get("Config") or {}).get("Image") or "")}
    if status == "restarting":
        return Reading(restarts, f"it ended with {state.get('ExitCode')} and is started again", "failed", details)
    if status != "running":
        killed = ", killed for want of memory" if state.get("OOMKilled") else ""
        return Reading(restarts, f"{status}, exit code {state.get('ExitCode')}{killed}", "failed", details)
    if health == "unhealthy":
        log = (state.get("Health") or {}).get("Log") or [{}]
        said = " ".join(str(log[-1].get("Output") or "").split())[:200]
        return Reading(restarts, f"running, but unhealthy{f': {said}' if said else ''}", "failed", details)
    if health == "starting":
        return Reading(restarts, "running, its health is not known yet", "warning", details)
    return Reading(restarts, f"running{f', {health}' if health else ''}", "ok", details)


def _by_socket(check: Check, path: str) -> dict[str, t.Any]:
    import http.client  # here, because hosts compile what they import anew each time

    name = check.text("container")
    connection = http.client.HTTPConnection("localhost", timeout=check.timeout)
    try:
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.settimeout(check.timeout)
        connection.sock.connect(path)
        connection.request("GET", f"/containers/{urllib.parse.quote(name, safe='')}/json")
        answer = connection.getresponse()
        data = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise RunbookError(f"no container engine answers on {path}: {getattr(error, 'strerror', None) or error}") from None
    finally:
        connection.close()
    if answer.status == 404:
        raise RunbookError(f"there is no container {name}; correct the name, or start it")
    if answer.status != 200:
        raise RunbookError(f"the container engine on {path} answers {answer.status} {answer.reason}")
    return _object(data, name)


def _by_command(check: Check) -> dict[str, t.Any]:
    name = check.text("container")
    program = find_program(["docker", "podman"], "docker.io or podman")
    try:
        data = run(Command((program, "inspect", "--type", "container", "--", name)), timeout=check.timeout)
    except ProgramFailed as error:
        raise RunbookError(f"the container {name} can't be inspected: {error.message}") from None
    return _object(data, name)


def _object(data: bytes, name: str) -> dict[str, t.Any]:
    try:
        document = json.loads(data)
        found = document[0] if isinstance(document, list) else document
    except (ValueError, IndexError):
        found = None
    if not isinstance(found, dict):
        raise RunbookError(f"what is told of the container {name} is no JSON object")
    return found


KINDS: dict[str, Kind] = {"container": Kind(_container, {"restarts": Measure("restarts")}, ("container",), ("socket",), _refuse, True)}
