# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmarks: what races against what, and the limits that were promised."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import subprocess
import sys
import typing as t

import database_races
import databases
import host_checks
import logs
import memory
import ours
import reports
import rotation
import sftp
import sites
from bed.shell import ROOT
from ours import Ansible, Deploy
from peers import Capistrano, Rsync
from proxy import Proxy, measured_round_trip
from race import BenchError, Lane, Result, race, say
from remote import Address, Remote
from rows import Report, Row

ROUND_TRIP = 0.050
PROBES, LATENCY = 40, 0.020
HERE = pathlib.Path(__file__).resolve().parent


@dataclasses.dataclass
class Bench:
    """What the benchmarks share."""

    remote: Remote
    ansible: Ansible
    report: Report
    rounds: int
    # Of the databases' half gigabyte.
    scale: float = 1.0

    def add(self, benchmark: str, what: str, measured: float, unit: str, limit: float | None = None, detail: str = "") -> None:
        self.report.rows.append(Row(benchmark, what, measured, unit, limit, detail, self.report.source))

    def race(self, title: str, lanes: t.Sequence[Lane], change: t.Callable[[], object] = lambda: None) -> Result:
        result = race(title, self.rounds, lanes, change)
        for lane, seconds in result.times.items():
            self.report.samples[f"{title}: {lane}"] = [round(value, 3) for value in seconds]
        return result

    def versus(self, benchmark: str, result: Result, lane: str, other: str, limit: float | None = None, what: str = "") -> None:
        """A row for the ratio of two lanes, which is the median of the rounds' ratios."""
        seconds = f"{result.median(lane):.2f} s / {result.median(other):.2f} s; fastest {result.least_ratio(lane, other):.2f}x"
        self.add(benchmark, what or f"{lane} / {other}", result.ratio(lane, other), "x", limit, seconds)

    def executions(self, benchmark: str, deploy: Deploy) -> None:
        """A row for what one more deploy executes on the host that it executes most on."""
        most = max(deploy.executions().values(), key=lambda found: found.modules)
        detail = f"besides: {most.uploads} uploads, {most.others} other commands"
        self.add(benchmark, "module executions a host", most.modules, "", 6, detail)


def _two(bench: Bench) -> list[Address]:
    addresses = [bench.remote.direct(name) for name in ("web1", "web2")]
    bench.ansible.serve(addresses)
    return addresses


def changed(bench: Bench) -> None:
    """MediaWiki on two hosts, one file changed since the last deploy."""
    site = sites.wiki(bench.remote.sources)
    addresses = _two(bench)
    deploy = Deploy(bench.ansible, "changed", site, addresses)
    rsync = Rsync(bench.remote, "changed-rsync", site, addresses)
    at_once = Rsync(bench.remote, "changed-rsync-at-once", site, addresses)
    deploy.run()
    for peer in (rsync, at_once):
        peer.prepare()
        peer.at_once()
    lanes = [
        Lane("deploy", deploy.run, bench.remote.disconnect, deploy.check),
        Lane("rsync --link-dest", rsync.one_after_the_other, rsync.prepare, rsync.check),
        Lane("rsync --link-dest, hosts at once", at_once.at_once, at_once.prepare, at_once.check),
    ]
    name = "one changed file, 2 hosts"
    result = bench.race(name, lanes, site.change)
    bench.versus(name, result, "deploy", "rsync --link-dest", 4.0)
    bench.versus(name, result, "deploy", "rsync --link-dest, hosts at once")
    site.change()
    bench.executions(name, deploy)


def cold(bench: Bench) -> None:
    """MediaWiki on two hosts that have nothing, from a controller that has never seen it."""
    site = sites.wiki(bench.remote.sources)
    addresses = _two(bench)
    deploy = Deploy(bench.ansible, "cold", site, addresses, cache="cold-cache")
    rsync = Rsync(bench.remote, "cold-rsync", site, addresses)

    def nothing() -> None:
        deploy.forget()
        rsync.forget()
        rsync.prepare()
        bench.ansible.forget("cold-cache")
        bench.remote.disconnect()

    lanes = [
        Lane("deploy", deploy.run, nothing, deploy.check),
        Lane("rsync", rsync.one_after_the_other, nothing, rsync.check),
        Lane("rsync, hosts at once", rsync.at_once, nothing, rsync.check),
    ]
    name = "2 empty hosts"
    result = bench.race(name, lanes)
    bench.versus(name, result, "deploy", "rsync", 4.0)
    bench.versus(name, result, "deploy", "rsync, hosts at once")
    nothing()
    bench.executions(name, deploy)
    nothing()


