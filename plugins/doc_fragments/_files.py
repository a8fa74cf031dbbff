# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that the modules about files share, as in ``_files/options.py``."""

from __future__ import annotations


class ModuleDocFragment:
    # A restic repository and whose snapshots are meant.
    DOCUMENTATION = r"""
options:
  repository:
    description:
      - Where the restic repository is. An absolute path, or an address as restic knows it, such as
        V(sftp:backup@backup.example.com:/srv/restic) or V(s3:https://s3.example.com/bucket/folder).
    type: str
    required: true
  password:
    description:
      - The repository's password. It reaches restic in a file that only this user can read. Without it nothing can be restored.
    type: str
  password_file:
    description:
      - A file on the host that holds the password.
    type: path
  repository_env:
    description:
      - Credentials and settings for the repository's store, such as C(AWS_ACCESS_KEY_ID) and C(AWS_SECRET_ACCESS_KEY). They are in the
        environment of restic's own process only.
    type: dict
    default: {}
  sftp_command:
    description:
      - The command that reaches an SFTP server, if it is not just C(ssh), for example
        V(ssh -i /etc/backup/key backup@backup.example.com -s sftp).
    type: str
  tags:
    description:
      - What snapshots are called, for example V(site=www.example.com) and V(kind=uploads). Only snapshots with all of them are looked at.
    type: list
    elements: str
    default: []
  host:
    description:
      - Whose snapshots these are. By default this host's name.
    type: str
"""
