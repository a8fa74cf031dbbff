#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: notify
short_description: Tell people, in chat, by pager, mail or webhook
version_added: 0.1.0
description:
  - Sends messages to Slack, Discord, Microsoft Teams, PagerDuty, by e-mail and to any receiver of JSON. All targets are told at the same
    time, each by its service's own rule of what success is.
  - A message that is not delivered is kept on disk and sent first the next time the module runs, also without new messages.
  - An alert that a target was told of is told again only when its severity changed or O(repeat_interval) has passed, until it is
    resolved. An alert that was never told is not resolved either.
  - Text is cut where a service has a limit, never inside a character as readers see it. Arabic and other scripts that run from right to
    left stay as they are. Nothing in a text can mention people or become a link.
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.full
attributes:
  diff_mode:
    support: none
    details:
      - What would be sent is in RV(deliveries).
author:
  - runbook.ops contributors (@runbook-ops)
notes:
  - It runs where the task runs. To send from the controller, delegate the task to C(localhost) and let it run once.
  - When the connection breaks after a message was sent and before it was answered, nobody knows whether it arrived. It is kept and sent
    again with a note that says so. PagerDuty and receivers that heed C(Idempotency-Key) recognise the second one.
  - What a service refuses for good (such as status 400) is kept in the folder C(rejected) of its target and never sent again.
options:
  targets:
    description:
      - Who is told.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - What the target is called, of letters, digits, C(-), C(_) and C(.). What it was told is remembered by this name. Defaults to the
            kind.
        type: str
      kind:
        description:
          - V(slack_webhook) and V(discord), a channel's incoming webhook. They need O(targets[].url).
          - V(slack), C(chat.postMessage) with a bot's token. It needs O(targets[].token) and O(targets[].channel).
          - V(teams_workflow), an Adaptive Card to a workflow, and V(teams_connector), a MessageCard to one of the connectors that Microsoft
            retires. They need O(targets[].url).
          - V(pagerduty), the Events API v2. It needs O(targets[].routing_key). Events are not sent there.
          - V(email), SMTP. It needs O(targets[].host), O(targets[].sender) and O(targets[].recipients).
          - V(webhook), a JSON document C({ok, alerts, ts}) to O(targets[].url).
        type: str
        choices: [slack_webhook, slack, discord, teams_workflow, teams_connector, pagerduty, email, webhook]
        required: true
      url:
        description: Where messages are sent to. V(slack) and V(pagerduty) have their service's own, which this overrides. It is a secret.
        type: str
      token:
        description: The bot's token for V(slack), a bearer token for V(webhook).
        type: str
      channel:
        description: The channel for V(slack), its id or name.
        type: str
      thread_ts:
        description: For V(slack), the message whose thread is continued.
        type: str
      routing_key:
        description: The integration key for V(pagerduty).
        type: str
      headers:
        description: Further headers for V(webhook). They are secrets.
        type: dict
      hmac:
        description:
          - For V(webhook), a signature over method, path, time and SHA-256 of the body, joined by line feeds, as M(runbook.ops.http_probe)
            makes it.
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
      host:
        description: The mail server for V(email).
        type: str
      port:
        description: Its port. Defaults to 587, 465 or 25, as O(targets[].security) has it.
        type: int
      security:
        description:
          - V(starttls) sends nothing before the connection is encrypted, V(tls) encrypts from the start. V(none) is refused with a password
            unless the server is this host. V(starttls) unless given.
        type: str
        choices: [starttls, tls, none]
      username:
        description: The user for V(email), or for V(webhook) with basic authentication.
        type: str
      password:
        description: The password of O(targets[].username).
        type: str
      sender:
        description: The sender's address for V(email), such as V(Operations <ops@example.com>).
        type: str
      recipients:
        description: The addresses for V(email).
        type: list
        elements: str
      min_severity:
        description: The least severity that is sent here. An alert that falls below it is resolved here.
        type: str
        choices: [info, warning, error, critical]
        default: info
      validate_certs:
        description: Whether the server's certificate must be valid.
        type: bool
        default: true
      ca_path:
        description: A PEM file of authorities, or a hashed folder of them, instead of the system's.
        type: path
  messages:
    description:
      - What they are told, in this order. Without messages only what is kept is sent.
    type: list
    elements: dict
    default: []
    suboptions:
      title:
        description: One line.
        type: str
        required: true
      text:
        description: More lines. It is shown as it is, not as markdown.
        type: str
      state:
        description:
          - V(firing) and V(resolved) are about an alert that begins or lasts, and that is over. V(event) is told whatever was told before.
        type: str
        choices: [firing, resolved, event]
        default: firing
      severity:
        description: How bad it is.
        type: str
        choices: [info, warning, error, critical]
        default: warning
      key:
        description: What the alert is known by, from its first message to its last. Defaults to a digest of source and title.
        type: str
      source:
        description: What it is about, such as a host or a site. Defaults to the name of the host where the task runs.
        type: str
      fields:
        description: Names and values that are shown below the text.
        type: dict
      link:
        description: A URL with more.
        type: str
      targets:
        description: The names of the targets that are told. All unless given.
        type: list
        elements: str
  state_dir:
    description:
      - A folder where each target has its own, of what it was told and what it was not told yet. It is made if need be.
    type: path
    default: /var/lib/runbook/notify
  repeat_interval:
    description:
      - After this time an alert that lasts is told again, such as V(4h). V(0) is never.
    type: str
    default: 4h
  timeout:
    description:
      - Seconds that one request may take.
    type: float
    default: 10
  retries:
    description:
      - How often a message is tried again in this run when the service did not take it (such as status 429 or 503).
    type: int
    default: 4
  budget:
    description:
      - How long all may take together, waits included. When a service asks for a longer wait the message is kept.
    type: str
    default: 60s
  fail:
    description:
      - Whether a message that was not delivered fails the task.
      - Invalid options always do.
    type: bool
    default: true
