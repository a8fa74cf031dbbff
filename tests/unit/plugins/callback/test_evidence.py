# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real runs of ansible-playbook, with the ansible-core that these tests themselves run with, and what they left."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest
from ansible_collections.runbook.ops.plugins import callback

COLLECTIONS = pathlib.Path(next(iter(callback.__path__))).parents[4]
SECRET = "Tr0ub4dorHunter2"

PLAYBOOK = """
- name: First play
  hosts: all
  gather_facts: false
  vars: {s: SECRET, hide: true, show: false}
  tasks:
    - {name: said, ansible.builtin.debug: {msg: kept}}
    - {name: by its name, ansible.builtin.set_fact: {db_password: "{{ s }}", cacheable: false}}
    - {name: "hidden {{ s }}", ansible.builtin.debug: {msg: "{{ s }}"}, no_log: true}
    - {name: hidden template, ansible.builtin.debug: {msg: "{{ s }}"}, no_log: "{{ hide }}"}
    - {name: shown template, ansible.builtin.debug: {msg: kept}, no_log: "{{ show }}"}
    - {name: hidden loop, ansible.builtin.debug: {msg: "{{ item }}"}, loop: ["{{ s }}1", "{{ s }}2"], no_log: true}
    - name: partly hidden loop
      ansible.builtin.debug: {msg: "{{ item.v }}"}
      loop: [{v: "{{ s }}", h: true}, {v: kept, h: false}]
      no_log: "{{ item.h }}"
    - {name: hidden label, ansible.builtin.debug: {msg: x}, loop: ["{{ s }}"], loop_control: {label: "{{ item }}"}, no_log: true}
    - {name: hidden failure, ansible.builtin.fail: {msg: "{{ s }}"}, no_log: true, ignore_errors: true}
    - name: hidden exception
      ansible.builtin.debug: {msg: "{{ s | int(base=s) }} {{ nope[s] }}"}
      no_log: "{{ hide }}"
      ignore_errors: true
    - name: hidden diff
      ansible.builtin.copy: {content: "{{ s }}", dest: "{{ playbook_dir }}/out", mode: "0600"}
      no_log: true
      diff: true
    - {name: hidden retries, ansible.builtin.debug: {msg: "{{ s }}"}, no_log: true, until: false, retries: 1, delay: 0, ignore_errors: true}
    - {name: skipped, ansible.builtin.debug: {msg: x}, when: false}
    - {name: delegated, ansible.builtin.debug: {msg: kept}, delegate_to: other.example.com}
    - name: In a block
      no_log: true
      block:
        - {name: hidden in a block, ansible.builtin.debug: {msg: "{{ s }}"}}
    - name: gone
      ansible.builtin.ping: {}
      vars: {ansible_connection: ssh, ansible_port: 1, ansible_host: "{{ s }}.invalid"}
      no_log: true
      ignore_unreachable: true
    - {name: changes, ansible.builtin.command: "echo kept password=SECRET", notify: Handle}
    - {name: role, ansible.builtin.include_role: {name: demo}}
  handlers:
    - {name: Handle, ansible.builtin.debug: {msg: kept}}
- name: Second play
  hosts: all
  gather_facts: false
  tasks:
    - {name: last, ansible.builtin.fail: {msg: "kept, but https://bob:SECRET@www.example.com/ is not"}}
""".replace("SECRET", SECRET)  # fmt: skip


def play(folder, text, more=None, **options):
    """Run a playbook; its exit status and all it said."""
    (folder / "play.yml").write_text(text)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE", "RUNBOOK"))}
    env |= {
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "ANSIBLE_CALLBACKS_ENABLED": "runbook.ops.evidence",
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_SSH_RETRIES": "0",
        "RUNBOOK_EVIDENCE_FILE": str(folder / "run.jsonl"),
        **(more or {}),
    }
    words = [pathlib.Path(sys.executable).parent / "ansible-playbook", "-i", "web1.example.com,", "-c", "local"]
    words += ["-e", f"ansible_python_interpreter={sys.executable}", folder / "play.yml"]
    env = {name: value for name, value in env.items() if value is not None}
    done = subprocess.run(words, env=env, cwd=folder, capture_output=True, text=True, timeout=240, check=False, **options)
    return done.returncode, done.stdout + done.stderr


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    tasks = folder / "roles" / "demo" / "tasks"
    tasks.mkdir(parents=True)
    (tasks / "main.yml").write_text("- name: of a role\n  ansible.builtin.debug:\n    msg: kept\n")
    code, said = play(folder, PLAYBOOK, {"RUNBOOK_EVIDENCE_DETAIL": "full"})
    assert code == 2, said
    assert "evidence of this run is incomplete" not in said
    return lines(folder / "run.jsonl"), (folder / "run.jsonl").read_text(), folder


