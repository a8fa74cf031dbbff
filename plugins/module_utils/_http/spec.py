# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one probe asks and expects, as validated values."""

from __future__ import annotations

import dataclasses
import typing as t

from .._common.jsonquery import JsonExpectation
from .address import Target
from .client import Headers
from .retry import Backoff
from .sign import Credentials
from .status import StatusSet
from .transport import Route


@dataclasses.dataclass(frozen=True)
class HeaderExpectation:
    """A response header: present with this value or pattern, or absent."""

    name: str
    value: str | None = None
    regex: t.Pattern[str] | None = None
    absent: bool = False


@dataclasses.dataclass(frozen=True)
class Directive:
    """A Cache-Control directive that must be there; ``compare`` is "" (any argument), "=", ">=" or "<="."""

    name: str
    compare: str = ""
    argument: str = ""

    def __str__(self) -> str:
        return f"{self.name}{self.compare}{self.argument}"


@dataclasses.dataclass(frozen=True)
class CacheExpectation:
    """What caches are told: directives, and request headers that the answer varies with (lower case)."""

    present: tuple[Directive, ...] = ()
    absent: tuple[str, ...] = ()
    vary: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class BodyExpectation:
    """What the decoded body must and must not hold."""

    text: tuple[str, ...] = ()
    text_absent: tuple[str, ...] = ()
    regex: tuple[t.Pattern[str], ...] = ()
    regex_absent: tuple[t.Pattern[str], ...] = ()
    json: tuple[JsonExpectation, ...] = ()
    sha256: str | None = None

    @property
    def needs_text(self) -> bool:
        """Whether the body must be in memory; its digest needs none."""
        return bool(self.text or self.text_absent or self.regex or self.regex_absent or self.json)


@dataclasses.dataclass(frozen=True)
class RedirectRule:
    """``follow`` is "none", "safe" (GET and HEAD) or "all"; ``locations`` None expects nothing of them."""

    follow: str = "none"
    locations: tuple[str, ...] | None = None
    max_hops: int = 5
    allow_downgrade: bool = False


@dataclasses.dataclass(frozen=True)
class ByteRange:
    """The range ``first``-``last``, open-ended when ``last`` is None; a suffix of ``last`` bytes when ``first`` is None."""

    text: str
    first: int | None
    last: int | None
    sha256: str | None = None


@dataclasses.dataclass(frozen=True)
class LatencyLimit:
    """Milliseconds that a percentile (or "max") of a phase may take."""

    phase: str = "total"
    percentile: str = "max"
    warn: float | None = None
    crit: float | None = None


@dataclasses.dataclass(frozen=True)
class DaysLimit:
    """Days that a certificate must still be valid for."""

    warn: int
    crit: int


@dataclasses.dataclass(frozen=True)
class ClockLimit:
    """Seconds that the server's clock may differ; ``time`` finds what it says in a JSON body, None takes the ``Date`` header."""

    warn: float | None
    crit: float
    time: JsonExpectation | None = None

    @property
    def source(self) -> str:
        """Where the server's time comes from."""
        return f"json {self.time.query}" if self.time else "Date header"


@dataclasses.dataclass(frozen=True)
class Probe:
    """One HTTP expectation, ready to be asked."""

    name: str
    method: str
    target: Target
    headers: Headers
    body: bytes
    credentials: Credentials
    route: Route
    timeout: float
    max_body: int
    safe: bool
    backoff: Backoff
    samples: int
    status: StatusSet
    expect_headers: tuple[HeaderExpectation, ...]
    content: BodyExpectation
    cache: CacheExpectation | None
    redirects: RedirectRule
    revalidate: tuple[str, ...]
    range: ByteRange | None
    head_equals_get: bool
    latency: tuple[LatencyLimit, ...]
    certificate: DaysLimit | None
    clock: ClockLimit | None = None
    secrets: tuple[str, ...] = dataclasses.field(default=(), repr=False)

    def redact(self, text: str) -> str:
        """``text`` in one line and without this probe's secrets, wherever a server may have echoed them."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return " ".join(text.split())

    @property
    def needs_body(self) -> bool:
        """Whether an answer's body must be in memory."""
        return self.content.needs_text or bool(self.clock and self.clock.time)

    @property
    def where(self) -> str:
        """The URL and the node, fit to be shown."""
        node, proxy = self.route.node, self.route.proxy
        return self.target.display + (f" (connect_to {node})" if node else "") + (f" (proxy {proxy})" if proxy else "")


@dataclasses.dataclass(frozen=True)
class Failure:
    """An expectation that was not met (``status`` failed or warning) or not evaluated (crashed)."""

    expected: str
    got: str
    status: t.Literal["warning", "failed", "crashed"] = "failed"
    # Asking again can't help: waiting does not renew a certificate or make a sample faster.
    final: bool = False

    def __str__(self) -> str:
        return f"expected {self.expected}, got {self.got}"
