# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets taken out of texts, data and files: the one place that does it, for the bundle and for the callback."""

from __future__ import annotations

import base64
import codecs
import json
import re
import typing as t
import urllib.parse

from .._common.errors import InvalidInput
from .rules import MARK, READY, Replace, is_harmless, is_secret_name

# Data that is nested deeper than this is not looked into, and so not shown.
_DEEP = 100
_SAMPLE = 65536
_OPTION = re.compile(r"--?[\w-]{1,80}")
_ODD = bytes(set(range(32)) - set(b"\t\n\v\f\r\b\x1b"))
_MAGIC = (
    b"\x1f\x8b",
    b"PK\x03\x04",
    b"BZh",
    b"\xfd7zXZ\x00",
    b"\x28\xb5\x2f\xfd",
    b"\x89PNG\r\n",
    b"\xff\xd8\xff",
    b"GIF8",
    b"%PDF-",
    b"\x7fELF",
    b"SQLite format 3\0",
)

Counts = t.Dict[str, int]


class Cleaned(t.NamedTuple):
    """A file without its secrets. ``kind`` is text or binary; ``counts`` how often which rule found something."""

    data: bytes
    kind: str
    counts: Counts


class Scrubber:
    """Knows what is secret. ``leave_out`` names ready-made rules that are not wanted; ``own`` are ``{name, regex, replace}``;
    ``values`` are secrets that are known, found wherever and however encoded they stand."""

    def __init__(
        self, leave_out: t.Collection[str] = (), own: t.Sequence[t.Mapping[str, t.Any]] = (), values: t.Sequence[str] = ()
    ) -> None:
        unknown = sorted(set(leave_out) - set(READY))
        if unknown:
            raise InvalidInput(f"there is no rule {unknown[0]!r} to leave out; the rules are {', '.join(READY)}")
        self._rules: list[tuple[str, re.Pattern[str], Replace]] = []
        self._by_name = "passwords" not in leave_out
        known = _encodings(values)
        if known:
            pattern = re.compile("|".join(re.escape(value) for value in known))
            self._rules.append(("values", pattern, lambda match: MARK))
        for name, patterns in READY.items():
            if name not in leave_out:
                self._rules += [(name, pattern, replace) for pattern, replace in patterns]
        self._rules += [_own_rule(rule) for rule in own]

    def text(self, text: str, counts: Counts | None = None) -> str:
        """A text without its secrets; ``counts`` is added to."""
        found: Counts = {} if counts is None else counts
        for name, pattern, replace in self._rules:

            def put(match: re.Match[str], name: str = name, replace: Replace = replace) -> str:
                new = replace(match)
                if new != match[0]:
                    found[name] = found.get(name, 0) + 1
                return new

            text = pattern.sub(put, text)
        return text

    def data(self, value: t.Any, counts: Counts | None = None) -> t.Any:
        """JSON-like data without its secrets: what a secret's name holds goes as a whole, every other text is scrubbed as such."""
        return self._walk(value, {} if counts is None else counts, 0, True)

    def _walk(self, value: t.Any, counts: Counts, depth: int, texts: bool) -> t.Any:
        if depth > _DEEP:
            return MARK
        if isinstance(value, str):
            return self.text(value, counts) if texts else value
        if isinstance(value, t.Mapping):
            return self._mapping(value, counts, depth, texts)
        if isinstance(value, (list, tuple)):
            found, after_option = [], False
            for item in value:
                secret = after_option and isinstance(item, str) and not item.startswith("-") and not is_harmless(item)
                found.append(self._hide(counts) if secret else self._walk(item, counts, depth + 1, texts))
                after_option = self._by_name and isinstance(item, str) and bool(_OPTION.fullmatch(item)) and is_secret_name(item)
            return found
        return value

    def _mapping(self, value: t.Mapping[t.Any, t.Any], counts: Counts, depth: int, texts: bool) -> dict[t.Any, t.Any]:
        # The form {"name": "DB_PASSWORD", "value": "…"} of containers and cloud services.
        named = value.get("name", value.get("key"))
        pair = self._by_name and isinstance(named, str) and bool(re.fullmatch(r"[\w.\-]+", named)) and is_secret_name(named)
        found: dict[t.Any, t.Any] = {}
        for key, item in value.items():
            secret = self._by_name and isinstance(key, str) and is_secret_name(key)
            if (secret and not _tells_nothing(item)) or (pair and key == "value" and isinstance(item, str) and not is_harmless(item)):
                item = self._hide(counts)
            else:
                item = self._walk(item, counts, depth + 1, texts)
            found[self.text(key, counts) if isinstance(key, str) and texts else key] = item
        return found

    def _hide(self, counts: Counts) -> str:
        counts["passwords"] = counts.get("passwords", 0) + 1
        return MARK

    def document(self, data: bytes) -> Cleaned:
        """A file's content without its secrets; a binary one as it is. Bytes that are no text are kept as they were."""
        wide = _wide(data)
        if wide:
            try:
                text = data.decode(wide)
            except UnicodeDecodeError:
                return Cleaned(data, "binary", {})
            counts: Counts = {}
            clean = self.text(self._json(text, counts), counts)
            return Cleaned(clean.encode(wide) if counts else data, "text", counts)
        if is_binary(data):
            return Cleaned(data, "binary", {})
        counts = {}
        clean = self.text(self._json(data.decode("utf-8", "surrogateescape"), counts), counts)
        return Cleaned(clean.encode("utf-8", "surrogateescape"), "text", counts)

    def _json(self, text: str, counts: Counts) -> str:
        """A JSON document, or lines of them, scrubbed by names; the text itself where that found nothing or it is none."""
        if not text.lstrip("\ufeff \t\r\n").startswith(("{", "[")):
            return text
        whole = self._json_value(text, counts, 1)
        if whole is not None:
            return whole
        lines = text.split("\n")
        for number, line in enumerate(lines):
            if line.lstrip().startswith(("{", "[")):
                lines[number] = self._json_value(line, counts, None) or line
        return "\n".join(lines)

    def _json_value(self, text: str, counts: Counts, indent: int | None) -> str | None:
        """None where the text is not JSON."""
        try:
            value = json.loads(text.lstrip("\ufeff"))
            mine: Counts = {}
            clean = self._walk(value, mine, 0, False)
        except (ValueError, RecursionError):
            return None
        if not mine:
            return text
        for name, count in mine.items():
            counts[name] = counts.get(name, 0) + count
        return json.dumps(clean, ensure_ascii=False, indent=indent) + ("\n" if indent and text.endswith("\n") else "")


