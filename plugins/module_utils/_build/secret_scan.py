# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets in what is about to be published: found by the names of files and by forms in their texts, never shown."""

from __future__ import annotations

import codecs
import fnmatch
import os
import re
import typing as t

from .._checks.env_rules import is_placeholder
from .._common.progress import Progress, Say, silent
from .._evidence.rules import TOKEN_SIGNS, TOKENS, URLS, is_harmless, is_secret_name
from .._evidence.scrub import is_binary

# Texts are looked at in pieces of this many bytes. They overlap, so that nothing is missed where one ends.
PIECE = 8 << 20
OVERLAP = 64 << 10

_SAMPLES = ("*.example", "*.sample", "*.dist", "*.template", "*.tpl", "*.defaults")
_NAMES = (
    ("environment file", (".env", ".env.*", "*.env")),
    ("private key", ("id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "*.ppk", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx")),
    (
        "password file",
        (".htpasswd", ".netrc", "_netrc", ".pgpass", ".my.cnf", ".mylogin.cnf", ".git-credentials", ".dockercfg", "*.tfstate"),
    ),
)
# Files that hold settings: whatever is in them, or only those whose name says so.
_SETTINGS = (
    *("*.ini", "*.cnf", "*.conf", "*.cfg", "*.yml", "*.yaml", "*.toml", "*.properties", "*.neon", "*.tfvars", "*.config"),
    *(".env*", ".htaccess", ".npmrc", ".pypirc", ".s3cfg", ".boto", "credentials", "auth.json"),
)
_SETTINGS_BY_NAME = re.compile(
    r"(?:config|settings|param(?:eter)?s|secret|credential|database|service-?account|localsettings).{0,60}\.(?:php|inc|json|js|mjs|cjs|ts|py|rb|xml)$"
)
_CODE = (".php", ".inc", ".json", ".js", ".mjs", ".cjs", ".ts", ".py", ".rb")
_MARKUP = (".xml", ".config")
_CONFIG_FOLDERS = frozenset(["config", "conf", "settings"])
# Translations name passwords all the time, and hold none.
_LANGUAGE_FOLDERS = frozenset(["lang", "langs", "language", "languages", "locale", "locales", "translations", "i18n", "l10n"])

_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:[\s\"'+.,;\\]|\\[nr]|[\w-]{1,20}: [^\n]{0,200}\n){1,40}[A-Za-z0-9+/]{40}"
)
_PUTTY_KEY = re.compile(r"PuTTY-User-Key-File-\d")
_QUOTED = r"(?P<q>[\"'])(?P<value>(?:\\.|(?!(?P=q))[^\\\n]){1,4096})(?P=q)"
# define('DB_PASSWORD', 'x'), 'password' => 'x', $config['password'] = 'x', "password": "x", SECRET_KEY = "x"
_CODED = re.compile(
    rf"(?:\bdefine\s{{0,8}}\(\s{{0,8}}[\"'](?P<constant>\w{{1,120}})[\"']\s{{0,8}},"
    rf"|(?<![\w.\-])(?P<name>[A-Za-z_][\w.\-]{{0,119}})[\"']?\s{{0,8}}\]?\s{{0,8}}(?:=>|:=|:(?!:)|=(?![=>])))\s{{0,8}}{_QUOTED}"
)
_LINE = re.compile(
    r"^[ \t]*(?://[^\s=]{1,200}:)?(?:(?:export|set|setenv|setx|-)[ \t]+)?[\"']?(?P<name>[A-Za-z_][\w.\-/:]{0,119}?)[\"']?"
    r"(?:[ \t]*(?::=|=|:(?=[ \t\r\n]))|(?<=[\w\"'])[ \t]+(?=[\"']?[\w$]))[ \t]*(?P<value>[^\r\n]+)",
    re.M | re.I,
)
_ELEMENT = re.compile(r"<(?P<name>[\w.\-]{1,120})(?:\s[^<>]{0,500})?>(?P<value>[^<\n]{1,4096})</")
_CONNECTION = re.compile(r"(?:(?<=[;\"'])|;[ \t]{0,4})(?P<name>password|pwd)=(?P<value>[^;\"'\s<>]{3,200})", re.I)

