# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue: every way of being no good backup is told by name, and the checks follow from it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._database import catalogue, info
from ansible_collections.runbook.ops.plugins.module_utils._database.parts import Codec
from faults.small_backups import DAY, HOUR, SmallBackups


@pytest.fixture
def backups(tmp_path):
    return SmallBackups(tmp_path)


def go(backups, **more):
    options = {name: option.get("default") for name, option in info.INFO.options.items()}
    return info.db_backup_info({**options, "dest": backups.dest, "name": backups.name, **more}, Run())


def check(result, name):
    return next(item for item in result["checks"] if item["name"] == f"shop {name}")


def test_a_good_catalogue(backups):
    made = [backups.make(age * HOUR, codec=Codec("gzip"), parts=2) for age in (30, 3)]
    backups.restored(2 * DAY)
    result = go(backups, max_age="26h", max_restore_age="31d", verify="deep")
    assert [item["id"] for item in result["backups"]] == made[::-1]
    newest = result["backups"][0]
    assert newest["engine"], newest["name"] == ("mariadb", "shop")
    assert abs(newest["age_seconds"] - 3 * HOUR) < 10
    assert newest["bytes"] < newest["plain_bytes"] == 2 * 18 * 500
    assert (newest["state"], newest["verified"], len(newest["parts"])) == ("good", "deep", 2)
    assert result["status"] == "ok"
    assert result["msg"] == "3 checks ok"
    assert result["changed"] is False


def swap_sidecars(backups, one, other):
    aside = backups.path("aside")
    os.rename(backups.path(f"{one}.json"), aside)
    os.rename(backups.path(f"{other}.json"), backups.path(f"{one}.json"))
    os.rename(aside, backups.path(f"{other}.json"))


def swap_data(backups, one, other):
    aside = backups.path("aside")
    os.rename(backups.path(f"{one}.sql"), aside)
    os.rename(backups.path(f"{other}.sql"), backups.path(f"{one}.sql"))
    os.rename(aside, backups.path(f"{other}.sql"))


def replace_text(backups, identity, old, new):
    with open(backups.path(f"{identity}.json")) as stream:
        text = stream.read()
    assert re.search(old, text)
    with open(backups.path(f"{identity}.json"), "w") as stream:
        stream.write(re.sub(old, new, text))


