# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real lines of each kind: recognised, read, and matched by the ready-made patterns."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._logs.scan_formats import FORMATS, LAYOUTS, recognise, stamp_of
from ansible_collections.runbook.ops.plugins.module_utils._logs.scan_match import Block
from ansible_collections.runbook.ops.plugins.module_utils._logs.scan_patterns import PATTERNS, ready_made
from ansible_collections.runbook.ops.plugins.module_utils._logs.scan_tally import normalised

ACCESS = '203.0.113.7 - bob [02/Jan/2026:10:00:00 +0000] "{}" {} 12 "{}" "{}"'
E, W, L, S = PATTERNS

# Layout, line, its patterns, and its message.
LINES = [
    ("access", ACCESS.format("GET /a?token=x HTTP/1.1", 200, "-", "test"), "", "200 GET /a"),
    ("access", ACCESS.format("GET /item/12?a=1 HTTP/2.0", 502, "https://www.example.com/", "Mozilla/5.0"), E, "502 GET /item/N"),
    ("access", "www.example.com:443 " + ACCESS.format("POST /cart HTTP/1.1", 404, "-", "test"), W, "404 POST /cart"),
    ("access", ACCESS.format("GET / HTTP/1.1", 200, '\\" 500 ', '\\" 500 x'), "", "200 GET /"),
    ("access", ACCESS.format("GET /?q=\\x22 500 HTTP/1.1", 200, "-", "a"), "", "200 GET /"),
    ("access", ACCESS.format("GET /api HTTP/1.1", 401, "-", "curl"), [W, L], None),
    ("access", ACCESS.format("POST /wp-login.php HTTP/1.1", 403, "-", "x"), [W, L], None),
    ("access", ACCESS.format("POST /cart HTTP/1.1", 403, "-", "x"), W, None),
    ("access", ACCESS.format("POST /login HTTP/1.1", 302, "-", "x"), "", None),
    ("access", ACCESS.format("GET /.env HTTP/1.1", 404, "-", "x"), [W, S], None),
    ("access", ACCESS.format("GET /a/../../etc/passwd HTTP/1.1", 400, "-", "x"), [W, S], None),
    ("access", ACCESS.format("GET /?id=1%20UNION%20SELECT%201 HTTP/1.1", 200, "-", "x"), S, None),
    ("access", ACCESS.format("GET /?id=1'+OR+1=1 HTTP/1.1", 200, "-", "x"), S, None),
    ("access", ACCESS.format("GET / HTTP/1.1", 200, "-", "sqlmap/1.7"), S, None),
    ("access", ACCESS.format("GET / HTTP/1.1", 200, "-", "${jndi:ldap://192.0.2.1/a}"), S, None),
    ("access", ACCESS.format("\\x16\\x03\\x01", 400, "-", "-"), [W, S], None),
    ("access", ACCESS.format("GET /environment/union-of-students/scanner.js HTTP/1.1", 200, "-", "x"), "", None),
    ("access", ACCESS.format("GET /javascript/description.js HTTP/1.1", 200, "-", "x"), "", None),
    (
        "nginx_error",
        "2026/01/02 10:00:00 [error] 12#12: *34 connect() failed (111: Connection refused) while connecting, client: 203.0.113.7",
        E,
        "connect() failed (N: Connection refused) while connecting",
    ),
    ("nginx_error", "2026/01/02 10:00:00 [warn] 1#1: 2 worker_connections exceed open file resource limit: 1", W, None),
    ("nginx_error", "2026/01/02 10:00:00 [notice] 1#1: signal process started [error] in no level", "", None),
    ("nginx_error", '2026/01/02 10:00:00 [error] 1#1: *3 user "bob": password mismatch, client: 203.0.113.7', [E, L], None),
    (
        "apache_error",
        "[Fri Jan 02 10:00:00.123456 2026] [proxy_fcgi:error] [pid 12:tid 34] [client 203.0.113.7:5000] AH01071: Got error 'x'",
        E,
        "AH01071: Got error 'x'",
    ),
    ("apache_error", "[Fri Jan 02 10:00:00.123456 2026] [mpm_event:notice] [pid 12:tid 34] AH00489: Apache configured", "", None),
    ("apache_error", "[Fri Jan 02 10:00:00 2026] [auth_basic:error] [pid 1] AH01617: user bob: authentication failure", [E, L], None),
    (
        "laravel",
        '[2026-01-02 10:00:00] production.ERROR: Undefined variable $x1 {"exception":"[object] (ErrorException(code: 0)"}',
        E,
        "ERROR: Undefined variable $xN",
    ),
    ("laravel", "[2026-01-02T10:00:00.123456+00:00] local.WARNING: slow ERROR: 3 s", W, "WARNING: slow ERROR: N s"),
    ("laravel", "[2026-01-02 10:00:00] production.INFO: These credentials do not match our records.", L, None),
    ("syslog", "Jan  2 10:00:00 web1 kernel: [123.456] Out of memory: Killed process 99", E, "kernel: [N] Out of memory: Killed process N"),
    ("syslog", "Jan  2 10:00:00 web1 sshd[99]: Failed password for root from 203.0.113.7 port 5 ssh2", L, None),
    ("syslog", "2026-01-02T10:00:00.123456+00:00 web1 sshd[99]: Invalid user admin from 203.0.113.7 port 5", L, None),
    ("syslog", "Jan  2 10:00:00 web1 sshd[99]: Failed password for invalid user admin from 203.0.113.7 port 5 ssh2", "", None),
    ("syslog", "Jan  2 10:00:00 web1 sudo: pam_unix(sudo:auth): authentication failure; logname=bob uid=1000", L, None),
    ("syslog", "Jan  2 10:00:00 web1 CRON[99]: (root) CMD (true) with 0 errors", "", None),
    ("journal", "<3>1767348000.000000 app[1]: it broke", E, "app[N]: it broke"),
    ("journal", "<6>1767348000.000000 app[1]: error, it says, but only informs", "", None),
    ("journal", "<4>1767348000.000000 app[1]: careful", W, None),
    ("jsonl", '{"time":"2026-01-02T10:00:00Z","level":"error","msg":"no disk 7"}', E, "no disk N"),
    ("jsonl", '{"level": 50, "time": 1767348000000, "msg": "pino"}', E, "pino"),
    ("jsonl", '{"@timestamp":"2026-01-02T10:00:00Z","level":"info","msg":"level error"}', "", None),
    ("jsonl", '{"time_iso8601":"2026-01-02T10:00:00+00:00","status":"503","request_time":"0.2","uri":"/a?b=c"}', E, "N /a"),
    ("jsonl", '{"datetime":"2026-01-02T10:00:00.1+00:00","level_name":"WARNING","message":"monolog"}', W, "monolog"),
    ("plain", "[02-Jan-2026 10:00:00 UTC] PHP Fatal error:  Uncaught Exception in /srv/a.php:3", E, None),
    ("plain", "[02-Jan-2026 10:00:00] WARNING: [pool www] server reached pm.max_children", W, None),
    ("plain", "2026-01-02 10:00:00 12 [ERROR] InnoDB: disk is full", E, None),
    ("plain", '2026-01-02 10:00:00.123 UTC [99] shop@shop FATAL:  password authentication failed for user "shop"', [E, L], None),
    ("plain", "2026-01-02  9:00:00 5 [Warning] Access denied for user 'shop'@'localhost' (using password: YES)", [W, L], None),
    ("plain", "12:M 02 Jan 2026 10:00:00.123 * Ready to accept connections", "", None),
    ("plain", "2026-01-02 10:00:00,123 INFO 3 terrors averted", "", None),
]


