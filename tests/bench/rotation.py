# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A thousand logs, twenty of them due, rotated and compressed by ``log_rotate`` and by logrotate, on one host."""

from __future__ import annotations

import json
import subprocess
import typing as t

from bed import hosts
from bed.engine import engine
from bed.inside import copy_tree
from race import BenchError

HOST = "lab2"
# Not where tests have theirs, since somebody may run them meanwhile.
_TREE = "/srv/bench-rotation-tree"
_FOLDER = "/srv/bench-rotation"
# Makes the logs, runs one of the two, looks at what came of it, and prints seconds.
_SCRIPT = """
import os, pathlib, random, shutil, subprocess, sys, time
folder, who, compress = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
shutil.rmtree(folder, ignore_errors=True)
(folder / "logs").mkdir(parents=True)
rng = random.Random(7)
line = "192.0.2.%d - - [02/Jan/2026:03:04:%02d +0000] \\"GET /article/%d HTTP/1.1\\" 200 %d\\n"
lines = [line % (rng.randrange(255), rng.randrange(60), rng.randrange(10**6), rng.randrange(10**5)) for _ in range(12000)]
for number in range(1000):
    text = "".join(lines) if number % 50 == 0 else lines[number]
    (folder / "logs" / f"{number}.log").write_text(text)
os.sync()
if who == "logrotate":
    rule = "size 500k\\nrotate 5\\ndateext\\ncreate" + ("" if compress == "none" else "\\ncompress")
    (folder / "conf").write_text(f"{folder}/logs/*.log {{\\n{rule}\\n}}\\n")
    os.chmod(folder / "conf", 0o644)
    began = time.perf_counter()
    subprocess.run(["logrotate", "-s", folder / "state", folder / "conf"], check=True)
    took = time.perf_counter() - began
else:
    from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
    from ansible_collections.runbook.ops.plugins.module_utils._logs.rotate import log_rotate
    from ansible_collections.runbook.ops.plugins.module_utils._logs.rotate_options import ROTATE
    given = {name: option.get("default") for name, option in ROTATE.options.items()}
    given.update(paths=[f"{folder}/logs/*.log"], max_size=0.5, keep=5, compress=compress)
    began = time.perf_counter()
    log_rotate(given, Run())
    took = time.perf_counter() - began
rotated = [path for path in (folder / "logs").iterdir() if path.suffix != ".log"]
assert len(rotated) == 20, rotated
shutil.rmtree(folder)
print(took)
"""


class Host:
    """The host with both of them."""

    def __init__(self) -> None:
        hosts.up([HOST])
        copy_tree(HOST, _TREE)
        (host,) = hosts.named([HOST])
        self._exec = [*engine().words, "exec", "--interactive", host.container]

    def run(self, who: str, compress: str) -> float:
        """Seconds of one rotation, without the start of Python, which is Ansible's own."""
        words = [*self._exec, "env", f"PYTHONPATH={_TREE}", "python3", "-", _FOLDER, who, compress]
        done = subprocess.run(words, input=_SCRIPT, text=True, capture_output=True, timeout=300, check=False)
        if done.returncode != 0:
            raise BenchError(f"{who} on {HOST} failed: {done.stderr.strip()[-600:]}")
        return t.cast(float, json.loads(done.stdout))

    def tidy(self) -> None:
        subprocess.run([*self._exec, "rm", "-rf", _TREE, _FOLDER], check=True)
