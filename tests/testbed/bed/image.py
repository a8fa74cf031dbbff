# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts' one image: a Debian 12 with every server that the tests need, all but sshd switched off."""

from __future__ import annotations

import hashlib
import os
import pathlib
import shlex
import shutil

from .engine import Engine
from .shell import apt_install, root_prefix, run, say

DEFINITION = pathlib.Path(__file__).resolve().parents[1] / "image"
PUBLIC_BASE = "docker.io/library/debian:12"
OWN_BASE = "runbook-testbed-base:bookworm"
MIRROR = "http://deb.debian.org/debian"


def image(engine: Engine) -> str:
    """The image's name; it is built when the definition has no image yet."""
    name = f"runbook-testbed:{_fingerprint()}"
    if engine.try_("image", "inspect", name):
        return name
    base = _base(engine)
    say(f"building {name} on {base} (once, about a minute)")
    engine("build", "--network", "host", "--build-arg", f"BASE={base}", "--tag", name, DEFINITION)
    return name


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for path in sorted(DEFINITION.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(DEFINITION)}\0".encode() + path.read_bytes())
    digest.update(os.environ.get("TESTBED_BASE", "").encode())
    return digest.hexdigest()[:12]


def _base(engine: Engine) -> str:
    """TESTBED_BASE: an image, ``mmdebstrap`` to make one from Debian's mirror, or nothing to take what can be had."""
    wanted = os.environ.get("TESTBED_BASE", "")
    if wanted and wanted != "mmdebstrap":
        return wanted
    if not wanted and (engine.try_("image", "inspect", PUBLIC_BASE) or engine.try_("pull", "--quiet", PUBLIC_BASE)):
        return PUBLIC_BASE
    if engine.try_("image", "inspect", OWN_BASE):
        return OWN_BASE
    if not shutil.which("mmdebstrap"):
        apt_install(["mmdebstrap", "debian-archive-keyring"], f"{PUBLIC_BASE} cannot be pulled, so the base is made from Debian's mirror")
    mirror = os.environ.get("TESTBED_MIRROR", MIRROR)
    say(f"making {OWN_BASE} from {mirror} (once, about half a minute)")
    make = [*root_prefix(), "mmdebstrap", "--quiet", "--variant=minbase", "--include=ca-certificates", "bookworm", "-", mirror]
    # The tar stream is some 100 MB: it goes from one to the other, not through here.
    run(["bash", "-o", "pipefail", "-c", f"{shlex.join(make)} | {shlex.join([*engine.words, 'import', '-', OWN_BASE])}"])
    return OWN_BASE
