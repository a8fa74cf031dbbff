# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make bench``: measure the collection against what people use instead, on the test hosts.

Everything that is needed is installed: the test hosts (tests/testbed), Debian's rsync and Capistrano here, git on a host.
Results: a table here, .work/bench.json, and with --write docs/benchmarks.json and the table in docs/benchmarks.md.
Status 1 when a limit is missed.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import platform
import signal
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[1:1] = [str(ROOT / "tests" / "testbed"), str(ROOT / "tests")]

import databases
from bed import hosts
from bed.shell import TestbedError, run
from benchmarks import ALL, GROUPS, WITHOUT_SITES, Bench, tidy
from ours import Ansible
from race import BenchError, Deadline, say
from remote import Remote, remove
from rows import Report

WORK = ROOT / ".work" / "bench"
RESULT = ROOT / ".work" / "bench.json"
PAGE = ROOT / "docs" / "benchmarks.md"
KEPT = ROOT / "docs" / "benchmarks.json"


def main(arguments: list[str]) -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0], allow_abbrev=False)
    parser.add_argument("benchmark", nargs="*", help=f"some of them only: {', '.join([*ALL, *GROUPS])}")
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds of each (default: 5)")
    parser.add_argument("--minutes", type=float, default=90, help="give up after so many minutes (default: 90)")
    parser.add_argument("--scale", type=float, default=1.0, help="size of the databases, 1 is half a gigabyte (default: 1)")
    parser.add_argument("--write", action="store_true", help="also put what was measured into the table in docs/benchmarks.md")
    parser.add_argument("--keep", action="store_true", help="leave sources and sites where they are, for a next run or a look")
    options = parser.parse_args(arguments)
    options.benchmark = [one for name in options.benchmark for one in GROUPS.get(name, [name])]
    unknown = sorted(set(options.benchmark) - set(ALL))
    if unknown or options.rounds < 1:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(ALL)}" if unknown else "--rounds must be at least 1")
    try:
        return _measure(options)
    except (BenchError, TestbedError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2


def _measure(options: argparse.Namespace) -> int:
    deadline = Deadline(options.minutes * 60)
    # So that a run that is told to stop also tidies up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chosen = options.benchmark or list(ALL)
    sites, beside = set(chosen) - set(GROUPS["databases"]) - WITHOUT_SITES, set(chosen) & set(GROUPS["databases"])
    needed = [*(["web1", "web2"] if sites else []), *([databases.HOST] if beside else [])]
    if needed:
        hosts.up(needed)
    remove(WORK / "run")
    (WORK / "run").mkdir(parents=True)
    remote = Remote(WORK / "run", WORK, deadline)
    load = os.getloadavg()[0]
    cores = os.cpu_count() or 1
    if load > 0.5 * cores:
        say(f"other work is running here (load {load:.1f} on {cores} cores): times will be too long, ratios uncertain")
    report = Report(_facts(options, load))
    bench = Bench(remote, Ansible(remote), report, options.rounds, options.scale)
    began = time.monotonic()
    try:
        for name in chosen:
            say(f"{name}: {(ALL[name].__doc__ or '').strip()}")
            report.source = name
            ALL[name](bench)
    finally:
        report.facts["load when it ended"] = f"{os.getloadavg()[0]:.1f}"
        report.facts["took"] = f"{(time.monotonic() - began) / 60:.1f} minutes"
        if not options.keep and sites:
            tidy(bench)
        if not options.keep:
            remove(WORK)
        remote.close()
        if report.rows:
            report.save(RESULT)
            print(report.text())
    if options.write:
        report.write_docs(PAGE, KEPT)
    for row in report.missed:
        say(f"missed: {row.benchmark}: {row.what} is {row.number(row.measured)}, at most {row.number(row.limit)}")
    return 1 if report.missed else 0


def _facts(options: argparse.Namespace, load: float) -> dict[str, str]:
    commit = run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"]).strip()
    ansible = run([ROOT / ".venv/bin/ansible", "--version"]).split("\n")[0]
    return {
        "commit": commit,
        "date": time.strftime("%Y-%m-%d"),
        "rounds": str(options.rounds),
        **({"databases' scale": f"{options.scale:g}"} if options.scale != 1 else {}),
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        "ansible": ansible.partition("core ")[2].rstrip("]"),
        "load before": f"{load:.1f}",
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
