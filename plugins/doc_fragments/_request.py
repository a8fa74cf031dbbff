# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of modules whose requests go to one server, as in ``_http/options.py``."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  base_url:
    description:
      - The URL that relative ones are relative to. Without a slash at its end its last part is replaced.
    type: str
  headers:
    description:
      - Request headers. Prefer O(url_password), O(bearer_token) or O(hmac) to a header that holds a secret, because Ansible shows headers
        when it is verbose.
    type: dict
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
  connect_to:
    description:
      - The node to connect to, instead of the one that the URL's name resolves to, see M(runbook.ops.http_probe).
    type: raw
  proxy:
    description:
      - URL of an HTTP proxy, such as V(http://proxy.example.com:3128).
    type: str
  proxy_username:
    description:
      - User name at the proxy (basic authentication).
    type: str
  proxy_password:
    description:
      - Password at the proxy.
    type: str
  url_username:
    description:
      - User name for basic authentication, which is sent with the first request already.
    type: str
  url_password:
    description:
      - Password for basic authentication.
    type: str
  bearer_token:
    description:
      - Token for an C(Authorization) header of type Bearer.
    type: str
  hmac:
    description:
      - Sign every request. Unless O(hmac.parts) says otherwise, the signature is the HMAC of four lines, joined by line feeds and
        without one at the end, which are the method, the path with its query as sent, the content of the timestamp header, and the
        SHA-256 of the body in lower case hexadecimal digits.
    type: dict
    suboptions:
      secret:
        description: The shared secret.
        type: str
        required: true
      key_id:
        description: A name of the secret that is sent along.
        type: str
      algorithm:
        description: The hash function of the HMAC.
        type: str
        choices: [sha256, sha384, sha512]
        default: sha256
      encoding:
        description: How the signature is written.
        type: str
        choices: [hex, base64]
        default: hex
      header:
        description: The header that carries the signature.
        type: str
        default: X-Signature
      prefix:
        description: Text before the signature in its header, such as V(sha256=).
        type: str
        default: ''
      timestamp_header:
        description: The header that carries the time.
        type: str
        default: X-Timestamp
      key_id_header:
        description: The header that carries the name of the secret.
        type: str
        default: X-Key-Id
      parts:
        description:
          - What is signed, in this order. V(path) has the query as it is sent, V(timestamp) is the content of its header,
            V(body_sha256) is written in lower case hexadecimal digits.
          - A receiver can't tell an old request from a new one without V(timestamp).
        type: list
        elements: str
        choices: [method, path, path_without_query, timestamp, body, body_sha256, key_id]
        default: [method, path, timestamp, body_sha256]
      separator:
        description: What stands between the parts. The default is a line feed.
        type: str
        default: "\n"
      timestamp_format:
        description: How the time is written, V(seconds) or V(milliseconds) since 1970, or V(iso8601) such as C(2026-11-21T10:15:00Z).
        type: str
        choices: [seconds, milliseconds, iso8601]
        default: seconds
"""