_PASS = re.compile(r"(?:^|[_.\-]|db|mysql|smtp|mail|user)pass$", re.I)
_ENDS = re.compile(r"(?:pass(?:word|wd|phrase|code|wort)|pwd|secret|token|key|hmac)\d{0,3}$", re.I)
_NO_SECRET = re.compile(r"csrf|xsrf|public|site[_-]?key", re.I)
# What stands for a value that comes from elsewhere, and the words that describe one.
_ELSEWHERE = re.compile(r"[$%{<*@!&\[|>(]|ENC\[|env\(|getenv|process\.env|vault:|file:|secret:|/run/secrets/|%\w+%")
_WORDS = frozenset(
    [
        *(
            "string",
            "text",
            "required",
            "optional",
            "password",
            "passwd",
            "pass",
            "secret",
            "token",
            "key",
            "prompt",
            "ask",
            "auto",
            "user",
        ),
        *("username", "hidden", "integer", "number", "redacted", "here", "none", "unset", "foo", "bar", "baz", "test", "mypassword", "pwd"),
    ]
)
_LOGIN = re.compile(r"://[^\s\"'<>/@]{1,512}@")
_SCHEME = re.compile(r"[A-Za-z0-9+.\-]{0,20}$")
_WEBHOOKS = ("hooks.slack.com/", "/webhooks/", "office.com/webhook")
_EXAMPLE_HOST = re.compile(
    r"@(?:[\w.-]*\.)?(?:example(?:\.\w+)?|test|invalid|localhost|host(?:name)?|server|domain|domain\.tld|foo|bar)\b", re.I
)
# How a credential of a known form begins, and what it is called.
_ISSUERS = (
    *(("gh", "GitHub token"), ("glpat-", "GitLab token"), ("xox", "Slack token"), ("xapp-", "Slack token"), ("whsec_", "webhook secret")),
    *(("sk_", "Stripe key"), ("rk_", "Stripe key"), ("AIza", "Google API key"), ("npm_", "npm token"), ("pypi-", "PyPI token")),
    *(("hv", "Vault token"), ("A", "cloud access key"), ("eyJ", "JSON web token"), ("SG.", "SendGrid key"), ("do", "cloud token")),
    *(("shp", "Shopify token"), ("sk-", "API key")),
)


class Secret(t.NamedTuple):
    """Where a secret is: a file's path, the line (from 1), and what kind it is. Never what it says."""

    path: str
    line: int
    kind: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} ({self.kind})"


def find_secrets(root: str, paths: t.Sequence[str], sizes: t.Sequence[int], say: Say = silent) -> list[Secret]:
    """What is secret in the files ``paths`` (relative to ``root``, with forward slashes), one for each line and kind, in their order."""
    found: list[Secret] = []
    progress = Progress(f"looking for secrets in {root}", say, files=len(paths), size=sum(sizes))
    for path, size in zip(paths, sizes):
        kind = kind_by_name(path)
        found += [Secret(path, 1, kind)] if kind else _in_file(root, path)
        progress.advance(1, size)
    return found


def kind_by_name(path: str) -> str:
    """What a file of this name always is; empty for one whose content has to be looked at."""
    name = path.rpartition("/")[2].lower()
    if not any(fnmatch.fnmatchcase(name, pattern) for pattern in _SAMPLES):
        for kind, patterns in _NAMES:
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
                return kind
    return ""


