# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real hosts to test against: ``tests/testbed/testbed.py up|down|status|ssh|exec|inventory|ssh-config|image|mediawiki``.

README.md beside this file says what they are and how to use them.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import sys

import mediawiki
from bed import access, hosts, inside
from bed.engine import engine
from bed.image import image
from bed.shell import TestbedError


def main(arguments: list[str]) -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("up", "start hosts and wait until they are ready"), ("down", "remove hosts and all that is on them")):
        commands.add_parser(name, help=text).add_argument("host", nargs="*", help="some of them only")
    commands.add_parser("status", help="say how every host is")
    commands.add_parser("inventory", help="print the path of the inventory")
    commands.add_parser("ssh-config", help="print the path of the ssh configuration")
    commands.add_parser("image", help="build the hosts' image if it is missing, print its name")
    wiki = commands.add_parser("mediawiki", help="unpack MediaWiki as a source to deploy, print the folder")
    wiki.add_argument("--prepare", action="store_true", help="also install its database on db1; print the path of LocalSettings.php")
    for name, text in (("ssh", "log in, or run a command, through sshd"), ("exec", "run a command past sshd")):
        remote = commands.add_parser(name, help=text)
        remote.add_argument("host")
        remote.add_argument("words", nargs=argparse.REMAINDER)
    tests = commands.add_parser("pytest", help="copy the tree to a host and run tests there, as root")
    tests.add_argument("--controller", action="store_true", help="with ansible-core, pip's packages and WordPress to deploy")
    tests.add_argument("host")
    tests.add_argument("report", type=pathlib.Path, help="where the JUnit report goes")
    tests.add_argument("words", nargs=argparse.REMAINDER)
    options = parser.parse_args(arguments)
    try:
        return _do(options)
    except TestbedError as error:
        print(f"testbed: {error}", file=sys.stderr)
        return 1


def _do(options: argparse.Namespace) -> int:
    if options.command == "up":
        hosts.up(options.host)
        print(access.INVENTORY)
    elif options.command == "down":
        hosts.down(options.host)
    elif options.command == "status":
        states = hosts.status()
        for host in hosts.HOSTS:
            print(f"{host.name:<6} {host.address:<12} {states[host.name]:<9} {' '.join(host.groups):<7} {' '.join(host.services)}")
        return 0 if set(states.values()) <= {"running"} else 1
    elif options.command == "inventory":
        print(access.INVENTORY)
    elif options.command == "ssh-config":
        print(access.SSH_CONFIG)
    elif options.command == "image":
        print(image(engine()))
    elif options.command == "mediawiki":
        print(mediawiki.prepare().local_settings_path if options.prepare else mediawiki.tree())
    elif options.command == "ssh":
        os.execvp("ssh", ["ssh", "-F", str(access.SSH_CONFIG), options.host, *options.words])
    elif options.command == "exec":
        print(hosts.execute(options.host, *options.words), end="")
    elif options.command == "pytest":
        return inside.pytest(options.host, options.words, options.report, options.controller)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
