# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What copies of backups have to stand, on whatever remote: imported by the tests that have one.

Such a test defines the fixture ``remote``, a ``Place``.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import resource
import shutil
import typing as t

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import Refused, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._database import catalogue
from ansible_collections.runbook.ops.plugins.module_utils._database.folder import Folder
from ansible_collections.runbook.ops.plugins.module_utils._database.parts import Codec
from ansible_collections.runbook.ops.plugins.module_utils._offsite import copy, rclone
from faults.small_backups import DAY, HOUR, SmallBackups


@dataclasses.dataclass
class Place:
    """A remote with its configuration, and ways to meddle with it behind rclone's back. Names are below the remote's path."""

    where: str
    config: dict[str, t.Any]
    read: t.Callable[[str], bytes]
    write: t.Callable[[str, bytes], None]
    remove: t.Callable[[str], None]


class Copies:
    """Backups of one database, and their copies."""

    def __init__(self, root, remote):
        self.remote, self.root = remote, root
        self.backups = SmallBackups(root / "here", "shop %1")
        self.quoted = os.path.basename(self.backups.folder)
        self.warned = []

    def go(self, preview=False, **more):
        given = {name: option.get("default") for name, option in copy.OFFSITE.options.items()}
        given.update(dest=self.backups.dest, name=self.backups.name, remote=self.remote.where, config=self.remote.config)
        return copy.offsite_copy({**given, **more}, Run(check_mode=preview, warn=self.warned.append))

    def fetch(self, preview=False, **more):
        (self.root / "back").mkdir(exist_ok=True)
        return self.go(preview, **{"direction": "fetch", "dest": str(self.root / "back"), "select": "latest", **more})

    def list(self):
        with rclone.connected(rclone.Remote(self.remote.where, self.remote.config)) as there:
            return there.list(self.quoted)

    def back(self):
        folder = Folder(str(self.root / "back"), self.backups.name).path
        found = catalogue.scan(folder).entries if os.path.isdir(folder) else []
        for entry in found:
            entry.verify("deep")
        return {entry.id: entry.state for entry in found}


@pytest.fixture
def copies(tmp_path, remote):
    return Copies(tmp_path, remote)


def states(result):
    return {item["id"]: item["state"] for item in result["copies"]}


def test_there_and_back(copies):
    one = copies.backups.make(2 * DAY, codec=Codec("gzip"))
    two = copies.backups.make(DAY, parts=3)
    predicted = copies.go(preview=True)
    assert (predicted["changed"], len(predicted["copied"]), copies.list()) == (True, 2, {})
    done = copies.go()
    assert done["copied"] == predicted["copied"]
    assert states(done) == {one: "good", two: "good"}
    assert all(item["sent"] and item["verified"] for item in done["copies"])
    assert len(copies.list()) == 2 + 1 + 3
    for more in ({}, {"verify": "all"}, {"verify": "latest"}, {"select": "latest"}):
        assert copies.go(**more)["changed"] is False
        assert copies.go(preview=True, **more)["changed"] is False
    assert copies.fetch(preview=True)["copied"] == [{"name": "shop %1", "id": two}]
    assert copies.back() == {}
    assert copies.fetch()["changed"] is True
    assert copies.back() == {two: "good"}
    assert copies.fetch()["changed"] is False
    assert copies.fetch(select="ids", ids=[one])["changed"] is True
    assert copies.back() == {one: "good", two: "good"}
    assert copies.fetch(select="missing")["changed"] is False


