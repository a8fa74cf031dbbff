# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a secret looks like in a text. Every repetition is bounded, so that no line makes a rule slow."""

from __future__ import annotations

import re
import typing as t

MARK = "[scrubbed]"

# Given a match, what stands in its place; the match's own text when it is no secret after all.
Replace = t.Callable[["re.Match[str]"], str]

# Parts of names whose values are secret.
_WORD = (
    # Its first two letters are asked for first, which is what makes this bearable on large logs.
    r"(?=[pstcahwmelx][aweorumpcnih-])(?:pass(?:word|wd|phrase|code|wort)|pwd|secret|token|credential|cookie|sess(?:ion)?[_-]?id|authorization|hmac"
    r"|(?:api|app|access|account|auth|private|encryption|master|signing|shared|license|webhook|service[_-]?role)[_-]?key"
    r"|x-[a-z0-9-]{0,30}(?:key|bypass|signature))"
)
# What such a name ends with when its value says something about the secret and is none.
_ABOUT = re.compile(
    r"(?:length|len|count|size|file|path|folder|dir|env|names?|age|days|expir\w*|until|ttl|min|max|at|type|policy|status|changed)$", re.I
)
_NAME = re.compile(_WORD, re.I)
_HARMLESS = frozenset(["", "null", "none", "nil", "undefined", "true", "false", "yes", "no", "value_specified_in_no_log_parameter"])


def is_secret_name(name: str) -> bool:
    """Whether what a name like this one holds is secret: ``DB_PASSWORD`` is, ``password_file`` is not."""
    found = list(_NAME.finditer(name[-200:]))
    return bool(found) and not _ABOUT.search(name[-200:][found[-1].end() :])


def is_harmless(value: str) -> bool:
    """Whether a secret's value gives nothing away: nothing, a truth value, a mark of ours or of Ansible's."""
    bare = value.strip().strip("\\\"',;")
    return bare.lower() in _HARMLESS or not bare.strip("*xX.•") or bare.rstrip("]") == MARK[:-1] or bare.startswith(f"{MARK}#")


# Quoted with nothing before the quote, quoted inside a quoted text, or bare up to where it must have ended.
_QUOTED = r"(?P<q>[\"'])(?P<quoted>(?:\\.|(?P=q){2}|(?!(?P=q))[^\\]){0,4096})(?P=q)"
_INNER = r"(?P<q2>\\{1,7}[\"'])(?P<inner>[^\n]{0,4096}?)(?<!\\)(?P=q2)"
_END = r"[\s,;:)\]}>\\]|$"
_STOP = (
    r"[&,;](?:[\s\"']|$|[\w.\-\[\]]{1,40}=)|[)\]}]{1,9}(?:" + _END + r"|[\"'.])"
    r"|\\{1,7}[\"'](?:" + _END + r")|[\"'](?:" + _END + r")"
)
_BARE = rf"(?P<bare>(?:(?!{_STOP})[^\s<]){{1,4096}})"
_COLOUR = r"(?:\x1b\[[0-9;]{0,20}m){0,3}"
_ASSIGNED = re.compile(
    rf"{_WORD}(?P<more>[\w.\-]{{0,60}})\]?(?P<closed>\\{{0,7}}[\"'])?\]?{_COLOUR}[ \t]{{0,40}}"
    rf"(?P<sign>=>|:=|:(?!:)|=|%3[Dd]){_COLOUR}[ \t]{{0,40}}{_COLOUR}(?P<value>{_QUOTED}|{_INNER}|{_BARE})",
    re.I,
)


def _assigned(match: re.Match[str]) -> str:
    whole, value = match[0], match["value"]
    if _ABOUT.search(match["more"]) or is_harmless(value):
        return whole
    if match["more"] == "" and re.search(r"pwd$", match.string[: match.start("more")][-6:], re.I) and value.startswith("/"):
        return whole  # the working folder, not a password
    head = whole[: match.start("value") - match.start()]
    for quote, text in (("q", "quoted"), ("q2", "inner")):
        if match[text] is not None:
            return f"{head}{match[quote]}{MARK}{match[quote]}"
    return head + MARK


