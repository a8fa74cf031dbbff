#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: artifact_verify
short_description: Compare a published file with the documents that announce it
version_added: 0.1.0
description:
  - Reads C(latest.json), an installer's metadata and their like, and compares what they say with the file itself, on this host or over
    HTTP. Size, SHA-256, version, address and age.
  - A download is read to its end in constant memory. C(HEAD), C(Content-Length) and C(ETag) must fit what was read.
  - A check that does not hold fails the task, unless O(fail=false).
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.info
author:
  - runbook.ops contributors (@runbook-ops)
notes:
  - Credentials, O(headers) and the client certificate are sent to the hosts that the options name. Where only a document on a server names
    another host, that one gets none of them.
  - Redirects are followed.
options:
  path:
    description:
      - The file on this host.
      - Without this and O(url), it is what the first document with an address leads to, a file beside that document or a download.
    type: path
  url:
    description:
      - The address of the file. With O(path) both are compared.
    type: str
  documents:
    description:
      - The documents. All are compared with the file, and their versions with each other.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: A document on this host. One of this and O(documents[].url) is required.
        type: path
      url:
        description: The address of a document.
        type: str
      name:
        description: What it is called in results. Defaults to the last part of its path.
        type: str
      fields:
        description:
          - The document's own names for C(version), C(sha256), C(size), C(url) and C(time), where they differ. Names inside others are
            joined by dots, as in V(files.0.sha256). An empty text says that the document does not have it.
          - C(version), C(sha256) and C(size) must be there, and what is named here.
        type: dict
        default: {}
  version:
    description:
      - The version that the documents must say. Without it all must say the same.
    type: str
  max_age:
    description:
      - The most that C(time) may be ago, such as V(26h) or V(7d), which the first document must say then.
      - It must not be in the future by more than five minutes in any case.
    type: str
  head:
    description:
      - Whether a download must answer C(HEAD) with the same size and C(ETag).
    type: bool
    default: true
  connect_to:
    description:
      - The node to connect to instead of the one that the name resolves to, as V(host), V(host:port), V([IPv6]:port) or as a mapping with
        C(host) and C(port). C(Host) header, SNI and certificate check keep the URL's name.
    type: raw
  headers:
    description:
      - Request headers.
    type: dict
  url_username:
    description:
      - User name for basic authentication.
    type: str
  url_password:
    description:
      - Password for basic authentication.
    type: str
  bearer_token:
    description:
      - Token for an C(Authorization) header of type Bearer.
    type: str
  validate_certs:
    description:
      - Whether the server's certificate must verify.
    type: bool
    default: true
  ca_path:
    description:
      - PEM file, or hashed folder, of the certification authorities that are trusted instead of the system's.
    type: path
  client_cert:
    description:
      - PEM file of a client certificate, with its key if O(client_key) is not given.
    type: path
  client_key:
    description:
      - PEM file of the client certificate's key, without passphrase.
    type: path
  proxy:
    description:
      - URL of an HTTP proxy.
    type: str
  timeout:
    description:
      - Seconds that one request may take, from the name look-up to the last byte.
    type: float
    default: 600
  fail:
    description:
      - Whether a check of status V(failed) or V(crashed) fails the task.
      - Invalid options always do.
    type: bool
    default: true
seealso:
  - module: runbook.ops.release_build
  - module: runbook.ops.http_probe
"""

EXAMPLES = r"""
- name: What was built is what latest.json says
  runbook.ops.artifact_verify:
    documents:
      - path: dist/latest.json

- name: What is served is what was built, on the node behind the load balancer
  runbook.ops.artifact_verify:
    documents:
      - url: https://releases.example.com/site/latest.json
    version: 1.4.2
    max_age: 7d
    connect_to: 192.0.2.11

- name: The installer, its latest.json and its metadata agree
  runbook.ops.artifact_verify:
    path: storage/releases/worker-setup.exe
    documents:
      - path: storage/releases/latest.json
      - path: storage/releases/installer_meta.json
        fields: {version: app.version, sha256: checksum, size: bytes, url: '', time: built_at}
    fail: false
  register: installer
"""

RETURN = r"""
status:
  description: The worst status of all checks, V(ok), V(failed), V(crashed) or V(skipped).
  returned: when the options are valid
  type: str
msg:
  description: One line that names every check that is not ok, or counts them.
  returned: always
  type: str
artifacts:
  description: The files that were read to their end.
  returned: when the options are valid
  type: list
  elements: dict
  contains:
    kind:
      description: V(file) or V(download).
      type: str
    where:
      description: Its path or address.
      type: str
    size:
      description: Its bytes.
      type: int
    sha256:
      description: Its SHA-256.
      type: str
documents:
  description: What each document says, by its name, as C(version), C(sha256), C(size), C(url) and C(time).
  returned: when the options are valid
  type: dict
checks:
  description:
    - One item for reading each document, those of the file (C(file), or C(download), C(download: length), C(download: HEAD),
      C(download: ETag)), and for each document its C(sha256), C(size), C(version), C(url) and C(time).
  returned: when the options are valid
  type: list
  elements: dict
  contains:
    name:
      description: What is checked.
      type: str
    status:
      description: V(ok), V(failed), V(crashed) when it can't be told, or V(skipped) when a document or server does not say it.
      type: str
    value:
      description: What is there.
      type: raw
    unit:
      description: The value's unit.
      type: str
    warn:
      description: Always V(null).
      type: float
    crit:
      description: What is expected.
      type: raw
    message:
      description: What is wrong, or what was found.
      type: str
    duration_ms:
      description: How long reading took.
      type: float
  sample:
    - {name: 'latest.json: size', status: failed, value: 424, unit: bytes, warn: null, crit: 425,
       message: 'says 425, dist/site-1.4.2.zip has 424', duration_ms: 0.0}
"""

from ansible_collections.runbook.ops.plugins.module_utils._build.options import VERIFY
from ansible_collections.runbook.ops.plugins.module_utils._build.verify import artifact_verify
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module


def main() -> None:
    run_module(VERIFY, artifact_verify)


if __name__ == "__main__":
    main()
