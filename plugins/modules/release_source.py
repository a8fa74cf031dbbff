#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_source
short_description: Resolve where a release's content comes from
version_added: 0.1.0
author:
  - runbook.ops contributors (@runbook-ops)
description:
  - Turns a folder, an archive, a download or a commit of a git repository into a folder on the machine it runs on, for
    M(runbook.ops.release_stage) to stage from.
  - It is meant to run once, on the controller (C(delegate_to=localhost), C(run_once=true)), so that all hosts get the same
    content even when the branch moves meanwhile.
  - Whatever has to be fetched or unpacked is kept in a cache below O(cache_dir), keyed by its content, and is made once.
    What was not used for two weeks, or is not among the ten newest, is removed from there again, but nothing that was used
    within a day.
  - Archives are unpacked safely. One that holds absolute names, C(..), links that lead out of it, names written through its
    own links, devices, pipes, one name twice, more than O(max_bytes) or more than O(max_files), or that is truncated or
    damaged, is refused as a whole.
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.info
  - runbook.ops._attributes.actiongroup_release
attributes:
  check_mode:
    details:
      - Content is fetched into the cache in check mode too, because predicting a deploy needs it. The cache is not a part of
        any site, RV(ignore:changed) is always V(false).
  idempotent:
    details:
      - RV(ignore:changed) is always V(false). A moving branch resolves to another commit.
requirements:
  - C(git) for O(repo)
  - C(zstd) for archives packed with it
  - C(ssh) for O(repo) over SSH