def _whole_line(match: re.Match[str]) -> str:
    name, rest = match["name"], match["rest"]
    if not is_secret_name(name) or is_harmless(rest) or (name.upper() in ("PWD", "OLDPWD") and rest.startswith("/")):
        return match[0]
    if rest[0] in "\"'" and rest.count(rest[0]) == 1 and rest[0] in match.string[match.end() : match.end() + 4096]:
        return match[0]  # a value of several lines, which the next rule takes
    return match["head"] + MARK


# A line that only assigns: then all of it is the value, spaces and quotes in its middle included.
_LINE = re.compile(
    r"^(?P<head>[ \t]*(?:(?:export|set|setenv|env|declare|-)[ \t]+|[#;][ \t]*)?(?P<name>[\w.\-]{1,120})[ \t]*(?::(?!:)|=)[ \t]*)"
    r"(?P<rest>(?![|>][-+0-9]{0,2}[ \t]*\r?$)[^\r\n]+)",
    re.M,
)
_BLOCK = re.compile(
    rf"^(?P<head>(?P<indent>[ \t]{{0,200}})(?:- )?[\"']?[\w.\-]{{0,80}}{_WORD}[\w.\-]{{0,60}}[\"']?"
    r"[ \t]*:[ \t]*[|>][-+0-9]{0,2}[ \t]*\r?\n)"
    r"(?:(?P=indent)[ \t]+[^\n]*(?:\n|\Z)|[ \t]*\r?\n)+",
    re.M | re.I,
)
_HEADER = re.compile(
    r"(?=[pacsx][rueo-])(?<![?&])(?P<head>(?:proxy-)?authorization|(?:set-)?cookie2?|x-[a-z0-9-]{0,30}(?:key|token|secret|bypass|signature))"
    r"(?P<sign>\\{0,7}[\"']?[ \t]{0,8}(?:=>|:(?!:)|=|,(?=[ \t]{0,8}\\{0,7}[\"']))[ \t]{0,8})(?P<value>[^\r\n]{1,8192})",
    re.I,
)


def _header(match: re.Match[str]) -> str:
    """A header's value goes to the end of its line, or of the quotes that it stands in."""
    value = match["value"]
    opened = re.match(r"\\{0,7}[\"']", value)
    around = re.search(r"\\{0,7}[\"']$", match.string[max(0, match.start() - 8) : match.start()])
    quote = opened[0] if opened else around[0] if around and match["sign"][0] not in "\\\"'" else ""
    start = len(quote) if opened else 0
    end = len(value)
    if quote:
        place = start
        while (place := value.find(quote, place)) >= 0:
            if value[place - 1 : place] != "\\":
                end = place
                break
            place += 1
    if is_harmless(value[start:end]):
        return match[0]
    return f"{match['head']}{match['sign']}{value[:start]}{MARK}{value[end:]}"


def _hide(pattern: str, flags: int = 0) -> tuple[re.Pattern[str], Replace]:
    """The rule that all of a match is secret but its group ``head``."""
    compiled = re.compile(pattern, flags)
    with_head = "head" in compiled.groupindex
    return compiled, lambda match: (match["head"] if with_head else "") + MARK


def _url(match: re.Match[str]) -> str:
    user, _colon, secret = match["who"].partition(":")
    if _colon and re.match(r"\d{1,5}(?:[/?#]|$)", secret) and "@" not in secret:
        return match[0] if re.search(r"[/?#]", secret) else f"{match['scheme']}{user}:{MARK}@"
    if not _colon:
        return match[0] if "/" in user or "?" in user or len(user) < 16 else f"{match['scheme']}{MARK}@"
    return f"{match['scheme']}{user}:{MARK}@" if "/" not in user and "?" not in user else match[0]


_KEY = r"[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
_SQL = r"'(?:[^'\\]|''|\\.){0,4096}'"

