#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_stage
short_description: Make a release complete and verified on a host
version_added: 0.1.0
description:
  - Brings a release to C(releases/<id>) of a site without touching what is served.
  - The controller hashes the source once, asks the host which content it lacks, and sends only that. The rest is linked from
    earlier releases of the host. Every file is hashed on the host before the release counts as ready.
  - An interrupted run is resumed by the next one with the same O(release); what had arrived is not sent again.
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.full
  - runbook.ops._attributes.actiongroup_release
  - runbook.ops._release
  - runbook.ops._backend
  - runbook.ops._release.holder
author:
  - runbook.ops contributors (@runbook-ops)
attributes:
  action:
    description: Indicates this has a corresponding action plugin so some parts of the options can be executed on the controller.
    support: full
options:
  src:
    description:
      - A folder or an archive (tar, also compressed by gzip, bzip2, xz or zstd, or zip) on the controller.
      - Relative paths are looked for as M(ansible.builtin.copy) does.
    type: path
  remote_src:
    description:
      - Whether O(src) is on the host, or O(url) is downloaded by the host.
    type: bool
    default: false
  url:
    description:
      - An archive to download, once, on the controller.
    type: str
  checksum:
    description:
      - The checksum of what O(url) serves, for example V(sha256:9f86d08…).
    type: str
  release:
    description:
      - The id of the release. The default is the present in UTC, for example V(20261121_101500).
      - An id that exists is left alone when it has the same content, and refused otherwise.
    type: str
  exclude:
    description:
      - Patterns of names that do not belong into the release. One with a slash matches a path from the source's root, one without
        matches any name. C(.git), C(.hg) and C(.svn) are always left out.
    type: list
    elements: str
    default: []
  shared_dirs:
    description:
      - Folders below C(shared/) that the release links to instead of having its own.
      - Each is a path, the same in both places, or a mapping of C(src) (below C(shared/)), C(dest) (in the release), and for a
        folder that does not exist yet C(owner), C(group) and C(mode).
      - What the source has at that place is not staged. Parents of C(dest) may be links inside the release.
    type: list
    elements: raw
    default: []
  shared_files:
    description:
      - Files below C(shared/) that the release links to instead of having its own.
      - Each is a path, the same in both places, or a mapping of C(src) (below C(shared/)), C(dest) (in the release), and for a
        folder that does not exist yet C(owner), C(group) and C(mode).
      - What the source has at that place is not staged. Parents of C(dest) may be links inside the release.
    type: list
    elements: raw
    default: []
  owner:
    description:
      - The user who shall own the release's files. The default is whoever runs the module on the host.
    type: str
  group:
    description:
      - The group that shall own the release's files.
    type: str
  file_mode:
    description:
      - The mode of files, for example V('0640'). Executable files get the execute bits that match its read bits.
      - The default is V('0644'), V('0755') for executable files.
    type: raw
  dir_mode:
    description:
      - The mode of folders. The default is V('0755').
    type: raw
  metadata:
    description:
      - Facts about the release to keep with it, such as C(version), C(commit), C(summary), C(tester).
    type: dict
    default: {}
  hardlink:
    description:
      - Whether files that an earlier release has too may be hard links to them.
      - Set it to V(false) when commands will change files of the release in place, they would change the earlier release as well.
    type: bool
    default: true
  reuse_current:
    description:
      - When the current release has exactly this content, answer with it and change nothing.
    type: bool
    default: false
  compress:
    description:
      - Whether uploads are compressed. V(auto) does it on links slower than about 100 Mbit/s.
    type: str
    choices: [auto, always, never]
    default: auto
  strip_components:
    description:
      - How many leading folders to cut off the names in an archive.
    type: int
    default: 0
  max_size:
    description:
      - The most megabytes that an archive may unpack to.
    type: int
    default: 10240
  timeout:
    description:
      - Seconds without an answer after which a download fails.
    type: float
    default: 60
  cache_dir:
    description:
      - Where unpacked archives and hashes are kept. The default is C(~/.cache/runbook.ops).
    type: path
  lock_ttl:
    description:
      - When given, the site's lock is taken for O(lock_owner) before anything else, for so many seconds.
    type: int
  lock_take_over:
    description:
      - Whether to take the lock away from another owner.
    type: bool
    default: false
  swap:
    description:
      - Whether to make the release current too, as M(runbook.ops.release_swap) would, in the call that finds it complete. That is one
        round trip less where nothing has to happen in between and no other host has to be waited for.
      - Needs O(lock_owner) and a source on the controller. Does nothing in check mode.
    type: bool
    default: false
  reason:
    description:
      - Why, for the history, with O(swap).
    type: str
    default: ''
seealso:
  - module: runbook.ops.release_swap
  - module: runbook.ops.release_source
"""

EXAMPLES = r"""
- name: Stage a folder, sharing what must outlive releases
  runbook.ops.release_stage:
    path: /srv/www.example.com
    src: files/site/
    release: 20261121_101500
    exclude: [node_modules, "*.map"]
    shared_dirs: [uploads, {src: sessions, dest: var/sessions, owner: www-data, mode: "0750"}]
    shared_files: [config.php]
    metadata:
      version: 1.4.2
      commit: 5f2c9e1

- name: Stage an archive that the host downloads
  runbook.ops.release_stage:
    path: /srv/www.example.com
    url: https://releases.example.com/site-1.4.2.tar.gz
    checksum: sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
    remote_src: true
"""

RETURN = r"""
release:
  description: The id of the release.
  returned: success
  type: str
  sample: 20261121_101500
release_path:
  description: Its folder on the host.
  returned: success
  type: str
  sample: /srv/www.example.com/releases/20261121_101500
state:
  description: The state of the release, V(ready), or V(live) when it is current.
  returned: success
  type: str
  sample: ready
root:
  description: The sha256 that stands for the whole content.
  returned: success
  type: str
files:
  description: How many files the release has.
  returned: success
  type: int
bytes:
  description: How many bytes these have.
  returned: success
  type: int
current:
  description: The release that is current.
  returned: success
  type: str
sent_files:
  description: How many files were, or in check mode would be, sent.
  returned: when the source is on the controller
  type: int
sent_bytes:
  description: How many bytes were, or in check mode would be, sent.
  returned: when the source is on the controller
  type: int
resumed_files:
  description: How many files an interrupted run had left for this one.
  returned: when something was staged
  type: int
linked_files:
  description: How many files are hard links to an earlier release's.
  returned: when something was staged
  type: int
changes:
  description: How many paths are C(added), C(changed) and C(removed) against the current release.
  returned: when something was or would be staged
  type: dict
swap:
  description:
    - What M(runbook.ops.release_swap) returns. The task fails when the swap did; the release is staged all the same.
    - It is missing, and the task fails, when the connection broke before the release was made current.
  returned: with O(swap), when the release is staged
  type: dict
may_be_current:
  description: Whether the host could not say if O(swap) was made, because the connection broke or its process was killed.
  returned: failure, when that is so
  type: bool
notes:
  description: What else the operator should know, a sentence each.
  returned: success
  type: list
  elements: str
transcript:
  description: What would be done on the host, one line each.
  returned: with O(remote.offline=true)
  type: list
  elements: str
  sample: ["put index.php to /home/user/site/.runbook/incoming/20261121_101500/tree/index.php (405 bytes)"]
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._release.options import STAGE
from ansible_collections.runbook.ops.plugins.module_utils._release.release_stage import release_stage


def main() -> None:
    run_module(STAGE, release_stage)


if __name__ == "__main__":
    main()
