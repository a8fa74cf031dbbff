#!/usr/bin/python
# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: http_probe
short_description: Prove by HTTP requests that a site works
version_added: 0.1.0
author:
  - runbook.ops contributors (@runbook-ops)
description:
  - Sends many HTTP requests at the same time in one task and compares every answer with what is expected of it.
  - A probe that does not get what it expects fails the task, unless O(fail=false). The message names the probe,
    the expectation, the answer and the URL.
  - All options of all probes are validated before the first request is sent.
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.info
notes:
  - Every request uses a connection of its own, so that all phases can be measured and every request can fail on its own.
  - In check mode probes are sent too, except those that may change something on the server, see O(probes[].safe).
  - Environment variables such as C(http_proxy) are not looked at. A probe says itself which way it takes, see O(proxy).
  - Values in query strings are masked in all messages and results, because they may be secret.
requirements:
  - jmespath, on the host that runs the task, if O(probes[].json) is used.
options:
  probes:
    description: The probes. They run concurrently, in no particular order; results keep the order of this list.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: What the probe is called in results and messages. Names must differ. Defaults to the method and the URL.
        type: str
      url:
        description:
          - The URL, absolute or relative to O(base_url).
          - User information is refused; use O(probes[].url_username) and O(probes[].url_password).
        type: str
        required: true
      method:
        description: The request method.
        type: str
        default: GET
      headers:
        description: Further request headers. They are added to O(headers) and replace those of the same name.
        type: dict
      body:
        description: The request body. A mapping or list needs a suitable O(probes[].body_format).
        type: raw
      body_format:
        description: How O(probes[].body) is written and which C(Content-Type) is sent with it, unless the headers name one.
        type: str
        choices: [raw, json, form-urlencoded]
        default: raw
      safe:
        description:
          - Whether the request changes nothing on the server. Probes that are not safe are skipped in check mode.
          - Defaults to V(true) for the methods C(GET), C(HEAD), C(OPTIONS) and C(TRACE), else to V(false).
        type: bool
      status:
        description:
          - The accepted status codes, each a code (V(200)), a range (V(200-299)) or a class (V(2xx)).
          - Defaults to V(200), or to V(3xx) if O(probes[].redirects.locations) is given and redirects are not followed.
        type: list
        elements: str
      expect_headers:
        description: What is expected of the response headers. Without O(probes[].expect_headers[].value) and
          O(probes[].expect_headers[].regex) a header must be present.
        type: list
        elements: dict
        suboptions:
          name:
            description: The header's name.
            type: str
            required: true
          value:
            description: The whole value.
            type: str
          regex:
            description: A Python regular expression that must be found in the value.
            type: str
          state:
            description: Whether the header must be there.
            type: str
            choices: [present, absent]
            default: present
      text:
        description: Texts that the body must contain.
        type: list
        elements: str
      text_absent:
        description: Texts that the body must not contain.
        type: list
        elements: str
      regex:
        description: Python regular expressions that must be found in the body.
        type: list
        elements: str
      regex_absent:
        description: Python regular expressions that must not be found in the body.
        type: list
        elements: str
      json:
        description: What is expected of a JSON body.
        type: list
        elements: dict
        suboptions:
          query:
            description: A JMESPath expression.
            type: str
            required: true
          operator:
            description:
              - How the result of the query is compared with O(probes[].json[].value).
              - V(lt), V(le), V(gt), V(ge) compare numbers with numbers and texts with texts.
              - V(contains) looks for an item of a list, a part of a text or a key of an object; V(in) expects a list as value.
              - V(matches) takes a Python regular expression.
              - V(exists) and V(absent) take no value; a result of C(null) is absent.
            type: str
            choices: [eq, ne, lt, le, gt, ge, contains, not_contains, in, not_in, matches, exists, absent]
            default: eq
          value:
            description: What the result is compared with. C(true) does not equal C(1), and the text C("1") does not either.
            type: raw
      sha256:
        description: The SHA-256 of the decoded body. The size of the body does not matter.
        type: str
      cache:
        description: What caches must be told.
        type: dict
        suboptions:
          present:
            description: Directives that C(Cache-Control) must have, such as V(public), V(max-age=60) or V(max-age>=60).
            type: list
            elements: str
          absent:
            description: Directives that it must not have, such as V(no-store).
            type: list
            elements: str
          vary:
            description: Request headers that C(Vary) must name.
            type: list
            elements: str
      follow_redirects:
        description: Defaults to O(follow_redirects).
        type: str
        choices: [none, safe, all]
      redirects:
        description: What is expected of redirects.
        type: dict
        suboptions:
          locations:
            description:
              - The redirects that are expected, in their order, absolute or relative. An empty list expects none.
              - If redirects are not followed, this is the one C(Location) of the answer.
            type: list
            elements: str
          max_hops:
            description: How many redirects are followed. Defaults to V(5).
            type: int
          allow_downgrade:
            description: Whether a redirect from https to http is followed. Otherwise it fails the probe.
            type: bool
            default: false
      revalidate:
        description:
          - Ask again with the answer's own C(ETag) (V(etag)) or C(Last-Modified) (V(last_modified)).
            The server must answer 304 without a body, and without another C(ETag).
        type: list
        elements: str
        choices: [etag, last_modified]
      range:
        description:
          - Ask for a part of the body. The server must answer 206, with a C(Content-Range) that says what was asked for,
            and with exactly those bytes.
        type: dict
        suboptions:
          bytes:
            description: The range, such as V(0-99), V(100-) or V(-100) for the last 100 bytes.
            type: str
            required: true
          sha256:
            description: The SHA-256 of the part. By default the whole body is requested too and the part compared with it.
            type: str
      head_equals_get:
        description: Ask for the same with C(HEAD). Status and headers must be those of the answer to C(GET), without a body.
        type: bool
        default: false
      samples:
        description:
          - How many times the probe is sent, one after the other. Every answer must be as expected.
          - A percentile needs enough samples, 2 for p50, 20 for p95 and 100 for p99. It is not guessed from fewer.
        type: int
        default: 1
      latency:
        description: Limits of durations in milliseconds. If neither limit is given, O(probes[].latency[].crit) is V(1000).
        type: list
        elements: dict
        suboptions:
          phase:
            description:
              - What is measured. V(ttfb) is the time from the sent request to the first byte of the answer.
              - A phase of redirects that are followed is the sum over all requests.
            type: str
            choices: [dns, connect, tls, ttfb, total]
            default: total
          percentile:
            description: Which value of all samples is compared.
            type: str
            choices: [max, p50, p95, p99]
            default: max
          warn:
            description: Above this the probe has status V(warning).
            type: float
          crit:
            description: Above this the probe fails.
            type: float
      certificate:
        description:
          - Limits of the days for which the server's certificate is still valid.
          - The days are known even if the certificate does not verify. Only the server's own certificate is looked at,
            not those of its issuers.
        type: dict
        suboptions:
          warn:
            description: Below this the probe has status V(warning). Defaults to V(30).
            type: int
          crit:
            description: Below this the probe fails. Defaults to V(14).
            type: int
      clock_skew:
        description:
          - Limits of the seconds by which the server's clock differs from the one of the host that probes, either way. The server is
            taken to look at its clock midway between the sent request and the first byte of the answer.
          - RV(probes[].value) and its limits are these seconds, unless O(probes[].latency) is given too.
          - A probe whose answer does not tell the server's time, or not precisely enough because it took long, is V(crashed).
        type: dict
        suboptions:
          warn:
            description: Above this the probe has status V(warning).
            type: float
          crit:
            description: Above this the probe fails. Defaults to V(300).
            type: float
          query:
            description:
              - A JMESPath expression that finds the server's time in a JSON body, as seconds or milliseconds since 1970, ISO 8601 with
                its zone, or an HTTP date.
              - By default it is the C(Date) header, which has whole seconds, and which caches keep.
            type: str
      timeout:
        description: Defaults to O(timeout).
        type: float
      validate_certs:
        description: Defaults to O(validate_certs).
        type: bool
      ca_path:
        description: Defaults to O(ca_path).
        type: path
      client_cert:
        description: Defaults to O(client_cert).
        type: path
      client_key:
        description: Defaults to O(client_key).
        type: path
      connect_to:
        description: Defaults to O(connect_to). An empty text pins no node.
        type: raw
      proxy:
        description: Defaults to O(proxy). An empty text uses none.
        type: str
      proxy_username:
        description: Defaults to O(proxy_username).
        type: str
      proxy_password:
        description: Defaults to O(proxy_password).
        type: str
      http_agent:
        description: Defaults to O(http_agent).
        type: str
      max_body:
        description: Defaults to O(max_body).
        type: bytes
      retries:
        description: Defaults to O(retries).
        type: int
      delay:
        description: Defaults to O(delay).
        type: float
      max_delay:
        description: Defaults to O(max_delay).
        type: float
      url_username:
        description: Defaults to O(url_username). A probe with credentials of its own gets none of the module's.
        type: str
      url_password:
        description: Defaults to O(url_password).
        type: str
      bearer_token:
        description: Defaults to O(bearer_token).
        type: str
      hmac:
        description: Defaults to O(hmac).
        type: dict
        suboptions: &hmac
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
  base_url:
    description: The URL that relative O(probes[].url) are relative to. Without a slash at its end its last part is replaced.
    type: str
  fail:
    description:
      - Whether a probe of status V(failed) or V(crashed) fails the task.
      - Invalid options always do.
    type: bool
    default: true
  concurrency:
    description: How many probes are sent at the same time.
    type: int
    default: 16
  timeout:
    description: Seconds that one request may take, from the name look-up to the last byte.
    type: float
    default: 10
  validate_certs:
    description: Whether the server's certificate must verify.
    type: bool
    default: true
  ca_path:
    description: PEM file, or hashed folder, of the certification authorities that are trusted instead of the system's.
    type: path
  client_cert:
    description: PEM file of a client certificate, with its key if O(client_key) is not given.
    type: path
  client_key:
    description: PEM file of the client certificate's key, without passphrase.
    type: path
  connect_to:
    description:
      - The node to connect to, instead of the one that the URL's name resolves to, as V(host), V(host:port), V([IPv6]:port)
        or as a mapping with C(host) and C(port). C(Host) header, SNI and certificate check keep the URL's name.
      - It also holds for redirects to the same host; its port only as long as the URL's port stays the same.
    type: raw
  headers:
    description:
      - Request headers of all probes.
      - Prefer O(url_password), O(bearer_token) or O(hmac) to a header that holds a secret, because Ansible shows headers when it
        is verbose.
    type: dict
  http_agent:
    description: The C(User-Agent) header.
    type: str
    default: runbook.ops
  proxy:
    description:
      - URL of an HTTP proxy, such as V(http://proxy.example.com:3128).
      - With O(connect_to), https probes ask the proxy for a tunnel to the node; for http probes the two exclude each other.
    type: str
  proxy_username:
    description: User name at the proxy (basic authentication).
    type: str
  proxy_password:
    description: Password at the proxy.
    type: str
  max_body:
    description: How much of a decoded body is kept in memory for text, regex and json expectations. A larger one crashes these probes.
    type: bytes
    default: 4M
  follow_redirects:
    description:
      - Whether redirects are followed, V(none), only of C(GET) and C(HEAD) (V(safe)), or V(all).
      - Credentials, client certificates, own headers and bodies are not sent to another origin.
    type: str
    choices: [none, safe, all]
    default: none
  retries:
    description: How often a probe is sent again that did not get the answer it expects.
    type: int
    default: 0
  delay:
    description:
      - Seconds before the first retry. Every further one waits twice as long, up to O(max_delay), and all are spread at random.
      - If the server sends C(Retry-After), it is not asked earlier.
    type: float
    default: 1
  max_delay:
    description: The longest wait in seconds. If the server asks for a longer one, the probe is not retried.
    type: float
    default: 30
  url_username:
    description: User name for basic authentication, which is sent with the first request already. A default for all probes, whatever
      their host.
    type: str
  url_password:
    description: Password for basic authentication.
    type: str
  bearer_token:
    description: Token for an C(Authorization) header of type Bearer. A default for all probes, whatever their host.
    type: str
  hmac:
    description:
      - Sign every request. Unless O(hmac.parts) says otherwise, the signature is the HMAC of four lines, joined by line feeds and
        without one at the end, which are the method, the path with its query as sent, the content of the timestamp header, and the
        SHA-256 of the body in lower case hexadecimal digits.
      - A default for all probes, whatever their host.
    type: dict
    suboptions: *hmac
"""

EXAMPLES = r"""
- name: The shop works
  runbook.ops.http_probe:
    base_url: https://www.example.com/
    probes:
      - name: home
        url: /
        text: [Welcome]
        certificate: {warn: 30, crit: 14}
      - name: health
        url: /health
        json:
          - query: status
            value: up
          - query: queue.length
            operator: lt
            value: 100
      - name: old address
        url: http://example.com/
        status: [301, 308]
        redirects:
          locations: ["https://www.example.com/"]
      - name: style sheet
        url: /app.css
        cache:
          present: [public, max-age>=3600]
        revalidate: [etag, last_modified]
        head_equals_get: true
      - name: video
        url: /intro.mp4
        range: {bytes: 0-1023}

- name: One node behind the load balancer, as soon as it is up
  runbook.ops.http_probe:
    connect_to: 192.0.2.11
    retries: 5
    probes:
      - name: home
        url: https://www.example.com/

- name: Fast enough
  runbook.ops.http_probe:
    probes:
      - name: search
        url: https://www.example.com/search?q=shoe
        samples: 20
        latency:
          - {percentile: p50, crit: 200}
          - {percentile: p95, warn: 400, crit: 800}
          - {phase: tls, crit: 100}

- name: A signed request, and what came of it in a variable
  runbook.ops.http_probe:
    probes:
      - name: webhook
        url: https://api.example.com/ping
        method: POST
        body: {event: ping}
        body_format: json
        status: [2xx]
        hmac:
          secret: "{{ webhook_secret }}"
          prefix: sha256=
    fail: false
  register: webhook

- name: A worker's heartbeat, signed as that server reads it, and clocks that agree well enough for it
  runbook.ops.http_probe:
    probes:
      - name: heartbeat
        url: https://www.example.com/api/heartbeat.php
        method: POST
        body: {worker_id: probe}
        body_format: json
        headers: {X-Worker-Id: probe}
        json:
          - {query: ok, value: true}
        clock_skew: {warn: 60, crit: 300}
        hmac:
          secret: "{{ internal_secret }}"
          header: X-Auth-Sign
          timestamp_header: X-Auth-TS
          parts: [method, path_without_query, body_sha256, timestamp]
          separator: "|"
"""

RETURN = r"""
status:
  description: The worst status of all probes, from V(skipped) over V(ok), V(warning) and V(failed) to V(crashed).
  type: str
  returned: always, unless options are invalid
  sample: failed
msg:
  description: One line that names all probes that are not ok.
  type: str
  returned: always
  sample: "1 of 2 probes not ok - home: expected status 200, got 500 from http://www.example.com/ (connect_to 192.0.2.11:80)"
probes:
  description: What came of each probe, in the order of O(probes).
  type: list
  elements: dict
  returned: always, unless options are invalid
  contains:
    name:
      description: The probe's name.
      type: str
    status:
      description: V(ok), V(warning), V(failed), V(crashed) if an expectation could not be evaluated, or V(skipped) in check mode.
      type: str
    message:
      description: One line.
      type: str
    value:
      description: Milliseconds of the whole request (the last sample), or of what the first limit in O(probes[].latency) is about,
        or seconds that the clocks differ by, see O(probes[].clock_skew).
      type: float
    unit:
      description: Unit of RV(probes[].value), V(ms), or V(s) if it is about O(probes[].clock_skew).
      type: str
    warn:
      description: The first latency limit's O(probes[].latency[].warn), or that of the clock.
      type: float
    crit:
      description: The first latency limit's O(probes[].latency[].crit), or that of the clock.
      type: float
    duration_ms:
      description: Milliseconds that the probe took with all its samples and retries.
      type: float
    method:
      description: The request method.
      type: str
    url:
      description: The URL with its query values masked.
      type: str
    connect_to:
      description: The pinned node.
      type: str
    http_status:
      description: Status code of the last answer.
      type: int
    phases:
      description: Milliseconds of C(dns), C(connect), C(tls) (only https), C(ttfb) and C(total) of the last answer.
      type: dict
    attempts:
      description: How many attempts there were, over all samples.
      type: int
    samples:
      description: C(p50), C(p95), C(p99), C(min), C(max) of the total milliseconds, C(count), and in C(notes) what lacks samples.
      type: dict
      returned: if there is more than one sample
    certificate:
      description: C(days), C(not_before), C(not_after), C(subject), C(issuer), C(names) of the server's certificate and whether
        it was C(verified).
      type: dict
      returned: if the server showed one
    clock:
      description: The seconds C(skew) that the server's clock is ahead (negative if behind), to C(within) how many seconds that is known,
        its C(source), and whether the probing host's clock is C(synchronised), V(null) if that is not known.
      type: dict
      returned: if O(probes[].clock_skew) is given and the answer tells it
    redirects:
      description: The URLs that redirects led to, query values masked.
      type: list
      elements: str
      returned: if there were any
    size:
      description: Bytes of the decoded body.
      type: int
    sha256:
      description: SHA-256 of the decoded body.
      type: str
    excerpt:
      description: The first 200 printable characters of the body.
      type: str
      returned: if the probe failed
    failures:
      description: What was C(expected) and what was C(got), with the C(status) that follows.
      type: list
      elements: dict
"""


from ansible_collections.runbook.ops.plugins.module_utils._common.argspec import ArgumentSpec
from ansible_collections.runbook.ops.plugins.module_utils._common.jsonquery import OPERATORS
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import run_module
from ansible_collections.runbook.ops.plugins.module_utils._http.options import DEFAULTS, SHARED
from ansible_collections.runbook.ops.plugins.module_utils._http.probe import probe_all

TEXTS = {"type": "list", "elements": "str"}

EXPECTATIONS = {
    "status": TEXTS,
    "expect_headers": {
        "type": "list",
        "elements": "dict",
        "options": {
            "name": {"type": "str", "required": True},
            "value": {"type": "str"},
            "regex": {"type": "str"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
    },
    "text": TEXTS,
    "text_absent": TEXTS,
    "regex": TEXTS,
    "regex_absent": TEXTS,
    "json": {
        "type": "list",
        "elements": "dict",
        "options": {
            "query": {"type": "str", "required": True},
            "operator": {"type": "str", "choices": list(OPERATORS), "default": "eq"},
            "value": {"type": "raw"},
        },
    },
    "sha256": {"type": "str"},
    "cache": {"type": "dict", "options": {"present": TEXTS, "absent": TEXTS, "vary": TEXTS}},
    "redirects": {
        "type": "dict",
        "options": {"locations": TEXTS, "max_hops": {"type": "int"}, "allow_downgrade": {"type": "bool", "default": False}},
    },
    "revalidate": {"type": "list", "elements": "str", "choices": ["etag", "last_modified"]},
    "range": {"type": "dict", "options": {"bytes": {"type": "str", "required": True}, "sha256": {"type": "str"}}},
    "head_equals_get": {"type": "bool", "default": False},
    "samples": {"type": "int", "default": 1},
    "latency": {
        "type": "list",
        "elements": "dict",
        "options": {
            "phase": {"type": "str", "choices": ["dns", "connect", "tls", "ttfb", "total"], "default": "total"},
            "percentile": {"type": "str", "choices": ["max", "p50", "p95", "p99"], "default": "max"},
            "warn": {"type": "float"},
            "crit": {"type": "float"},
        },
    },
    "certificate": {"type": "dict", "options": {"warn": {"type": "int"}, "crit": {"type": "int"}}},
    "clock_skew": {"type": "dict", "options": {"warn": {"type": "float"}, "crit": {"type": "float"}, "query": {"type": "str"}}},
}

PROBE = {
    "name": {"type": "str"},
    "url": {"type": "str", "required": True},
    "method": {"type": "str", "default": "GET"},
    "body": {"type": "raw"},
    "body_format": {"type": "str", "choices": ["raw", "json", "form-urlencoded"], "default": "raw"},
    "safe": {"type": "bool"},
    **EXPECTATIONS,
    **SHARED,
}

SPEC = ArgumentSpec(
    {
        "probes": {"type": "list", "elements": "dict", "required": True, "options": PROBE},
        "base_url": {"type": "str"},
        "fail": {"type": "bool", "default": True},
        "concurrency": {"type": "int", "default": 16},
        **{name: {**option, "default": DEFAULTS[name]} if name in DEFAULTS else option for name, option in SHARED.items()},
    }
)


def main() -> None:
    run_module(SPEC, probe_all)


if __name__ == "__main__":
    main()
