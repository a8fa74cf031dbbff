# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory a run takes, here and on a host."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import subprocess
import tempfile
import time
import typing as t

from race import BenchError, Deadline
from remote import PLACE, Remote

WRAPPER = f"{PLACE}/python-peak"
PEAKS = f"{PLACE}/python-peaks"

# Stands in for python3 on a host and notes what each module and each upload took at most. It starts the interpreter under its
# own name, so that sys.executable, and with it every further process, comes through here too.
_WRAPPER = f"""#!/usr/bin/python3
import os, resource, subprocess, sys
done = subprocess.run([sys.argv[0], *sys.argv[1:]], executable="/usr/bin/python3")
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
with open("{PEAKS}", "a") as stream:
    stream.write(f"{{peak}}\\n")
sys.exit(done.returncode)
"""


def wrap_python(remote: Remote, host: str) -> str:
    """Put the wrapper on a host; returns its path, to be the ``ansible_python_interpreter``."""
    remote.run(host, f"mkdir -p {PLACE} && cat > {WRAPPER} <<'EOF'\n{_WRAPPER}EOF\nchmod 755 {WRAPPER} && : > {PEAKS}")
    return WRAPPER


def host_peak(remote: Remote, host: str) -> tuple[float, int]:
    """The most that one process took on a host, in MB, and how many processes were measured."""
    # The agent is noted when it leaves, which may be after the play.
    for _time in range(20):
        peaks = [int(line) for line in remote.run(host, f"cat {PEAKS} && : > {PEAKS}").split()]
        if peaks:
            break
        time.sleep(0.5)
    else:
        raise BenchError(f"nothing was measured on {host}; did the run use {WRAPPER}?")
    return max(peaks) * 1024 / 1e6, len(peaks)


@dataclasses.dataclass
class Peak:
    """MB: the biggest process by its own account (VmHWM), and all processes together (PSS: shared pages counted once)."""

    one: float = 0.0
    together: float = 0.0
    processes: int = 0
    looks: int = 0


def controller_peak(
    words: t.Sequence[str], environment: t.Mapping[str, str], cwd: pathlib.Path, deadline: Deadline, every: float = 0.01
) -> Peak:
    """Run a command and look at it and its descendants every ``every`` seconds.

    The time it takes is not to be used: being looked at costs."""
    peak = Peak()
    end = time.monotonic() + deadline.left(300)
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(words, env=dict(environment), cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        try:
            while process.poll() is None:
                _look(process.pid, peak)
                if time.monotonic() > end:
                    raise BenchError(f"{words[0]} did not end in time")
                time.sleep(every)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode:
            output.seek(0)
            raise BenchError(f"{words[0]} failed with status {process.returncode}:\n{output.read()[-3000:]}")
    return peak


def _look(root: int, peak: Peak) -> None:
    together = 0.0
    family = _family(root)
    rollups: dict[int, str] = {}
    for process, parent in family.items():
        try:
            status = pathlib.Path(f"/proc/{process}/status").read_text()
            rollup = pathlib.Path(f"/proc/{process}/smaps_rollup").read_text()
        except OSError:  # it has ended meanwhile
            continue
        rollups[process] = rollup
        if rollup == rollups.get(parent):
            continue  # one that is about to execute a program shares its parent's very memory (vfork)
        peak.one = max(peak.one, _field(status, "VmHWM:"))
        together += _field(rollup, "Pss:")
    peak.together = max(peak.together, together)
    peak.processes = max(peak.processes, len(family))
    peak.looks += 1


def _family(root: int) -> dict[int, int]:
    """A process and its descendants, each with its parent, which comes before it."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                stat = pathlib.Path(f"/proc/{name}/stat").read_text()
            except OSError:
                continue
            children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(name))
    found, left = {root: 0}, [root]
    while left:
        process = left.pop(0)
        for child in children.get(process, ()):
            found[child] = process
            left.append(child)
    return found


def _field(text: str, name: str) -> float:
    """A field of these files (kB), in MB; 0 where it is missing, as for a process that is just ending."""
    for line in text.splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0
