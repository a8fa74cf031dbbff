# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WordPress from Debian's packages, its files only: a site of the size that shared hosts carry, about 2,900 files and 60 MB."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import tempfile

from bed.shell import ROOT, TestbedError, apt_install, run, say, succeeds

_THEMES = ("twentytwentyone", "twentytwentytwo", "twentytwentythree")
# The libraries are what the site's relative links lead to.
PACKAGES = ("wordpress", "php-getid3", "libjs-cropper", "libjs-underscore", *(f"wordpress-theme-{theme}" for theme in _THEMES))


def tree() -> pathlib.Path:
    """The folder with WordPress's files, unpacked when it is not there yet; there is no link in it."""
    parent = ROOT / ".work" / "wordpress"
    existing = sorted(path for path in parent.glob("[0-9]*") if (path / "index.php").is_file())
    if existing:
        return existing[-1]
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise TestbedError(f"WordPress comes from Debian's packages; on this system unpack a release of it into {parent}/<version>")
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent) as name:
        work = pathlib.Path(name)
        # _apt, who would download otherwise, may not write here.
        download = ["bash", "-c", f"cd '{work}' && apt-get download -q -o APT::Sandbox::User=root {' '.join(PACKAGES)}"]
        if not succeeds(download, seconds=300):
            apt_install([], "package lists for WordPress")
            run(download)
        say("unpacking WordPress (once)")
        unpacked = work / "root"
        for package in sorted(work.glob("*.deb")):
            run(["dpkg-deb", "-x", package, unpacked])
        target = _assemble(unpacked / "usr/share/wordpress", work / "tree")
        version = _version(target)
        target.rename(parent / version)
    return parent / version


def _assemble(source: pathlib.Path, target: pathlib.Path) -> pathlib.Path:
    """One plain folder: what lies in other packages is copied in, what belongs to the administrator of a Debian host is left out."""
    for path in list(source.rglob("*")):
        if path.is_symlink() and os.readlink(path).startswith("/"):
            path.unlink()
    shutil.copytree(source, target, symlinks=False)
    return target


def _version(target: pathlib.Path) -> str:
    match = re.search(r"^\$wp_version = '([0-9.]+)'", (target / "wp-includes/version.php").read_text(), re.MULTILINE)
    if not match:
        raise TestbedError("cannot tell WordPress's version from wp-includes/version.php")
    return match[1]