@pytest.mark.parametrize(("layout", "line", "patterns", "message"), LINES, ids=range(len(LINES)))
def test_a_line(layout, line, patterns, message):
    data = line.encode()
    if layout != "journal":
        assert recognise(data + b"\n", "auto", "x").name == layout
    assert stamp_of(LAYOUTS[layout], data) is not None
    expected = [patterns] if isinstance(patterns, str) and patterns else list(patterns)
    # Alone, and between others.
    for block in (data, b"first\n" + data + b"\nlast\n"):
        assert [name for name in PATTERNS if list(ready_made(name, layout).lines(Block(block)))] == expected
    if message is not None:
        assert normalised(LAYOUTS[layout].message(data), LAYOUTS[layout].code) == message


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_all_patterns(name):
    for layout in FORMATS[name]:
        for pattern in PATTERNS:
            assert ready_made(pattern, layout)


def test_a_laravel_log_is_recognised_by_its_few_lines_with_a_time():
    head = b"#3 [internal function]\n#4 {main}\n" * 20 + b"[2026-01-02 10:00:00] production.ERROR: x\n#0 /srv/a.php(3)\n"
    assert recognise(head, "auto", "x").name == "laravel"


def test_what_is_asked_for_has_to_be_it():
    assert recognise(LINES[0][1].encode(), "nginx", "x").name == "access"
    assert recognise(b"", "nginx", "x").name == "access"
    with pytest.raises(RunbookError, match="x does not look like format nginx"):
        recognise(b"something else\n", "nginx", "x")
    assert recognise(b"something else\n", "auto", "x").name == "plain"
