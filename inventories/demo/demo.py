# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main jobs on this machine: deploy, deploy again, fail and be taken back, roll back, check, rotate logs. Run it with ``make demo``."""

from __future__ import annotations

import gzip
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
CHECKOUT = HERE.parent.parent
WORK = CHECKOUT / ".work" / "demo"
HOSTS = ("web1.example.com", "web2.example.com")


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for each in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def fetch(port: int) -> tuple[int, str]:
    """Status and body of a server's home page; status 0 while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def lines(pattern: str) -> int:
    """How many lines the access logs of both servers have, in files of this name."""
    found = 0
    for path in WORK.glob(f"logs/*/{pattern}"):
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as stream:
            found += len(stream.readlines())
    return found


class Demo:
    def __init__(self) -> None:
        self.ports = free_ports(len(HOSTS))
        self.env = {**os.environ, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOWS": "1"}
        self.env.update({f"DEMO_PORT_{number}": str(port) for number, port in enumerate(self.ports, 1)})
        self.servers: list[subprocess.Popen[bytes]] = []
        self.steps = 0

    def start_servers(self) -> None:
        for host, port in zip(HOSTS, self.ports):
            (WORK / host).mkdir(parents=True)
            (WORK / "logs" / host).mkdir(parents=True)
            log = open(WORK / f"{host}.log", "wb")  # noqa: SIM115 - the server keeps it
            words = [sys.executable, str(HERE / "server.py"), str(WORK / host), str(port), str(WORK / "logs" / host)]
            self.servers.append(subprocess.Popen(words, stdout=log, stderr=log))
        deadline = time.monotonic() + 10
        while any(fetch(port)[0] == 0 for port in self.ports):
            if time.monotonic() > deadline:
                sys.exit(f"the demo's web servers did not start; look at {WORK}/*.log")
            time.sleep(0.1)

    def stop_servers(self) -> None:
        for server in self.servers:
            server.terminate()
            server.wait(5)

    def step(self, title: str, arguments: list[str], expect_success: bool, expect_page: str) -> None:
        """Run a playbook and hold what it and the site say against what the step is to show."""
        self.steps += 1
        log = WORK / f"step{self.steps}.log"
        command = [str(pathlib.Path(sys.executable).parent / "ansible-playbook"), "-i", str(HERE / "hosts.yml"), "-l", "prod", *arguments]
        shown = " ".join(["ansible-playbook", *(os.path.relpath(part, CHECKOUT) if part.startswith("/") else part for part in command[1:])])
        print(f"\n{self.steps}. {title}\n   $ {shown}", flush=True)
        began = time.monotonic()
        with open(log, "wb") as out:
            code = subprocess.call(command, cwd=CHECKOUT, env=self.env, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        print(f"   exit code {code} after {time.monotonic() - began:.1f} s, the whole output is in {log.relative_to(CHECKOUT)}")
        pages = [fetch(port) for port in self.ports]
        for host, (status, body) in zip(HOSTS, pages):
            print(f"   {host} answers {status}: {body.strip()}")
        if (code == 0) != expect_success or not all(status == 200 and expect_page in body for status, body in pages):
            print(log.read_text(errors="replace")[-6000:])
            wanted = f"{'success' if expect_success else 'a failure'} and {expect_page!r} on every server"
            sys.exit(f"the demo expected {wanted}; that is a defect, please report it with {log}")

    def say(self, text: str) -> None:
        print(f"   => {text}")


def main() -> None:
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    demo = Demo()
    demo.start_servers()
    try:
        print("Two web servers run on this machine; nothing is deployed on them yet.")
        deploy, back = str(CHECKOUT / "playbooks" / "deploy.yml"), str(CHECKOUT / "playbooks" / "rollback.yml")
        demo.step("Deploy release 1", [deploy, "-e", "demo_release=1 deploy_release=r1"], True, "Release 1")
        demo.say("staged on both, swapped on both, proved by probes on each.")
        demo.step("Deploy release 2", [deploy, "-e", "demo_release=2 deploy_release=r2"], True, "Release 2")
        demo.say("the visits counted by release 1 are still there: data/ is shared between releases.")
        demo.step("Deploy release 3, which is broken", [deploy, "-e", "demo_release=3 deploy_release=r3"], False, "Release 2")
        demo.say("its probes failed: both servers were taken back, release 3 was marked bad, and the command failed.")
        demo.step("Roll back to release 1", [back, "-e", "rollback_reason=demo"], True, "Release 1")
        demo.say("both servers returned together, by one atomic rename on each.")
        checks, rotate = str(CHECKOUT / "playbooks" / "daily_checks.yml"), str(CHECKOUT / "playbooks" / "rotate_logs.yml")
        demo.step("The morning's checks", [checks], True, "Release 1")
        demo.say("processes, room, logs, the site on each server: on one page, with what was deployed since.")
        before = lines("access.log")
        demo.step("Rotate the access logs", [rotate], True, "Release 1")
        cut, after = lines("access.log-*.gz"), lines("access.log")
        # What was fetched for this output since is in the new logs.
        if (cut, after) != (before, len(HOSTS)):
            sys.exit(
                f"of {before} lines {cut} were found in the rotated logs and {after} in the new ones; that is a defect, please report it"
            )
        demo.say(f"{cut} lines were cut off and compressed, none is missing; the servers write on into new logs.")
    finally:
        demo.stop_servers()
    print("\nWhat happened, as the first server's history tells it:")
    for line in (WORK / HOSTS[0] / ".runbook" / "history.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["event"] == "deploy":
            print(f"   {event['time']}  {event['release']:<4} {event['outcome']}, {event['duration_s']} s, by {event['by']}")
    where = WORK.relative_to(CHECKOUT)
    print(f"\nLook at {where}/{HOSTS[0]}/: current, releases/, shared/, .runbook/history.jsonl.")
    print(f"The morning's page, for a browser: {WORK / 'report' / 'index.html'}")
    print("The site is described in inventories/demo/group_vars/prod.yml; README.md says how to describe your own.")


if __name__ == "__main__":
    main()
