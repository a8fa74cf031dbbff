# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The small site that faults are tried on: 400 files, of which a page says which release it is of, by two files that must agree."""

from __future__ import annotations

import http.client
import pathlib
import random
import re
import shutil
import threading
import time

FILES = 396
PAGE = """<?php
$one = require __DIR__ . '/lib/one.php';
$other = require __DIR__ . '/lib/other.php';
echo "release $one $other " . count(glob(__DIR__ . '/files/*'));
"""
ANSWER = re.compile(rf"release (\S+) (\1) {FILES}")


def write(folder, marker, blob_megabytes=0):
    """Make the site's version ``marker`` in a folder; a tenth of its files differ from version to version."""
    shutil.rmtree(folder, ignore_errors=True)
    root = pathlib.Path(folder)
    for name in ("lib", "files"):
        (root / name).mkdir(parents=True)
    (root / "index.php").write_text(PAGE)
    (root / "static.txt").write_text(f"release {marker}\n")
    for name in ("one", "other"):
        (root / "lib" / f"{name}.php").write_text(f"<?php return '{marker}';\n")
    for number in range(FILES):
        own = marker if number % 10 == 0 else "every release"
        (root / "files" / f"{number:03}.txt").write_text(f"{number} of {own}\n" * 100)
    source = random.Random(marker)
    for number in range(blob_megabytes):
        path = root / "blobs" / f"{number}.bin"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(source.randbytes(1 << 20))
    return root


class Poller(threading.Thread):
    """Asks a site without pause. Every answer must be a complete release's; what is not is kept in ``wrong``."""

    def __init__(self, address, port=8081):
        super().__init__(daemon=True)
        self.address, self.port = address, port
        self.asked, self.wrong, self.seen = 0, [], []
        self._stopping = threading.Event()

    def run(self):
        while not self._stopping.is_set():
            self.asked += 1
            try:
                connection = http.client.HTTPConnection(self.address, self.port, timeout=20)
                connection.request("GET", "/", headers={"Host": "faults.example.com"})
                answer = connection.getresponse()
                body = answer.read().decode(errors="replace")
                connection.close()
                match = ANSWER.fullmatch(body)
                if answer.status != 200 or not match:
                    self.wrong.append((answer.status, body[:200]))
                elif self.seen[-1:] != [match[1]]:
                    self.seen.append(match[1])
            except OSError as error:
                self.wrong.append((0, str(error)))
            time.sleep(0.005)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self._stopping.set()
        self.join()
