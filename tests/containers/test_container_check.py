# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``host_check``'s containers in every state, by the engine that runs the test hosts: asked by its socket, and by its command."""

from __future__ import annotations

import pathlib
import secrets
import time

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._checks import containers
from ansible_collections.runbook.ops.plugins.module_utils._checks.host_check import host_check
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from bed.engine import engine
from bed.image import image

SOCKET = pathlib.Path(containers.SOCKET)


@pytest.fixture(scope="module", params=["socket", "command"])
def asked(request):
    """How the engine is asked, and how it is told to do something."""
    tell = engine()
    if request.param == "socket":
        if not SOCKET.is_socket():
            pytest.skip(f"{tell.words[-1]} has no socket {SOCKET} here")
        yield tell, {"socket": str(SOCKET)}
    else:
        if len(tell.words) > 1:
            pytest.skip("the engine's command answers root alone here")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(containers, "SOCKET", "/nowhere/docker.sock")
            yield tell, {}


@pytest.fixture
def start(asked):
    """Starts a container with these options and this script; gives its name."""
    tell, _how = asked
    started = []

    def go(*options, script="sleep 600"):
        name = f"rbcheck-{secrets.token_hex(4)}"
        started.append(name)
        tell("run", "--detach", "--init", "--network", "none", "--name", name, *options, image(tell), "sh", "-c", script)
        return name

    yield go
    for name in started:
        tell.try_("rm", "--force", name)


def look(asked, name, **more):
    given = {"kind": "container", "container": name, **asked[1], **more}
    (item,) = host_check({"checks": [given], "timeout": 20, "fail": False, "state_file": "/nowhere"}, Run())["checks"]
    return item


def soon(asked, name, status, said, **more):
    """The outcome, once it is this one."""
    deadline = time.monotonic() + 30
    while True:
        item = look(asked, name, **more)
        if (item["status"], said in item["message"]) == (status, True):
            return item
        assert time.monotonic() < deadline, item
        time.sleep(0.1)


def test_running_ended_and_gone(asked, start):
    name = start()
    item = look(asked, name)
    assert (item["status"], item["state"]) == ("ok", "running")
    asked[0]("pause", name)
    assert "paused" in soon(asked, name, "failed", "paused")["message"]
    asked[0]("unpause", name)
    soon(asked, name, "ok", "running")
    asked[0]("kill", name)
    soon(asked, name, "failed", "exited, exit code 137")
    asked[0]("rm", name)
    soon(asked, name, "crashed", name)


def test_health(asked, start):
    often = ("--health-interval", "1s", "--health-retries", "1", "--health-timeout", "5s")
    name = start("--health-cmd", "test -e /tmp/well || { echo no answer; false; }", *often, script="sleep 3; touch /tmp/well; sleep 600")
    if not look(asked, name)["health"]:
        pytest.skip("this engine starts no health checks here")  # Podman leaves that to systemd
    soon(asked, name, "failed", "unhealthy: no answer")
    soon(asked, name, "ok", "running, healthy")
    asked[0]("exec", name, "rm", "/tmp/well")
    soon(asked, name, "failed", "unhealthy: no answer")
    slow = start("--health-cmd", "sleep 5", *often)
    assert look(asked, slow)["status"] == "warning"


def test_restarts(asked, start):
    name = start("--restart", "on-failure:50", script="test -e /tmp/second && exec sleep 600; touch /tmp/second; exit 3")
    assert soon(asked, name, "warning", "above warn 0", warn=0)["value"] == 1
    soon(asked, name, "ok", "running", warn=1)
    again = start("--restart", "on-failure:50", script="sleep 0.2; exit 3")
    soon(asked, again, "failed", "started again")
