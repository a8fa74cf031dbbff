# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands as a user would give them, and what came of them."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import time
import typing as t

ROOT = pathlib.Path(__file__).resolve().parents[2]
TESTBED = ROOT / ".work" / "testbed"
SSH_CONFIG = TESTBED / "ssh_config"
INVENTORY = TESTBED / "inventory" / "hosts.yml"
OUTPUT = ROOT / ".work" / "logs" / "plays"

sys.path.insert(0, str(ROOT / "tests" / "testbed"))


@dataclasses.dataclass
class Run:
    """One run of ansible-playbook or ansible: exit status, what it printed, and what the recorder wrote."""

    rc: int
    output: str
    lines: list[dict[str, t.Any]]
    log: pathlib.Path

    def __repr__(self) -> str:
        # What a failing assertion shows.
        return f"<exit status {self.rc}, {self.log}>\n{self.output[-3000:]}"

    def results(self, task: str, host: str) -> list[dict[str, t.Any]]:
        """The results of the tasks of this name on a host, skipped ones left out."""
        return [line["result"] for line in self.lines if line.get("task") == task and line["host"] == host and line["status"] != "skipped"]

    def result(self, task: str, host: str) -> dict[str, t.Any]:
        """The last of them."""
        found = self.results(task, host)
        assert found, f"no task {task!r} ran on {host}: {self!r}"
        return found[-1]

    def recap(self, host: str) -> dict[str, int]:
        """ok, changed, failures, unreachable, … of a host."""
        return next(line["recap"] for line in self.lines if "recap" in line and line["host"] == host)

    def failure(self, host: str) -> str:
        """What a host's last failed task said, in one line."""
        found = [line["result"] for line in self.lines if line.get("status") in ("failed", "unreachable") and line["host"] == host]
        assert found, f"nothing failed on {host}: {self!r}"
        return " ".join(str(found[-1].get("msg", "")).split())

    def commands(self, address: str) -> int:
        """How many commands and requests were sent to the host at this address; the run needs ``-vvv``.

        Every execution of a module, upload or shell command on a host is one start of ssh, which this verbosity logs, as it does requests
        to an agent that is there already.
        """
        return len(re.findall(rf"^<{re.escape(address)}> (?:SSH: EXEC|AGENT: ASK) ", self.output, re.MULTILINE))

    def reported(self, host: str) -> str:
        """What the last debug task told about a host."""
        texts = [line["result"]["msg"] for line in self.lines if line.get("host") == host and line.get("task") == "Say what happened"]
        return " ".join(str(texts[-1]).split()) if texts else ""


