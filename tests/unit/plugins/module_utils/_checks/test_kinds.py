# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How what the system prints and lists is read, where the host of the tests does not show it."""

from __future__ import annotations

import ipaddress
import os
import threading

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._checks import host_check, jobs, ports, resources, services, updates
from ansible_collections.runbook.ops.plugins.module_utils._checks.kind import Kind, Measure, Reading
from ansible_collections.runbook.ops.plugins.module_utils._checks.parse import parse_checks
from ansible_collections.runbook.ops.plugins.module_utils._checks.registry import KINDS
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError


def look(**check):
    return host_check.run_check(parse_checks([check], 10)[0])


@pytest.fixture
def proc(tmp_path, monkeypatch):
    for module in (resources, services, ports):
        monkeypatch.setattr(module, "PROC", str(tmp_path))
    return tmp_path


MEMINFO = "MemTotal: 1000 kB\nMemFree: 10 kB\nMemAvailable: 150 kB\nHugePages_Total: 0\nSwapTotal: 0 kB\nSwapFree: 0 kB\n"


def test_memory_counts_what_programs_can_have(proc):
    (proc / "meminfo").write_text(MEMINFO)
    assert (look(kind="memory").status, look(kind="memory").value) == ("warning", 85)
    assert look(kind="memory", measure="free", crit=1).value == 150 * 1024
    assert (look(kind="swap").status, look(kind="swap").message) == ("skipped", "this host has no swap")


@pytest.mark.parametrize(
    "text", ["", "MemTotal: 0 kB\nMemAvailable: 1 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n", MEMINFO.replace("Available", "")]
)
def test_memory_that_is_not_told_is_crashed(proc, text):
    (proc / "meminfo").write_text(text)
    assert look(kind="memory").status == "crashed"


@pytest.mark.parametrize(("name", "kind"), [("loadavg", "load"), ("uptime", "uptime")])
@pytest.mark.parametrize("text", ["", "x y z\n"])
def test_numbers_that_are_none_are_crashed(proc, name, kind, text):
    (proc / name).write_text(text)
    assert look(kind=kind).status == "crashed"


