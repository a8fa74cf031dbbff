# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fills a disk while an upload to a site is under way: ``filler.py SITE FILE ARRIVED SECONDS``; prints ``full`` or ``never``.

It begins as soon as ARRIVED files have come.
"""

from __future__ import annotations

import errno
import glob
import sys
import time


def main(site, file, arrived, seconds):
    deadline = time.monotonic() + seconds
    while len(glob.glob(f"{site}/.runbook/incoming/*/blobs/*")) < arrived:
        if time.monotonic() > deadline:
            return "never"
        time.sleep(0.002)
    block = b"\0" * (1 << 20)
    with open(file, "wb", buffering=0) as stream:
        while True:
            try:
                stream.write(block)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                return "full"


if __name__ == "__main__":
    print("watching", flush=True)
    print(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
