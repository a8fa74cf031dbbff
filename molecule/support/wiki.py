# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sources that the scenario mediawiki deploys: copies of Debian's MediaWiki, changed step by step.

Run as a program it prepares them and prints where the first one and LocalSettings.php are, as JSON.
"""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE = ROOT / ".work" / "molecule-sources" / "mediawiki"

# A static file and a page that show which version is served.
STATIC = "resources/assets/runbook-version.txt"


def fresh() -> pathlib.Path:
    """A new copy of MediaWiki. Its files are hard links, so they are replaced and never written to."""
    sys.path.insert(0, str(ROOT / "tests" / "testbed"))
    import mediawiki

    shutil.rmtree(SOURCE, ignore_errors=True)
    SOURCE.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-al", mediawiki.tree(), SOURCE], check=True)
    version(1)
    return SOURCE


def replace(path: str, content: bytes) -> None:
    """Give a file of the source other content."""
    new = SOURCE / f"{path}.new"
    new.write_bytes(content)
    new.rename(SOURCE / path)


def version(number: int) -> None:
    """Make the source another version: one file of 20 KB changes."""
    replace(STATIC, f"version {number}\n".encode() + bytes((number * 31 + index * 7) % 251 for index in range(20_000)))


if __name__ == "__main__":
    source = fresh()
    import mediawiki

    print(json.dumps({"source": str(source), "local_settings": str(mediawiki.prepare().local_settings_path)}))
