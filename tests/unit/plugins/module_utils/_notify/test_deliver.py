# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every service by its contract: what success is, what is tried again, what is kept, what is given up."""

from __future__ import annotations

import os
import pathlib
import random
import subprocess
import sys
import threading
import time

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._http.retry import Backoff
from ansible_collections.runbook.ops.plugins.module_utils._notify.spool import Entry

from .conftest import doubles, message

HTTP = list(doubles.SERVICES)
ALERT = {"key": "www/disk", "title": "The disk is full", "severity": "critical"}


@pytest.mark.parametrize("kind", HTTP)
class TestEveryService:
    def test_delivered_once_then_no_news_then_resolved(self, world, kind):
        assert world.tell(kind, message(**ALERT)) == [("delivered", "delivered")]
        [(result, reason)] = world.tell(kind, message(**ALERT))
        assert (result, "already told" in reason) == ("suppressed", True)
        assert world.tell(kind, message(**ALERT, state="resolved")) == [("delivered", "delivered")]
        assert world.tell(kind, message(**ALERT, state="resolved"))[0][0] == "suppressed"
        assert len(world.taken(kind)) == 2

    def test_told_again_after_the_interval_and_when_it_gets_worse(self, world, kind):
        world.tell(kind, message(**{**ALERT, "severity": "warning"}))
        assert world.tell(kind, message(**ALERT))[0][0] == "delivered"
        world.now += 3 * 3600
        assert world.tell(kind, message(**ALERT))[0][0] == "suppressed"
        world.now += 3 * 3600
        assert world.tell(kind, message(**ALERT))[0][0] == "delivered"
        world.now += 300 * 86400
        assert world.tell(kind, message(**ALERT), repeat=0.0)[0][0] == "suppressed"

    def test_429_is_waited_for(self, world, kind):
        world.plan(kind, "429 3", "429 2.5" if kind == "discord" else "429 2")
        assert world.tell(kind, message(**ALERT)) == [("delivered", "delivered")]
        assert [round(wait, 2) for wait in world.waits] == ([3.15, 2.62] if kind == "discord" else [3.15, 2.1])
        assert len(world.taken(kind)) == 1

    def test_429_beyond_the_budget_is_kept_and_sent_first_next_time(self, world, kind):
        world.plan(kind, "429 120")
        [(result, reason)] = world.tell(kind, message(**ALERT))
        assert (result, world.waits) == ("kept", [])
        assert "asks to wait 120 s" in reason
        found = world.tell(kind, message(**{**ALERT, "key": "other", "title": "Another"}))
        assert [result for result, _reason in found] == ["delivered", "delivered"]
        assert ["disk" in str(document) for document in world.taken(kind)] == [True, False]

    def test_5xx_is_tried_again_then_kept(self, world, kind):
        world.plan(kind, "500", "503")
        assert world.tell(kind, message(**ALERT))[0][0] == "delivered"
        world.plan(kind, *["502"] * 5)
        assert world.tell(kind, message(**ALERT, state="resolved"))[0][0] == "kept"
        assert len(world.service(kind).requests) == 8
        assert world.tell(kind) == [("delivered", "delivered")]
        assert world.tell(kind) == []
        assert len(world.taken(kind)) == 2

    def test_400_is_never_tried_again_and_holds_nothing_up(self, world, kind):
        world.plan(kind, "400")
        found = world.tell(kind, message(**ALERT), message(title="Another"))
        assert [result for result, _reason in found] == ["rejected", "delivered"]
        assert world.tell(kind) == []
        assert len(world.service(kind).requests) == 2
        [name] = os.listdir(f"{world.state_dir}/{kind}/rejected")
        assert name in found[0][1]

    def test_401_is_kept_until_the_options_are_right(self, world, kind):
        world.plan(kind, "401")
        found = world.tell(kind, message(**ALERT), message(title="Another"))
        assert [result for result, _reason in found] == ["kept", "kept"]
        assert "put the target's options right" in found[0][1]
        assert len(world.service(kind).requests) == 1
        assert [result for result, _reason in world.tell(kind)] == ["delivered", "delivered"]

    def test_cut_before_an_answer_is_kept_and_said(self, world, kind):
        world.plan(kind, "cut")
        [(result, reason)] = world.tell(kind, message(**ALERT))
        assert (result, "may have arrived" in reason) == ("kept", True)
        assert world.tell(kind) == [("delivered", "delivered")]
        assert len(world.taken(kind)) == 1
        if kind != "pagerduty":
            assert "not confirmed" in str(world.taken(kind)[0])

    def test_cut_in_the_body(self, world, kind):
        world.plan(kind, "cut_body")
        [(result, _reason)] = world.tell(kind, message(**ALERT))
        # The connector's answer is one character, of which nothing came: only its body says whether it was taken.
        assert result == ("kept" if kind == "teams_connector" else "delivered")
        assert len(world.taken(kind)) == 1

    def test_slow_is_kept_within_the_timeout(self, world, kind):
        world.plan(kind, "slow 1")
        [(result, reason)] = world.tell(kind, message(**ALERT), timeout=0.2)
        assert (result, "no answer within 0.2 s" in reason) == ("kept", True)

    def test_over_long_messages_fit(self, world, kind):
        family = "\U0001f469\u200d\U0001f469\u200d\U0001f467"
        fields = {f"field {number} {family * 50}": "مرحبا بالعالم " * 300 for number in range(60)}
        long = message(
            **{**ALERT, "title": "ارتفاع معدل الأخطاء " * 100}, text=f"<@U123> {family} **x** [a](b) `c`\n" * 4000, fields=fields
        )
        assert world.tell(kind, long) == [("delivered", "delivered")]

    def test_arabic_is_intact(self, world, kind):
        title, text = "ارتفاع معدَّل الأخطاء إلى 5٪ على www", "تحقَّق من السجلات أولاً، ثم تراجَع عن الإصدار."
        world.tell(kind, message(title=title, text=text))
        shown = str(world.taken(kind))
        assert title in shown
        assert text in shown

    def test_unreachable_is_kept(self, world, kind):
        options = {"url": "http://127.0.0.1:9/x"}
        [(result, reason)] = world.tell(kind, message(**ALERT), options=options)
        assert (result, "refused" in reason) == ("kept", True)
        assert world.tell(kind) == [("delivered", "delivered")]
        assert len(world.taken(kind)) == 1

    def test_secrets_are_not_echoed(self, world, kind):
        # The service names its own path, which is the secret of a webhook.
        world.plan(kind, "400")
        secrets = (doubles.SECRET, doubles.TOKEN, doubles.ROUTING_KEY, doubles.HMAC_SECRET)
        found = world.tell(kind, message(**ALERT))
        files = [file.read_text() for file in pathlib.Path(world.state_dir).rglob("*") if file.is_file()]
        assert not any(secret in text for secret in secrets for text in [str(found), repr(world.target(kind)), *files])


