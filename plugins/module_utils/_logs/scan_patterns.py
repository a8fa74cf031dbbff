# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ready-made patterns: what an error, a warning, a failed log-in or a suspicious request is in each layout."""

from __future__ import annotations

import typing as t

from .scan_match import Matcher

PATTERNS = ("errors", "warnings", "failed_logins", "suspicious_requests")

# A line of an access log up to the end of its request. Quotes in what visitors send are escaped, by nginx as \x22, by Apache as \".
_UP_TO_STATUS = rb'[^"\n]*"(?:[^"\\\n]|\\.)*" '
_LOGIN_PATH = rb"[^\" ?\n]*(?:log-?in|sign-?in|session|auth|token)[^\"\n]*"

_TEXT_ERRORS = (
    (b"error", b"fatal", b"critical", b"emergency", b"panic", b"exception", b"traceback", b"segfault", b"out of memory"),
    rb"\b(?:error|fatal|critical|emergency|panic|segfault|out of memory)\b|exception\b|^traceback|\berr(?:or)?:",
)
_TEXT_WARNINGS = ((b"warn",), rb"\bwarn(?:ing)?\b")
# One line for each attempt: sshd says "Invalid user" before "Failed password for invalid user", and PAM repeats what sshd says.
_TEXT_LOGINS = (
    tuple(
        b"failed password|failed keyboard|invalid user|authentication fail|failed log|failed su|access denied for user|login failed"
        b"|auth failed|invalid credentials|too many login attempts|do not match our records".split(b"|")
    ),
    rb"failed (?:password|keyboard-interactive\S*) for (?!invalid user)|: invalid user "
    rb"|pam_unix\((?!sshd)[^)]*:auth\): authentication failure|password authentication failed for user|failed log-?in|failed su\b"
    rb"|access denied for user|log-?in failed|auth failed|invalid credentials|too many login attempts|do not match our records",
)
_ATTACKS = (
    tuple(
        rb"../|%2e%2e|/passwd|script|union|/.env|/.git|/.aws|/.ssh|wp-config|phpmyadmin|phpunit|jndi:|cgi-bin|xp_cmd|eval(|sleep(|\x16\x03"
        rb"|() {|1=1|sqlmap|nikto|nmap|scan|buster|acunetix|nessus|zgrab|nuclei|actuator/".split(b"|")
    ),
    rb"\.\./|%2e%2e(?:/|%2f)|/etc/passwd|(?:<|%3c)script|union(?:\+|%20|\s|/\*)+(?:all(?:\+|%20|\s)+)?select"
    rb"|/\.(?:env|git|aws|ssh)(?:[/ .\"?]|$)|wp-config\.(?:php|bak|txt)|phpmyadmin|/phpunit/|(?:\$|%24)(?:\{|%7b)jndi:|/cgi-bin/"
    rb"|xp_cmdshell|eval\(|\bsleep\(\d|\\x16\\x03|\(\) \{|(?:\+|%20|\s)or(?:\+|%20|\s)(?:'|%27)?1(?:'|%27)?=(?:'|%27)?1"
    rb"|sqlmap|nikto|\bnmap|masscan|wpscan|(?:dir|go)buster|acunetix|nessus|zgrab|nuclei|/actuator/(?:env|heapdump)",
)
_TEXT_ATTACKS = ((b"sql injection", b"xss", b"unauthorized", b"csrf"), rb"sql injection|\bxss\b|\bunauthorized\b|csrf token mismatch")

_LEVEL = rb'"(?:level|severity|level_name|levelname|lvl|log\.level|loglevel)"\s*:\s*'


def _words(pair: tuple[tuple[bytes, ...], bytes]) -> Matcher:
    return Matcher(pair[1], pair[0], ignore_case=True)


def _level(names: bytes) -> t.Callable[[], Matcher]:
    level = rb"\[(?:[a-z_0-9]+:)?(?:" + names + rb")\] "
    return lambda: Matcher(level, confirm=rb"(?:[\d/]+ [\d:]+|\[[^\]\n]*\]) " + level)


