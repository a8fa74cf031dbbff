# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The races of the databases: our modules, the plain pipelines and community.mysql, and what they must not take."""

from __future__ import annotations

import contextlib
import pathlib
import sys
import typing as t
import zipfile

from bed.shell import ROOT
from databases import DATABASE, FOLDER, HOST, MARIADB, POSTGRESQL, Beside, Subject, lanes
from race import Lane, say
from remote import command

if t.TYPE_CHECKING:
    from benchmarks import Bench

# The wheel that carries community.mysql; the collection is unpacked from it, nothing is installed.
_PEER = "ansible==12.3.0"
_PLAY = """---
- name: Back up a database
  hosts: all
  gather_facts: false
  tasks:
    - name: Back up
      {module}:
{options}
"""


def races(bench: Bench, subject: Subject) -> None:
    """Backup, restore and switch of one engine; what both took of memory is in the same table."""
    with _prepared(subject, bench.scale) as place:
        _backups(bench, place)
        if subject is MARIADB:
            _peer(bench, place)
        _restores(bench, place)


def memory(bench: Bench) -> None:
    """Memory with four times the data, for both engines."""
    for subject in (MARIADB, POSTGRESQL):
        with _prepared(subject, 4 * bench.scale) as place:
            name = f"memory, {subject.engine}"
            made = place.backup()
            size = f"{made.result['backup']['plain_bytes'] / 1e6:,.0f} MB of dump"
            bench.add(name, "db_backup", made.own_mb, "MB", 80, f"{size}; largest client {made.children_mb:.0f} MB")
            loaded = place.restore(mode="scratch", target=f"{DATABASE}_scratch", jobs=2)
            bench.add(name, "db_restore", loaded.own_mb, "MB", 80, f"{size}; largest client {loaded.children_mb:.0f} MB")


@contextlib.contextmanager
def _prepared(subject: Subject, scale: float) -> t.Iterator[Beside]:
    place = Beside(subject)
    try:
        say(f"making {subject.engine}'s data")
        place.prepare(scale)
        yield place
    finally:
        place.tidy()


def _backups(bench: Bench, place: Beside) -> None:
    name = f"backup, {place.subject.engine}"
    result = bench.race(name, lanes(place)[0])
    bench.versus(name, result, "db_backup without counts", "pipeline", 1.05)
    bench.versus(name, result, "db_backup", "pipeline", 1.5)


def _peer(bench: Bench, place: Beside) -> None:
    """Both as playbooks, through SSH, with what each needs for a consistent and complete dump."""
    address = bench.remote.direct(HOST)
    inventory = bench.ansible.inventory("databases", [address])
    ours = {"engine": "mariadb", "name": DATABASE, "dest": f"{FOLDER}/backups"}
    theirs = {
        "state": "dump",
        "name": DATABASE,
        "target": f"{FOLDER}/peer.sql.gz",
        "single_transaction": True,
        "quick": True,
        "hex_blob": True,
        "dump_extra_args": "--routines --triggers --events",
        "login_unix_socket": "/run/mysqld/mysqld.sock",
    }
    collections = f"{ROOT}/.venv/collections:{_community_mysql(bench)}"

    def play(name: str, module: str, options: t.Mapping[str, t.Any]) -> t.Callable[[], object]:
        path = bench.ansible.folder / f"{name}.yml"
        path.write_text(_PLAY.format(module=module, options="\n".join(f"        {key}: {value}" for key, value in options.items())))
        return lambda: bench.ansible.play(path, inventory, collections=collections)

    name = "backup as a playbook, mariadb"
    fast = {**ours, "jobs": 2, "counts": False, "checksums": False}
    competitors = [
        Lane("db_backup", play("ours", "runbook.ops.db_backup", ours), place.forget),
        Lane("db_backup, 2 jobs, without counts", play("fast", "runbook.ops.db_backup", fast), place.forget),
        Lane("community.mysql.mysql_db to .gz", play("theirs", "community.mysql.mysql_db", theirs)),
    ]
    result = bench.race(name, competitors)
    for lane in competitors[:2]:
        bench.versus(name, result, lane.name, "community.mysql.mysql_db to .gz", 0.35)


def _community_mysql(bench: Bench) -> pathlib.Path:
    """A folder of collections that has this one, from the wheel that people install."""
    folder = bench.remote.sources / "peers"
    if not (folder / "ansible_collections" / "community" / "mysql").exists():
        words = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", str(folder), _PEER]
        command(words, bench.remote.deadline)
        (wheel,) = folder.glob("ansible-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            members = [name for name in archive.namelist() if name.startswith("ansible_collections/community/mysql/")]
            archive.extractall(folder, members)
        wheel.unlink()
    return folder


def _restores(bench: Bench, place: Beside) -> None:
    kind = place.subject.engine
    small = place.backup(dest=f"{FOLDER}/one")
    place.backup(dest=f"{FOLDER}/two", jobs=2)
    name = f"restore, {kind}"
    result = bench.race(name, lanes(place)[1])
    bench.versus(name, result, "db_restore", "pipeline", 1.05, "loading / pipeline")
    bench.versus(name, result, "db_restore, 2 jobs", "pipeline", 1 / 1.6, "loading with 2 jobs / pipeline")
    done, gap = place.restore_watched(dest=f"{FOLDER}/two", jobs=2)
    whole = done.result["switched"][1] - done.result["switched"][0]
    bench.add(
        name, "the switch: longest time without an answer", gap * 1000, "ms", 200, f"as a reader saw it; all steps {whole * 1000:.0f} ms"
    )
    size = small.result["backup"]["plain_bytes"] / 1e6
    bench.add(f"memory, {kind}", "db_backup", small.own_mb, "MB", 80, f"{size:,.0f} MB of dump; largest client {small.children_mb:.0f} MB")
    bench.add(f"memory, {kind}", "db_restore", done.own_mb, "MB", 80, f"{size:,.0f} MB; largest client {done.children_mb:.0f} MB")