# Addresses that are a secret, or hold one. What is built for others is searched for these and the next ones too.
URLS = [
    (re.compile(r"(?P<scheme>[a-z][a-z0-9+.\-]{0,20}://)(?P<who>[^\s\"'<>]{1,512})@", re.I), _url),
    _hide(r"(?P<head>hooks\.slack\.com/(?:services|workflows|triggers)/)[\w/\-]{4,200}", re.I),
    _hide(r"(?P<head>discord(?:app)?\.com/api/(?:v\d+/)?webhooks/\d{1,30}/)[\w\-]{4,200}", re.I),
    _hide(r"(?P<head>(?:webhook\.office\.com/webhookb2|outlook\.office\.com/webhook)/)[\w@/\-.]{4,400}", re.I),
]
# Credentials that are known by their form.
TOKENS = [
    _hide(r"\b(?:gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_\w{20,255}|glpat-[\w\-]{16,255}|xox[abeprs]-[\w\-]{8,255})"),
    _hide(r"\b(?:xapp-[\w\-]{8,255}|(?:sk|rk|pk)_(?:live|test)_\w{8,255}|sk-[\w\-]{20,255}|whsec_\w{8,255})"),
    _hide(r"\b(?:AIza[\w\-]{30,60}|npm_\w{30,60}|pypi-[\w\-]{16,255}|hv[sb]\.[\w\-]{20,300})"),
    _hide(r"\b(?:A3T[A-Z0-9]|AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{16}\b"),
    _hide(r"\beyJ[\w\-]{8,8192}\.[\w\-]{8,8192}(?:\.[\w\-]{0,8192})?"),
    _hide(r"\b(?:SG\.[\w\-]{16,64}\.[\w\-]{16,64}|do[opr]_v1_[a-f0-9]{40,80}|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32,64})"),
    _hide(r"\b\d{8,10}:AA[\w\-]{33}\b"),
    _hide(r"(?P<head>\b(?:AccountKey|SharedAccessKey)=)(?!\[scrubbed\])[A-Za-z0-9+/]{40,100}={0,2}"),
]