DAMAGES = {
    "cut": (lambda b, one, two: b.cut(two, 100), "none", "failed", "is cut: 100 of 9,000 bytes"),
    "cut at a statement": (lambda b, one, two: b.cut(two, 18 * 400), "none", "failed", "is cut: 7,200 of"),
    "zero bytes": (lambda b, one, two: b.cut(two, 0), "none", "failed", "is empty instead of 9,000 bytes"),
    "longer": (lambda b, one, two: b.cut(two, 9001), "none", "failed", "has 9,001 bytes instead of 9,000"),
    "data missing": (lambda b, one, two: os.unlink(b.path(f"{two}.sql")), "none", "failed", "is missing"),
    "data is a link": (
        lambda b, one, two: (os.unlink(b.path(f"{two}.sql")), os.symlink(b.path(f"{one}.sql"), b.path(f"{two}.sql"))),
        "none",
        "failed",
        "not an ordinary file",
    ),
    "one bit flipped": (lambda b, one, two: b.flip(two), "checksum", "failed", "sha256"),
    "one bit flipped, deep": (lambda b, one, two: b.flip(two), "deep", "failed", "sha256"),
    "data swapped": (swap_data, "checksum", "failed", "sha256"),
    "sidecar swapped": (swap_sidecars, "none", "crashed", "sidecar of another backup"),
    "sidecar cut": (lambda b, one, two: b.cut(two, 200, ".json"), "none", "crashed", "is no sidecar"),
    "sidecar empty": (lambda b, one, two: b.cut(two, 0, ".json"), "none", "crashed", "is no sidecar"),
    "sidecar of a newer format": (
        lambda b, one, two: replace_text(b, two, '"format": 1', '"format": 9'),
        "none",
        "crashed",
        "newer version",
    ),
    "sidecar missing": (lambda b, one, two: os.unlink(b.path(f"{two}.json")), "none", "warning", "has no sidecar, so it is no backup"),
    "sidecar of another database": (
        lambda b, one, two: replace_text(b, two, '"name": "shop"', '"name": "bank"'),
        "none",
        "failed",
        "is of database bank",
    ),
    "sidecar names another's data": (
        lambda b, one, two: replace_text(b, two, f"{two}.sql", f"{one}.sql"),
        "none",
        "failed",
        "not of backup",
    ),
    "sidecar climbs": (lambda b, one, two: replace_text(b, two, f"{two}.sql", "../x"), "none", "crashed", "not believable"),
    "sidecar's hash changed": (
        lambda b, one, two: replace_text(b, two, '"stored_sha256": "..', '"stored_sha256": "00'),
        "checksum",
        "failed",
        "sha256",
    ),
    "sidecar without an end": (
        lambda b, one, two: replace_text(b, two, '"ended": ".*"', '"ended": "today"'),
        "none",
        "failed",
        "no time of its end",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damages_are_told_by_name(backups, name):
    damage, verify, status, message = DAMAGES[name]
    data = b"INSERT INTO t VA;\n"
    one, two = backups.make(5 * HOUR, data * 500), backups.make(2 * HOUR, data[::-1] * 500)
    assert go(backups, verify="deep", max_age="26h")["status"] == "ok"
    damage(backups, one, two)
    result = go(backups, verify=verify)
    found = check(result, "backups")
    assert (found["status"], result["status"]) == (status, status)
    assert message in found["message"]
    assert two in found["message"]
    # The older one alone is too old; the newer one must not count, whatever it says.
    assert go(backups, verify=verify, max_age="3h")["status"] in ("failed", "crashed")
    with pytest.raises(RunbookError, match="1 of|2 of|no good|old"):
        go(backups, verify=verify, max_age="3h", fail=True)


def test_a_bad_crc_with_intact_data(backups):
    """A changed gzip trailer behind intact data: the stored bytes give it away, and the program that reads it."""
    identity = backups.make(HOUR, codec=Codec("gzip"))
    path = backups.path(f"{identity}.sql.gz")
    with open(path, "r+b") as stream:
        stream.seek(-8, os.SEEK_END)
        stream.write(b"\0\0\0\0")
    for verify in ("checksum", "deep"):
        assert go(backups, verify=verify)["status"] == "failed"


def test_freshness(backups):
    assert go(backups, max_age="26h")["checks"][-1]["message"].startswith("there is no good backup")
    backups.make(27 * HOUR)
    backups.attempt("failed", HOUR, message="disk full")
    late = check(go(backups, max_age="26h"), "backup age")
    assert late["status"] == "failed"
    assert late["message"].endswith("is 27 hours old, more than 26 hours; the newest run failed: disk full")
    backups.make(HOUR)
    assert check(go(backups, max_age="26h"), "backup age")["status"] == "ok"
    backups.make(-DAY)
    assert check(go(backups, max_age="26h"), "backup age")["status"] == "crashed"


def test_no_backups_at_all(backups):
    os.rmdir(backups.folder)
    assert go(backups, max_age="26h")["status"] == "failed"
    assert go(backups, name=None, max_age="26h")["status"] == "failed"
    with pytest.raises(RunbookError, match="is no folder"):
        go(backups, dest=backups.dest + "/no")


def test_a_dump_of_one_table_is_not_fresh(backups):
    backups.make(30 * HOUR)
    backups.make(HOUR, include=("cart",))
    assert check(go(backups, max_age="26h"), "backup age")["status"] == "failed"


def test_restores(backups):
    backups.make(HOUR)
    assert "no verified restore" in check(go(backups, max_restore_age="31d"), "restore age")["message"]
    backups.restored(40 * DAY)
    backups.restored(1 * DAY, "failed")
    assert "40 days ago, more than 31 days" in check(go(backups, max_restore_age="31d"), "restore age")["message"]
    backups.restored(2 * DAY)
    assert check(go(backups, max_restore_age="31d"), "restore age")["status"] == "ok"


@pytest.mark.parametrize(("size", "status"), [(4000, "warning"), (5000, "ok"), (50000, "ok")])
def test_size(backups, size, status):
    for age in range(5, 1, -1):
        backups.make(age * DAY, b"x" * 9000)
    backups.make(DAY, b"x" * size)
    trend = check(go(backups), "backup size")
    assert (trend["status"], trend["median_bytes"], trend["bytes"]) == (status, 9000, size)
    assert trend["value"] == round((size / 9000 - 1) * 100, 1)


def test_verify_last(backups):
    made = [backups.make(age * DAY) for age in (3, 2, 1)]
    backups.flip(made[0])
    result = go(backups, verify="checksum", verify_last=1)
    assert [item["verified"] for item in result["backups"]] == ["checksum", "none", "none"]
    assert result["status"] == "ok"
    assert go(backups, verify="checksum")["status"] == "failed"


def test_a_disk_that_does_not_answer_proves_nothing(backups, monkeypatch):
    backups.make(HOUR)

    def broken(*given):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(catalogue.parts, "stored_as_written", broken)
    result = go(backups, verify="checksum", max_age="26h")
    assert (result["backups"][0]["state"], result["status"]) == ("unknown", "crashed")


def test_all_databases(backups):
    names = ["a/b", "..", ".hidden", "قاعدة", "100%", "shop"]
    for name in names:
        SmallBackups(backups.dest, name).make(HOUR)
    os.mkdir(os.path.join(backups.dest, "lost+found"))
    result = go(backups, name=None)
    assert sorted(item["name"] for item in result["backups"]) == sorted(names)
    assert all(item["path"].startswith(backups.dest + "/") for item in result["backups"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_age": "yesterday"}, "max_age"),
        ({"max_restore_age": "-1d"}, "max_restore_age"),
        ({"trend_last": 1}, "trend_last"),
        ({"verify_last": -1}, "verify_last"),
        ({"dest": "backups"}, "not absolute"),
    ],
)
def test_bad_input(backups, options, message):
    with pytest.raises(InvalidInput, match=message):
        go(backups, **options)


@pytest.mark.skipif(not shutil.which("age-keygen"), reason="tests/database has it on a host with age")
def test_encrypted(backups):
    keys = [subprocess.run(["age-keygen"], check=True, capture_output=True, text=True) for _number in range(2)]
    recipient = keys[0].stderr.split()[-1]
    identity = backups.make(HOUR, codec=Codec("gzip", recipients=(recipient,)))
    with pytest.raises(InvalidInput, match="encryption_identity"):
        go(backups, verify="deep")
    assert go(backups, verify="checksum")["status"] == "ok"
    assert go(backups, verify="deep", encryption_identity=keys[0].stdout)["backups"][0]["verified"] == "deep"
    wrong = go(backups, verify="deep", encryption_identity=keys[1].stdout)
    assert (wrong["backups"][0]["state"], wrong["status"]) == ("unknown", "crashed")
    backups.flip(identity, ".sql.gz.age")
    assert go(backups, verify="deep", encryption_identity=keys[0].stdout)["backups"][0]["state"] == "bad"