def test_nothing_that_no_log_hides_is_recorded(run):
    records, text, folder = run
    assert SECRET not in text
    assert (folder / "out").read_text() == SECRET, "the hidden tasks did run"
    hidden = [record for record in records if "hidden" in record.get("task", "") and "partly" not in record["task"]]
    assert len(hidden) >= 10 and all(record["hidden"] for record in hidden)
    assert not any({"msg", "result", "item", "rc"} & record.keys() for record in hidden)
    gone = next(record for record in records if record.get("task") == "gone")
    assert (gone["status"], gone["hidden"]) == ("unreachable", True)


def test_what_is_not_hidden_is_recorded(run):
    records, text, _folder = run
    by_name = {record["task"]: record for record in records if record["event"] == "task"}
    assert [record["event"] for record in records][:2] == ["run", "play"] and records[-1]["event"] == "end"
    assert by_name["said"]["msg"] == by_name["shown template"]["msg"] == "kept"
    assert by_name["said"]["path"].endswith("play.yml:7")
    assert by_name["said"]["duration_ms"] > 0
    assert by_name["hidden failure"]["status"] == "failed" and by_name["hidden failure"]["ignored"] is True
    assert by_name["skipped"]["status"] == "skipped"
    assert by_name["delegated"]["delegated_to"] == "other.example.com"
    assert by_name["of a role"]["role"] == "demo"
    assert by_name["Handle"]["handler"] is True
    assert by_name["changes"]["changed"] is True and "kept password=[scrubbed]" in by_name["changes"]["result"]["stdout"]
    assert by_name["last"]["msg"] == "kept, but https://bob:[scrubbed]@www.example.com/ is not"
    assert by_name["last"]["play"] == "Second play"
    items = [record for record in records if record["event"] == "item" and record["task"] == "partly hidden loop"]
    assert ["hidden" in record for record in items] == [True, False] and items[1]["item"] == {"v": "kept", "h": False}
    assert records[-1]["status"] == "failed" and records[-1]["hosts"]["web1.example.com"]["failures"] == 1
    assert len({record["run"] for record in records}) == 1


def test_runs_that_share_a_file_are_appended(tmp_path):
    simple = "[{hosts: all, gather_facts: false, tasks: [{ansible.builtin.debug: {msg: kept}}]}]"
    assert play(tmp_path, simple)[0] == 0
    first = lines(tmp_path / "run.jsonl")
    assert play(tmp_path, simple, {"RUNBOOK_EVIDENCE_FILE": None, "RUNBOOK_EVIDENCE_FOLDER": str(tmp_path / "all")})[0] == 0
    assert play(tmp_path, simple)[0] == 0
    both = lines(tmp_path / "run.jsonl")
    assert both[: len(first)] == first and len({record["run"] for record in both}) == 2
    assert "result" not in first[2] and first[2]["msg"] == "kept" and first[-1]["status"] == "ok"
    (own,) = (tmp_path / "all").glob("*_play_*.jsonl")
    assert (own.stat().st_mode & 0o777, own.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_playbook_can_find_the_file(tmp_path):
    look = "{{ lookup('ansible.builtin.env', 'RUNBOOK_EVIDENCE_RUN') }}"
    text = f'[{{hosts: all, gather_facts: false, tasks: [{{ansible.builtin.debug: {{msg: "{look}"}}}}]}}]'
    code, said = play(tmp_path, text)
    assert code == 0 and str(tmp_path / "run.jsonl") in said


@pytest.mark.parametrize("kind", ["below a file", "link", "device", "fifo"])
def test_a_file_that_can_not_be_written_does_not_break_the_run(tmp_path, kind):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "fifo")
    path = {"below a file": tmp_path / "file" / "x.jsonl", "link": tmp_path / "link", "device": "/dev/full", "fifo": tmp_path / "fifo"}[
        kind
    ]
    text = "[{hosts: all, gather_facts: false, tasks: [{ansible.builtin.debug: {msg: done it}}]}]"
    code, said = play(tmp_path, text, {"RUNBOOK_EVIDENCE_FILE": str(path)})
    assert (code, "done it" in said) == (0, True)
    assert said.count("evidence can't be written to") == 1
    assert "lacks 4 lines of this run" in " ".join(said.split())
    assert (tmp_path / "file").read_text() == ""