def _status(first: bytes) -> Matcher:
    return Matcher(rb'" ' + first + rb"\d\d ", confirm=_UP_TO_STATUS + first + rb"\d\d ")


def _laravel(levels: bytes) -> Matcher:
    return Matcher(rb"\] [\w-]+\.(?:" + levels + rb"): ", confirm=rb"\[[^\]\n]*\] [\w-]+\.(?:" + levels + rb"): ")


def _json(levels: bytes, status: bytes) -> Matcher:
    words = [
        b'"level',
        b'"severity',
        b'"lvl"',
        b'log.level"',
        b'"loglevel',
        *(b'"status":' + more + status for more in (b"", b" ", b'"', b' "')),
    ]
    return Matcher(_LEVEL + rb"(?:" + levels + rb')|"status"\s*:\s*"?' + status + rb"\d\d\b", words, ignore_case=True)


_MAKERS: dict[tuple[str, str], t.Callable[[], Matcher]] = {
    ("errors", "access"): lambda: _status(b"5"),
    ("errors", "nginx_error"): _level(b"error|crit|alert|emerg"),
    ("errors", "apache_error"): _level(b"error|crit|alert|emerg"),
    ("errors", "laravel"): lambda: _laravel(b"ERROR|CRITICAL|ALERT|EMERGENCY"),
    ("errors", "journal"): lambda: Matcher(rb"^<[0-3]>"),
    # Names, or the numbers of Monolog (from 400) and of pino and bunyan (50 and 60).
    ("errors", "jsonl"): lambda: _json(rb'"(?:err(?:or)?|crit(?:ical)?|alert|emerg(?:ency)?|fatal|panic)"|(?:[4-6]\d\d|[56]0)\b', b"5"),
    ("errors", ""): lambda: _words(_TEXT_ERRORS),
    ("warnings", "access"): lambda: _status(b"4"),
    ("warnings", "nginx_error"): _level(b"warn"),
    ("warnings", "apache_error"): _level(b"warn"),
    ("warnings", "laravel"): lambda: _laravel(b"WARNING"),
    ("warnings", "journal"): lambda: Matcher(rb"^<4>"),
    ("warnings", "jsonl"): lambda: _json(rb'"warn(?:ing)?"|(?:300|40)\b', b"4"),
    ("warnings", ""): lambda: _words(_TEXT_WARNINGS),
    # 401 to anything, and a log-in form that was not accepted. A form that answers 200 or 302 to a wrong password can't be told.
    ("failed_logins", "access"): lambda: Matcher(
        rb'" (?:401|403|419|422|429) ',
        confirm=rb'[^"\n]*"(?:(?:[^"\\\n]|\\.)*" 401 |POST ' + _LOGIN_PATH + rb'" (?:403|419|422|429) )',
    ),
    ("failed_logins", "nginx_error"): lambda: Matcher(rb'user "[^"\n]*"(?:: password mismatch| was not found in)'),
    ("failed_logins", "apache_error"): lambda: Matcher(rb"\bAH0(?:1617|1618|1790|1791|1792): "),
    ("failed_logins", ""): lambda: _words(_TEXT_LOGINS),
    ("suspicious_requests", "access"): lambda: _words(_ATTACKS),
    ("suspicious_requests", "nginx_error"): lambda: _words(_ATTACKS),
    ("suspicious_requests", "apache_error"): lambda: _words(_ATTACKS),
    ("suspicious_requests", "jsonl"): lambda: _words(_ATTACKS),
    ("suspicious_requests", ""): lambda: _words(_TEXT_ATTACKS),
}


def ready_made(pattern: str, layout: str) -> Matcher:
    """What finds one of ``PATTERNS`` in a log of a layout."""
    return (_MAKERS.get((pattern, layout)) or _MAKERS[pattern, ""])()
