#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: evidence_bundle
short_description: Bundle what a run left behind, without its secrets
version_added: 0.1.0
description:
  - Collects results, ends of logs, listings of folders and reports into one zip with a manifest and C(SHA256SUMS), so that it can be
    shown to others and proven later. Equal input makes equal bytes.
  - Secrets are taken out by rules before anything is written. Binary files are kept as they are and named in RV(binary).
  - Symbolic links, devices and names that could leave the folder a bundle is unpacked in are never collected.
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.full
attributes:
  idempotent:
    support: partial
    details:
      - A bundle of equal content with the same O(mode) is left alone. Signatures of ECDSA keys differ each time, those of Ed25519 and RSA
        keys do not.
author:
  - runbook.ops contributors (@runbook-ops)
options:
  state:
    description:
      - With V(present), the bundle O(dest) is made of O(sources).
      - With V(collected), nothing is written. What was collected is returned in RV(documents), for a bundle of several hosts that is
        made elsewhere.
      - With V(verified), the bundle O(dest) is read and everything in it hashed again.
    type: str
    choices: [present, collected, verified]
    default: present
  dest:
    description:
      - The bundle, a C(.zip) file on the host. Its folder is made, for its owner alone, when it is not there.
      - Required unless O(state=collected).
    type: path
  sources:
    description:
      - What is collected. Each source has exactly one of C(src), C(listing) and C(content).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - What it is called in the bundle, relative, without C(..). For a folder, the folder in the bundle.
          - The default is the path of O(sources[].src) without its first slash, or a name below C(listings/). Required with
            O(sources[].content).
        type: str
      src:
        description:
          - A file or folder on the host. What is no regular file in a folder is left out and named in RV(left_out).
        type: path
      listing:
        description:
          - A folder whose names, sizes, owners, modes, times and links are listed.
        type: path
      content:
        description:
          - A text, or data that becomes a JSON document with its names in order.
        type: raw
      max_bytes:
        description:
          - Of a larger text file only this much of its end is taken, beginning with a whole line. A larger binary file is left out.
        type: int
        default: 10485760
      depth:
        description:
          - How many levels of a folder are listed.
        type: int
        default: 2
      optional:
        description:
          - Whether it may be missing. It is named in RV(left_out) then.
        type: bool
        default: false
      exclude:
        description:
          - Patterns of names or paths in a folder that are not collected.
        type: list
        elements: str
        default: []
  metadata:
    description:
      - What else the manifest should say, such as who did what, when and why. A time in it makes every bundle another one.
    type: dict
    default: {}
  scrub_rules:
    description:
      - Rules of your own, applied after the ready-made ones.
      - The ready-made ones are C(private_keys), C(urls) (credentials, signatures and webhooks in URLs), C(headers) (such as
        C(Authorization) and C(Cookie)), C(tokens) (of known forms) and C(passwords) (what is assigned to names like C(DB_PASSWORD)).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - Its name in the manifest.
        type: str
        required: true
      regex:
        description:
          - A Python regular expression. When it has a group C(secret), only that is replaced.
        type: str
        required: true
      replace:
        description:
          - What stands there instead. The default is C([scrubbed]).
        type: str
  scrub_without:
    description:
      - Ready-made rules that are not applied.
    type: list
    elements: str
    default: []
  scrub_values:
    description:
      - Secrets that are known. They are found wherever they stand, also in URL, JSON and Base64 form.
    type: list
    elements: str
    default: []
  compress:
    description:
      - Whether files are compressed. Compressed bytes are equal only where Python's zlib is the same; others are equal everywhere.
    type: bool
    default: true
  max_total_bytes:
    description:
      - How much a bundle may hold, uncompressed. More is refused.
    type: int
    default: 536870912
  mode:
    description:
      - The mode of O(dest), in octal digits.
    type: str
    default: '0600'
  sign_key:
    description:
      - A private SSH key on the host without passphrase, or the public key of one that an agent holds. C(SHA256SUMS) is signed with it by
        C(ssh-keygen -Y sign) for the namespace C(runbook-evidence).
    type: path
  allowed_signers:
    description:
      - With O(state=verified), a file with a line C(<signer> <public key>) for everyone who may sign, as C(ssh-keygen) reads it. A bundle
        that none of O(signer)'s keys signed then fails.
    type: path
  signer:
    description:
      - Who in O(allowed_signers) must have signed.
    type: str
    default: ''
  fail:
    description:
      - With O(state=verified), whether to fail when the bundle is not what was made.
    type: bool
    default: true
seealso:
  - plugin: runbook.ops.evidence
    plugin_type: callback
"""

EXAMPLES = r"""
- name: Bundle what the deploy left
  runbook.ops.evidence_bundle:
    dest: /var/lib/runbook/evidence/20261121_101500_prod.zip
    sources:
      - {name: results/probes.json, content: "{{ verify_result }}"}
      - {src: /var/log/nginx/error.log, max_bytes: 262144, optional: true}
      - {listing: /srv/www.example.com/releases}
    metadata: {label: prod, ticket: OPS-4711}
    scrub_values: ["{{ vault_shop_password }}"]
    sign_key: /etc/runbook/evidence_ed25519

- name: Collect on each host for one bundle on the controller
  runbook.ops.evidence_bundle:
    state: collected
    sources:
      - {listing: /srv/www.example.com, name: before/site.txt}
  register: before

- name: Prove that a bundle is what was made
  runbook.ops.evidence_bundle:
    state: verified
    dest: /var/lib/runbook/evidence/20261121_101500_prod.zip
    allowed_signers: /etc/runbook/allowed_signers
    signer: ops@example.com
"""

RETURN = r"""
dest:
  description: The bundle.
  returned: success, O(state=present) or O(state=verified)
  type: str
sha256:
  description: The sha256 of the bundle, or of the one that would be made.
  returned: success, O(state=present)
  type: str
bytes:
  description: Its size.
  returned: success, O(state=present)
  type: int
entries:
  description:
    - What it holds, with C(name), C(sha256), C(bytes), C(kind) (V(text), V(binary) or V(listing)), C(source), C(scrubbed) (how often each
      rule found something) and, where only the end was taken, C(excerpt_of_bytes).
  returned: success, O(state=present)
  type: list
  elements: dict
left_out:
  description: What was not collected, with C(name), C(source) and C(reason).
  returned: success, O(state=present) or O(state=collected)
  type: list
  elements: dict
binary:
  description: The names of files that are binary, from which nothing was taken out.
  returned: success, O(state=present)
  type: list
  elements: str
scrubbed:
  description: How many secrets were taken out.
  returned: success, O(state=present)
  type: int
signed:
  description: Whether it is signed.
  returned: success, O(state=present)
  type: bool
documents:
  description: The texts collected, with C(name) and C(content), to be sources elsewhere.
  returned: success, O(state=collected)
  type: list
  elements: dict
status:
  description: The worst status of the checks, V(ok), V(warning) (signed by somebody who was not asked about), V(failed) or V(crashed).
  returned: O(state=verified)
  type: str
checks:
  description: The checks C(content), C(manifest) and C(signature), in the schema of probes and checks.
  returned: O(state=verified)
  type: list
  elements: dict
manifest:
  description: What the bundle says of itself.
  returned: O(state=verified)
  type: dict
msg:
  description: One line about it.
  returned: always
  type: str
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._evidence.bundle import BUNDLE, evidence_bundle


def main() -> None:
    run_module(BUNDLE, evidence_bundle)


if __name__ == "__main__":
    main()
