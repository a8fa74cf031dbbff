# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that keep to their contracts, and a clock that waits for nobody."""

from __future__ import annotations

import dataclasses
import importlib.util
import pathlib
import sys
import threading
import types
import typing as t

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._http.retry import Backoff
from ansible_collections.runbook.ops.plugins.module_utils._notify.deliver import Effort, tell
from ansible_collections.runbook.ops.plugins.module_utils._notify.message import Message, parse_message
from ansible_collections.runbook.ops.plugins.module_utils._notify.notify import notify
from ansible_collections.runbook.ops.plugins.module_utils._notify.options import MESSAGE, NOTIFY, parse_targets
from ansible_collections.runbook.ops.plugins.module_utils._notify.spool import Folder

SERVER = pathlib.Path(__file__).resolve().parents[4] / "integration/targets/notify/files/chat_server.py"


def load_server() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("chat_server", SERVER)
    module = importlib.util.module_from_spec(spec)
    sys.modules["chat_server"] = module
    spec.loader.exec_module(module)
    return module


doubles = load_server()


@pytest.fixture(scope="session")
def running():
    server = doubles.ChatServer()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def server(running):
    running.services = {name: doubles.Service() for name in doubles.SERVICES}
    return running


def options_of(url: str) -> dict[str, dict[str, t.Any]]:
    """The targets' options for the services at ``url``."""
    return {
        "slack_webhook": {"url": f"{url}/slack/webhook/{doubles.SECRET}"},
        "slack": {"url": f"{url}/slack/api/chat.postMessage", "token": doubles.TOKEN, "channel": "#operations"},
        "discord": {"url": f"{url}/discord/{doubles.SECRET}"},
        "teams_connector": {"url": f"{url}/teams/connector/{doubles.SECRET}"},
        "teams_workflow": {"url": f"{url}/teams/workflow/{doubles.SECRET}"},
        "pagerduty": {"url": f"{url}/pagerduty/v2/enqueue", "routing_key": doubles.ROUTING_KEY},
        "webhook": {"url": f"{url}/webhook/{doubles.SECRET}/signed", "hmac": {"secret": doubles.HMAC_SECRET}},
    }


def message(**given: t.Any) -> Message:
    """A message of the options ``given``."""
    defaults = {name: option.get("default") for name, option in MESSAGE.items()}
    return parse_message({**defaults, "title": "The disk is full", "source": "www.example.com", **given}, 1)


@dataclasses.dataclass
class World:
    """The services, one state folder, and a clock that is moved by waiting."""

    server: t.Any
    state_dir: str
    now: float = 1_800_000_000.0
    waits: list[float] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)

    def target(self, kind: str, **options: t.Any) -> t.Any:
        item = {"kind": kind, **options_of(self.server.url).get(kind, {}), **options}
        return parse_targets([item], self.warnings.append)[0]

    def folder(self, name: str) -> Folder:
        return Folder(self.state_dir, name, self.warnings.append)

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def effort(self, **given: t.Any) -> Effort:
        clock = {"sleep": self.sleep, "rand": lambda: 0.5, "now": lambda: self.now, "monotonic": lambda: self.now}
        return Effort(**{"timeout": 5.0, "backoff": Backoff(4, 1.0, 30.0), **clock, **given})

    def tell(self, kind: str, *messages: Message, options: t.Any = None, **effort: t.Any) -> list[tuple[str, str]]:
        """(result, message) of each outcome."""
        target = self.target(kind, **(options or {}))
        found = tell(target, self.folder(target.name), messages, self.effort(**effort))
        return [(outcome.details["result"], outcome.message) for outcome in found]

    def service(self, kind: str) -> t.Any:
        return self.server.services[kind]

    def taken(self, kind: str) -> list[t.Any]:
        return self.service(kind).taken

    def plan(self, kind: str, *words: str) -> None:
        self.service(kind).plan = list(words)

    def notify(self, check: bool = False, **given: t.Any) -> t.Any:
        defaults = {name: option.get("default") for name, option in NOTIFY.options.items()}
        items = [{**{name: option.get("default") for name, option in MESSAGE.items()}, **item} for item in given.pop("messages", [])]
        options = {**defaults, "state_dir": self.state_dir, "messages": items, **given}
        return notify(options, Run(check_mode=check, warn=self.warnings.append))


@pytest.fixture
def world(server, tmp_path):
    return World(server, str(tmp_path / "state"))