seealso:
  - module: runbook.ops.http_probe
"""

EXAMPLES = r"""
- name: Tell operations that the disk fills up
  runbook.ops.notify:
    targets:
      - name: operations
        kind: slack
        token: "{{ vault_slack_token }}"
        channel: "#operations"
      - name: on-call
        kind: pagerduty
        routing_key: "{{ vault_pagerduty_key }}"
        min_severity: critical
    messages:
      - key: www.example.com/disk
        severity: warning
        title: The disk of www.example.com is 91 % full
        fields: {mount: /srv, left: 4.2 GB}
        link: https://runbooks.example.com/disk

- name: It is over
  runbook.ops.notify:
    targets:
      - {name: operations, kind: slack, token: "{{ vault_slack_token }}", channel: "#operations"}
    messages:
      - {key: www.example.com/disk, state: resolved, title: The disk of www.example.com has room again}

- name: Tell a receiver of our own, and people by mail, that a deploy has ended
  runbook.ops.notify:
    targets:
      - kind: webhook
        url: https://hooks.example.com/deploys
        hmac: {secret: "{{ vault_hook_secret }}", prefix: "sha256="}
      - kind: email
        host: smtp.example.com
        username: ops@example.com
        password: "{{ vault_smtp_password }}"
        sender: Operations <ops@example.com>
        recipients: [team@example.com]
    messages:
      - {state: event, severity: info, title: Release 20261121_101500 is live, source: www.example.com}
  delegate_to: localhost
  run_once: true

- name: Try again what could not be delivered
  runbook.ops.notify:
    targets: "{{ site_notify_targets }}"
"""

RETURN = r"""
status:
  description: The worst status of all deliveries. V(skipped) when there was nothing to tell.
  returned: when the options are valid
  type: str
msg:
  description: One line that counts what became of the messages and names those that were not delivered.
  returned: always
  type: str
deliveries:
  description: One item for each message and target, and for each message that was kept earlier.
  returned: when the options are valid
  type: list
  elements: dict
  contains:
    name:
      description: The target's name.
      type: str
      returned: always
    kind:
      description: The target's kind.
      type: str
      returned: always
    status:
      description: V(ok), V(warning) when only some recipients got it, V(failed), V(crashed) or V(skipped).
      type: str
      returned: always
    result:
      description:
        - V(delivered), V(suppressed) when it was no news, V(kept) for the next time, V(rejected) by the service for good, V(predicted) in
          check mode, or V(crashed).
      type: str
      returned: always
    message:
      description: What became of it and why.
      type: str
      returned: always
    key:
      description: The alert's key.
      type: str
      returned: always
    state:
      description: The message's state.
      type: str
      returned: always
    title:
      description: The message's title.
      type: str
      returned: always
    earlier:
      description: Whether an earlier run had kept it.
      type: bool
      returned: always
    attempts:
      description: How many requests were sent for it.
      type: int
      returned: always
    duration_ms:
      description: How long it took, waits included, in milliseconds.
      type: float
      returned: always
  sample:
    - {name: operations, kind: slack, status: ok, result: delivered, message: delivered, key: www.example.com/disk, state: firing,
       title: The disk of www.example.com is 91 % full, earlier: false, attempts: 1, duration_ms: 212.4}
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._notify.notify import notify
from ansible_collections.runbook.ops.plugins.module_utils._notify.options import NOTIFY


def main() -> None:
    run_module(NOTIFY, notify)


if __name__ == "__main__":
    main()