class TestParticulars:
    def test_slack_error_in_a_200(self, world):
        [(result, reason)] = world.tell("slack", message(**ALERT), options={"token": "xoxb-wrong"})
        assert (result, "invalid_auth" in reason) == ("kept", True)
        assert world.taken("slack") == []
        assert world.tell("slack")[0][0] == "delivered"

    def test_slack_paces_itself(self, world):
        world.tell("slack", message(title="One"), message(title="Two"), message(title="Three"))
        assert world.waits == [1.0, 1.0]

    def test_teams_throttling_hides_in_a_200(self, world):
        world.plan("teams_connector", "hidden", "hidden")
        assert world.tell("teams_connector", message(**ALERT)) == [("delivered", "delivered")]
        assert (len(world.waits), len(world.taken("teams_connector"))) == (2, 1)

    def test_a_connectors_answer_cut_off_is_unknown(self, world):
        world.plan("teams_connector", "cut_body")
        [(result, reason)] = world.tell("teams_connector", message(**ALERT))
        assert (result, "may have arrived" in reason) == ("kept", True)

    def test_right_to_left_cards(self, world):
        world.tell("teams_workflow", message(title="ارتفاع معدل الأخطاء"))
        world.tell("teams_workflow", message(title="Errors rise"))
        cards = [document["attachments"][0]["content"] for document in world.taken("teams_workflow")]
        assert [card.get("rtl") for card in cards] == [True, None]

    def test_pagerduty_knows_a_resent_alert_and_resolves_it(self, world):
        world.plan("pagerduty", "cut_after")
        world.tell("pagerduty", message(**ALERT))
        world.tell("pagerduty")
        assert (len(world.taken("pagerduty")), world.service("pagerduty").incidents) == (2, {"www/disk": "triggered"})
        world.tell("pagerduty", message(**ALERT, state="resolved"))
        assert world.service("pagerduty").incidents == {"www/disk": "resolved"}

    def test_pagerduty_takes_no_events_and_long_keys(self, world):
        assert world.tell("pagerduty", message(title="Deployed", state="event")) == [("suppressed", "pagerduty takes alerts, not events")]
        assert world.tell("pagerduty", message(title="x", key="k" * 300))[0][0] == "delivered"

    def test_events_are_told_every_time(self, world):
        for _time in range(2):
            assert world.tell("discord", message(title="Deployed", state="event"))[0][0] == "delivered"

    def test_the_resent_request_has_the_same_idempotency_key(self, world):
        world.plan("webhook", "cut_after")
        world.tell("webhook", message(**ALERT))
        world.tell("webhook")
        keys = {request["headers"]["Idempotency-Key"] for request in world.service("webhook").requests}
        assert (len(world.service("webhook").requests), len(keys)) == (2, 1)

    def test_generic_document(self, world):
        world.tell("webhook", message(**ALERT, fields={"mount": "/srv"}))
        [document] = world.taken("webhook")
        assert document["ok"] is False
        assert document["alerts"][0]["fields"] == {"mount": "/srv"}
        assert document["ts"] == document["alerts"][0]["at"]

    def test_mentions_and_markup_are_text(self, world):
        text = "<!channel> @everyone [pay](https://evil.example.com) <b>x</b>"
        for kind in ("slack", "discord", "teams_connector", "teams_workflow"):
            world.tell(kind, message(title=text, text=text))
        assert "<!channel>" not in str(world.taken("slack"))
        assert world.taken("discord")[0]["allowed_mentions"] == {"parse": []}
        card = world.taken("teams_connector")[0]
        shown = [card["title"], card["text"], world.taken("discord")[0]["content"]]
        shown += [block["text"] for block in world.taken("teams_workflow")[0]["attachments"][0]["content"]["body"]]
        assert not any("](" in text for text in shown)
        assert "<b>" not in card["text"]


