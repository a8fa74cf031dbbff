# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PHP configuration, read and never run: ``define()``, ``const``, assignments to variables, and the array that a file returns.

Only what is written out counts, and only where it is sure to be reached: what an expression, a function, a loop or a condition
makes is there, but not readable.
"""

from __future__ import annotations

from .env_php_tokens import Cursor, Token, tokens
from .env_values import Settings, Value

_OWN = frozenset(["function", "class", "trait", "interface", "enum", "abstract", "final", "readonly"])
_BLOCKS = _OWN | {"if", "else", "elseif", "for", "foreach", "while", "switch", "try", "catch", "finally", "do"}
_ENDS = frozenset({"endif", "endfor", "endforeach", "endwhile", "endswitch"})
_ASSIGN = frozenset({"=", ".=", "+=", "-=", "*=", "/=", "%=", "**=", "??=", "&=", "|=", "^=", "<<=", ">>="})
_WORDS = {"true": "true", "false": "false", "null": ""}
_CONDITION = Value(why="depends on a condition or loop of the file")
_COMPUTED = Value(why="is put together when the program runs")


class _File(Cursor):
    """One pass over the words of a file."""

    def __init__(self, words: list[Token]) -> None:
        super().__init__(words)
        self.settings = Settings()

    def read(self) -> Settings:
        while self.at < len(self.words) and self._statement():
            pass
        return self.settings

    # Statements

    def _statement(self) -> bool:
        """Take one; False when nothing behind it is reached."""
        word = self.words[self.at]
        lower = word.text.lstrip("\\").lower() if word.kind == "name" else ""
        if lower in ("exit", "die", "__halt_compiler"):
            return False
        if lower == "return":
            self.at += 1
            self._put("", self._expression(";"))
            return False
        if self._defined_guard():
            return True
        if lower in _BLOCKS:
            self._block()
        elif word.kind == "op" and word.text == "#[":
            self.over()
        elif lower == "define" and self.sees("(", at=1):
            self._define()
        elif lower == "const":
            self._constants()
        elif lower in ("unset", "list") or (word.kind == "op" and word.text == "["):
            self._pass(self.find(";"), all_changed=True)
        elif word.kind == "var":
            self._assignment()
        elif word.kind == "op" and word.text in (";", "{", "}", ")", "]"):
            self.at += 1
        else:
            self._pass(self.find(";"))
        return True

    def _defined_guard(self) -> bool:
        """``if (!defined('X'))`` and ``defined('X') ||`` before a ``define``: that one counts, as the first always does."""
        at = self.at
        negated = self.sees("if", "(", "!", "defined", "(")
        name = 5 if negated else 2
        if not (negated or self.sees("defined", "(")) or self.kind(name) != "text" or not self.sees(")", at=name + 1):
            return False
        end = name + 2
        if negated and self.sees(")", at=end):
            inside = end + (2 if self.sees("{", at=end + 1) else 1)
            simple = self.sees("define", "(", at=inside)
            wanted = inside
        else:
            simple = (self.sees("||", at=end) or self.sees("or", at=end)) and self.sees("define", "(", at=end + 1)
            wanted = end + 1
        # Only for the same name; another's value depends on the condition.
        if not simple or self.kind(wanted + 2) != "text":
            return False
        if self.words[at + name].value.text != self.words[at + wanted + 2].value.text:
            return False
        self.at = at + wanted
        self._define()
        return True

    def _define(self) -> None:
        self.at += 2
        name = self._expression(",", ")")
        value: object = _COMPUTED
        if self.sees(","):
            self.at += 1
            value = self._expression(",", ")")
        self._pass(self.find(";"))
        if isinstance(name, Value) and not name.why and self.settings.get(name.text) is None:
            self._put(name.text, value)

    def _constants(self) -> None:
        self.at += 1
        while self.kind() == "name" and self.sees("=", at=1):
            name = self.words[self.at].text
            self.at += 2
            value = self._expression(",", ";")
            if self.settings.get(name) is None:
                self._put(name, value)
            if not self.sees(","):
                break
            self.at += 1
        self._pass(self.find(";"))

    def _assignment(self) -> None:
        """``$name['key'] = value;``, or whatever else begins with a variable."""
        begin = self.at
        path = self._place()
        if path is None or not self.sees("="):
            self.at = begin
            self._pass(self.find(";"))
            return
        self.at += 1
        self._put(path, self._expression(";"))
        self._pass(self.find(";"))

    def _place(self) -> str | None:
        """The name of ``$name['key'][3]``; None when it is not written out."""
        path = self.words[self.at].text
        self.at += 1
        while self.sees("["):
            self.at += 1
            if self.sees("]"):
                # The next free number; how many there are is known only for what the file itself began.
                taken = [name for name in self.settings.names() if name.startswith(f"{path}.")]
                before = self.settings.get(path)
                if before and not taken:
                    return None
                path = f"{path}.{len({name[len(path) + 1 :].split('.')[0] for name in taken})}"
            else:
                key = self._expression("]")
                if not isinstance(key, Value) or key.why:
                    return None
                path = f"{path}.{key.text}"
            if not self.sees("]"):
                return None
            self.at += 1
        return path

    def _block(self) -> None:
        """A condition, loop, function or class with all that belongs to it: what it may set is not readable."""
        begin = self.at
        self.at += 1
        own = self.words[begin].text.lower() in _OWN
        if self.sees("("):
            self.over()
        if self.sees(":") and not own:
            depth = 1
            while self.at < len(self.words) and depth:
                word = self.words[self.at].text.lower() if self.kind() == "name" else ""
                if word in _ENDS:
                    depth -= 1
                elif word in ("if", "for", "foreach", "while", "switch"):
                    depth += 1 if self._alternative() else 0
                self.at += 1
        else:
            last = False
            while self.at < len(self.words) and not last:
                last = self.sees("{") or self.sees(";")
                self.over()
        stop = min(self.at, len(self.words))
        self.at = begin
        self._pass(stop, constants_only=own)

    def _alternative(self) -> bool:
        """Whether the ``if`` here is one with a colon."""
        begin, self.at = self.at, self.at + 1
        if self.sees("("):
            self.over()
        found = self.sees(":")
        self.at = begin
        return found

    def _pass(self, stop: int, *, constants_only: bool = False, all_changed: bool = False) -> None:
        """Go on to ``stop``; what may be set on the way is not readable any more."""
        while self.at < stop:
            if self.kind() == "var" and not constants_only and (all_changed or self._changed()):
                self.settings.put(self.words[self.at].text, _CONDITION)
            elif self.sees("define", "(") and self.kind(2) == "text":
                name = self.words[self.at + 2].value.text
                if self.settings.get(name) is None:
                    self.settings.put(name, _CONDITION)
            self.at += 1
        self.at = max(self.at, stop)

    def _changed(self) -> bool:
        """Whether a variable in passing is set here, taken by reference, or filled by ``foreach``."""
        begin, before = self.at, self.words[self.at - 1].text if self.at else ""
        self.at += 1
        while self.sees("["):
            self.over()
        after = self.words[self.at].text if self.kind() == "op" else ""
        self.at = begin
        return after in _ASSIGN or before in ("&", "as", "global", "++", "--") or after in ("++", "--")

    # Expressions

    def _expression(self, *closing: str) -> object:
        """The value up to one of these words, which is not taken: a ``Value``, or a dictionary of them for an array."""
        begin = self.at
        node = self._term(*closing)
        while self.sees(".") and isinstance(node, Value):
            self.at += 1
            other = self._term(*closing, ".")
            node = Value(node.text + other.text) if isinstance(other, Value) and not (node.why or other.why) else _COMPUTED
        if self.at == self.find(*closing):
            return node
        self.at = begin
        end = self.find(*closing)
        called = self.words[begin].text if self.kind() == "name" and self.sees("(", at=1) else ""
        self._pass(end)
        return Value(why=f"is made by {called}()") if called and len(called) <= 40 else _COMPUTED

    def _term(self, *closing: str) -> object:
        if self.at >= len(self.words):
            return _COMPUTED
        word = self.words[self.at]
        if word.kind == "text":
            self.at += 1
            return word.value
        if word.kind == "op" and word.text in "-+" and self.kind(1) == "number":
            self.at += 2
            return Value(("-" if word.text == "-" else "") + self.words[self.at - 1].text.replace("_", ""))
        if word.kind == "number":
            self.at += 1
            return Value(word.text.replace("_", ""))
        if word.kind == "name" and word.text.lstrip("\\").lower() in _WORDS:
            self.at += 1
            return Value(_WORDS[word.text.lstrip("\\").lower()])
        if self.sees("["):
            self.at += 1
            return self._array("]")
        if self.sees("array", "("):
            self.at += 2
            return self._array(")")
        if self.sees("("):
            self.at += 1
            node = self._expression(")")
            self.at += 1
            return node
        if word.kind == "var":
            return self._chained(*closing)
        return _COMPUTED

    def _chained(self, *closing: str) -> object:
        """``$a = $b = 'value'``; any other use of a variable is not written out."""
        begin = self.at
        path = self._place()
        if path is None or not self.sees("="):
            self.at = begin
            return _COMPUTED
        self.at += 1
        node = self._expression(*closing)
        self._put(path, node)
        return node

    def _array(self, closing: str) -> object:
        """The keys and values up to ``closing``, which is taken. One key that is not written out makes all of it unreadable."""
        found: dict[str, object] = {}
        number, readable = 0, True
        while self.at < len(self.words) and not self.sees(closing):
            if self.sees("...") or self.sees("&"):
                readable = False
            key, value = self._expression("=>", ",", closing), None
            if self.sees("=>"):
                self.at += 1
                value = self._expression(",", closing)
                if isinstance(key, Value) and not key.why:
                    found[key.text] = value
                    number = max(number, int(key.text) + 1) if key.text.isdigit() else number
                else:
                    readable = False
            else:
                found[str(number)] = key
                number += 1
            if not self.sees(","):
                break
            self.at += 1
        if not self.sees(closing):
            readable = False
        self.at += 1
        return found if readable else _COMPUTED

    def _put(self, path: str, node: object) -> None:
        """Set a name, and all names below it when it is an array."""
        if isinstance(node, Value):
            self.settings.put(path, node)
            return
        if not isinstance(node, dict) or not node:
            self.settings.put(path, Value())
            return
        self.settings.clear(path)
        for key, below in node.items():
            self._put(f"{path}.{key}" if path else key, below)


def read_php(text: str) -> Settings:
    """The names that a PHP file sets; ``Broken`` when its texts or comments have no end."""
    return _File(tokens(text)).read()
