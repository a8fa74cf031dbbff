# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release is called and when its content was made: as told, as a file of the source says, or as git knows it."""

from __future__ import annotations

import json
import os
import re
import typing as t

from .._common.errors import InvalidInput, RunbookError
from .._common.process import Command, ProgramMissing, find_program, run
from .._release.walk import inner_path
from .pack import EARLIEST, LATEST

_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+~-]{0,99}")
_MOST = 1 << 20  # bytes of a file that says the version
_SECONDS = 60.0


def check_version(version: str, what: str) -> str:
    """The version itself, or ``InvalidInput`` when it can't be part of a file's name; ``what`` names where it comes from."""
    if not _VERSION.fullmatch(version):
        raise InvalidInput(
            f"{what} {version[:100]!r} can't be part of a file's name; use letters, digits and . _ + ~ -, beginning with a letter or digit"
        )
    return version


def find_version(src: str, given: str | None, file: str | None) -> str:
    """The version of what is in ``src``: ``given``, what its ``file`` says, or what ``git describe`` does."""
    if given is not None:
        return check_version(given, "version")
    if file is not None:
        return check_version(_from_file(src, file), f"the version in {file}")
    said = _git(src, "describe", "--tags", "--always", "--dirty")
    if not said:
        raise InvalidInput(f"{src} is not in a git repository with commits, so nothing says its version; give version or version_file")
    return check_version(said, "what git describe says,")


def _from_file(src: str, file: str) -> str:
    path = os.path.join(src, inner_path(file, "version_file"))
    try:
        with open(path, encoding="utf-8") as stream:
            text = stream.read(_MOST)
    except FileNotFoundError:
        raise InvalidInput(f"version_file {file} is not in {src}; give its path inside the source") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"version_file {file} can't be read ({getattr(error, 'strerror', None) or 'it is no text'})") from None
    if file.endswith(".json"):
        try:
            document = json.loads(text)
        except ValueError as error:
            raise InvalidInput(f"version_file {file} is not JSON ({error})") from None
        version = document.get("version") if isinstance(document, dict) else None
        if not isinstance(version, str):
            raise InvalidInput(f"version_file {file} has no text called version")
        return version.strip()
    version = next((line.strip() for line in text.splitlines() if line.strip()), "")
    if not version:
        raise InvalidInput(f"version_file {file} is empty; write the version into its first line")
    return version


def find_moment(src: str, given: int | None, environment: t.Mapping[str, str]) -> int:
    """The time that all files get, seconds since 1970: as given, ``SOURCE_DATE_EPOCH``, the last commit's, or the beginning of 1980."""
    if given is not None:
        return _checked(given, "source_date_epoch")
    said = environment.get("SOURCE_DATE_EPOCH", "").strip()
    if said:
        if not re.fullmatch(r"[0-9]{1,12}", said):
            raise InvalidInput(f"SOURCE_DATE_EPOCH {said[:40]!r} is not a number of seconds since 1970; correct it or remove it")
        return _checked(int(said), "SOURCE_DATE_EPOCH")
    committed = _git(src, "log", "-1", "--format=%ct")
    return _checked(int(committed), "the last commit's time") if re.fullmatch(r"[0-9]{1,12}", committed) else EARLIEST


def _checked(moment: int, what: str) -> int:
    if not 0 <= moment <= LATEST:
        raise InvalidInput(f"{what} {moment} is not a time from 1970 to 2107, in seconds since 1970")
    return moment


def _git(src: str, *arguments: str) -> str:
    """What git says of the folder, empty where there is no repository or no commit. Nothing that the repository configures is run."""
    try:
        git = find_program(["git"], "git")
        settings = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "log.showSignature=false")
        words = (git, "-C", src, *settings, *arguments)
        return run(Command(words, {"GIT_OPTIONAL_LOCKS": "0"}), timeout=_SECONDS).decode("utf-8", "replace").strip()
    except ProgramMissing:
        return ""
    except RunbookError as error:
        if "dubious ownership" in str(getattr(error, "stderr", "")):
            raise RunbookError(
                f"git refuses {src} because another user owns it; run the task as its owner, give version and source_date_epoch, "
                "or add it to git's safe.directory"
            ) from None
        if hasattr(error, "stderr"):
            return ""
        raise
