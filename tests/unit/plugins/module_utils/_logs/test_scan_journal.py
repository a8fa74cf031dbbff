# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""journald's entries: a program that prints them as journalctl does stands for it, since not every machine has a journal."""

from __future__ import annotations

import json
import sys

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._logs import scan_journal

from .scanning import scan

PROGRAM = """#!{python}
import json, sys
with open({path!r} + ".words", "w") as stream:
    json.dump(sys.argv[1:], stream)
after = next((word.partition("=")[2] for word in sys.argv if word.startswith("--after-cursor=")), "")
with open({path!r}) as stream:
    for line in stream:
        if json.loads(line)["__CURSOR"] > after:
            sys.stdout.write(line)
"""


def entry(number, message, priority="6", **fields):
    return {
        "__CURSOR": f"s={number:04}",
        "__REALTIME_TIMESTAMP": f"17673400{number:02}500000",
        "PRIORITY": priority,
        "MESSAGE": message,
        **fields,
    }


@pytest.fixture
def journal(tmp_path, monkeypatch):
    """Writes entries; ``journal.words()`` are those that journalctl was called with."""
    program, path = tmp_path / "journalctl", tmp_path / "entries"
    program.write_text(PROGRAM.format(python=sys.executable, path=str(path)))
    program.chmod(0o755)
    path.write_text("")
    monkeypatch.setattr(scan_journal, "find_program", lambda names, package: str(program))

    def write(*entries):
        with path.open("a") as stream:
            stream.writelines(json.dumps(item) + "\n" for item in entries)

    write.words = lambda: json.loads((tmp_path / "entries.words").read_text())
    return write


def test_patterns_see_entries_as_lines(journal):
    journal(
        entry(1, "it broke 7\nand went on", "3", SYSLOG_IDENTIFIER="app", _PID="99"),
        entry(2, "Invalid user admin from 203.0.113.7", SYSLOG_IDENTIFIER="sshd", _PID="7"),
        entry(3, [101, 114, 114, 255], "2", _COMM="raw"),
        entry(4, None, SYSLOG_IDENTIFIER=["two", "names"]),
        entry(5, "careful", "4"),
    )
    item = scan(format="journald", measures=[{"pattern": "errors"}])
    assert (item["value"], item["formats"]) == (2, ["journald"])
    assert [group["message"] for group in item["top"]] == ["app[N]: it broke N and went on", "raw: err\ufffd"]
    for pattern, value in (("warnings", 1), ("failed_logins", 1)):
        assert scan(format="journald", measures=[{"pattern": pattern}])["value"] == value
    assert scan(format="journald", measures=[{"regex": r"^<6>\S+ two names: $"}])["value"] == 1


def test_what_is_asked_for(journal):
    scan(format="journald", units=["ssh.service", "cron.service"], since="1767340000", until="1767350000")
    assert [word for word in journal.words() if word.split("=")[0] in ("--unit", "--since", "--until")] == [
        "--unit=ssh.service",
        "--unit=cron.service",
        "--since=@1767340000.000000",
        "--until=@1767349999.999999",
    ]


def test_entries_count_once(journal, tmp_path):
    state = str(tmp_path / "scan.json")

    def count():
        return scan(format="journald", state=state, since="1h", measures=[{"pattern": "errors"}])["value"]

    journal(entry(1, "x", "3"))
    assert (count(), count()) == (1, 0)
    assert "--after-cursor=s=0001" in journal.words()
    assert not [word for word in journal.words() if word.startswith("--since")]
    journal(entry(2, "x", "3"), entry(3, "x", "3"))
    assert (count(), count()) == (2, 0)


def test_no_journal_is_no_good_news(tmp_path, monkeypatch):
    monkeypatch.setattr(scan_journal, "find_program", lambda names, package: "/bin/false")
    item = scan(format="journald")
    assert (item["status"], "false ended with 1" in item["message"]) == ("crashed", True)
    assert scan(tmp_path / "gone.journal", format="journald")["status"] == "crashed"