class TestSeverities:
    def test_below_the_least_is_not_told(self, world):
        options = {"min_severity": "critical"}
        assert world.tell("pagerduty", message(**{**ALERT, "severity": "warning"}), options=options) == [
            ("suppressed", "warning is below critical")
        ]

    def test_an_alert_that_falls_below_is_resolved(self, world):
        options = {"min_severity": "critical"}
        world.tell("pagerduty", message(**ALERT), options=options)
        world.tell("pagerduty", message(**{**ALERT, "severity": "warning"}), options=options)
        assert world.service("pagerduty").incidents == {"www/disk": "resolved"}


class TestSpool:
    def test_order_is_kept_and_repeats_do_not_pile_up(self, world):
        for _run in range(3):
            world.plan("discord", *["503"] * 9)
            world.tell("discord", message(**ALERT))
        world.plan("discord", *["503"] * 9)
        found = world.tell("discord", message(**ALERT, state="resolved"))
        assert [result for result, _reason in found] == ["kept", "kept"]
        assert len(os.listdir(f"{world.state_dir}/discord/spool")) == 2
        world.plan("discord")
        assert len(world.tell("discord")) == 2
        assert ["RESOLVED" in document["content"] for document in world.taken("discord")] == [False, True]

    def test_killed_while_sending(self, world):
        folder = world.folder("discord")
        [entry] = folder.add([message(**ALERT)])
        folder.begin(entry)
        assert world.tell("discord") == [("delivered", "delivered")]
        assert "not confirmed" in str(world.taken("discord")[0])

    def test_killed_between_remembering_and_forgetting(self, world):
        folder = world.folder("discord")
        [entry] = folder.add([message(title="Deployed", state="event")])
        folder.begin(entry)
        memory = folder.memory()
        memory.told(entry.message, entry.identity, world.now)
        folder.remember(memory)
        assert world.tell("discord") == []
        assert (world.taken("discord"), os.listdir(folder.spool)) == ([], [])

    def test_a_broken_state_is_set_aside(self, world):
        world.tell("discord", message(**ALERT))
        with open(f"{world.state_dir}/discord/state.json", "w") as stream:
            stream.write('{"alerts": [')
        assert world.tell("discord", message(**ALERT))[0][0] == "delivered"
        assert any(name.endswith(".broken") for name in os.listdir(f"{world.state_dir}/discord"))
        assert "set aside" in world.warnings[0]

    def test_a_broken_message_is_set_aside_and_holds_nothing_up(self, world):
        os.makedirs(f"{world.state_dir}/discord/spool")
        with open(f"{world.state_dir}/discord/spool/0001-0001-x.json", "w") as stream:
            stream.write('{"key": 1}')
        assert world.tell("discord", message(**ALERT))[0][0] == "delivered"
        assert [name.endswith(".broken") for name in os.listdir(f"{world.state_dir}/discord/spool")] == [True]

    def test_without_a_disk_it_is_told_nevertheless(self, world, tmp_path):
        (tmp_path / "file").write_text("")
        world.state_dir = str(tmp_path / "file")
        assert world.tell("discord", message(**ALERT)) == [("delivered", "delivered")]
        assert "can't be kept" in world.warnings[0]
        world.plan("discord", "401")
        assert "could not be kept" in world.tell("discord", message(**ALERT))[0][1]

    def test_another_run_has_it(self, world):
        with world.folder("discord").locked(0) as mine:
            assert mine
            [(result, reason)] = world.tell("discord", message(**ALERT), timeout=0.1)
        assert (result, "another run" in reason) == ("kept", True)
        assert [result for result, _reason in world.tell("discord")] == ["delivered"]

    def test_another_run_told_ours(self, world, monkeypatch):
        folder = world.folder("discord")
        add = type(folder).add

        def told_meanwhile(self, messages):
            entries = add(self, messages)
            for entry in entries:
                self.forget(entry)
            return entries

        monkeypatch.setattr(type(folder), "add", told_meanwhile)
        assert world.tell("discord", message(**ALERT)) == [("suppressed", "dealt with by another run")]
        assert world.taken("discord") == []

    def test_files_are_private(self, world):
        world.plan("discord", "401")
        world.tell("discord", message(**ALERT))
        world.tell("slack", message(**ALERT))
        for folder, _folders, names in os.walk(world.state_dir):
            assert all(os.stat(os.path.join(folder, name)).st_mode & 0o077 == 0 for name in names)