def flip(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize(
    ("damage", "verify", "trouble"),
    [
        (lambda data: data[:100], "new", "has 100 of 9,000 bytes"),
        (lambda data: b"", "new", "has 0 of 9,000 bytes"),
        (flip, "latest", "not those of the backup"),
        (None, "new", "is missing"),
    ],
    ids=["cut", "empty", "one bit flipped", "gone"],
)
def test_a_damaged_copy_is_sent_again(copies, damage, verify, trouble):
    identity = copies.backups.make(HOUR)
    copies.go()
    name = f"{copies.quoted}/{identity}.sql"
    good = copies.remote.read(name)
    if damage:
        copies.remote.write(name, damage(good))
    else:
        copies.remote.remove(name)
    told = copies.go(preview=True, verify=verify)
    assert (told["copies"][0]["state"], told["changed"]) == ("bad", True)
    assert trouble in told["copies"][0]["trouble"]
    with pytest.raises(RunbookError, match="is not good|not found|object"):
        copies.fetch(retries=1)
    assert copies.back() == {}
    assert copies.go(verify=verify)["changed"] is True
    assert copies.remote.read(name) == good
    assert copies.fetch()["changed"] is True
    assert copies.back() == {identity: "good"}


def test_a_copy_without_its_sidecar_does_not_exist(copies):
    """As a run leaves it that was killed before the last step."""
    identity = copies.backups.make(HOUR)
    copies.go()
    copies.remote.remove(f"{copies.quoted}/{identity}.json")
    with pytest.raises(Refused, match="no copy of a backup"):
        copies.fetch()
    assert "never complete" in copies.go(preview=True)["copies"][0]["trouble"]
    assert copies.go()["changed"] is True
    assert copies.fetch()["changed"] is True


@pytest.mark.parametrize("damage", ["cut", "swapped", "other", "climbs"])
def test_a_damaged_sidecar_is_not_fetched(copies, damage):
    one, two = copies.backups.make(DAY), copies.backups.make(HOUR)
    copies.go()
    name = f"{copies.quoted}/{two}.json"
    data = copies.remote.read(name)
    changed = {
        "cut": data[:200],
        "swapped": copies.remote.read(f"{copies.quoted}/{one}.json"),
        "other": data.replace(b'"name": "shop %1"', b'"name": "bank"'),
        "climbs": data.replace(f"{two}.sql".encode(), b"../../x.sql"),
    }[damage]
    assert changed != data
    copies.remote.write(name, changed)
    with pytest.raises(RunbookError, match="fetch another"):
        copies.fetch()
    assert copies.back() == {}
    assert [name for name in os.listdir(copies.root / "back" / copies.quoted) if "partial" in name] == []
    assert copies.fetch(select="ids", ids=[one])["changed"] is True


def test_a_backup_that_is_bad_here_is_not_sent(copies):
    one, two = copies.backups.make(DAY), copies.backups.make(HOUR)
    copies.backups.flip(two)
    with pytest.raises(RunbookError, match="not good here") as error:
        copies.go()
    assert error.value.result["copied"] == [{"name": "shop %1", "id": one}]
    assert f"{two}.json" not in copies.list()
    copies.backups.make(0)
    assert len(copies.go()["copied"]) == 1
    assert "was not sent" in copies.warned[-1]


def test_what_arrives_differently_is_sent_again_and_then_told(copies, monkeypatch):
    """A remote that changes bytes: the guard is reading back, so without it this would be a good copy."""
    identity = copies.backups.make(HOUR)
    real = rclone.Rclone.send
    spoilt = [2]

    def send(self, file, name):
        real(self, file, name)
        if name.endswith(".sql") and spoilt[0]:
            spoilt[0] -= 1
            copies.remote.write(name, flip(copies.remote.read(name)))

    monkeypatch.setattr(rclone.Rclone, "send", send)
    with pytest.raises(RunbookError, match="2 times; the copy has no sidecar"):
        copies.go(retries=2)
    assert f"{identity}.json" not in copies.list()
    spoilt[0] = 2
    assert copies.go(retries=3)["changed"] is True
    assert copies.go(verify="all")["changed"] is False


def test_a_bad_backup_here_is_replaced_by_its_copy(copies):
    identity = copies.backups.make(HOUR, parts=2)
    copies.go()
    copies.fetch()
    folder = pathlib.Path(Folder(str(copies.root / "back"), copies.backups.name).path)
    with open(folder / identity / "t1.sql", "r+b") as stream:
        stream.write(b"XXXX")
    assert copies.back() == {identity: "bad"}
    assert copies.fetch()["changed"] is True
    assert copies.back() == {identity: "good"}


def test_the_only_copy_outlives_its_backup(copies):
    identity = copies.backups.make(HOUR)
    copies.go()
    shutil.rmtree(copies.backups.folder)
    assert copies.fetch(dest=copies.backups.dest)["changed"] is True
    assert copies.backups.ids() == [identity]
    assert copies.go(verify="all")["changed"] is False


def test_large_backups_in_little_memory(copies):
    copies.backups.make(HOUR, data=os.urandom(1 << 20) * 100)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    copies.go()
    copies.fetch()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000


def test_nothing_secret_is_returned(copies):
    copies.backups.make(HOUR)
    result = copies.go()
    for section in copies.remote.config.values():
        for key in ("secret_access_key", "pass"):
            assert str(section.get(key, "no such thing")) not in json.dumps(result)


def test_bad_input(copies):
    with pytest.raises(RunbookError, match="no backups in"):
        copies.go()
    copies.backups.make(HOUR)
    with pytest.raises(Refused, match="no backup 20200101_000000"):
        copies.go(select="ids", ids=["20200101_000000"])
    copies.go()
    with pytest.raises(Refused, match="no copy of 20200101_000000"):
        copies.fetch(select="ids", ids=["20200101_000000"])