class Running:
    """A command that was started and has not ended yet."""

    def __init__(self, words: t.Sequence[str], inventories: t.Sequence[os.PathLike[str]], env: t.Mapping[str, str] | None = None) -> None:
        OUTPUT.mkdir(parents=True, exist_ok=True)
        started = time.strftime("%H%M%S")
        handle, name = tempfile.mkstemp(prefix=f"{started}-", suffix=".log", dir=OUTPUT)
        self.log, self.record = pathlib.Path(name), pathlib.Path(name).with_suffix(".jsonl")
        places = [word for path in (INVENTORY, *inventories) for word in ("-i", os.fspath(path))]
        argv = [str(pathlib.Path(sys.executable).parent / words[0]), *places, *words[1:]]
        full = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "molecule" / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": collections(),
            "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "molecule" / "support" / "callback"),
            "ANSIBLE_CALLBACKS_ENABLED": "recorder",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_FORCE_COLOR": "0",
            "RUNBOOK_RECORD": str(self.record),
            **(env or {}),
        }
        os.write(handle, f"$ {shlex.join(argv)}\n".encode())
        self.process = subprocess.Popen(
            # Not the checkout: nothing may depend on the folder that a command is given in.
            argv,
            cwd="/",
            env=full,
            stdin=subprocess.DEVNULL,
            stdout=handle,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        os.close(handle)

    def wait(self, seconds: float = 300) -> Run:
        try:
            rc = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
            rc = self.process.wait()
        lines = []
        if self.record.is_file():
            for line in self.record.read_text().splitlines():
                try:
                    lines.append(json.loads(line))
                except ValueError:
                    continue  # the run was killed while it wrote it
        return Run(rc, self.log.read_text(errors="replace"), lines, self.log)

    def descendants(self) -> dict[int, str]:
        """The process ids and command lines of what this command started, directly or not."""
        parents: dict[int, int] = {}
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                except OSError:
                    continue
        found: dict[int, str] = {}
        generation = {self.process.pid}
        while generation:
            generation = {pid for pid, parent in parents.items() if parent in generation}
            for pid in generation:
                try:
                    found[pid] = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                except OSError:
                    continue
        return found


def collections() -> str:
    """The folder that holds ansible_collections; RUNBOOK_COLLECTIONS puts another copy of the collection to the test."""
    return os.environ.get("RUNBOOK_COLLECTIONS", str(ROOT / ".venv" / "collections"))


def until(true: t.Callable[[], t.Any], what: str, seconds: float = 60) -> t.Any:
    """Wait for something to become true and return it."""
    deadline = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain until {what}"
        time.sleep(0.05)
    return value


class Host:
    """A test host, reached as root, past the connections of Ansible."""

    def __init__(self, name: str) -> None:
        from bed import hosts

        self.name = name
        self.address = next(host.address for host in hosts.HOSTS if host.name == name)

    def try_(self, command: str, stdin: str | None = None, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        words = ["ssh", "-F", str(SSH_CONFIG), "-o", "ControlMaster=auto", self.name, command]
        return subprocess.run(words, input=stdin or "", capture_output=True, text=True, errors="replace", timeout=seconds, check=False)

    def __call__(self, command: str, stdin: str | None = None, seconds: float = 120) -> str:
        done = self.try_(command, stdin, seconds)
        assert done.returncode == 0, f"{command!r} on {self.name} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def start(self, command: str) -> subprocess.Popen[str]:
        """A command that goes on; a connection of its own ends with it."""
        words = ["ssh", "-F", str(SSH_CONFIG), "-o", "ControlPath=none", self.name, command]
        return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def direct(self, *words: str) -> str:
        """Run a command without sshd, for when that is what was stopped."""
        from bed import hosts

        return hosts.execute(self.name, *words)

    def snapshot(self, path: str) -> str:
        """Every name below a folder with what it is and when it changed; equal snapshots mean that nothing was touched."""
        return self(f"cd {path} && find . -printf '%p %y %m %U:%G %s %i %n %T@ %C@ %l\\n' | LC_ALL=C sort")

    def current(self, path: str) -> str:
        """The id of the release that is served, empty for none."""
        return self.try_(f"readlink {path}/current").stdout.strip().rpartition("/")[2]

    def record(self, path: str, release: str) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", json.loads(self(f"cat {path}/.runbook/releases/{release}.json")))

    def history(self, path: str) -> list[dict[str, t.Any]]:
        return [json.loads(line) for line in self(f"cat {path}/.runbook/history.jsonl").splitlines()]

    def lock(self, path: str) -> dict[str, t.Any] | None:
        """Who holds the site's lock."""
        done = self.try_(f"cat {path}/.runbook/lock/owner.json")
        return t.cast("dict[str, t.Any]", json.loads(done.stdout)) if done.returncode == 0 and done.stdout.strip() else None

    def get(self, url: str, *options: str, source: Host | None = None) -> Answer:
        """Ask the host's web server with curl, from this machine or from another test host."""
        words = ["curl", "-sS", "-i", "--max-time", "20", "-H", "Host: wiki.example.com", *options, f"http://{self.address}{url}"]
        if source is None:
            text = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False).stdout
        else:
            text = source.try_(shlex.join(words)).stdout
        head, _gap, body = text.replace("\r\n", "\n").partition("\n\n")
        first, *rest = head.splitlines() or ["- 0"]
        headers = {name.lower(): value.strip() for name, _colon, value in (line.partition(":") for line in rest)}
        return Answer(int(first.split()[1]), headers, body)


@dataclasses.dataclass
class Answer:
    """What a web server said; status 0 when it said nothing."""

    status: int
    headers: dict[str, str]
    body: str


def hostname() -> str:
    """The name of this machine, as locks tell it."""
    return socket.gethostname()
