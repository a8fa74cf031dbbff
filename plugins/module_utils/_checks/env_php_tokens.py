# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PHP's words: what a file's text consists of, with the value of each text that is written out. Nothing is run."""

from __future__ import annotations

import dataclasses
import re

from .env_values import Broken, Value, lines_before

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
    | (?P<comment>/\*.*?\*/ | (?://|\#(?!\[))(?:(?!\?>)[^\r\n])*)
    | (?P<close>\?>)
    | (?P<var>\$[A-Za-z_\x80-\U0010ffff][\w\x80-\U0010ffff]*)
    | (?P<name>\\?[A-Za-z_\x80-\U0010ffff][\w\\\x80-\U0010ffff]*)
    | (?P<number>0[xX][0-9a-fA-F_]+ | 0[bB][01_]+ | (?:[0-9][0-9_]*)?\.?[0-9][0-9_]*(?:[eE][+-]?[0-9]+)? | [0-9]+\.)
    | (?P<here><<<[ \t]*(?P<quote>["']?)(?P<tag>[A-Za-z_]\w*)(?P=quote)\r?\n)
    | (?P<op>\#\[ | \+\+ | -- | <=> | \*\*= | \.\.\. | <<= | >>= | \?\?= | [!=]== | \?-> | -> | => | :: | \?\? | \|\| | && | [!=<>]=
        | [-+*/.%&|^]= | .)
    """,
    re.DOTALL | re.VERBOSE,
)
_OPEN = re.compile(r"<\?(?:php(?=\s|\Z)|=)", re.IGNORECASE)
_ESCAPE = re.compile(r"\\(?:([nrtvef\\$\"])|([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|u\{([0-9A-Fa-f]{1,6})\})")
_PLAIN = {"n": "\n", "r": "\r", "t": "\t", "v": "\v", "e": "\x1b", "f": "\f", "\\": "\\", "$": "$", '"': '"'}
_INTERPOLATED = re.compile(r"(?:\\.|[^\\])*?(?:\$[A-Za-z_{\x80-\U0010ffff]|\{\$)", re.DOTALL)
_COMPUTED = Value(why="is put together when the program runs")


@dataclasses.dataclass(frozen=True)
class Token:
    """``kind``: var, name, number, text, op. ``text`` is what is written, without the dollar of a var; ``value`` that of a text."""

    kind: str
    text: str = dataclasses.field(repr=False)
    value: Value = dataclasses.field(default_factory=Value)


def tokens(text: str) -> list[Token]:
    """All words of a PHP file; ``Broken`` for a text or comment without an end. What is not PHP counts as a ``;``."""
    found: list[Token] = []
    begin = _OPEN.search(text)
    while begin:
        position = begin.end()
        while position < len(text):
            token, position = _next(text, position)
            if token is None:
                continue
            if token.kind == "close":
                break
            found.append(token)
        found.append(Token("op", ";"))
        begin = _OPEN.search(text, position)
    return found


def _next(text: str, position: int) -> tuple[Token | None, int]:
    char = text[position]
    if char == "'":
        return _single(text, position)
    if char in '"`':
        end, computed = _double_end(text, position)
        value = _COMPUTED if computed or char == "`" else Value(_unescape(text[position + 1 : end - 1], quote=True))
        return Token("text", "", value), end
    if text.startswith("/*", position) and text.find("*/", position + 2) < 0:
        raise Broken(lines_before(text, position), "begins a comment that does not end")
    match = _TOKEN.match(text, position)
    if match is None:  # the last alternative fits any character
        raise AssertionError(position)
    if match["here"]:
        return _here(text, match)
    kind = next(name for name in ("space", "comment", "close", "var", "name", "number", "op") if match[name] is not None)
    if kind in ("space", "comment"):
        return None, match.end()
    return Token(kind, match[0][1:] if kind == "var" else match[0]), match.end()


def _single(text: str, position: int) -> tuple[Token, int]:
    end = position + 1
    while end < len(text) and text[end] != "'":
        end += 2 if text[end] == "\\" else 1
    if end >= len(text):
        raise Broken(lines_before(text, position), "begins a text with a quote that is never closed")
    return Token("text", "", Value(re.sub(r"\\([\\'])", r"\1", text[position + 1 : end]))), end + 1


def _double_end(text: str, position: int) -> tuple[int, bool]:
    """Where a text in double quotes ends, and whether variables are in it."""
    quote, begin, computed = text[position], position, False
    position += 1
    while position < len(text):
        char = text[position]
        if char == quote:
            return position + 1, computed
        if char == "\\":
            position += 2
        elif text.startswith(("{$", "${"), position):
            computed = True
            position = _brace_end(text, position + (1 if char == "$" else 0), begin)
        else:
            computed = computed or bool(re.match(r"\$[A-Za-z_\x80-\U0010ffff]", text[position : position + 2]))
            position += 1
    raise Broken(lines_before(text, begin), "begins a text with a quote that is never closed")


def _brace_end(text: str, position: int, begin: int) -> int:
    """The end of ``{$…}`` inside a text, where quotes are those of an expression."""
    depth = 0
    while position < len(text):
        char = text[position]
        if char == "'":
            position = _single(text, position)[1]
            continue
        if char == '"':
            position = _double_end(text, position)[0]
            continue
        depth += {"{": 1, "}": -1}.get(char, 0)
        position += 1
        if depth == 0:
            return position
    raise Broken(lines_before(text, begin), "begins a text with a quote that is never closed")


def _here(text: str, match: re.Match[str]) -> tuple[Token, int]:
    closing = re.compile(rf"(?:\A|(?<=\n))([ \t]*){match['tag']}\b").search(text, match.end())
    if not closing:
        raise Broken(lines_before(text, match.start()), "begins a text that its last line never ends")
    body = text[match.end() : closing.start()]
    body = re.sub(r"\r?\n\Z", "", body)
    if closing[1]:
        body = re.sub(rf"(?m)^[ \t]{{1,{len(closing[1])}}}", "", body)
    if match["quote"] == "'":
        value = Value(body)
    else:
        value = _COMPUTED if _INTERPOLATED.match(body) else Value(_unescape(body, quote=False))
    return Token("text", "", value), closing.end()


def _unescape(body: str, *, quote: bool) -> str:
    def meant(match: re.Match[str]) -> bytes:
        if match[1]:
            return (_PLAIN[match[1]] if quote or match[1] != '"' else '\\"').encode()
        if match[4]:
            return chr(int(match[4], 16)).encode("utf-8", "surrogatepass") if int(match[4], 16) < 0x110000 else b"?"
        return bytes([int(match[2], 8) & 0xFF if match[2] else int(match[3], 16)])

    pieces: list[bytes] = []
    position = 0
    for match in _ESCAPE.finditer(body):
        pieces += [body[position : match.start()].encode("utf-8", "surrogateescape"), meant(match)]
        position = match.end()
    pieces.append(body[position:].encode("utf-8", "surrogateescape"))
    return b"".join(pieces).decode("utf-8", "surrogateescape")


_CLOSING = {"(": ")", "[": "]", "{": "}", "#[": "]"}


class Cursor:
    """A place among the words, and what can be seen from there."""

    def __init__(self, words: list[Token]) -> None:
        self.words = words
        self.at = 0

    def sees(self, *texts: str, at: int = 0) -> bool:
        """Whether the words from here on are these; letters of either case."""
        for number, text in enumerate(texts, self.at + at):
            if number >= len(self.words) or self.words[number].kind not in ("op", "name"):
                return False
            if self.words[number].text.lstrip("\\").lower() != text:
                return False
        return True

    def kind(self, at: int = 0) -> str:
        """The kind of a word, empty behind the last."""
        return self.words[self.at + at].kind if self.at + at < len(self.words) else ""

    def find(self, *closing: str) -> int:
        """Where the first of these words is that belongs to no bracket opened from here on."""
        depth: list[str] = []
        for number in range(self.at, len(self.words)):
            word = self.words[number]
            if word.kind != "op":
                continue
            if not depth and word.text in closing:
                return number
            if word.text in _CLOSING:
                depth.append(_CLOSING[word.text])
            elif depth and word.text == depth[-1]:
                depth.pop()
            elif not depth and word.text in (")", "]", "}"):
                return number
        return len(self.words)

    def over(self) -> None:
        """Go on by a word, or by all that a bracket has in it."""
        closing = _CLOSING.get(self.words[self.at].text) if self.kind() == "op" else None
        self.at += 1
        if closing:
            self.at = self.find(closing) + 1
