# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of 100 hosts, 30 checks and 90 days in a browser, and what the morning's checks of 100 hosts cost the controller."""

from __future__ import annotations

import dataclasses
import json
import statistics
import subprocess
import typing as t

import memory
from bed import hosts
from bed.inside import COLLECTION, copy_tree
from bed.shell import ROOT

if t.TYPE_CHECKING:
    from benchmarks import Bench

HOSTS, CHECKS, DAYS = 100, 30, 90
BROWSER_HOST = "lab2"
_TREE = "/srv/bench-report"
_TWO_HOSTS = ("web1", "web2")

# Runs on the host that has a browser: the history on disk, the page from it, and the page in Chromium.
_SCRIPT = """
import json, sys, tempfile, time, pathlib
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from ansible_collections.runbook.ops.plugins.module_utils._checks import history
from ansible_collections.runbook.ops.plugins.module_utils._report import page
from ansible_collections.runbook.ops.plugins.module_utils._report.collect import Collector
from operations.reports import NOW, happened, many

hosts, checks, days, rounds = map(int, sys.argv[1:])
folder = tempfile.mkdtemp()
history.append(folder, many(hosts, checks, days))
found = {"read_s": [], "render_s": [], "interactive_ms": []}
options = webdriver.ChromeOptions()
for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"):
    options.add_argument(flag)
for _round in range(rounds):
    start = time.perf_counter()
    collector = Collector(NOW, days)
    for record in history.read(folder, collector.since):
        collector.add(record)
    report = collector.report("Daily checks", happened(days))
    found["read_s"].append(time.perf_counter() - start)
    start = time.perf_counter()
    text = page.render(report)
    found["render_s"].append(time.perf_counter() - start)
path = pathlib.Path(folder, "index.html")
path.write_text(text)
found["bytes"] = len(text.encode())
for _round in range(rounds):
    browser = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    browser.get(path.as_uri())
    # Until its scripts have run and the first paint is behind it: then it answers.
    browser.execute_async_script("var done=arguments[0];requestAnimationFrame(function(){setTimeout(done,50)})")
    entry = browser.execute_script("var n=performance.getEntriesByType('navigation')[0];return n.domContentLoadedEventEnd")
    paint = browser.execute_script("var p=performance.getEntriesByType('paint');return p.length?p[p.length-1].startTime:0")
    found["interactive_ms"].append(max(entry, paint))
    browser.quit()
print(json.dumps(found))
"""


def measure(bench: Bench) -> None:
    """The page first, then the controller."""
    _page(bench)
    _controller(bench)


def _page(bench: Bench) -> None:
    hosts.up([BROWSER_HOST])
    inside = copy_tree(BROWSER_HOST, _TREE)
    place = f"PYTHONPATH={_TREE}:{_TREE}/{COLLECTION}/tests"
    command = [*inside, "env", "PYTHONDONTWRITEBYTECODE=1", place, "python3", "-", *map(str, (HOSTS, CHECKS, DAYS, bench.rounds))]
    try:
        done = subprocess.run(command, input=_SCRIPT, capture_output=True, text=True, check=True, timeout=240)
    finally:
        subprocess.run([*inside, "rm", "-rf", _TREE], check=False, timeout=60)
    found = json.loads(done.stdout.splitlines()[-1])
    title = f"report of {HOSTS} hosts, {CHECKS} checks, {DAYS} days"
    bench.add(title, "size of the page", found["bytes"] / 1e6, "MB", 2)
    shown = found["interactive_ms"]
    detail = f"{min(shown):.0f} to {max(shown):.0f} ms in {len(shown)} new browsers; until its script has run and it is painted"
    bench.add(title, "interactive after", statistics.median(shown) / 1000, "s", 1, detail)
    bench.add(title, "read the history", statistics.median(found["read_s"]), "s")
    bench.add(title, "make the page", statistics.median(found["render_s"]), "s")


def _controller(bench: Bench) -> None:
    """The whole playbook on many names of two hosts, everything due."""
    known = [bench.remote.direct(host) for host in _TWO_HOSTS]
    addresses = [dataclasses.replace(known[number % len(known)], name=f"host{number:03}") for number in range(HOSTS)]
    variables = {
        "daily_checks_dest": str(bench.remote.folder / "reports"),
        "daily_checks_due": "all",
        "daily_checks_fail_at": "never",
        "daily_checks_services": ["nginx", "php8.2-fpm"],
        "daily_checks_probes": [{"name": "server", "url": "http://www.example.com/", "status": ["2xx", "3xx", "4xx"]}],
        "daily_checks_state_dir": "/var/tmp/bench-checks/{{ inventory_hostname }}",
    }
    inventory = bench.ansible.inventory("daily_checks", addresses, variables)
    try:
        peak = memory.controller_peak(
            bench.ansible.words(ROOT / "playbooks" / "daily_checks.yml", inventory),
            bench.ansible.environment(),
            ROOT,
            bench.remote.deadline,
            every=0.05,
        )
    finally:
        for host in _TWO_HOSTS:
            bench.remote.run(host, "rm -rf /var/tmp/bench-checks")
    report = json.loads((bench.remote.folder / "reports" / "report.json").read_text())
    detail = (
        f"PSS of up to {peak.processes} processes in {peak.looks} looks, {len(report['hosts'])} hosts, "
        f"{sum(report['counts'].values())} checks; the biggest of them had {peak.one:.0f} MB resident"
    )
    bench.add(f"daily checks of {HOSTS} names on {len(_TWO_HOSTS)} hosts", "controller, all processes", peak.together, "MB", 300, detail)
