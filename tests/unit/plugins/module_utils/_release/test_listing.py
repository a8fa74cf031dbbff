# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The listing of a real site."""

from __future__ import annotations

import os
import re

from ansible_collections.runbook.ops.plugins.module_utils._release import listing as module
from ansible_collections.runbook.ops.plugins.module_utils._release.listing import listing
from ansible_collections.runbook.ops.plugins.module_utils._release.store import LocalStore


def test_a_site(three):
    current = three.path("releases/r3")
    os.chmod(current / "index.php", 0o640)
    os.utime(current / "index.php", (1_900_000_000, 1_900_000_000.9))
    os.symlink("index.php", current / "start.php")
    lines = listing(LocalStore(three.base))
    assert lines[0] == "releases/:" and [line.split()[-1] for line in lines[1:4]] == ["r1", "r2", "r3"]
    assert all(re.fullmatch(r"drwxr-xr-x +\d+ \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ r\d", line) for line in lines[1:4])
    assert lines[4:6] == ["", "current:"] and re.fullmatch(r"lrwxrwxrwx \d+ \S+Z current -> releases/r3", lines[6])
    assert lines[7:9] == ["", "current/:"]
    size = (current / "index.php").stat().st_size
    (index,) = (line for line in lines[9:] if line.endswith("Z index.php"))
    assert index.split() == ["-rw-r-----", str(size), "2030-03-17T17:46:40Z", "index.php"]
    (start,) = (line for line in lines[9:] if " start.php -> " in line)
    assert start.startswith("lrwxrwxrwx") and start.endswith("-> index.php")
    assert three.info(listing=True)["listing"] == lines and "listing" not in three.info()


def test_no_site_and_a_link_to_nothing(tmp_path):
    assert listing(LocalStore(str(tmp_path / "none"))) == ["releases/:", "nothing", "", "current:", "current does not exist"]
    os.symlink("releases/gone", tmp_path / "current")
    lines = listing(LocalStore(str(tmp_path)))
    assert lines[4].endswith("current -> releases/gone") and lines[5:] == ["", "current/:", "nothing"]


def test_names_that_would_break_a_line(tmp_path):
    for name in (b"a\nb", b"caf\xe9", "\u062a\u0642\u0631\u064a\u0631".encode()):
        os.makedirs(os.path.join(os.fsencode(tmp_path), b"releases", name))
    lines = listing(LocalStore(str(tmp_path)))[1:4]
    assert [line.split()[-1] for line in lines] == ["a\\nb", "caf\\udce9", "\u062a\u0642\u0631\u064a\u0631"]
    assert "".join(lines).encode()


def test_many_names_and_a_folder_that_cannot_be_listed(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_LINES", 2)
    for name in ("r1", "r2", "r3"):
        os.makedirs(tmp_path / "releases" / name)
    (tmp_path / "current").write_text("a file")
    lines = listing(LocalStore(str(tmp_path)))
    assert [line.split()[-1] for line in lines[1:3]] == ["r1", "r2"] and lines[3] == "and 1 more"
    assert lines[-2:] == ["current/:", "can't be listed: Not a directory"]


def test_a_host_that_tells_no_times(three):
    class Timeless(LocalStore):
        def stat(self, name):
            found = super().stat(name)
            return found and module.Stat(found.kind, found.size, found.mode)

    assert all(line.split()[-2] == "-" for line in listing(Timeless(three.base))[1:4])