@pytest.mark.parametrize("kind", HTTP)
def test_whatever_happens_each_alert_arrives_or_waits(world, kind):
    """Thirty alerts through a service that fails at random: each is taken exactly once, or is kept."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    words = ["ok", "429 1", "500", "503", "cut", "cut_body", "429 600", "401"]
    if kind == "teams_connector":
        words = [word for word in words if word != "cut_body"] + ["hidden"]
    for number in range(30):
        world.plan(kind, *dice.choices(words, k=6))
        world.tell(kind, message(key=f"alert-{number:02}", title=f"Alert {number:02}."), backoff=Backoff(2, 1.0, 30.0))
        world.now += 60
        waiting = {entry.message.key for entry in world.folder(kind).read()}
        for earlier in range(number + 1):
            arrived = sum(f"Alert {earlier:02}." in str(document.get("payload", document)) for document in world.taken(kind))
            assert (arrived, f"alert-{earlier:02}" in waiting) in ((1, False), (0, True)), (seed, earlier)
    world.plan(kind)
    world.tell(kind, budget=600.0)
    assert len(world.taken(kind)) == 30


def test_entries_of_no_file_are_left_alone(world):
    folder = world.folder("discord")
    folder.forget(Entry(message(), "x"))
    assert folder.reject(Entry(message(), "x")) is None


def test_runs_at_the_same_time_tell_once(world):
    world.plan("discord", "slow 0.2")
    found: list[str] = []

    def run(number):
        alerts = [message(**ALERT), message(key=f"own-{number}", title=f"Own {number}")]
        found.extend(result for result, _reason in world.tell("discord", *alerts, now=time.time, monotonic=time.monotonic, timeout=20.0))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    titles = [document["content"] for document in world.taken("discord")]
    assert sorted(titles) == sorted({*titles})
    assert len(titles) == 7
    assert "kept" not in found


KILLED = """
import os, sys, threading, time
from ansible_collections.runbook.ops.plugins.module_utils._notify import deliver
from ansible_collections.runbook.ops.plugins.module_utils._notify.message import Message
from ansible_collections.runbook.ops.plugins.module_utils._notify.options import parse_targets
from ansible_collections.runbook.ops.plugins.module_utils._notify.spool import Folder
url, state_dir, first, seconds = sys.argv[1:]
[target] = parse_targets([{"kind": "webhook", "url": url}], print)
numbers = range(int(first), int(first) + 5)
alerts = [Message(f"k{n}", "firing", "error", f"Alert {n:03}.", "", "www", "2026-03-01T12:00:00Z") for n in numbers]
print("go", flush=True)
threading.Thread(target=lambda: (time.sleep(float(seconds)), os.kill(os.getpid(), 9)), daemon=True).start()
deliver.tell(target, Folder(state_dir, target.name, print), alerts, deliver.Effort())
"""


def test_killed_at_any_moment_nothing_is_lost_and_what_comes_twice_says_so(world):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    url = f"{world.server.url}/webhook/{doubles.SECRET}"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    for number in range(6):
        words = [sys.executable, "-c", KILLED, url, world.state_dir, str(number * 5), f"{dice.uniform(0, 0.04):.4f}"]
        subprocess.run(words, env=env, capture_output=True, check=False)
    world.tell("webhook", options={"url": url})
    alerts = [document["alerts"][0] for document in world.taken("webhook")]
    by_identity: dict[str, list[str]] = {}
    for alert in alerts:
        by_identity.setdefault(alert["id"], []).append(alert["note"])
    for notes in by_identity.values():
        assert len(notes) == 1 or all("not confirmed" in note for note in notes[1:]), seed
    # All that a run had written down arrived: nothing waits, and no run left a part of a message behind that counts.
    assert world.folder("webhook").read() == []
    assert len({alert["key"] for alert in alerts}) == len(by_identity), seed