def _in_file(root: str, path: str) -> list[Secret]:
    found: set[Secret] = set()
    search = _searches(path)
    fd = os.open(os.path.join(root, path), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as stream:
        data = stream.read(PIECE)
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            encoding = "utf-16-le" if data.startswith(codecs.BOM_UTF16_LE) else "utf-16-be"
        elif is_binary(data):
            return []
        else:
            encoding = "utf-8"
        line = 1
        while data:
            found.update(Secret(path, line + number, kind) for number, kind in search(data.decode(encoding, "replace")))
            more = stream.read(PIECE)
            done = data[:-OVERLAP] if more else data
            line += done.count(b"\n")
            data = data[len(done) :] + more if more else b""
    return sorted(found, key=lambda secret: (secret.line, secret.kind))


def _searches(path: str) -> t.Callable[[str], t.Iterator[tuple[int, str]]]:
    """What finds (lines before it, kind) in a text of a file with this path."""
    coded, lines, markup = _reads_as(path)

    def search(text: str) -> t.Iterator[tuple[int, str]]:
        for place, kind in _everywhere(text):
            yield text.count("\n", 0, place), kind
        for pattern in [*([_CODED] if coded else []), *([_LINE] if lines else []), *([_ELEMENT] if markup else [])]:
            for match in pattern.finditer(text):
                name = match["name"] or match["constant"]
                if _names_a_secret(name) and _is_real(_bare(match["value"]), name):
                    yield text.count("\n", 0, match.start("value")), "password or key"
        if coded or lines or markup:
            for match in _CONNECTION.finditer(text):
                if _is_real(match["value"], match["name"]):
                    yield text.count("\n", 0, match.start("value")), "password of a connection"

    return search


def _reads_as(path: str) -> tuple[bool, bool, bool]:
    """Whether a file is one of settings that are written as in code, line by line, or as elements."""
    *folders, name = path.lower().split("/")
    if _LANGUAGE_FOLDERS.intersection(folders):
        return False, False, False
    extension = os.path.splitext(name)[1]
    is_settings = any(fnmatch.fnmatchcase(name, pattern) for pattern in _SETTINGS) or bool(_SETTINGS_BY_NAME.search(name))
    is_settings = is_settings or (extension in (".php", ".inc", ".py", ".rb") and bool(_CONFIG_FOLDERS.intersection(folders)))
    if not is_settings:
        return False, False, False
    coded, markup = extension in _CODE, extension in _MARKUP
    return coded, not coded and not markup, markup


def _everywhere(text: str) -> t.Iterator[tuple[int, str]]:
    """Place and kind of what is secret in whatever file it stands."""
    if "PRIVATE KEY" in text:
        for match in _PRIVATE_KEY.finditer(text):
            yield match.start(), "private key"
    for match in _PUTTY_KEY.finditer(text) if "PuTTY-User-Key-File-" in text else ():
        yield match.start(), "private key"
    for token in _tokens(text):
        if _is_random(token[0]):
            yield token.start(), next((kind for begin, kind in _ISSUERS if token[0].startswith(begin)), "token")
    for sign in _LOGIN.finditer(text):
        scheme = t.cast("re.Match[str]", _SCHEME.search(text[max(0, sign.start() - 20) : sign.start()]))
        pattern, replace = URLS[0]
        login = pattern.match(text, sign.start() - len(scheme[0]))
        if login and replace(login) != login[0] and _is_login(login):
            yield login.start(), "password in an address"
    if any(part in text for part in _WEBHOOKS):
        for pattern, _replace in URLS[1:]:
            for match in pattern.finditer(text):
                if _is_random(match[0]):
                    yield match.start(), "webhook address"


def _tokens(text: str) -> t.Iterator[re.Match[str]]:
    """What has the form of a credential."""
    for sign in TOKEN_SIGNS:
        place = text.find(sign)
        while place >= 0:
            begin = place
            while sign[0] == ":" and begin > max(0, place - 10) and text[begin - 1].isdigit():
                begin -= 1
            found = [match for pattern, replace in TOKENS if (match := pattern.match(text, begin)) and replace(match) != match[0]]
            yield from found
            place = text.find(sign, max([place + 1, *(match.end() for match in found)]))


def _is_login(match: re.Match[str]) -> bool:
    """Whether an address has a real user's password, not the words that explain where one would stand."""
    _user, colon, secret = match["who"].partition(":")
    host = match.string[match.end() - 1 : match.end() + 100]
    return bool(colon) and _is_real(secret, "password") and not _EXAMPLE_HOST.match(host) and bool(re.match(r"@[\w\[]", host))


def _is_random(text: str) -> bool:
    """Whether a credential's form is filled with what a machine made: no word of an example, letters and digits mixed."""
    if text.startswith("pk_") or is_placeholder(text) or re.search(r"example|placeholder|xxxx|1234567|your[_-]", text, re.I):
        return False
    return any(char.isdigit() for char in text) and any(char.isalpha() for char in text) and len(set(text)) >= 10


def _names_a_secret(name: str) -> bool:
    if _NO_SECRET.search(name):
        return False
    return bool(_PASS.search(name)) or (bool(_ENDS.search(name)) and is_secret_name(name))


def _bare(value: str) -> str:
    """The value of a line without its quotes, its comment and what ends it."""
    value = value.strip()
    quoted = re.match(r"([\"'])((?:\\.|(?!\1)[^\\])*)\1\s*[,;]?\s*(?:[#;].*)?$", value)
    return quoted[2] if quoted else re.sub(r"\s+[#;].*$", "", value).rstrip(",; \t")


def _is_real(value: str, name: str) -> bool:
    """Whether a value is written out, and is no word that stands where one should be."""
    lower = value.strip().lower()
    if is_harmless(value) or len(lower) < 3 or _ELSEWHERE.match(value) or "{{" in value or "${" in value or "<%" in value:
        return False
    if re.search(r"[()]", value) and re.match(r"[\w.:\\>$-]+\(", value):
        return False  # a call that makes it
    if lower in _WORDS or lower.strip("_-") == name.lower() or is_placeholder(value) or re.search(r"[_-]here$", lower):
        return False
    return not (re.fullmatch(r"[a-z]+(?:_[a-z]+)+", value) and _names_a_secret(value))  # another name for it, as in a table of names