def test_load_is_that_of_a_processor(proc, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    (proc / "loadavg").write_text("8.00 6.00 2.00 1/100 4242\n")
    assert [look(kind="load", measure=measure).value for measure in ("1m", "5m", "15m")] == [2, 1.5, 0.5]
    assert look(kind="load").status == "warning"


HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def test_listening_sockets(proc):
    (proc / "net").mkdir()
    rows = "0: 0100007F:18EB 00000000:0000 0A 0:0 00:0 0 103 0 1\n1: 00000000:0050 00000000:0000 0A 0:0 00:0 0 0 0 1\n"
    (proc / "net/tcp").write_text(HEADER + rows + "2: 0100007F:1F90 0100007F:0050 01 0:0 00:0 0 0 0 1\n")
    (proc / "net/tcp6").write_text(HEADER + "0: B80D0120000000000000000001000000:0016 0:0000 0A 0:0 00:0 0 0 0 1\n")
    assert list(ports._listening("tcp")) == [
        (ipaddress.ip_address("127.0.0.1"), 6379),
        (ipaddress.ip_address("0.0.0.0"), 80),
        (ipaddress.ip_address("2001:db8::1"), 22),
    ]
    assert look(kind="port", port=8080).status == "failed"  # that is a connection
    (proc / "net/tcp").write_text("something else\n")
    assert look(kind="port", port=80).status == "crashed"


def test_processes_with_odd_names(proc):
    for pid, name, state, words in (
        (1, "init", "S", "init"),
        (20, "a) S (b", "S", "/opt/a) S (b\0--work"),
        (21, "php", "S", "php\0artisan\0horizon"),
        (22, "php", "Z", ""),
        (23, "averyveryverylo", "S", "/usr/bin/averyveryverylongname\0-x"),
    ):
        (proc / str(pid)).mkdir()
        (proc / str(pid) / "stat").write_text(f"{pid} ({name}) {state} 1 1\n")
        (proc / str(pid) / "cmdline").write_text(words + "\0" if words else "")
    assert look(kind="process", process="a) S (b").value == 1
    assert look(kind="process", process="php*", arguments="artisan horizon").value == 1
    assert look(kind="process", process="averyveryverylongname").value == 1
    assert look(kind="process", process="artisan").value == 1
    assert look(kind="process", process="nginx").status == "failed"


@pytest.mark.parametrize(
    ("line", "name", "security"),
    [
        ("Inst libc6 [2.36-9] (2.36-10 Debian-Security:12/stable-security [amd64])", "libc6", True),
        ("Inst tzdata [2024a] (2024b Debian:12.9/stable, Debian-Security:12/stable-security [all]) []", "tzdata", True),
        (
            "Inst openssl [3.0.2-0ubuntu1.1] (3.0.2-0ubuntu1.2 Ubuntu:22.04/jammy-updates, Ubuntu:22.04/jammy-security [amd64])",
            "openssl",
            True,
        ),
        ("Inst linux-image-6.1 (6.1.2 Debian-Security:12/stable-security [amd64])", "linux-image-6.1", True),
        ("Inst vim [2:9.0] (2:9.1 Debian:12.9/stable [amd64])", "vim", False),
    ],
)
def test_what_apt_would_install(line, name, security):
    match = updates._INSTALL.match(line)
    assert (match[1], "security" in match[3].lower()) == (name, security)


def test_moments_of_systemd():
    assert jobs._moment("Sat 2026-01-31 22:30:00 UTC") == 1769898600
    assert jobs._moment("n/a") == jobs._moment("") == 0
    with pytest.raises(RunbookError, match="can't be read"):
        jobs._moment("yesterday")


@pytest.fixture
def kind(monkeypatch):
    """A kind of which a test says what it reads."""

    def add(read, name="sample", **measure):
        monkeypatch.setitem(KINDS, name, Kind(read, {"value": Measure(**measure)}, judges=True))

    return add


@pytest.mark.parametrize("value", [None, "text", True, float("nan"), float("inf"), [1]])
def test_a_value_that_cannot_be_compared_is_crashed(kind, value):
    kind(lambda check: Reading(value), warn=1)
    assert look(kind="sample").status == "crashed"


def test_whatever_goes_wrong_is_crashed_and_one_line(kind):
    def read(check):
        raise KeyError("a\nb")

    kind(read)
    outcome = look(kind="sample")
    assert (outcome.status, "\n" in outcome.message) == ("crashed", False)


def test_a_status_is_never_bettered_by_limits(kind):
    kind(lambda check: Reading(0, "stopped", "failed"), warn=5)
    assert look(kind="sample").status == "failed"


def test_checks_wait_at_the_same_time_and_keep_their_order(kind):
    together = threading.Barrier(5, timeout=30)

    def read(check):
        together.wait()
        return Reading(together.parties)

    kind(read)
    checks = parse_checks([{"kind": "sample", "name": str(number)} for number in range(5)], 30)
    outcomes = host_check.run_checks(checks)
    assert [(outcome.name, outcome.status) for outcome in outcomes] == [(str(number), "ok") for number in range(5)]


def test_stuck_checks_are_given_up_and_the_others_go_on(kind, monkeypatch):
    monkeypatch.setattr(host_check, "_GRACE", 0.05)
    release = threading.Event()
    kind(lambda check: Reading(release.wait(60)), "stuck")
    kind(lambda check: Reading(1), "well")
    stuck = [{"kind": "stuck", "name": f"stuck {number}", "timeout": 0.05} for number in range(20)]
    try:
        outcomes = host_check.run_checks(parse_checks([*stuck, *({"kind": "well", "name": f"well {number}"} for number in range(20))], 10))
    finally:
        release.set()
    assert [outcome.status for outcome in outcomes] == ["crashed"] * 20 + ["ok"] * 20
    assert outcomes[0].message == "no answer within 0.05 s"
