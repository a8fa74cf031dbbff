# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests that run on a test host, as root, beside its servers: the tree is copied there, the report comes back."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile
import typing as t

import wordpress

from .engine import engine
from .hosts import named
from .shell import ROOT, TestbedError, run, say

PLACE = "/srv/runbook-tests"
# Where tests run that need a controller on the host: ansible-core and pip's packages, and a site to deploy.
CONTROLLER = "/srv/runbook-controller"
PACKAGES, SITES = "/srv/runbook-packages", "/srv/runbook-sites"
_REQUIREMENTS = ("requirements.txt", "requirements-remote.txt")
# Of the collection, below such a place.
COLLECTION = "ansible_collections/runbook/ops"
BASE = f"{PLACE}/{COLLECTION}"
_TREE = (
    "plugins",
    "tests/database",
    "tests/faults",
    "tests/fixtures",
    "tests/operations",
    "tests/unit/plugins/module_utils/_database",
    "pyproject.toml",
)
_CONTROLLER_TREE = (
    "galaxy.yml",
    "meta",
    "roles",
    "playbooks",
    "inventories/shared_hosting",
    "molecule/support",
    "tests/bench/proxy.py",
    "tests/remote",
)
# What the tests may be told.
_SETTINGS = ("RUNBOOK_SOAK", "RUNBOOK_SEED")


def copy_tree(host: str, place: str = PLACE, more: t.Sequence[str] = ()) -> list[str]:
    """Copy what the tests need to the host; the words that run a command there."""
    base = f"{place}/{COLLECTION}"
    container = engine()
    (chosen,) = named([host])
    inside = [*container.words, "exec", "--interactive", chosen.container]
    run([*inside, "sh", "-c", f"rm -rf {place} && mkdir -p {base}"])
    _copy(inside, ROOT, [name for name in (*_TREE, *more) if (ROOT / name).exists()], base)
    return inside


def _copy(inside: t.Sequence[str], folder: pathlib.Path, names: t.Sequence[str], place: str) -> None:
    tar = subprocess.Popen(["tar", "-C", folder, "--exclude=__pycache__", "-cf", "-", *names], stdout=subprocess.PIPE)
    unpacked = subprocess.run([*inside, "tar", "-C", place, "--no-same-owner", "-xf", "-"], stdin=tar.stdout, check=False)
    if tar.wait() != 0 or unpacked.returncode != 0:
        raise TestbedError(f"{folder} could not be copied to the host")


def _once(inside: t.Sequence[str], folder: pathlib.Path, place: str) -> str:
    """``folder`` as ``place`` on the host, copied when it is not there yet."""
    if subprocess.run([*inside, "test", "-d", place], check=False).returncode != 0:
        run([*inside, "sh", "-c", f"rm -rf {place}.partial && mkdir -p {place}.partial"])
        _copy(inside, folder, ["."], f"{place}.partial")
        run([*inside, "mv", f"{place}.partial", place])
    return place


def _packages(inside: t.Sequence[str]) -> str:
    """Install what a controller needs for the host's own Python, here, where a package index can be reached; its folder on the host."""
    version = run([*inside, "python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).strip()
    texts = [version, *((ROOT / "tests" / name).read_text() for name in _REQUIREMENTS)]
    folder = ROOT / ".work" / "packages" / hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
    if not folder.is_dir():
        say("installing packages for a controller on a test host (once)")
        target = folder.with_name(f"{folder.name}.{os.getpid()}")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(target)]
        run([*pip, "--python-version", version, "--only-binary", ":all:", "-r", str(ROOT / "tests" / _REQUIREMENTS[-1])])
        target.rename(folder)
    return _once(inside, folder, f"{PACKAGES}/{folder.name}")


def pytest(host: str, words: t.Sequence[str], report: pathlib.Path, controller: bool = False) -> int:
    """Run pytest with ``words`` on the host, in the collection's folder; its exit status. The JUnit report is at ``report``.

    ``controller``: with ansible-core, pip's packages, and WordPress to deploy."""
    # Several checkouts may share the host, but not the folders on it.
    with open(pathlib.Path(tempfile.gettempdir()) / f"runbook-{host}-{os.getuid()}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _pytest(host, words, report, controller)


def _pytest(host: str, words: t.Sequence[str], report: pathlib.Path, controller: bool) -> int:
    place = CONTROLLER if controller else PLACE
    base = f"{place}/{COLLECTION}"
    inside = copy_tree(host, place, _CONTROLLER_TREE if controller else ())
    path, settings = f"{place}:{base}/tests", []
    if controller:
        packages, source = _packages(inside), wordpress.tree()
        path = ":".join([path, f"{base}/tests/bench", f"{base}/molecule/support", packages])
        site = _once(inside, source, f"{SITES}/wordpress-{source.name}")
        settings = [f"ANSIBLE_COLLECTIONS_PATH={place}", f"PATH={packages}/bin:/usr/sbin:/usr/bin:/sbin:/bin", f"RUNBOOK_WORDPRESS={site}"]
    settings += [f"{name}={os.environ[name]}" for name in _SETTINGS if name in os.environ]
    command = [
        *("env", "PYTHONDONTWRITEBYTECODE=1", f"PYTHONPATH={path}", *settings),
        *("python3", "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={place}/report.xml", *words),
    ]
    status = subprocess.run(
        [*inside, "sh", "-c", f'cd {base} && exec "$@"', "sh", *command], stdin=subprocess.DEVNULL, check=False
    ).returncode
    sys.stdout.flush()
    report.write_text(run([*inside, "sh", "-c", f"cat {place}/report.xml 2>/dev/null || true"]))
    return status