def _tells_nothing(value: t.Any) -> bool:
    return value is None or isinstance(value, bool) or value in ({}, [], ()) or (isinstance(value, str) and is_harmless(value))


def is_binary(data: bytes) -> bool:
    """Whether bytes are no text: a format that is known, or many control characters. One NUL in a log does not hide its secrets."""
    sample = data[:_SAMPLE]
    return sample.startswith(_MAGIC) or len(sample) - len(sample.translate(None, _ODD)) > len(sample) * 0.05


def _wide(data: bytes) -> str:
    """The encoding of a text with two bytes a character and a mark that says so, as Windows writes them."""
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    return "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else ""


def _encodings(values: t.Sequence[str]) -> list[str]:
    """Secrets as they may stand in a text, the longest first: as they are, in URLs, in JSON, in base64."""
    found: set[str] = set()
    for number, value in enumerate(values, 1):
        value = str(value)
        if len(value) < 4:
            raise InvalidInput(f"value {number} of scrub_values has fewer than 4 characters; it would be found everywhere")
        raw = value.encode("utf-8", "surrogateescape")
        found.update(
            [
                value,
                urllib.parse.quote(raw, ""),
                urllib.parse.quote_plus(raw),
                json.dumps(value)[1:-1],
                json.dumps(value, ensure_ascii=False)[1:-1],
            ]
        )
        # In base64 the first characters depend on where the value begins, and the last on what follows.
        for shift in range(3):
            coded = base64.b64encode(b"\0" * shift + raw).decode()
            core = coded[(0, 2, 3)[shift] : len(coded.rstrip("=")) - (1 if (len(raw) + shift) % 3 else 0)]
            if len(core) >= 8:
                found.update([core, core.replace("+", "-").replace("/", "_")])
    return sorted(found, key=lambda text: (-len(text), text))


def _own_rule(rule: t.Mapping[str, t.Any]) -> tuple[str, re.Pattern[str], Replace]:
    name = str(rule.get("name") or "")
    try:
        pattern = re.compile(str(rule.get("regex") or ""))
    except re.error as error:
        raise InvalidInput(f"rule {name!r} has a regex that can't be read ({error})") from None
    if not name or name in READY or name == "values":
        raise InvalidInput(f"rule {name!r} needs a name of its own, other than {', '.join(READY)} and values")
    if pattern.search(""):
        raise InvalidInput(f"rule {name!r} matches an empty text and would be found everywhere; make its regex ask for something")
    with_what = rule.get("replace")
    mark = MARK if with_what is None else str(with_what)

    def replace(match: re.Match[str]) -> str:
        if "secret" not in pattern.groupindex:
            return mark
        if match["secret"] is None:
            return match[0]
        start, end = match.start("secret") - match.start(), match.end("secret") - match.start()
        return match[0][:start] + mark + match[0][end:]

    return name, pattern, replace
