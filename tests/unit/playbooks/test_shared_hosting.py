# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example inventory of a site on shared hosting: its values can be used, and it names nobody."""

from __future__ import annotations

import ipaddress
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest
from ansible_collections.runbook.ops import plugins
from ansible_collections.runbook.ops.plugins.module_utils._jobs import schedule
from ansible_collections.runbook.ops.plugins.module_utils._windows.task import definition

COLLECTION = pathlib.Path(next(iter(plugins.__path__))).resolve().parent
INVENTORY = COLLECTION / "inventories" / "shared_hosting"
NAMES = re.findall(r"^vault_\w+", (INVENTORY / "group_vars" / "site" / "vault.yml.example").read_text(), re.MULTILINE)
VAULT = dict.fromkeys([*NAMES, "vault_database_password", "vault_windows_password", "vault_tasks_password"], "made-up-0123456789abcdef")
DOCUMENTATION = [ipaddress.ip_network(net) for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "127.0.0.0/8")]


def play(tmp_path, *words):
    env = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE", "RUNBOOK"))}
    env |= {"ANSIBLE_COLLECTIONS_PATH": str(next(iter(plugins.__path__))).rpartition("/ansible_collections/")[0], "ANSIBLE_NOCOLOR": "1"}
    env["ANSIBLE_LOCAL_TEMP"] = str(tmp_path / "tmp")
    command = [pathlib.Path(sys.executable).parent / "ansible-playbook", "-i", INVENTORY / "hosts.yml", "-e", json.dumps(VAULT), *words]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def values(tmp_path_factory):
    """Each host's variables, with what they refer to put in."""
    folder = tmp_path_factory.mktemp("values")
    task = {
        "copy": {"content": "{{ chosen | to_json }}", "dest": f"{folder}/{{{{ inventory_hostname }}}}.json"},
        "delegate_to": "localhost",
        "become": False,
        "vars": {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "chosen": "{{ dict(names | zip(names | map('extract', vars))) }}",
            "names": "{{ vars.keys() | select('match', '(site|deploy|rollback|verify|evidence|windows_tasks|daily_checks)_') | sort }}",
        },
    }
    (folder / "show.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
    code, said = play(folder, folder / "show.yml")
    assert code == 0, said
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.example.com.json")}


def test_two_ways_to_one_site(values):
    prod, fallback = values["www.example.com"], values["www-cpanel.example.com"]
    assert (prod["site_backend"], fallback["site_backend"]) == ("sftp", "cpanel")
    assert prod["site_remote"]["host"] == "sftp.example.com" and prod["site_remote"]["offline"] is False
    assert set(fallback["site_remote"]) == {"host", "user", "token"} and fallback["site_shared_dirs"] == []
    assert prod["site_path"] == fallback["site_path"] and prod["site_url"] == fallback["site_url"]
    assert prod["deploy_src"].endswith("/") and prod["deploy_maintenance"] and prod["rollback_maintenance"]


def test_jobs_and_tasks_have_times(values):
    for job in values["ops1.example.com"]["site_jobs"]:
        assert schedule.parse(job["schedule"], job["name"]).cron
    found = [definition(task, ["OPS\\tasks"]) for task in values["pc1.example.com"]["site_windows_tasks"]]
    assert [task["arguments"]["triggers"][0].get("repetition", {}).get("interval") for task in found] == ["PT15M", "PT5M", None]
    assert {task["arguments"]["logon_type"] for task in found} == {"password"}


def test_probes_are_understood(tmp_path):
    if "clock_skew" not in (COLLECTION / "plugins" / "modules" / "http_probe.py").read_text():
        pytest.skip("http_probe does not compare clocks")
    code, said = play(tmp_path, COLLECTION / "playbooks" / "verify.yml", "-l", "prod", "--check")
    assert code == 0, said


@pytest.mark.parametrize("path", sorted(path for path in INVENTORY.rglob("*") if path.is_file()), ids=lambda path: path.name)
def test_nobody_is_named(path):
    text = path.read_text().replace("https://www.gnu.org/licenses/", "")
    names = set(re.findall(r"\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:com|net|org|sa|dev|io)\b", text))
    assert all(name == "example.com" or name.endswith(".example.com") for name in names), names
    for address in re.findall(r"\b\d{1,3}(?:\.\d{1,3}){3}\b", text):
        assert any(ipaddress.ip_address(address) in net for net in DOCUMENTATION), address
    secrets = re.findall(r"(?im)^\s*\w*(?:password|token|secret|passphrase|webhook)\w*:\s*(.*)$", text)
    assert all(secret in ("", '""') or "vault_" in secret or "{{ site_" in secret for secret in secrets), secrets