# What one of them must have at its beginning, or near it (":AA"): to look for these first is a hundred times faster on large texts.
TOKEN_SIGNS = (
    *("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "xapp-", "sk_live_", "sk_test_", "rk_live_", "rk_test_"),
    *("pk_live_", "pk_test_", "sk-", "whsec_", "AIza", "npm_", "pypi-", "hvs.", "hvb.", "A3T", "AKIA", "ASIA", "AGPA", "AIDA", "AROA"),
    *("eyJ", "SG.", "doo_v1_", "dop_v1_", "dor_v1_", "shpat_", "shpca_", "shppa_", "shpss_", ":AA", "AccountKey=", "SharedAccessKey="),
)

# name -> what it finds and what it makes of it, in the order in which they are applied.
READY: dict[str, list[tuple[re.Pattern[str], Replace]]] = {
    "private_keys": [
        _hide(rf"-----BEGIN {_KEY}.*?(?:-----END {_KEY}|\Z)", re.S),
        # An excerpt may begin in the middle of one.
        _hide(rf"\A[A-Za-z0-9+/=\s\\]{{1,16384}}?(?=-----END {_KEY})"),
        _hide(r"AGE-SECRET-KEY-1[A-Z0-9]{20,100}|(?<=RWRTY0Iy)[A-Za-z0-9+/=]{40,400}"),
        _hide(r"(?P<head>PuTTY-User-Key-File-.{0,8000}?Private-Lines:)(?:[^\n]*\n?){1,200}", re.S),
    ],
    "urls": [
        *URLS,
        _hide(
            r"(?P<head>[?&](?:sig|signature|x-amz-[a-z-]{1,30}|x-goog-[a-z-]{1,30}|code|auth|hmac|bypass|key|session)=)"
            r"(?!\[scrubbed\])[^&\s\"'#<>]{1,4096}",
            re.I,
        ),
        _hide(rf"(?P<head>[?&][\w.\-]{{0,60}}{_WORD}[\w.\-]{{0,20}}=)(?!\[scrubbed\])[^&\s\"'#<>]{{1,4096}}", re.I),
    ],
    "headers": [
        (_HEADER, _header),
        _hide(
            r"(?P<head>\b(?:Bearer|Basic|cpanel)[ \t]{1,4})(?=[^\s\"']{20}|[^\s\"']{0,200}[0-9=:])(?!\[scrubbed\])[\w\-.~+/=:]{8,4096}",
            re.I,
        ),
    ],
    "tokens": [
        *TOKENS,
        _hide(r"\$(?:1|2[abxy]|5|6|7|y|gy|apr1|argon2(?:id|i|d))\$[./A-Za-z0-9$=,+]{8,300}"),
        _hide(r"\bbase64:[A-Za-z0-9+/]{20,200}={0,2}"),
    ],
    "passwords": [
        (_BLOCK, lambda match: f"{match['head']}{match['indent']}  {MARK}\n"),
        (_LINE, _whole_line),
        (_ASSIGNED, _assigned),
        # XML elements, options of commands, arguments of functions.
        _hide(
            rf"(?P<head><(?:\w{{1,40}}:)?[\w.\-]{{0,60}}{_WORD}[\w.\-]{{0,60}}(?:\s[^<>]{{0,500}})?>)(?!\[scrubbed\])[^<]{{1,4096}}",
            re.I,
        ),
        _hide(
            rf"(?P<head>(?<![\w\-])--?[\w\-]{{0,40}}{_WORD}[\w\-]{{0,40}}[ \t]{{1,8}})(?!\[scrubbed\])"
            r"(?:\"[^\"\n]{1,4096}\"|'[^'\n]{1,4096}'|[^\s\"'\-]\S{0,4096})",
            re.I,
        ),
        _hide(rf"(?P<head>\(\s{{0,8}}[\"'][\w.\-]{{0,60}}{_WORD}[\w.\-]{{0,60}}[\"']\s{{0,8}},\s{{0,8}}){_QUOTED}", re.I),
        # SQL.
        _hide(
            r"(?P<head>\bIDENTIFIED\s{1,8}(?:WITH\s{1,8}\S{1,80}\s{1,8})?(?:BY|AS|USING)\s{1,8}(?:PASSWORD\s{1,8})?)(?!\[scrubbed\])"
            rf"(?:{_SQL}|\"[^\"]{{0,4096}}\"|\S{{1,4096}})",
            re.I,
        ),
        _hide(rf"(?P<head>\bPASSWORD\s{{0,8}}\(?\s{{0,8}}){_SQL}", re.I),
        # .netrc and the like, .pgpass, and what clients take in their arguments.
        _hide(r"(?P<head>\blogin[ \t]{1,8}\S{1,200}\s{1,40}password[ \t]{1,8})(?!\[scrubbed\])\S{1,4096}", re.I),
        _hide(r"^(?P<head>[ \t]{0,40}(?:password|secret)[ \t]{1,8}(?:\d[ \t])?)(?![=:]|\[scrubbed\])\S{1,4096}(?=[ \t]*\r?$)", re.I | re.M),
        _hide(r"^(?P<head>[\w.\-*/]{1,255}:(?:\d{1,5}|\*):[^:\n]{1,64}:[^:\n]{1,64}:)(?!\[scrubbed\])[^\s:]{1,4096}$", re.M),
        _hide(
            r"(?P<head>\b(?:mysql\w{0,20}|mariadb[\w-]{0,20}|sshpass|smbclient|redis-cli)\b[^\n]{0,400}?[ \t]-[pa][ \t]{0,2})"
            r"(?![\s\-]|\[scrubbed\])\S{1,4096}"
        ),
        _hide(r"(?P<head>(?<![\w\-])(?:-u|--user|--proxy-user)[ \t=]{1,4}[\"']?[^\s:\"']{1,200}:)(?!\[scrubbed\])[^\s\"']{1,4096}"),
    ],
}
