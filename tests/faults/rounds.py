# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills stage and swap on a host at random moments, round after round, while the site is asked without pause.

usage: rounds.py COLLECTIONS SITE PORT ROUNDS SEED

Runs on the host: COLLECTIONS holds a copy of the collection's module_utils, SITE is deployed with small.py's site and
served on PORT. Each round stages a new release and swaps to it in a process of its own, which is killed at a random
moment, of the whole or of the swap alone; the next run then has to bring it to its end. Prints one JSON object: rounds,
killed and done before (whether the kill came in time), what was current after the kill, how many kills left an announced
swap, how often the site was asked, and every wrong answer.
"""

from __future__ import annotations

import collections
import copy
import json
import os
import pathlib
import random
import signal
import sys
import time
import types

COLLECTIONS, SITE, PORT, ROUNDS, SEED = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
sys.path.insert(0, COLLECTIONS)
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# The use cases know nothing of Ansible; what joins the two imports one name of it.
for _name in ("ansible", "ansible.module_utils", "ansible.module_utils.basic"):
    sys.modules[_name] = types.ModuleType(_name)
sys.modules["ansible.module_utils.basic"].AnsibleModule = object

import small
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._release import options as specs
from ansible_collections.runbook.ops.plugins.module_utils._release.prune import release_prune
from ansible_collections.runbook.ops.plugins.module_utils._release.release_stage import release_stage
from ansible_collections.runbook.ops.plugins.module_utils._release.site import Site
from ansible_collections.runbook.ops.plugins.module_utils._release.store import LocalStore
from ansible_collections.runbook.ops.plugins.module_utils._release.swap import release_swap


def call(use_case, spec, **given):
    values = {name: copy.deepcopy(option.get("default")) for name, option in spec.options.items()}
    return use_case({**values, "path": SITE, **given}, Run(False, False))


def deploy(source, release, staged=lambda: None):
    call(release_stage, specs.STAGE, src=str(source), remote_src=True, release=release)
    staged()
    began = time.monotonic()
    call(release_swap, specs.SWAP, release=release)
    return time.monotonic() - began


def child(source, release, pipe):
    """A process that deploys, like a module that Ansible started; it tells the pipe when the release is staged."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setsid()
            deploy(source, release, lambda: os.write(pipe, b"s"))
            status = 0
        except BaseException as error:
            print(f"{release}: {error!r}", file=sys.stderr, flush=True)
        finally:
            os._exit(status)
    return pid


def leftovers():
    """What no finished deploy may leave behind."""
    state = pathlib.Path(SITE, ".runbook")
    found = [*state.glob("incoming/*"), *state.glob("trash/*"), state / "swap.json", state / "next"]
    return [str(path.relative_to(SITE)) for path in found if os.path.lexists(path)]


def main():
    chance = random.Random(SEED)
    site = Site(LocalStore(SITE))
    source = pathlib.Path(SITE).parent / "rounds-source"
    counts = collections.Counter()
    small.write(source, "r0")
    began = time.monotonic()
    swapping = deploy(source, "r0")
    longest = time.monotonic() - began
    with small.Poller("127.0.0.1", PORT) as poller:
        while poller.asked < 3:
            time.sleep(0.01)
        for number in range(1, ROUNDS + 1):
            old, new = f"r{number - 1}", f"r{number}"
            small.write(source, new)
            began = time.monotonic()
            told, tell = os.pipe()
            pid = child(source, new, tell)
            os.close(tell)
            if number % 2:
                time.sleep(chance.uniform(0, longest * 1.05))
            else:
                # The swap is short beside the staging: every other round is its own.
                os.read(told, 1)
                time.sleep(chance.uniform(0, swapping * 1.05))
            os.close(told)
            os.kill(pid, signal.SIGKILL)
            _pid, status = os.waitpid(pid, 0)
            died = os.WIFSIGNALED(status)
            counts["killed" if died else "done before"] += 1
            if not died:
                longest = max(0.02, 0.7 * longest + 0.3 * (time.monotonic() - began))
            current = site.current()
            assert current in (old, new), f"round {number}: current is {current}"
            if died:
                counts["old after the kill" if current == old else "new after the kill"] += 1
            # Only where the kill fell into the swap there is a step to finish or undo.
            if os.path.exists(os.path.join(SITE, ".runbook", "swap.json")):
                counts["announced swap"] += 1
            deploy(source, new)
            assert site.current() == new, f"round {number}: the next run left {site.current()}"
            assert site.records()[new].state == "live" and site.records()[old].state == "retired", f"round {number}: records"
            assert not leftovers(), f"round {number}: {leftovers()}"
            if number % 5 == 0:
                call(release_prune, specs.PRUNE, keep=2)
    info = {"seed": SEED, "rounds": ROUNDS, **counts, "asked": poller.asked, "releases_seen": len(poller.seen), "wrong": poller.wrong[:5]}
    print(json.dumps(info))


if __name__ == "__main__":
    main()
