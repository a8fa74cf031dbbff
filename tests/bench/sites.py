# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sources that are deployed, and the one file that changes between two runs."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import random
import shutil
import typing as t

import mediawiki
import wordpress as wordpress_files

# An existing file of about 20 KB, deep enough that several folders above it change too.
CHANGED_IN_WIKI = "includes/Rest/Handler/PageHistoryCountHandler.php"
CHANGED_IN_WORDPRESS = "wp-includes/rest-api/endpoints/class-wp-rest-blocks-controller.php"
CHANGED_BYTES = 20_000
SMALL_FILES, SMALL_FOLDERS = 2400, 200


@dataclasses.dataclass(frozen=True)
class Site:
    """A source folder and the file of it that every round changes."""

    tree: pathlib.Path
    changing: str

    def change(self) -> bytes:
        """New content for that file: 20 KB of random bytes, the worst for whoever compresses."""
        data = os.urandom(CHANGED_BYTES)
        path = self.tree / self.changing
        fresh = path.with_name(path.name + ".new")
        fresh.write_bytes(data)
        fresh.chmod(0o644)
        os.replace(fresh, path)
        return data

    def size(self) -> tuple[int, int]:
        """Files and bytes."""
        sizes = [os.lstat(os.path.join(folder, name)).st_size for folder, _folders, names in os.walk(self.tree) for name in names]
        return len(sizes), sum(sizes)


def wiki(folder: pathlib.Path) -> Site:
    """A copy of MediaWiki that may be changed."""
    target = folder / "wiki"
    if not target.exists():
        shutil.copytree(mediawiki.tree(), target, symlinks=True)
    return Site(target, CHANGED_IN_WIKI)


def many(folder: pathlib.Path, files: int) -> Site:
    """MediaWiki, filled up to so many files."""
    site = wiki(folder)
    number, _size = site.size()
    (site.tree / "more").mkdir(exist_ok=True)
    for each in range(files - number):
        (site.tree / "more" / f"{each:05}.txt").write_text(f"{each}\n")
    return site


def wordpress(folder: pathlib.Path) -> Site:
    """A copy of WordPress that may be changed."""
    target = folder / "wordpress"
    if not target.exists():
        shutil.copytree(wordpress_files.tree(), target)
    return Site(target, CHANGED_IN_WORDPRESS)


def small(folder: pathlib.Path, seed: int = 1) -> Site:
    """2,400 files in 200 folders, about 17 MB of words; the same every time."""
    target = folder / "small"
    if not target.exists():
        chance = random.Random(seed)
        words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(2, 9))) for _each in range(2000)]
        folders = [f"{'src' if number % 2 else 'assets'}/part{number // 20:02}/unit{number:03}" for number in range(SMALL_FOLDERS)]
        for number in range(SMALL_FILES - 1):
            path = target / folders[number % SMALL_FOLDERS] / f"file{number:04}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_prose(chance, words))
        (target / "index.html").write_text("<title>Example</title>\n")
    return Site(target, "src/part04/unit081/file0081.txt")


def _prose(chance: random.Random, words: t.Sequence[str]) -> str:
    return "\n".join(" ".join(chance.choices(words, k=10)) for _each in range(chance.randint(5, 220))) + "\n"
