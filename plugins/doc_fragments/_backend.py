# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that say through what a site's host is reached, as in ``_remote/options.py``."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  backend:
    description:
      - Through what the host is reached.
      - V(ssh) runs the module on the host, as Ansible always does.
      - V(sftp) and V(cpanel) are for hosts on which nothing can be executed. The module then works on the controller and
        reaches the host as O(remote) says. The Python library C(paramiko) must be there for V(sftp), C(requests) for V(cpanel).
    type: str
    choices:
      - ssh
      - sftp
      - cpanel
    default: ssh
  remote:
    description:
      - Where the host is, and as whom to work there, when O(backend) is V(sftp) or V(cpanel). Not used with V(ssh).
    type: dict
    suboptions:
      host:
        description:
          - Name or address of the host. Must be given.
        type: str
      port:
        description:
          - The port to connect to. By default 22 for SFTP and 2083 for cPanel.
        type: int
      user:
        description:
          - The account on the host. Must be given.
        type: str
      password:
        description:
          - The account's password, for SFTP. It never appears in a command line, a log or a result.
          - Servers that ask for it by keyboard-interactive instead get it as the answer.
        type: str
      private_key:
        description:
          - A file with a private key on the controller, as OpenSSH or as PuTTY writes it (C(.ppk), versions 2 and 3). RSA, ECDSA and
            Ed25519 keys.
          - Only its owner may be able to read it.
        type: path
      private_key_passphrase:
        description:
          - What O(remote.private_key) is encrypted with.
        type: str
      use_agent:
        description:
          - Whether to try the keys of the SSH agent that C(SSH_AUTH_SOCK) names. By default they are tried when neither
            O(remote.password) nor O(remote.private_key) is given.
        type: bool
      known_hosts:
        description:
          - A file with the keys of known hosts, as OpenSSH writes it. By default C(~/.ssh/known_hosts), C(~/.ssh/known_hosts2),
            C(/etc/ssh/ssh_known_hosts) and C(/etc/ssh/ssh_known_hosts2).
          - A host whose key is not there, or is another one, is never connected to.
        type: path
      fingerprint:
        description:
          - The fingerprint of the host's key, such as V(SHA256:uNiVztksCsDhcc0u9e8BrrJXVGDQU0ykTPGM1RTeBLQ), as C(ssh-keygen -lf) shows it,
            or V(ssh-ed25519 255 uNiVztksCsDhcc0u9e8BrrJXVGDQU0ykTPGM1RTeBLQ=), as WinSCP does.
            Then the key needs not be in O(remote.known_hosts); one that is marked as revoked there is still refused.
        type: str
      jump:
        description:
          - An SSH server to go through, which must allow TCP forwarding to O(remote.host). Its key is verified and
            this account is authenticated as for the host itself.
        type: dict
        suboptions:
          host:
            description:
              - Name or address of the server to go through. Must be given.
            type: str
          port:
            description:
              - The port to connect to. By default 22.
            type: int
          user:
            description:
              - The account there. By default O(remote.user).
            type: str
          password:
            description:
              - The password of the account there. O(remote.password) is not sent there.
            type: str
          private_key:
            description:
              - A file with a private key on the controller. Without it and without O(remote.jump.password) the keys of the SSH agent
                are tried.
            type: path
          private_key_passphrase:
            description:
              - What O(remote.jump.private_key) is encrypted with.
            type: str
          known_hosts:
            description:
              - A file with the keys of known hosts. By default the same as for O(remote.host).
            type: path
          fingerprint:
            description:
              - The fingerprint of that server's key.
            type: str
      connections:
        description:
          - How many SFTP connections to use at most, each with many requests in flight. Between 1 and 16. More than one helps where
            a single connection is held back on its way, and costs time elsewhere.
        type: int
        default: 1
      bandwidth_limit:
        description:
          - How much to send at most, in kilobytes (of 1000 bytes) per second over all connections. By default as much as goes.
        type: int
      timeout:
        description:
          - How many seconds to wait at most for the host to be reached and for each of its answers.
        type: float
        default: 30
      fix_perms:
        description:
          - Set the permissions of what was uploaded, for hosts whose web server could not read it otherwise.
        type: bool
        default: false
      offline:
        description:
          - In check mode, do not connect at all and show what would be done as a transcript.
        type: bool
        default: false
      token:
        description:
          - The API token of the account, for cPanel.
        type: str
      validate_certs:
        description:
          - Whether cPanel's certificate must be valid.
        type: bool
        default: true
      ca_path:
        description:
          - A file with the certificates of the authorities to trust, for cPanel.
        type: path
"""
