# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands on this machine, with the rights they need."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import typing as t

ROOT = pathlib.Path(__file__).resolve().parents[3]
STATE = ROOT / ".work" / "testbed"


class TestbedError(Exception):
    """The test hosts cannot be had; the message says what to do."""

    __test__ = False


def say(text: str) -> None:
    """One line of progress."""
    print(f"testbed: {text}", file=sys.stderr, flush=True)


def root_prefix() -> list[str]:
    """What to put in front of a command that needs root, or ``TestbedError``."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo"):
        # Without a terminal nobody can type a password.
        words = ["sudo"] if sys.stdin.isatty() else ["sudo", "-n"]
        if subprocess.run([*words, "true"], check=False, stdout=subprocess.DEVNULL).returncode == 0:
            return words
    raise TestbedError("this needs root: run it as root, or as a user that sudo lets run commands")


def run(
    words: t.Sequence[str | os.PathLike[str]],
    *,
    stdin: str | None = None,
    env: t.Mapping[str, str] | None = None,
    seconds: float = 900,
) -> str:
    """Run a command and return what it wrote; its last lines are in the error when it fails."""
    argv = [os.fspath(word) for word in words]
    try:
        done = subprocess.run(
            argv,
            input=stdin if stdin is not None else "",
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except FileNotFoundError:
        raise TestbedError(f"{argv[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise TestbedError(f"{' '.join(argv[:4])} … did not end within {seconds:.0f} s") from None
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise TestbedError(f"{' '.join(argv[:6])} … failed with status {done.returncode}:\n{last}")
    return done.stdout


def succeeds(words: t.Sequence[str | os.PathLike[str]], seconds: float = 60) -> bool:
    """Whether a command runs and ends well."""
    try:
        run(words, seconds=seconds)
    except TestbedError:
        return False
    return True


def apt_install(missing: t.Sequence[str], why: str) -> None:
    """Install Debian packages, or say which ones are needed where that is not possible."""
    names = " ".join(missing)
    if not shutil.which("apt-get"):
        raise TestbedError(
            f"{why}: install the counterparts of Debian's packages {names} with this system's package manager, then run again"
        )
    try:
        prefix = root_prefix()
    except TestbedError as error:
        raise TestbedError(f"{why}: apt-get install {names} ({error})") from None
    say(f"installing {names} ({why})")
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"]
    # Lists may be old or missing, as in a fresh image; a mirror that lacks one of several lists is not the end.
    succeeds([*apt, "update"], seconds=300)
    run([*apt, "install", "--yes", "--no-install-recommends", *missing])
