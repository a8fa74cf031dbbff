# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guide's file of tasks in a deploy, with a system of jobs behind it: a job that is not done takes the release back."""

from __future__ import annotations

import functools
import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import threading

import pytest
from ansible_collections.runbook.ops import plugins

COLLECTION = pathlib.Path(next(iter(plugins.__path__))).parent
PROGRAM = COLLECTION / "tests/integration/targets/smoke_test/files/job_system.py"

# What the guide's commands do on this machine.
PHP = """#!{python}
import pathlib, sys
sys.path.insert(0, {folder!r})
import job_system
assert pathlib.Path("index.html").is_file()  # in the release
tool, *words = sys.argv[1:]
main = {{
    "tools/ops/enqueue_sample.php": lambda: ["enqueue", {jobs!r}, "queued", *pathlib.Path("course").read_text().split()],
    "tools/ops/job_status.php": lambda: ["status", {jobs!r}, *words],
    "tools/geo/acceptance_test.php": lambda: ["results", "0.99", "0"],
}}
sys.exit(job_system.main(main[tool]()))
"""


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


@pytest.fixture
def site(tmp_path):
    """A site of two hosts on this machine, whose deploy runs the guide's tasks."""
    guide = (COLLECTION / "docs/smoke_tests.md").read_text()
    (tasks,) = re.findall(r"```yaml\n# tasks/after_verify.yml\n(.*?)```", guide, re.DOTALL)
    (tmp_path / "tasks").mkdir()
    # The guide waits for people's queues, this one is quick.
    (tmp_path / "tasks/after_verify.yml").write_text(tasks.replace("    working:", "    interval: 0.1\n    working:"))
    for folder in ("build", "jobs", "bin"):
        (tmp_path / folder).mkdir()
    php = tmp_path / "bin/php"
    php.write_text(PHP.format(python=sys.executable, folder=str(PROGRAM.parent), jobs=str(tmp_path / "jobs")))
    php.chmod(0o755)
    handler = functools.partial(Handler, directory=str(tmp_path / "web1.example.com/current"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hosts = ("web1.example.com", "web2.example.com")
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "site_path": f"{tmp_path}/{{{{ inventory_hostname }}}}",
        "site_url": "http://www.example.com/",
        "deploy_src": f"{tmp_path}/build/",
        "verify_connect_to": f"127.0.0.1:{server.server_port}",
        "deploy_after_verify_tasks": "{{ inventory_dir }}/tasks/after_verify.yml",
    }
    (tmp_path / "hosts.json").write_text(json.dumps({"prod": {"hosts": {host: {} for host in hosts}, "vars": variables}}))
    yield tmp_path
    server.shutdown()
    server.server_close()


def deploy(site, course, *words):
    (site / "build/index.html").write_text(f"{course}\n")
    (site / "build/course").write_text(course)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE", "RUNBOOK"))}
    env |= {
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTION.parents[2]),
        "ANSIBLE_LOCAL_TEMP": str(site / "tmp"),
        "ANSIBLE_NOCOLOR": "1",
        "PATH": f"{site / 'bin'}:{os.environ['PATH']}",
    }
    command = [pathlib.Path(sys.executable).parent / "ansible-playbook", "-i", site / "hosts.json", "runbook.ops.deploy", *words]
    return subprocess.run(command, env=env, cwd=site, capture_output=True, text=True, check=False, timeout=300)


def live(site):
    return [(site / host / "current/course").read_text() for host in ("web1.example.com", "web2.example.com")]


def test_a_job_that_is_not_done_takes_every_host_back(site):
    first = deploy(site, "done")
    assert first.returncode == 0, first.stdout + first.stderr
    assert live(site) == ["done", "done"]
    assert [path.name for path in (site / "jobs").iterdir()] == ["job-1"]

    predicted = deploy(site, "processing done", "--check")
    assert predicted.returncode == 0, predicted.stdout + predicted.stderr
    assert len(list((site / "jobs").iterdir())) == 1

    second = deploy(site, "processing failed")
    assert second.returncode != 0
    assert "worker round trip: FAIL: job 2 is failed after " in second.stdout + second.stderr
    assert "look at worker/.env" in second.stdout + second.stderr
    assert live(site) == ["done", "done"]
