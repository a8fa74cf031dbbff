# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page and ``Retry-After`` inside an ``.htaccess`` file.

Apache reads no other file on behalf of an ``.htaccess`` (neither ``Include`` nor ``%{file:…}`` are allowed there) and its error page
must lie below the document root, which a site with releases does not offer. But it reads the ``.htaccess`` anew for every request: so
what changes stands in a block of its own there. The other, unchanging block is the role's template, written by ``state: installed``.
"""

from __future__ import annotations

import re

from .._common.errors import InvalidInput, Refused

# The role's block stands between these lines; its presence says that Apache is in use here.
ROLE_BLOCK = "# BEGIN runbook.ops maintenance"
_ROLE_END = "# END runbook.ops maintenance"
# Apache's expressions, and the text of an ErrorDocument is one, may hold 8192 bytes.
LONGEST_PAGE = 8000
_BEGIN = "# BEGIN runbook.ops maintenance page"
_END = "# END runbook.ops maintenance page"
# The role's condition under which the site is closed to a visitor; the page must not replace the errors that others get from the site.
_CLOSED = re.compile(r"^<If \"-f '[^'\n]*/maintenance\.flag' && ! \(.*?^\)\">$", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(rf"^{_BEGIN}\n.*?^{_END}\n", re.MULTILINE | re.DOTALL)


def is_ours(text: str) -> bool:
    """Whether the role's block is in this ``.htaccess``."""
    return ROLE_BLOCK in text.splitlines()


def check_snippet(snippet: str) -> None:
    """``InvalidInput`` for a text that is not the role's block."""
    if _CLOSED.search(snippet) is None or any(line.strip() in (ROLE_BLOCK, _ROLE_END) for line in snippet.splitlines()):
        raise InvalidInput("snippet is not what the role maintenance makes for Apache; use the role with maintenance_state=installed")


def with_snippet(text: str, snippet: str) -> str:
    """``text`` in which the role's block is ``snippet``: where it was, or else at the end."""
    before, _found, after = _around_snippet(text)
    if before and not before.endswith("\n"):
        before += "\n"
    return f"{before}{ROLE_BLOCK}\n{snippet.strip()}\n{_ROLE_END}\n{after}"


def snippet_of(text: str) -> str:
    """The role's block in ``text`` with its markers; empty when there is none."""
    return _around_snippet(text)[1]


def _around_snippet(text: str) -> tuple[str, str, str]:
    lines = text.splitlines(keepends=True)
    stripped = [line.rstrip() for line in lines]
    if ROLE_BLOCK not in stripped:
        return text, "", ""
    begin = stripped.index(ROLE_BLOCK)
    if _ROLE_END not in stripped[begin:]:
        raise Refused(f"the maintenance block in .htaccess has no line {_ROLE_END!r}; remove what is left of the block and run again")
    end = stripped.index(_ROLE_END, begin) + 1
    return "".join(lines[:begin]), "".join(lines[begin:end]), "".join(lines[end:])


def with_page(text: str, page: str, retry: str) -> str:
    """``text`` in which the page and the value of the header are those given."""
    rest = without_page(text)
    closed = _CLOSED.search(rest)
    if closed is None:
        raise Refused("the maintenance block in .htaccess is not complete; run the role maintenance with maintenance_state=installed again")
    # The page holds no double quote, percent sign, dollar sign or backslash; other alphabets become references, because Apache
    # declares texts of an ErrorDocument to be Latin-1 where mod_headers is missing.
    line = " ".join(page.split()).encode("ascii", "xmlcharrefreplace").decode("ascii")
    if len(line) > LONGEST_PAGE:
        raise Refused(f"message makes a page of {len(line)} bytes, Apache allows {LONGEST_PAGE} in .htaccess; shorten the message")
    block = [
        _BEGIN,
        "# Written by the module runbook.ops.maintenance, and removed by it.",
        closed.group(),
        f'  ErrorDocument 503 "{line}"',
        "  <IfModule mod_headers.c>",
        f'    Header always set Retry-After "{retry}" "expr=%{{REQUEST_STATUS}} == 503"',
        "  </IfModule>",
        "</If>",
        _END,
    ]
    if not rest.endswith("\n"):
        rest += "\n"
    return rest + "\n".join(block) + "\n"


def without_page(text: str) -> str:
    """``text`` without the block that ``with_page`` wrote."""
    return _BLOCK.sub("", text)
