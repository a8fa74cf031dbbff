#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: env_check
short_description: Check that a configuration file is complete and filled in
version_added: 0.1.0
description:
  - Looks at one configuration file (C(.env), INI, or PHP such as C(wp-config.php), C(LocalSettings.php) and Laravel's C(config/*.php)) and
    says which names are missing, empty, too short, not allowed, or still the placeholder that they came with, and who may read the file.
  - No value is ever shown, in results, messages and errors. Names are.
  - The file is read, never run. A value that is not written out, or that programs read differently, is V(crashed), never V(ok).
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.info
author:
  - runbook.ops contributors (@runbook-ops)
notes:
  - Names below others are joined by dots. C(connections.mysql.password) is that of an array that a PHP file returns, C(client.password)
    that of the section C(client) of an INI file, C(wgDBpassword) a variable of PHP.
  - What other files set, that a file includes, is not seen.
options:
  path:
    description:
      - The file. A link is followed.
    type: path
    required: true
  format:
    description:
      - How it is read. V(auto) is V(php) for C(.php) and C(.inc), V(ini) for C(.ini), C(.cnf), C(.conf) and C(.cfg), V(shell) for C(.sh),
        else V(dotenv).
      - V(dotenv) is what the dotenv libraries of PHP, Python and Node and Docker Compose agree on, V(shell) what a shell reads with C(.),
        V(docker) a file for C(docker run --env-file), where quotes belong to the value, V(systemd) one for C(EnvironmentFile).
    type: str
    choices: [auto, dotenv, shell, docker, systemd, ini, php]
    default: auto
  name:
    description:
      - What the file is called in results. Defaults to the last part of O(path).
    type: str
  required:
    description:
      - Names that must be there with a value.
    type: list
    elements: str
    default: []
  any_of:
    description:
      - Groups of names of which at least one must have a value that is no placeholder.
    type: list
    elements: list
    default: []
  rules:
    description:
      - What is expected of values. A rule for a name that is not in O(required) counts only where the file has that name.
      - When several rules fit a name, all hold.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: A name, or a pattern such as C(*_SECRET).
        type: str
        required: true
      min_length:
        description: How many characters a value must have.
        type: int
      allowed:
        description: The values that are allowed. They are shown in messages.
        type: list
        elements: str
      allow_empty:
        description: Whether the value may be empty.
        type: bool
        default: false
      allow_placeholder:
        description: Whether the value may look like a placeholder.
        type: bool
        default: false
      computed:
        description: Whether the value may be made by code, as with C(env()) in Laravel's files. It is not looked at then.
        type: bool
        default: false
  forbidden:
    description:
      - Placeholders, as patterns that are compared with a whole value and with each word of it, whatever the letters' case. A word is
        letters, digits, C(-) and C(_). Which one was found is not said.
      - All values of the file are compared, also those that no rule names. With an empty list none is.
    type: list
    elements: str
    default: ['changeme*', 'change[-_]me*', '*example', 'example[-_]*', 'your[-_]*', todo, fixme, 'replace[-_]*', 'replaceme*',
      'placeholder*', 'insert[-_]*', '<*>', 'xxx*', '*[-_]xxx', '??xxx', put your unique phrase here]
  mode:
    description:
      - The most that the file's mode may be, in quotes, such as V('0640'). A file with fewer rights is fine.
    type: raw
  owner:
    description:
      - The name of the file's owner.
    type: str
  group:
    description:
      - The name of the file's group.
    type: str
  parity:
    description:
      - Another environment that must have the same names.
    type: dict
    suboptions:
      path:
        description: The other environment's file on this host, such as C(.env.example). One of this and O(parity.names) is required.
        type: path
      format:
        description: How that one is read, see O(format).
        type: str
        choices: [auto, dotenv, shell, docker, systemd, ini, php]
        default: auto
      names:
        description: The other environment's names, such as RV(names) of this module on another host.
        type: list
        elements: str
      ignore:
        description: Names, or patterns, that may be in one only.
        type: list
        elements: str
        default: []
      allow_extra:
        description: Whether O(path) may have names that the other does not.
        type: bool
        default: false
  fail:
    description:
      - Whether a check of status V(failed) or V(crashed) fails the task.
      - Invalid options always do.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: The configuration is complete and nobody else reads it
  runbook.ops.env_check:
    path: /srv/www.example.com/shared/.env
    mode: '0640'
    owner: www-data
    required: [DATABASE_URL, AUTH_SECRET_KEY, CLIENT_PORTAL_SECRET, WORKER_PORTAL_SECRET, APP_ENV]
    any_of:
      - [ADMIN_BASIC_PASSWORD, ADMIN_PASSWORD_HASH]
    rules:
      - {name: '*_SECRET*', min_length: 32}
      - {name: APP_ENV, allowed: [prod]}
      - {name: MAIL_FROM_ADDRESS, allow_placeholder: true}

- name: WordPress has its own keys
  runbook.ops.env_check:
    path: /srv/blog.example.com/current/wp-config.php
    mode: '0640'
    required: [DB_NAME, DB_USER, DB_PASSWORD, AUTH_KEY, SECURE_AUTH_KEY, LOGGED_IN_KEY, NONCE_KEY]
    rules:
      - {name: '*_KEY', min_length: 64}
      - {name: WP_DEBUG, allowed: ['false']}
      - {name: ABSPATH, computed: true}

- name: What staging knows
  runbook.ops.env_check:
    path: /srv/www.example.com/shared/.env
  delegate_to: staging.example.com
  register: staging

- name: Production knows the same names
  runbook.ops.env_check:
    path: /srv/www.example.com/shared/.env
    parity:
      names: "{{ staging.names }}"
      ignore: ['SENTRY_*']
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
names:
  description: All names that the file sets, none when it can't be read.
  returned: when the options are valid
  type: list
  elements: str
checks:
  description:
    - One item for the file itself, one (C(access)) for its mode and owner, one for each name in O(required) and O(rules), one for each
      group in O(any_of), one (C(placeholders)) for all other names, one (C(parity)).
  returned: when the options are valid
  type: list
  elements: dict
  contains:
    name:
      description: What is checked, behind the file's O(name).
      type: str
      returned: always
    status:
      description:
        - V(ok), V(failed), V(crashed) when the value can't be told, or V(skipped) when a name that is not required is not there.
      type: str
      returned: always
    value:
      description: A number of names, or the file's mode. Never a value of the file.
      type: raw
      returned: always
    unit:
      description: The value's unit.
      type: str
      returned: always
    warn:
      description: Always V(null).
      type: float
      returned: always
    crit:
      description: What is expected, if that is a number or a mode.
      type: raw
      returned: always
    message:
      description: What is wrong, or why it can't be told.
      type: str
      returned: always
    duration_ms:
      description: How long reading the file took, with the first item.
      type: float
      returned: always
    kind:
      description: V(file), V(access), V(variable), V(any_of), V(placeholders) or V(parity).
      type: str
      returned: always
    variable:
      description: The name in the file.
      type: str
      returned: with the kind V(variable)
    missing:
      description: Names that only the other environment has.
      type: list
      elements: str
      returned: with the kind V(parity)
    extra:
      description: Names that only this one has.
      type: list
      elements: str
      returned: with the kind V(parity)
  sample:
    - {name: '.env: AUTH_SECRET_KEY', status: failed, value: null, unit: '', warn: null, crit: 32, message: is shorter than 32 characters,
       duration_ms: 0.0, kind: variable, variable: AUTH_SECRET_KEY}
"""

from ansible_collections.runbook.ops.plugins.module_utils._checks.env import env_check
from ansible_collections.runbook.ops.plugins.module_utils._checks.env_rules import ENV
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module


def main() -> None:
    run_module(ENV, env_check)


if __name__ == "__main__":
    main()
