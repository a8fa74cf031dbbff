# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual environments of the tools: made when a stage first needs one, made again when its list changes."""

from __future__ import annotations

import ast
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import threading

from . import process
from .places import LOGS, TESTS, VENVS, WORK

_locks: dict[str, threading.Lock] = {}
_locks_lock = threading.Lock()


class Missing(Exception):
    """Something that only the user can install is not there; the message says what."""


def find_python(*versions: str) -> str | None:
    """The first of the given versions ("3.12") that runs on this machine, on PATH or under pyenv."""
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv")) / "versions"
    for version in versions:
        # A pyenv shim is on PATH for every version and fails for those that are not selected, so each is tried.
        candidates = [f"python{version}", *(str(path) for path in sorted(pyenv.glob(f"{version}.*/bin/python{version}")))]
        for candidate in candidates:
            path = shutil.which(candidate)
            if path and _runs(path):
                return path
    return None


def _runs(python: str) -> bool:
    probe = subprocess.run([python, "-c", "import venv, ensurepip"], capture_output=True, check=False)
    return probe.returncode == 0


def ensure(name: str, python: str) -> pathlib.Path:
    """The bin folder of the environment ``name``, holding exactly what tests/requirements-<name>.txt asks for."""
    log = LOGS / f"venv-{name}.log"
    with _locks_lock:
        lock = _locks.setdefault(name, threading.Lock())
    with lock:
        folder = VENVS / name
        mark = folder / ".ready"
        want = _fingerprint(TESTS / f"requirements-{name}.txt", python)
        if mark.is_file() and mark.read_text() == want:
            return folder / "bin"
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        requirements = TESTS / f"requirements-{name}.txt"
        log.unlink(missing_ok=True)
        commands: list[list[str | os.PathLike[str]]] = [
            [python, "-m", "venv", folder],
            [folder / "bin" / "python", "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off", "-r", requirements],
        ]
        for argv in commands:
            if process.run(argv, log) != 0:
                raise Missing(f"cannot install {requirements.name}; the end of {log} says why")
        mark.write_text(want)
        return folder / "bin"


def _fingerprint(requirements: pathlib.Path, python: str) -> str:
    text = requirements.read_text()
    for included in re.findall(r"^-r (\S+)", text, re.MULTILINE):
        text += (requirements.parent / included).read_text()
    return hashlib.sha256(f"{python}\n{text}".encode()).hexdigest()


# ansible-test downloads get-pip.py from a host that many networks do not let through. This does the same with what
# Python brings along; ansible-test finds it in its cache and downloads nothing.
_GET_PIP = '''"""Stands in for get-pip.py: pip from ensurepip, then the packages that were asked for."""
import subprocess
import sys

subprocess.check_call([sys.executable, "-m", "ensurepip", "--default-pip"])
words = [word for word in sys.argv[1:] if not word.startswith("--no-")]
subprocess.check_call([sys.executable, "-m", "pip", "install", *words])
sys.exit(0)
'''


def ansible_test_home(bin_folder: pathlib.Path) -> pathlib.Path:
    """A home folder for ansible-test, with the user's pip settings, so that ~/.ansible stays untouched."""
    home = WORK / "home"
    with _locks_lock:
        cache = home / ".ansible" / "test" / "cache"
        cache.mkdir(parents=True, exist_ok=True)
        for version in ("24_2", "25_2"):
            (cache / f"get_pip_{version}.py").write_text(_GET_PIP)
        # ansible-test drops PIP_* from the environment; a file is read all the same.
        listing = subprocess.run([bin_folder / "python", "-m", "pip", "config", "list"], capture_output=True, text=True, check=False).stdout
        settings: dict[str, str] = {}
        for line in listing.splitlines():
            match = re.match(r"(?P<file>:env:|global|install)\.(?P<key>[a-z-]+)=(?P<value>.+)", line)
            if match and (match["file"] == ":env:" or match["key"] not in settings):
                settings[match["key"]] = str(ast.literal_eval(match["value"])).replace("\n", " ")
        pip = home / ".config" / "pip"
        pip.mkdir(parents=True, exist_ok=True)
        (pip / "pip.conf").write_text("[global]\n" + "".join(f"{key} = {value}\n" for key, value in sorted(settings.items())))
        user_cache = pathlib.Path.home() / ".cache" / "pip"
        link = home / ".cache" / "pip"
        link.parent.mkdir(exist_ok=True)
        if user_cache.is_dir() and not link.exists():
            link.symlink_to(user_cache)
    return home