def latency(bench: Bench) -> None:
    """A site of 2,400 files on one host that is 50 ms away."""
    site = sites.small(bench.remote.sources)
    near = bench.remote.direct("web1")
    bench.ansible.serve([near])
    with Proxy(near.host, 22, ROUND_TRIP) as far, Proxy(near.host, ours.WEB_PORT, ROUND_TRIP) as web:
        address = bench.remote.through("web1", "127.0.0.1", far.port)
        # Probes go the long way as well.
        deploy = Deploy(bench.ansible, "latency", site, [address], verify_connect_to=f"127.0.0.1:{web.port}")
        capistrano = Capistrano(bench.remote, site, address, near)
        deploy.run()
        capistrano.run()

        def change() -> None:
            site.change()
            capistrano.commit()

        lanes = [
            Lane("deploy", deploy.run, bench.remote.disconnect, deploy.check),
            Lane("Capistrano", capistrano.run, lambda: None, capistrano.check),
        ]
        name = "50 ms away, 2,400 files, one changed"
        result = bench.race(name, lanes, change)
    trip = f"fastest {min(result.times['deploy']):.2f} s; measured round trip {measured_round_trip(ROUND_TRIP) * 1000:.1f} ms"
    bench.add(name, "deploy", result.median("deploy"), "s", 2.0, trip)
    bench.versus(name, result, "deploy", "Capistrano", 0.4)


def traffic(bench: Bench) -> None:
    """What one changed file of 20 KB costs on the wire."""
    site = sites.wiki(bench.remote.sources)
    near = bench.remote.direct("web1")
    with Proxy(near.host, 22) as counter:
        address = bench.remote.through("web1", "127.0.0.1", counter.port)
        deploy = Deploy(bench.ansible, "traffic", site, [address], verify_connect_to=near.host)
        bench.ansible.serve([near])
        deploy.run()
        sent, wire = [], []
        for _round in range(min(3, bench.rounds)):
            site.change()
            bench.remote.disconnect()
            counter.reset()
            sent.append(deploy.sent_bytes()["web1"])
            wire.append(dataclasses.replace(counter.traffic))
            deploy.check()
        # A controller that has lost its memory of the host has to ask more.
        site.change()
        bench.ansible.forget("cache/runbook.ops/staged")
        asked = deploy.sent_bytes()["web1"]
    name = "one changed file of 20 KB, 23,500 files"
    bench.add(
        name,
        "sent to stage it",
        max(sent) / 1000,
        "kB",
        100,
        "protocol and content, release_stage's sent_bytes; the file itself is random bytes",
    )
    bench.add(name, "the same without memory of the host", asked / 1000, "kB", 100)
    most = max(wire, key=lambda one: one.to_server)
    detail = f"SSH and the packed modules included, in {most.connections} connection; {most.from_server / 1000:.0f} kB came back"
    bench.add(name, "all bytes sent through the connection", most.to_server / 1000, "kB", None, detail)


def footprint(bench: Bench) -> None:
    """Memory here and on a host, on an empty host and with one changed file."""
    site = sites.wiki(bench.remote.sources)
    addresses = _two(bench)
    for address in addresses:
        python = memory.wrap_python(bench.remote, address.name)
    deploy = Deploy(bench.ansible, "memory", site, addresses, cache="memory-cache", ansible_python_interpreter=python)
    deploy.forget()  # what --keep left there
    for name in ("empty hosts", "one changed file", "another one"):
        site.change()
        bench.remote.disconnect()
        peak = memory.controller_peak(deploy.words(), deploy.environment(), ROOT, bench.remote.deadline)
        deploy.check()
        on_hosts = [memory.host_peak(bench.remote, address.name) for address in addresses]
        most, measured = max(on_hosts)
        bench.add("memory, 23,500 files", f"{name}: biggest process on a host", most, "MB", 100, f"of {measured} processes; ru_maxrss")
        detail = f"PSS of up to {peak.processes} processes in {peak.looks} looks; the biggest of them had {peak.one:.0f} MB resident"
        bench.add("memory, 23,500 files", f"{name}: controller, all processes", peak.together, "MB", 200, detail)


