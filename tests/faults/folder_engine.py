# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database engine of folders and files, for the use cases around engines: what they do is the same for any engine.

A database is a folder, a table a file of lines. Its switch takes two renames, so that a kill between them has to be settled.
Claims about real servers are made in tests/database, never here.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import pathlib
import shutil
import typing as t

from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._database.engine import Part
from ansible_collections.runbook.ops.plugins.module_utils._database.model import Inventory, Selection, Server, Table, TableFacts

END = b"-- end\n"


class FolderDump:
    def __init__(self, engine: FolderEngine, name: str, chosen: list[Table], jobs: int) -> None:
        self._engine, self._name = engine, name
        content = engine.content(name)
        self._moment = {table.name: content[table.name] for table in chosen}
        names = list(self._moment)
        groups = [names[number::jobs] for number in range(min(jobs, len(names) or 1))] or [[]]
        self._groups = {f"data-{number}" if len(groups) > 1 else "data": group for number, group in enumerate(groups)}
        self.settings: dict[str, t.Any] = {"flavour": "plain"}

    @property
    def parts(self) -> list[Part]:
        return [Part(name, lambda group=group: self._open(group)) for name, group in self._groups.items()]

    @contextlib.contextmanager
    def _open(self, group: list[str]) -> t.Iterator[io.BytesIO]:
        data = b"".join(json.dumps([name, self._moment[name]]).encode() + b"\n" for name in group) + END
        if self._engine.cut:
            data = data[: data.index(b"\n") + 1]
        yield io.BytesIO(data)
        if self._engine.fail_dump:
            raise RunbookError("the client ended with 3: server has gone away")

    def inventory(self, *, counts: bool, checksums: bool) -> Inventory:
        return _inventory(self._moment) if counts else Inventory()

    def query(self, text: str) -> str:
        return f"revision of {text}"

    def check_end(self, part: str, tail: bytes) -> None:
        if not tail.endswith(END):
            raise RunbookError(f"{part} has no end")


def _inventory(content: t.Mapping[str, list[str]]) -> Inventory:
    tables = {name: TableFacts(len(rows), hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()) for name, rows in content.items()}
    return Inventory("folder", tables, {"table": dict.fromkeys(content, "1")})


class FolderEngine:
    kind: t.ClassVar[str] = "folder"
    suffix: t.ClassVar[str] = "txt"

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root
        self.cut = self.fail_dump = self.fail_load = self.lose_row = self.fail_switch = False
        self.version = "1.2.3"

    def set(self, name: str, content: t.Mapping[str, list[str]]) -> None:
        """Make a database, at once."""
        shutil.rmtree(self.root / name, ignore_errors=True)
        (self.root / name).mkdir(parents=True)
        for table, rows in content.items():
            (self.root / name / table).write_text("\n".join(rows))

    def content(self, name: str) -> dict[str, list[str]]:
        if not self.exists(name):
            raise RunbookError(f"there is no database {name}")
        return {file.name: file.read_text().split("\n") if file.read_text() else [] for file in sorted((self.root / name).iterdir())}

    def names(self) -> list[str]:
        return sorted(path.name for path in self.root.iterdir())

    def server(self) -> Server:
        return Server("folder", self.version)

    def check_name(self, name: str) -> None:
        if "/" in name:
            raise InvalidInput(f"{name} can't be a database")

    def exists(self, name: str) -> bool:
        return (self.root / name).is_dir()

    def tables(self, name: str) -> list[Table]:
        return [Table(table, sum(map(len, rows))) for table, rows in self.content(name).items()]

    @contextlib.contextmanager
    def dump(self, name: str, tables: Selection, jobs: int) -> t.Iterator[FolderDump]:
        yield FolderDump(self, name, tables.resolve(self.tables(name)), jobs)

    def inventory(self, name: str, *, counts: bool, checksums: bool) -> Inventory:
        return _inventory(self.content(name)) if counts else Inventory()

    def refuses(self, made_by: Server) -> str:
        return "" if made_by.numbers <= Server("folder", self.version).numbers else f"a dump of {made_by.version} can't be loaded here"

    def data_folder(self, name: str) -> str:
        return str(self.root)

    def side_name(self, live: str, token: str) -> str:
        return f"rb_{token}_{live}"

    def create(self, name: str, settings: t.Mapping[str, t.Any]) -> None:
        os.mkdir(self.root / name)

    def load(self, name: str, parts: t.Sequence[Part], settings: t.Mapping[str, t.Any], jobs: int) -> None:
        for part in parts:
            with part.open() as reader:
                data = b""
                while more := reader.read(7):
                    data += more
                if self.fail_load:
                    raise RunbookError("syntax error in line 7")
                for line in data.splitlines()[:-1]:
                    table, rows = json.loads(line)
                    fd = os.open(self.root / name / table, os.O_WRONLY | os.O_CREAT, 0o600)
                    os.write(fd, "\n".join(rows[1:] if self.lose_row else rows).encode())
                    os.close(fd)

    def drop(self, name: str) -> None:
        if name and self.exists(name):
            gone = self.root / f"gone-{name}"
            os.rename(self.root / name, gone)
        for left in self.root.glob("gone-*"):
            shutil.rmtree(left)

    def switch(self, live: str, side: str, previous: str, note: t.Callable[[str, t.Mapping[str, t.Any]], None]) -> None:
        note("rename", {"there": self.exists(live)})
        if self.exists(live):
            os.rename(self.root / live, self.root / previous)
        if self.fail_switch:
            raise RunbookError("the server went away in the switch")
        os.rename(self.root / side, self.root / live)

    def settle(self, live: str, side: str, previous: str, step: str, facts: t.Mapping[str, t.Any]) -> t.Literal["new", "old"]:
        if not self.exists(side):
            return "new"
        if not self.exists(live) and self.exists(previous):
            os.rename(self.root / previous, self.root / live)
        return "old"