options:
  src:
    description:
      - Absolute path of a folder or of an archive on the machine this module runs on.
      - A folder is returned as it is and never copied.
      - Archives are C(.tar), also packed with gzip, bzip2, xz or zstd, and C(.zip). Content decides, not the name.
    type: path
  url:
    description:
      - Address of an archive, V(http) or V(https). Needs O(checksum).
      - Proxies are taken from the environment. An interrupted download is resumed if the server can.
      - User name and password are refused here, give them as O(username) and O(password).
    type: str
  checksum:
    description:
      - What the archive must be, as V(sha256:<hex digits>). V(sha384) and V(sha512) work too.
      - For O(url) also the address of a list as C(sha256sum) writes it, for example V(sha256:https://downloads.example.com/SHA256SUMS).
    type: str
  repo:
    description:
      - Absolute path or address (V(https), V(http), V(ssh), V(git), V(file), or C(user@host:path)) of a git repository.
      - Only the files of the commit are taken, as C(git archive) gives them. C(export-ignore) in C(.gitattributes) is
        followed, submodules are not included (there is a warning), and nothing of the repository is executed.
    type: str
  version:
    description:
      - Branch, tag, commit or full name (V(refs/heads/main)) in O(repo). The default is the repository's default branch.
      - For O(src) and O(url) a label of your own, returned as RV(version).
    type: str
  subfolder:
    description:
      - Folder inside the source that is the release, for example V(public).
    type: str
  strip_components:
    description:
      - Leading folders to cut from every name in an archive. A file that would be left without a name is an error.
    type: int
    default: 0
  cache_dir:
    description:
      - Folder of the cache, which only the user who runs this may write to.
      - The default is C($XDG_CACHE_HOME/runbook.ops), or C(~/.cache/runbook.ops).
    type: path
  max_bytes:
    description:
      - Most bytes an archive or commit may hold once unpacked, and a download may have. The default is 8 GiB.
    type: int
    default: 8589934592
  max_files:
    description:
      - Most members (files, folders and links) an archive or commit may hold.
    type: int
    default: 500000
  timeout:
    description:
      - Seconds to wait for a connection and for each piece of data.
    type: float
    default: 30
  headers:
    description:
      - Additional HTTP headers for O(url), for example a token. They are sent to that server only, not to where it redirects.
    type: dict
  username:
    description:
      - User name for O(url), or for O(repo) over HTTP(S).
    type: str
  password:
    description:
      - Password or token for O(url), or for O(repo) over HTTP(S).
    type: str
  validate_certs:
    description:
      - Whether the server's certificate must be valid.
    type: bool
    default: true
  key_file:
    description:
      - SSH private key for O(repo), without passphrase.
    type: path
  accept_hostkey:
    description:
      - Whether to trust an unknown SSH server on first sight. A changed host key is never accepted.
    type: bool
    default: false
  depth:
    description:
      - How many commits of history to fetch. A release needs V(1), servers that can't do that are asked for everything.
    type: int
    default: 1
seealso:
  - module: runbook.ops.release_stage
"""

EXAMPLES = r"""
- name: Take the release from a tag, once for all hosts
  runbook.ops.release_source:
    repo: https://git.example.com/shop/site.git
    version: v2.4.1
    username: deploy
    password: "{{ git_token }}"
  delegate_to: localhost
  run_once: true
  register: source

- name: Show what will be deployed
  ansible.builtin.debug:
    msg: "{{ source.commit }} {{ source.summary }}"

- name: Stage it
  runbook.ops.release_stage:
    path: /srv/www.example.com
    src: "{{ source.path }}"
    metadata:
      version: "{{ source.version }}"
      commit: "{{ source.commit }}"
      summary: "{{ source.summary }}"

- name: Take the release from the build server
  runbook.ops.release_source:
    url: https://builds.example.com/site-2.4.1.tar.gz
    checksum: sha256:https://builds.example.com/SHA256SUMS
    strip_components: 1
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
path:
  description: The folder with the release's content. Do not change anything in it.
  type: str
  returned: success
  sample: /home/deploy/.cache/runbook.ops/entries/archive-sha256-2c26b46b-s0/tree
kind:
  description: What the source is, V(folder), V(archive), V(url) or V(git).
  type: str
  returned: success
  sample: git
commit:
  description: Full id of the commit for O(repo), else empty.
  type: str
  returned: success
  sample: 5f0c7a0c8a2f4d6e1b3c9d7e5f1a2b3c4d5e6f70
version:
  description: O(version) as it was given, V(HEAD) for O(repo) without it.
  type: str
  returned: success
  sample: v2.4.1
summary:
  description: First line of the commit's message for O(repo), else empty.
  type: str
  returned: success
  sample: Fix the checkout on small screens
date:
  description: When the commit was made (ISO 8601) for O(repo), else empty.
  type: str
  returned: success
  sample: "2026-11-21T10:15:00+01:00"
checksum:
  description: Checksum of the archive or download with its algorithm, else empty.
  type: str
  returned: success
  sample: sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
files:
  description: Files in the whole archive or commit. Not known for a folder.
  type: int
  returned: success
  sample: 2316
bytes:
  description: Bytes of those files. Not known for a folder.
  type: int
  returned: success
  sample: 28104212
cached:
  description: Whether nothing had to be fetched or unpacked.
  type: bool
  returned: success
  sample: true
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.argspec import ArgumentSpec
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._source.source import resolve

SPEC = ArgumentSpec(
    {
        "src": {"type": "path"},
        "url": {"type": "str"},
        "checksum": {"type": "str"},
        "repo": {"type": "str"},
        "version": {"type": "str"},
        "subfolder": {"type": "str"},
        "strip_components": {"type": "int", "default": 0},
        "cache_dir": {"type": "path"},
        "max_bytes": {"type": "int", "default": 8 << 30},
        "max_files": {"type": "int", "default": 500_000},
        "timeout": {"type": "float", "default": 30},
        "headers": {"type": "dict", "no_log": True},
        "username": {"type": "str"},
        "password": {"type": "str", "no_log": True},
        "validate_certs": {"type": "bool", "default": True},
        "key_file": {"type": "path", "no_log": False},
        "accept_hostkey": {"type": "bool", "default": False},
        "depth": {"type": "int", "default": 1},
    },
    required_one_of=[("src", "url", "repo")],
    mutually_exclusive=[("src", "url", "repo"), ("checksum", "repo")],
    required_by={"url": ["checksum"]},
)


def main() -> None:
    run_module(SPEC, resolve)


if __name__ == "__main__":
    main()
