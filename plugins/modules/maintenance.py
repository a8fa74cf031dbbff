#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: maintenance
short_description: Switch a site's maintenance on or off
version_added: 0.1.0
description:
  - Makes the web server answer every request with status 503, C(Retry-After) and a friendly page, except for allowed addresses
    and for whoever has the bypass token; or ends that.
  - This module writes the flag C(maintenance.flag) and the folder C(maintenance.d) below O(path). The web server tests for them with
    a snippet for nginx or Apache that the role P(runbook.ops.maintenance#role) installs once. Nothing is reloaded when maintenance is
    switched.
  - While maintenance is on, running the module again changes what is given and leaves every option that is not given as it is.
    So a deployment may switch maintenance on over an operator's own without changing who may pass. When it is switched on, an option that
    is not given means none.
  - Whatever lets somebody pass, and the page, exist before the flag does; switching off removes the flag first. A run that is
    killed in between is completed by the next.
  - With O(backend) other than V(ssh) it does the same over SFTP or cPanel's API, on hosts on which nothing can be executed.
author:
  - runbook.ops contributors (@runbook-ops)
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.full
  - runbook.ops._backend
options:
  path:
    description:
      - The site's base folder, absolute. It must exist, and not everybody may be allowed to write in it.
      - With O(state=installed) it is made if it does not exist.
    type: path
    required: true
  state:
    description:
      - Whether maintenance is on (V(present)) or off (V(absent)).
      - Switching off removes allowed addresses, the token and the page too.
      - V(installed) puts O(snippet) into the C(.htaccess) file O(htaccess) and leaves the switch alone. The role
        P(runbook.ops.maintenance#role) calls it; other web server configuration is not for this module.
      - While an incident is open, V(absent) without O(incident=closed) changes nothing, warns, and RV(active) stays true.
    type: str
    choices: [present, absent, installed]
    default: present
  message:
    description:
      - What visitors are told, plain text of at most 2000 characters in any language and direction; an empty line begins a new paragraph.
      - An empty text stands for the built-in sentence.
    type: str
  retry_after:
    description:
      - After how many seconds clients should try again, at most 31 days. The value of C(Retry-After).
      - Without it, O(until) is the value, as a date. Without both it is 300.
    type: int
  until:
    description:
      - When maintenance is expected to end. ISO 8601 with its time zone, or seconds since 1970. The page shows it.
      - Maintenance does not end by itself then.
      - An empty text takes it back.
    type: str
  allow_ips:
    description:
      - Addresses and networks that see the site itself.
      - An element may hold several, separated by commas or white space.
      - IPv4 networks of any length but /0, IPv6 networks of length /24 to /32, /40 to /48, /56 to /64 and /120 to /128.
      - The web server must see the visitors' own addresses; behind a load balancer it needs C(real_ip) or C(mod_remoteip).
      - An empty list lets no address pass.
    type: list
    elements: str
  bypass_token:
    description:
      - A secret of 16 to 128 letters, digits, C(_) and C(-). Whoever sends it sees the site itself.
      - It is sent as the header C(X-Maintenance-Bypass), as the cookie C(maintenance_bypass), or once as C(?maintenance_bypass=…),
        which sets the cookie.
      - An empty text removes it.
    type: str
  incident:
    description:
      - V(open) marks this maintenance as that of an incident, which stays on until somebody closes it. No deploy, rollback or restore
        ends it. One that is open already stays as it was opened.
      - V(closed) with O(state=absent) closes the incident and ends its maintenance, and nobody else's. With O(state=present)
        maintenance stays on.
      - Without it an incident that is open stays open.
    type: str
    choices: [open, closed]
  reason:
    description:
      - Why an incident is opened, one line of at most 500 characters, for those who find the site under maintenance.
      - Visitors are not shown it.
    type: str
  by:
    description:
      - Who switches maintenance on, for the record in the flag.
      - Defaults to the account that the module runs for.
    type: str
  owner:
    description:
      - The account, by name or number, that owns the flag and C(maintenance.d), if it is not the one that the module runs as.
      - Give the account that other runs use, so that these can switch maintenance too.
      - Not possible with O(backend) other than V(ssh), where everything belongs to the account that connects.
    type: str
  group:
    description:
      - The group, by name or number, of the flag and C(maintenance.d). Not possible with O(backend) other than V(ssh).
    type: str
  htaccess:
    description:
      - The C(.htaccess) file in which the role installed its block, if it did. Other files are left alone.
      - The page and C(Retry-After) stand in a block of their own there, because Apache reads no other file on behalf of a C(.htaccess).
      - Defaults to C(.htaccess) in O(path).
      - With O(state=installed) it is made if it does not exist; otherwise it keeps its mode, its owner and the rest of its text.
      - With O(backend) other than V(ssh) it must be in O(path) or in a folder below it.
    type: path
  snippet:
    description:
      - The text that the role P(runbook.ops.maintenance#role) makes of its template for Apache. Required with O(state=installed).
    type: str
notes:
  - The names in C(maintenance.d/token) are secrets. The folder can be entered but not listed by other accounts.
seealso:
  - name: Maintenance
    description: The guide to maintenance, the snippets and what they need.
    link: https://github.com/runbook-ops/runbook.ops/tree/main/docs/maintenance.md
"""

EXAMPLES = r"""
- name: Switch maintenance on
  runbook.ops.maintenance:
    path: /srv/www.example.com
    message: We are moving to a new database.
    until: "2030-01-31T22:30:00+01:00"
    allow_ips:
      - 203.0.113.7
      - 198.51.100.0/24
      - 2001:db8:1:2::/64
    bypass_token: "{{ vault_maintenance_token }}"
    owner: deploy
    by: "{{ awx_user_name | default('operator') }}"

- name: Switch maintenance off
  runbook.ops.maintenance:
    path: /srv/www.example.com
    state: absent

- name: Switch maintenance on where nothing but SFTP is allowed
  runbook.ops.maintenance:
    path: /home/example/www.example.com
    message: Back soon.
    backend: sftp
    remote:
      host: sftp.example.com
      user: example
      private_key: ~/.ssh/id_ed25519

- name: Open an incident, so that no deploy puts the site back into service
  runbook.ops.maintenance:
    path: /srv/www.example.com
    incident: open
    reason: Orders are lost, see the payment log

- name: Close the incident
  runbook.ops.maintenance:
    path: /srv/www.example.com
    state: absent
    incident: closed

- name: See whether maintenance is on, without changing anything
  runbook.ops.maintenance:
    path: /srv/www.example.com
  check_mode: true
  register: maintenance_now # maintenance_now.was_active
"""

RETURN = r"""
active:
  description: Whether maintenance is on after this run.
  returned: success
  type: bool
  sample: true
was_active:
  description: Whether maintenance was on before this run, by whomever.
  returned: success
  type: bool
  sample: false
flag:
  description: What the flag holds after this run; none when maintenance is off.
  returned: success, unless O(state=installed)
  type: dict
  contains:
    since:
      description: When maintenance was switched on, ISO 8601 in UTC. Later changes keep it.
      type: str
    by:
      description: Who switched it on.
      type: str
    message:
      description: The given message.
      type: str
    retry_after:
      description: The given seconds.
      type: int
    until:
      description: The expected end, ISO 8601 with the zone that it was given in.
      type: str
incident:
  description: The incident that is open after this run, with C(since), C(by) and C(reason); none when none is.
  returned: success
  type: dict
previous:
  description: What the flag held before this run; none when maintenance was off, or when the flag was made by other means.
  returned: success, unless O(state=installed)
  type: dict
allow_names:
  description: The addresses and address prefixes that pass, as the web server tests for them. V(198.51.100) stands for 198.51.100.0/24.
  returned: success, unless O(state=installed)
  type: list
  elements: str
  sample: ["198.51.100", "203.0.113.7"]
token_set:
  description: Whether there is a bypass token. The token itself is never returned.
  returned: success, unless O(state=installed)
  type: bool
  sample: true
retry_after_header:
  description: The value of C(Retry-After) that clients get; none when maintenance is off.
  returned: success, unless O(state=installed)
  type: str
  sample: "300"
bypass_hint:
  description: How the token is used, without the token.
  returned: when a token is set
  type: str
transcript:
  description: What would be done on the host, one line each, without tokens.
  returned: in check mode and with O(remote.offline=true), when O(backend) is not V(ssh)
  type: list
  elements: str
  sample: ["write 109 bytes to /home/example/www.example.com/maintenance.flag (mode 0644)"]
"""

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._maintenance.options import MAINTENANCE
from ansible_collections.runbook.ops.plugins.module_utils._maintenance.switch import switch


def main() -> None:
    run_module(MAINTENANCE, switch)


if __name__ == "__main__":
    main()