_URI = """---
- name: Probe with uri
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Probe
      ansible.builtin.uri:
        url: "{{ item }}"
        status_code: [200]
      loop: "{{ urls }}"
"""
_PROBE = """---
- name: Probe with http_probe
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Probe
      runbook.ops.http_probe:
        probes: "{{ probes }}"
"""


def probes(bench: Bench) -> None:
    """40 probes of a server that takes 20 ms for each."""
    folder = bench.remote.folder
    (folder / "uri.yml").write_text(_URI)
    (folder / "http_probe.yml").write_text(_PROBE)
    server = subprocess.Popen([sys.executable, str(HERE / "answers.py"), str(LATENCY * 1000)], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        base = f"http://127.0.0.1:{int(server.stdout.readline())}"
        urls = [f"{base}/page/{number}" for number in range(PROBES)]
        variables = {"urls": urls, "probes": [{"name": url, "url": url, "status": [200]} for url in urls]}
        inventory = bench.ansible.inventory("probes", [], variables)
        lanes = [
            Lane("http_probe", lambda: bench.ansible.play(folder / "http_probe.yml", inventory)),
            Lane("ansible.builtin.uri", lambda: bench.ansible.play(folder / "uri.yml", inventory)),
        ]
        name = f"{PROBES} probes of {LATENCY * 1000:.0f} ms"
        result = bench.race(name, lanes)
    finally:
        server.terminate()
        server.wait()
    bench.add(name, "playbook with http_probe", result.median("http_probe"), "s", 2.0, f"fastest {min(result.times['http_probe']):.2f} s")
    bench.versus(name, result, "http_probe", "ansible.builtin.uri", 0.2)


def checks(bench: Bench) -> None:
    """Twenty checks of ten hosts in one task, against a task for each check."""
    host_checks.compare(bench)


def report(bench: Bench) -> None:
    """The page of a hundred hosts in a browser, and the controller's memory for the checks of a hundred names."""
    reports.measure(bench)


def mariadb(bench: Bench) -> None:
    """Half a gigabyte of MariaDB's, against the plain pipelines beside the server and community.mysql."""
    database_races.races(bench, databases.MARIADB)


def postgresql(bench: Bench) -> None:
    """Half a gigabyte of PostgreSQL's, against the plain pipelines beside the server."""
    database_races.races(bench, databases.POSTGRESQL)


def large(bench: Bench) -> None:
    """Memory with two gigabytes of each."""
    database_races.memory(bench)


def scan(bench: Bench) -> None:
    """A gigabyte of access log, against grep."""
    with logs.AccessLog(int(1e9 * bench.scale)) as log:
        whole = log.scan()
        _seconds, counted = log.grep()
        if whole.value != counted:
            raise BenchError(f"log_scan counts {whole.value} lines and grep {counted}")
        lanes = [
            Lane("log_scan", lambda: log.scan().seconds),
            Lane("log_scan, last hour", lambda: log.last_hour().seconds),
            Lane("grep -c", lambda: log.grep()[0]),
        ]
        name = f"{log.size / 1e9:.1f} GB access log"
        result = bench.race(name, lanes)
        bench.versus(name, result, "log_scan", "grep -c", 1 / 0.3)
        bench.versus(name, result, "log_scan, last hour", "grep -c", 0.1, "log_scan of its last hour / grep -c of all")
        measures = [{"measure": "rate", "pattern": "errors"}, {"measure": "p95"}, {"pattern": "suspicious_requests"}]
        bench.add(name, "log_scan, resident", whole.mb, "MB", 80)
        bench.add(name, "log_scan of rates, times and attacks, resident", log.scan(*measures).mb, "MB", 80)


def rotate(bench: Bench) -> None:
    """A thousand logs of which twenty are due, against logrotate."""
    host = rotation.Host()
    try:
        for compress in ("gzip", "none"):
            lanes = [Lane(who, lambda who=who, compress=compress: host.run(who, compress)) for who in ("log_rotate", "logrotate")]  # type: ignore[misc]
            name = "1,000 logs, 20 due" + ("" if compress == "gzip" else ", not compressed")
            bench.versus(name, bench.race(name, lanes), "log_rotate", "logrotate", 1.5 if compress == "gzip" else None)
    finally:
        host.tidy()


def sftp_only(bench: Bench) -> None:
    """WordPress over SFTP, near and 50 ms away (where OpenSSH's own client takes eight minutes); the memory that 25,000 files take."""
    site = sites.wordpress(bench.remote.sources)
    near = bench.remote.direct(sftp.HOST)

    def against(name: str, rounds: int, address: Address, limit: float) -> None:
        stage, openssh = sftp.Stage(bench.remote, "sftp-stage", site, address), sftp.OpenSsh(bench.remote, "sftp-openssh", site, address)
        lanes = [Lane("stage", stage.run, stage.forget, stage.check), Lane("sftp -r", openssh.run, openssh.forget, openssh.check)]
        result = race(name, rounds, lanes, warm_up=1 if rounds > 1 else 0)
        for lane, seconds in result.times.items():
            bench.report.samples[f"{name}: {lane}"] = [round(value, 3) for value in seconds]
        bench.versus(name, result, "stage", "sftp -r", limit)

    files, _size = site.size()
    against(f"SFTP, {files:,} files to an empty host", bench.rounds, near, 2.5)
    with Proxy(near.host, 22, ROUND_TRIP) as proxy:
        far = bench.remote.through(sftp.HOST, "127.0.0.1", proxy.port)
        changed = sftp.Stage(bench.remote, "sftp-changed", site, far)
        changed.forget()
        changed.run()
        name = f"SFTP 50 ms away, {files:,} files"
        result = bench.race(f"{name}, one changed", [Lane("stage", changed.run, lambda: None, changed.check_one)], site.change)
        detail = f"fastest {min(result.times['stage']):.2f} s; measured round trip {measured_round_trip(ROUND_TRIP) * 1000:.1f} ms"
        bench.add(f"{name}, one changed", "stage", result.median("stage"), "s", 3.0, detail)
        against(f"{name} to an empty host", 1, far, 0.25)
    many = sftp.Stage(bench.remote, "sftp-many", sites.many(bench.remote.sources, 25_000), near)
    many.forget()
    many.run()
    many.check()
    bench.add("SFTP, 25,000 files", "resident, to an empty host", many.last["mb"], "MB", 150, f"{many.last['sent_files']:,} files sent")
    many.site.change()
    many.run()
    many.check_one()
    bench.add("SFTP, 25,000 files", "resident, one changed", many.last["mb"], "MB", 150)


ALL: dict[str, t.Callable[[Bench], None]] = {
    "changed": changed,
    "cold": cold,
    "latency": latency,
    "traffic": traffic,
    "memory": footprint,
    "probes": probes,
    "checks": checks,
    "report": report,
    "mariadb": mariadb,
    "postgresql": postgresql,
    "large": large,
    "scan": scan,
    "rotate": rotate,
    "sftp": sftp_only,
}
# Names for several of them.
GROUPS = {"databases": ["mariadb", "postgresql", "large"]}
# What needs none of the sites' hosts.
WITHOUT_SITES = {"rotate", "scan"}


def tidy(bench: Bench) -> None:
    """Leave nothing on the hosts."""
    for name in ("web1", "web2"):
        with contextlib.suppress(BenchError):
            say(f"tidying {name}")
            ours.stop_serving(bench.remote, name)
            bench.remote.run(name, "rm -rf /srv/bench", 300)
