# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MediaWiki from Debian's package: a real site to deploy, about 23,000 files and 280 MB.

``tree()`` is the source of a release. ``prepare()`` makes the database that it needs on db1 and returns the
LocalSettings.php that belongs into the site's shared folder, beside ``images/``, which the web server writes to.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import secrets
import shutil
import subprocess
import tempfile

from bed import access, hosts, network
from bed.shell import ROOT, STATE, TestbedError, apt_install, run, say, succeeds

PACKAGES = ("mediawiki", "mediawiki-classes")
DATABASE = "wiki"
SERVER = "http://wiki.example.com"
# What a release does not contain, because it outlives releases.
SHARED_FILES = ("LocalSettings.php",)
SHARED_DIRS = ("images",)


@dataclasses.dataclass(frozen=True)
class Wiki:
    """An installed wiki. A main page is at ``<host>/index.php?title=Main_Page``, for the Host header wiki.example.com."""

    tree: pathlib.Path
    local_settings: str
    local_settings_path: pathlib.Path


def tree() -> pathlib.Path:
    """The folder with MediaWiki's files, unpacked when it is not there yet; no link in it leads out of it."""
    parent = ROOT / ".work" / "mediawiki"
    existing = sorted(path for path in parent.glob("[0-9]*") if (path / "index.php").is_file())
    if existing:
        return existing[-1]
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise TestbedError(f"MediaWiki comes from Debian's packages; on this system unpack a release of it into {parent}/<version>")
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent) as name:
        work = pathlib.Path(name)
        # _apt, who would download otherwise, may not write here.
        download = ["bash", "-c", f"cd '{work}' && apt-get download -q -o APT::Sandbox::User=root {' '.join(PACKAGES)}"]
        if not succeeds(download, seconds=300):
            apt_install([], "package lists for MediaWiki")
            run(download)
        say("unpacking MediaWiki (once)")
        unpacked = work / "root"
        for package in sorted(work.glob("*.deb")):
            run(["dpkg-deb", "-x", package, unpacked])
        target = work / "tree"
        _assemble(unpacked, target)
        version = _version(target)
        target.rename(parent / version)
    return parent / version


def _assemble(unpacked: pathlib.Path, target: pathlib.Path) -> None:
    """One plain folder from the package's, which spreads the site over several and ties them with absolute links."""
    source = unpacked / "usr/share/mediawiki"
    # extensions is a folder of links into extensions-core; config and images are the administrator's.
    skip = {"extensions", "extensions-core", "config", *SHARED_FILES, *SHARED_DIRS}
    target.mkdir()
    for entry in sorted(source.iterdir()):
        if entry.name not in skip:
            run(["cp", "-a", entry, target / entry.name])
    run(["cp", "-a", source / "extensions-core", target / "extensions"])
    for path in target.rglob("*"):
        if path.is_symlink():
            raise TestbedError(f"Debian's MediaWiki has a link that is new to us: {path.relative_to(target)} -> {os.readlink(path)}")


def _version(target: pathlib.Path) -> str:
    match = re.search(r"'MW_VERSION', '([0-9.]+)'", (target / "includes/Defines.php").read_text())
    if not match:
        raise TestbedError("cannot tell MediaWiki's version from includes/Defines.php")
    return match[1]


def prepare(fresh: bool = False) -> Wiki:
    """A database of its own on db1, installed by MediaWiki's installer, run on web1; done again only when ``fresh``, or when what
    LocalSettings.php says does not open it: db1 was made anew, or another checkout has installed the database since."""
    source = tree()
    settings = STATE / "mediawiki" / "LocalSettings.php"
    if not fresh and settings.is_file() and _opens(settings.read_text()):
        return Wiki(source, settings.read_text(), settings)
    say("installing MediaWiki's database on db1")
    password = secrets.token_urlsafe(18)
    clients = network.subnet().with_netmask
    # Accounts of older runs are dropped with their grants. The text goes in by stdin: no password in any process list.
    sql = f"""
        DROP DATABASE IF EXISTS {DATABASE};
        CREATE DATABASE {DATABASE} CHARACTER SET binary;
        CREATE OR REPLACE USER {DATABASE}@'{clients}' IDENTIFIED BY '{password}';
        GRANT ALL PRIVILEGES ON {DATABASE}.* TO {DATABASE}@'{clients}';
    """
    hosts.execute("db1", "mariadb", stdin=sql)
    installer = "/var/tmp/mediawiki-installer"
    hosts.execute("web1", "rm", "-rf", installer)
    hosts.execute("web1", "mkdir", "-m", "0700", installer)
    # The installer keeps to the folder it is told; the tree it runs from is a copy that goes away afterwards.
    with subprocess.Popen(["tar", "-C", source, "-cf", "-", "."], stdout=subprocess.PIPE) as tar:
        sent = subprocess.run(
            ["ssh", "-F", access.SSH_CONFIG, "web1", f"tar -C {installer} -xf -"], stdin=tar.stdout, capture_output=True, check=False
        )
    if tar.returncode or sent.returncode:
        raise TestbedError(f"cannot copy MediaWiki to web1: {sent.stderr.decode(errors='replace').strip()}")
    hosts.execute("web1", "sh", "-c", f"umask 077 && cat > {installer}/db.pass", stdin=password)
    hosts.execute("web1", "sh", "-c", f"umask 077 && cat > {installer}/admin.pass", stdin=secrets.token_urlsafe(18))
    db1 = next(host.address for host in hosts.HOSTS if host.name == "db1")
    hosts.execute(
        *("web1", "php", f"{installer}/maintenance/install.php"),
        *("--dbtype", "mysql", "--dbserver", db1, "--dbname", DATABASE, "--dbuser", DATABASE, "--dbpassfile", f"{installer}/db.pass"),
        *("--passfile", f"{installer}/admin.pass", "--server", SERVER, "--scriptpath", "", "--confpath", installer),
        *("--skins", "Vector", "Example wiki", "Admin"),
    )
    text = hosts.execute("web1", "cat", f"{installer}/LocalSettings.php") + _ADDITIONS
    hosts.execute("web1", "rm", "-rf", installer)
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.touch(mode=0o600)
    settings.write_text(text)
    return Wiki(source, text, settings)


# Any name that a request comes under is answered without a redirect to the canonical one, so that a probe can speak to
# one host. Pages are made from the release's own files each time: nothing of an older release is served from a cache.
_ADDITIONS = """
$wgMainCacheType = CACHE_ACCEL;
$wgParserCacheType = CACHE_DB;
$wgLocalisationCacheConf['store'] = 'array';
$wgLocalisationCacheConf['storeDirectory'] = '/tmp';
$wgJobRunRate = 0;
"""


def _opens(settings: str) -> bool:
    """Whether a web server with these settings gets to the wiki's pages."""
    words = dict(re.findall(r'^\$wg(DB\w+) = "([^"]*)";', settings, re.MULTILINE))
    if not words.get("DBpassword"):
        return False
    login = f"[client]\nhost={words.get('DBserver')}\nuser={words.get('DBuser')}\npassword={words['DBpassword']}\n"
    query = ("--batch", "--skip-column-names", DATABASE, "--execute", "SELECT COUNT(*) FROM page")
    try:
        count = hosts.execute("web1", "mariadb", "--defaults-file=/dev/stdin", *query, stdin=login)
    except TestbedError:
        return False
    return int(count) > 0
