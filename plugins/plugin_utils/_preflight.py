# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a preflight's tasks have found on each host, as one document that says whether all is ready."""

from __future__ import annotations

import typing as t

from ansible_collections.runbook.ops.plugins.module_utils._common import clock
from ansible_collections.runbook.ops.plugins.module_utils._common.outcome import SEVERITY, Outcome, Status, overall

FORMAT = 1
_PYTHON = (3, 9)

Result = t.Mapping[str, t.Any]


def document(hosts: t.Mapping[str, t.Mapping[str, Result]]) -> dict[str, t.Any]:
    """``{format, at, status, ready, msg, hosts: {name: {status, checks}}}`` of each host's registered results: ``facts`` (setup),
    ``releases`` (release_info), ``dns`` (a loop of getent), ``env`` (a loop of env_check), ``host``, ``database`` and ``probes``. With
    another ``backend`` than ``ssh`` only its releases and probes were asked for.

    A task that should have answered and did not is ``crashed``, and so is a host that told nothing. Nothing asked is not ready.
    """
    told = {name: [item.to_dict() for item in _host(results)] for name, results in hosts.items()}
    worst = {name: overall(item["status"] for item in items) for name, items in told.items()}
    bad = [
        f"{name}: {item['name']}{': ' if item['message'] else ''}{item['message']}"
        for name, items in told.items()
        for item in items
        if item["status"] in ("failed", "crashed")
    ]
    status = overall(worst.values())
    ready = bool(told) and status in ("ok", "warning")
    counted = sum(len(items) for items in told.values())
    msg = (
        "; ".join(bad)
        or ("ready" if ready else "no host was looked at") + f", {counted} checks on {len(told)} host{'' if len(told) == 1 else 's'}"
    )
    found = {name: {"status": worst[name], "checks": items} for name, items in told.items()}
    return {"format": FORMAT, "at": clock.now(), "status": status, "ready": ready, "msg": msg, "hosts": found}


def _host(results: t.Mapping[str, Result]) -> list[Outcome]:
    if results.get("backend", "ssh") != "ssh":
        found = _releases(results.get("releases") or {}) + checks(results.get("probes") or {}, "probes")
        return found or [Outcome("reachable", "crashed", "it could not be asked; give site_path")]
    facts = results.get("facts") or {}
    if "ansible_facts" not in facts:
        return [Outcome("reachable", "crashed", str(facts.get("msg") or "it could not be asked"))]
    items = [Outcome("reachable", "ok"), _python(facts["ansible_facts"])]
    items += _releases(results.get("releases") or {})
    items += [_name(entry) for entry in _loop(results.get("dns") or {})]
    items += checks(results.get("host") or {}, "host checks", needed=True)
    for entry in _loop(results.get("env") or {}):
        items += checks(entry, f"configuration {(entry.get('item') or {}).get('path', '')}")
    items += checks(results.get("database") or {}, "database")
    items += checks(results.get("probes") or {}, "probes")
    return items


def _loop(result: Result) -> t.Sequence[Result]:
    """What came of each item of a loop; of a loop that could not be begun, that."""
    return t.cast("t.Sequence[Result]", result.get("results") or ([result] if result.get("failed") else []))


def checks(result: Result, what: str, needed: bool = False) -> list[Outcome]:
    """The items of a module that returns ``checks`` or ``probes``; one that is crashed when it returned none although it ran."""
    found = result.get("checks") or result.get("probes")
    if found:
        return [_item(item) for item in found]
    if result.get("skipped") or (not result and not needed):
        return []
    return [Outcome(what, "crashed", str(result.get("msg") or "it gave no answer"))]


def _item(item: Result) -> Outcome:
    status = t.cast(Status, item.get("status") if item.get("status") in SEVERITY else "crashed")
    return Outcome(
        name=str(item.get("name", "")),
        status=status,
        message=str(item.get("message") or ""),
        value=item.get("value"),
        unit=str(item.get("unit") or ""),
        warn=item.get("warn"),
        crit=item.get("crit"),
        duration_ms=float(item.get("duration_ms") or 0.0),
    )


def _python(facts: Result) -> Outcome:
    told = (facts.get("ansible_python") or {}).get("version") or {}
    try:
        numbers = tuple(int(told[part]) for part in ("major", "minor", "micro"))
    except (KeyError, ValueError, TypeError):
        return Outcome("python", "crashed", "its version could not be told")
    enough, version = numbers >= _PYTHON, ".".join(str(number) for number in numbers)
    return Outcome("python", "ok" if enough else "failed", "" if enough else "Python 3.9 or newer is needed", value=version)


def _releases(result: Result) -> list[Outcome]:
    if not result or result.get("skipped"):
        return []
    if "exists" not in result:
        return [Outcome("releases", "crashed", str(result.get("msg") or "they could not be looked at"))]
    current, lock = result.get("current"), result.get("lock") or {}
    status: Status = "ok"
    message = f"{current} is current" if current else "no release is current"
    if result.get("problem"):
        status, message = "failed", str(result["problem"])
    elif lock:
        status, message = "warning", f"locked by {lock.get('owner') or 'another run'}"
    elif result.get("interrupted"):
        status, message = "warning", "a swap was interrupted; the next deploy puts it right"
    elif not result["exists"]:
        status, message = "warning", "the site's folder does not exist yet; the first deploy makes it"
    return [Outcome("releases", status, message, value=current)]


def _name(entry: Result) -> Outcome:
    name = str(entry.get("item") or "")
    found = (entry.get("ansible_facts") or {}).get("getent_ahosts") or {}
    # getent's lines begin with an address; a name that has none stands there itself, with nothing.
    addresses = sorted(str(address) for address, what in found.items() if what)
    if addresses:
        return Outcome(f"name {name}", "ok", ", ".join(addresses), value=len(addresses), unit="addresses")
    if name not in found:
        return Outcome(f"name {name}" if name else "names", "crashed", str(entry.get("msg") or "it could not be looked up"))
    return Outcome(f"name {name}", "failed", "it has no address here; look at DNS or /etc/hosts")
