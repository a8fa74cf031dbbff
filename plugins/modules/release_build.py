#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_build
short_description: Build a clean web release from a source folder
version_added: 0.1.0
description:
  - Packs a source folder, without version control and what is excluded, into one archive, and writes a C(latest.json) that says which
    version it is, its size, its SHA-256 and where it will be.
  - The same source gives the same bytes. Names are in order, all files have one time, the owner is 0, and modes are C(0644) or C(0755).
  - A secret that would be in the release is refused with its file, its line and its kind, never with what it says. So is a link that leads
    out of the source.
  - The archive appears when it is complete, and C(latest.json) after it. A version that was built is not replaced by other content.
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.full
author:
  - runbook.ops contributors (@runbook-ops)
notes:
  - The module works where the task runs, usually on the controller with C(delegate_to=localhost) or C(connection=local).
  - Secrets are found by names of files (such as C(.env), C(id_rsa), C(.htpasswd), C(*.p12)), by forms that keys and tokens have in any
    text, and by names such as C(DB_PASSWORD) with a value that is written out, in files that hold settings. What has none of these is not
    found, and archives and other binary files are not looked into.
  - In check mode an archive that is not there is not written, so that its RV(sha256) and RV(size) are not known.
requirements:
  - zstd, the program, for O(format=tar.zst).
  - git, the program, if neither O(version) nor O(version_file) is given.
options:
  src:
    description:
      - The source folder.
    type: path
    required: true
  dest:
    description:
      - The folder for the archive and O(latest). It is made if it is not there. Below O(src) it is left out of the release.
    type: path
    required: true
  name:
    description:
      - What the archive's name begins with. The archive is C(<name>-<version>.<format>).
      - Defaults to the last part of O(src).
    type: str
  format:
    description:
      - The form of the archive.
    type: str
    choices: [zip, tar.gz, tar.zst]
    default: zip
  include:
    description:
      - Patterns of what belongs into the release, all of it when there are none. One with a slash matches a path from the source's root,
        one without matches any name. What lies below a folder that matches belongs to it.
    type: list
    elements: str
    default: []
  exclude:
    description:
      - Patterns of names that do not belong into the release, as in M(runbook.ops.release_stage). They win over O(include).
      - Folders and files of version control (C(.git), C(.hg), C(.svn), C(.bzr), C(CVS), C(.gitignore) and their like) are always left
        out.
    type: list
    elements: str
    default: []
  allow_secrets:
    description:
      - Patterns of files, as in O(exclude), that may have secrets. The result says which ones it found.
    type: list
    elements: str
    default: []
  version:
    description:
      - The release's version.
      - Without it and O(version_file), it is what C(git describe --tags --always --dirty) says of O(src).
    type: str
  version_file:
    description:
      - A file in O(src) that says the version in its first line, or, when it ends with C(.json), as its C(version).
    type: str
  source_date_epoch:
    description:
      - The time of all files in the archive, in seconds since 1970.
      - Defaults to the environment variable C(SOURCE_DATE_EPOCH), else to the time of the last commit, else to the beginning of 1980.
      - Web servers make C(Last-Modified) and C(ETag) from it. Two releases with the same time may be taken for the same by caches.
    type: int
  url:
    description:
      - The address of the folder that the archive will be uploaded to.
      - Without it RV(url) is the archive's name, which is relative to C(latest.json).
    type: str
  metadata:
    description:
      - More to say in C(latest.json), such as a channel or the commit.
    type: dict
    default: {}
  latest:
    description:
      - The name of C(latest.json).
    type: str
    default: latest.json
  overwrite:
    description:
      - Whether an archive of the same name may be replaced by one with other content.
    type: bool
    default: false
  mode:
    description:
      - The mode of both files when they are written.
    type: raw
    default: '0644'
seealso:
  - module: runbook.ops.artifact_verify
  - module: runbook.ops.release_stage
"""

EXAMPLES = r"""
- name: Build what git says it is
  runbook.ops.release_build:
    src: "{{ playbook_dir }}/../site"
    dest: "{{ playbook_dir }}/../dist"
    name: www.example.com
    exclude: [node_modules, tests, '*.map']
    url: https://releases.example.com/site/
  delegate_to: localhost
  register: built

- name: Stage what was built
  runbook.ops.release_stage:
    path: /srv/www.example.com
    src: "{{ built.path }}"
    metadata:
      version: "{{ built.version }}"

- name: Only what visitors get, and a key that they are meant to have
  runbook.ops.release_build:
    src: /home/deploy/shop
    dest: /home/deploy/dist
    format: tar.gz
    include: [public/, vendor/, index.php]
    version_file: composer.json
    allow_secrets: [public/js/maps.js]
    metadata: {channel: stable}
  delegate_to: localhost
"""

RETURN = r"""
path:
  description: The archive.
  returned: success
  type: str
  sample: /home/deploy/dist/shop-1.4.2.zip
latest:
  description: The file that says so.
  returned: success
  type: str
  sample: /home/deploy/dist/latest.json
version:
  description: The release's version.
  returned: success
  type: str
  sample: 1.4.2
sha256:
  description: The SHA-256 of the archive, V(null) when it is not known in check mode.
  returned: success
  type: str
size:
  description: Bytes of the archive, V(null) when they are not known in check mode.
  returned: success
  type: int
url:
  description: Where the archive will be.
  returned: success
  type: str
  sample: https://releases.example.com/shop/shop-1.4.2.zip
time:
  description: When it was built.
  returned: success
  type: str
  sample: '2026-11-21T10:15:00Z'
content:
  description: The SHA-256 that stands for the content, the time of the files and the format. While it stays the same nothing is built.
  returned: success
  type: str
files:
  description: How many files are in the archive.
  returned: success
  type: int
bytes:
  description: How many bytes they have.
  returned: success
  type: int
left_out:
  description: Names that are not in it. A folder, with a slash at its end, stands for all below it.
  returned: success
  type: list
  elements: str
  sample: [.git/, node_modules/]
allowed_secrets:
  description: Secrets that are in it because O(allow_secrets) allows them.
  returned: success
  type: list
  elements: dict
  contains: &secret
    path:
      description: The file.
      type: str
    line:
      description: The line, from 1.
      type: int
    kind:
      description: What kind of secret it is.
      type: str
secrets:
  description: Secrets that must not be in it.
  returned: when it is refused because of them
  type: list
  elements: dict
  contains: *secret
  sample: [{path: config/app.php, line: 12, kind: password or key}]
msg:
  description: One line.
  returned: always
  type: str
"""

from ansible_collections.runbook.ops.plugins.module_utils._build.build import release_build
from ansible_collections.runbook.ops.plugins.module_utils._build.options import BUILD
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module


def main() -> None:
    run_module(BUILD, release_build)


if __name__ == "__main__":
    main()
