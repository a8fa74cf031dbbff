# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that the database modules share, as in ``_database/options.py``."""

from __future__ import annotations


class ModuleDocFragment:
    # How to get at a server.
    DOCUMENTATION = r"""
options:
  engine:
    description:
      - What holds the data. V(mysql) is the same as V(mariadb), whichever client is installed is used.
    type: str
    required: true
    choices: [mariadb, mysql, postgresql, mongodb, sqlite, redis]
  login_host:
    description:
      - The server's name or address. Without it the client's default, usually a local socket.
    type: str
  login_port:
    description:
      - The server's port, when it is not the engine's own.
    type: int
  login_user:
    description:
      - Who to log in as. Without it the client's default, usually the user that the task runs as.
    type: str
  login_password:
    description:
      - The password, with any characters but line breaks. It reaches clients in a file that only this user can read.
    type: str
  login_unix_socket:
    description:
      - The path of the server's socket (for PostgreSQL the folder of it).
    type: path
  login_db:
    description:
      - The database to log in to, where that is not the one to work on. PostgreSQL's maintenance database (V(postgres)), MongoDB's
        authentication database (V(admin)).
    type: str
  config_file:
    description:
      - A file of the client's own settings, such as C(~/.my.cnf), read before these options.
    type: path
  ca_cert:
    description:
      - Certificates that the server's must be signed by.
    type: path
  client_cert:
    description:
      - This client's certificate.
    type: path
  client_key:
    description:
      - The key of O(client_cert).
    type: path
  ssl_mode:
    description:
      - How far to insist on TLS, in PostgreSQL's words, for all engines.
    type: str
    choices: [disable, prefer, require, verify-ca, verify-full]
    default: prefer
"""

    # Together with the standard fragment: who has to hold still while a database is switched.
    WRITERS = r"""
options:
  writer_services:
    description:
      - systemd units that write to the database. They are stopped before a database is switched and started after it, whatever happens.
    type: list
    elements: str
    default: []
  writer_stop_commands:
    description:
      - Commands, each a list of arguments or a text that is split as a shell would, that stop writers which are no systemd units.
    type: list
    elements: raw
    default: []
  writer_start_commands:
    description:
      - Commands that start them again.
    type: list
    elements: raw
    default: []
  writer_timeout:
    description:
      - How many seconds each of them may take.
    type: float
    default: 60
"""
