# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Switching on real folders, also when a run is killed at any of its steps or the folder's owner is hostile."""

from __future__ import annotations

import json
import os
import pathlib
import stat
import typing as t

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, Refused
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._maintenance import folder as folder_module
from ansible_collections.runbook.ops.plugins.module_utils._maintenance.switch import switch

TOKEN = "unit-test-token_0123456789"
ROLE = "# BEGIN runbook.ops maintenance\n"
ROLE += "<If \"-f '/srv/www.example.com/maintenance.flag' && ! ( \\\n  x \\\n)\">\n</If>\n# END runbook.ops maintenance\n"
NAMES = ("path", "state", "message", "retry_after", "until", "allow_ips", "bypass_token", "by", "owner", "group", "htaccess", "snippet")
# Every call that changes something on disk.
STEPS = ("mkdir", "rename", "unlink", "rmdir", "symlink", "fchmod", "open")


@pytest.fixture
def site(tmp_path: pathlib.Path) -> pathlib.Path:
    base = tmp_path / "site"
    base.mkdir()
    return base


def run(
    site: pathlib.Path, *, check_mode: bool = False, warn: t.Callable[[str], None] = lambda _: None, **options: t.Any
) -> dict[str, t.Any]:
    values = {**dict.fromkeys(NAMES), "state": "present", "path": str(site), **options}
    return switch(values, Run(check_mode=check_mode, warn=warn))


def tree(site: pathlib.Path) -> dict[str, str]:
    return {
        str(path.relative_to(site)): os.readlink(path) if path.is_symlink() else oct(path.stat().st_mode)
        for path in sorted(site.rglob("*"))
    }


def test_files_that_the_snippets_know(site: pathlib.Path) -> None:
    result = run(site, allow_ips=["192.0.2.0/24"], bypass_token=TOKEN, retry_after=90, message="Hello", by="tester")
    assert tree(site) == {
        "maintenance.d": "0o40711",
        "maintenance.d/allow": "0o40711",
        "maintenance.d/allow/192.0.2": "0o100644",
        "maintenance.d/page.html": "0o100644",
        "maintenance.d/retry": "0o40711",
        "maintenance.d/retry/90": "0o100644",
        "maintenance.d/retry_after": "retry/90",
        "maintenance.d/token": "0o40711",
        f"maintenance.d/token/{TOKEN}": "0o100600",
        "maintenance.flag": "0o100644",
    }
    assert (site / "maintenance.d/retry_after").read_text() == "90"
    flag = json.loads((site / "maintenance.flag").read_text())
    assert flag == result["flag"] and set(flag) == {"since", "by", "message", "retry_after", "until"}
    assert TOKEN not in json.dumps(result)


def test_what_is_not_said_stays_only_while_maintenance_is_on(site: pathlib.Path) -> None:
    first = run(site, allow_ips=["192.0.2.1"], bypass_token=TOKEN, retry_after=90, message="Hello", by="tester")
    again = run(site, by="somebody else")
    assert not again["changed"] and again["flag"] == first["flag"]
    os.unlink(site / "maintenance.flag")
    fresh = run(site)
    assert fresh["allow_names"] == [] and not fresh["token_set"] and fresh["flag"]["message"] is None
    assert sorted(tree(site)) == [
        *("maintenance.d", "maintenance.d/allow", "maintenance.d/page.html", "maintenance.d/retry", "maintenance.d/retry/300"),
        *("maintenance.d/retry_after", "maintenance.d/token", "maintenance.flag"),
    ]


def test_check_mode_predicts_and_touches_nothing(site: pathlib.Path) -> None:
    options: dict[str, t.Any] = {"allow_ips": ["192.0.2.1"], "bypass_token": TOKEN, "until": "2999-01-01T00:00:00Z"}
    options["until"] = None
    for state in ("present", "present", "absent", "absent"):
        before = tree(site)
        checked = run(site, check_mode=True, **{**options, "state": state})
        assert tree(site) == before
        applied = run(site, **{**options, "state": state})
        for key in ("changed", "active", "was_active", "allow_names", "token_set"):
            assert checked[key] == applied[key], (state, key)
    assert tree(site) == {}


def test_another_token_replaces_the_first_and_neither_is_shown(site: pathlib.Path) -> None:
    run(site, bypass_token=TOKEN)
    result = run(site, bypass_token=TOKEN[::-1])
    assert os.listdir(site / "maintenance.d/token") == [TOKEN[::-1]]
    assert "set to another" in result["diff"]["after"]
    assert TOKEN not in json.dumps(result) and TOKEN[::-1] not in json.dumps(result)


def test_errors_do_not_name_a_token(site: pathlib.Path) -> None:
    run(site, bypass_token=TOKEN)
    # A folder where a token's file should be can't be unlinked: an error whose usual text holds the name.
    os.unlink(site / f"maintenance.d/token/{TOKEN}")
    os.mkdir(site / f"maintenance.d/token/{TOKEN}")
    with pytest.raises(OSError) as caught:
        run(site, bypass_token="")
    assert TOKEN not in f"{caught.value} {caught.value.filename}" and "maintenance.d/token" in str(caught.value.filename)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "not json",
        "[]",
        '{"message": 5, "retry_after": "x", "until": "never", "since": 1}',
        '{"message": "a\\u0000b", "retry_after": -7}',
    ],
)
def test_flag_made_by_other_means(site: pathlib.Path, content: str) -> None:
    (site / "maintenance.flag").write_text(content)
    result = run(site)
    assert result["was_active"] and result["changed"]
    assert result["flag"]["message"] is None and result["retry_after_header"] == "300"
    assert not run(site)["changed"]


def test_until_that_has_passed_while_maintenance_stays_on(site: pathlib.Path) -> None:
    run(site)
    flag = json.loads((site / "maintenance.flag").read_text())
    (site / "maintenance.flag").write_text(json.dumps({**flag, "until": "2020-01-01T00:00:00+00:00"}))
    warnings: list[str] = []
    assert run(site, warn=warnings.append)["retry_after_header"] == "300"
    assert "still on" in warnings[0]


def test_things_that_are_not_ours(site: pathlib.Path, tmp_path: pathlib.Path) -> None:
    with pytest.raises(InvalidInput, match="does not exist"):
        run(site / "nowhere")
    assert not run(site / "nowhere", state="absent")["changed"]
    os.chmod(site, 0o777)
    with pytest.raises(Refused, match="everybody may write"):
        run(site)
    os.chmod(site, 0o1777)
    run(site)
    run(site, state="absent")
    for name in ("maintenance.flag", "maintenance.d"):
        os.symlink(tmp_path, site / name)
        for state in ("present", "absent"):
            with pytest.raises(Refused, match="move it away"):
                run(site, state=state)
        os.unlink(site / name)
    run(site)
    (site / "maintenance.d/notes.txt").write_text("keep")
    assert run(site, state="absent", check_mode=True)["changed"]
    assert run(site, state="absent")["changed"]
    assert list(tree(site)) == ["maintenance.d", "maintenance.d/notes.txt"]
    assert not run(site, state="absent")["changed"] and not run(site, state="absent", check_mode=True)["changed"]


@pytest.mark.parametrize("moment", ["before looking", "after looking"])
def test_a_hostile_owner_cannot_lead_files_elsewhere(
    site: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """The folder of tokens becomes a link to a folder of the system while a run is about to write into it."""
    system = tmp_path / "system"
    system.mkdir()

    def swap() -> None:
        os.rename(site / "maintenance.d/token", site / "maintenance.d/away")
        os.symlink(system, site / "maintenance.d/token")

    real_ensure, real_open = folder_module.Folder.ensure_folder, os.open
    opened: list[str] = []

    def ensure(self: folder_module.Folder, name: str, mode: int) -> bool:
        changed = real_ensure(self, name, mode)
        if name == "token" and moment == "before looking":
            swap()
        return changed

    def open_(path: t.Any, flags: int, *args: t.Any, **kwargs: t.Any) -> int:
        if path == "token":
            opened.append(path)
            # The first time is its making, the second is when files are about to be written.
            if len(opened) == 2 and moment == "after looking":
                swap()
        return real_open(path, flags, *args, **kwargs)

    monkeypatch.setattr(folder_module.Folder, "ensure_folder", ensure)
    monkeypatch.setattr(os, "open", open_)
    with pytest.raises((Refused, OSError)):
        run(site, bypass_token=TOKEN)
    assert os.path.islink(site / "maintenance.d/token") and os.listdir(system) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_owner(site: pathlib.Path) -> None:
    run(site, allow_ips=["192.0.2.1"], bypass_token=TOKEN)
    options = {"owner": "65534", "group": "65534"}
    assert run(site, check_mode=True, **options)["changed"] and run(site, **options)["changed"] and not run(site, **options)["changed"]
    ours = [path for path in site.rglob("*") if not path.is_symlink()]
    assert {(path.stat().st_uid, path.stat().st_gid) for path in ours} == {(65534, 65534)}
    with pytest.raises(InvalidInput, match="no-such-account"):
        run(site, owner="no-such-account")


def test_htaccess_keeps_its_mode_and_the_rest(site: pathlib.Path) -> None:
    path = site / ".htaccess"
    path.write_bytes(b"# caf\xe9\n" + ROLE.encode())
    os.chmod(path, 0o640)
    run(site, message="Hello")
    assert b"ErrorDocument 503" in path.read_bytes() and stat.S_IMODE(path.stat().st_mode) == 0o640
    assert not run(site)["changed"]
    path.write_bytes(b"# caf\xe9\n" + ROLE.encode())
    assert run(site)["changed"] and b"Hello" in path.read_bytes()
    run(site, state="absent")
    assert path.read_bytes() == b"# caf\xe9\n" + ROLE.encode()
    path.write_text("# not the role's\n")
    run(site)
    assert path.read_text() == "# not the role's\n"


def test_htaccess_that_cannot_hold_the_page_changes_nothing(site: pathlib.Path) -> None:
    (site / ".htaccess").write_text(ROLE)
    with pytest.raises(Refused, match="shorten"):
        run(site, message="ä" * 2000)
    assert list(tree(site)) == [".htaccess"]


def killed(site: pathlib.Path, step: int, **options: t.Any) -> bool:
    """Run in a child that dies before its step number ``step``; whether it died."""
    child = os.fork()
    if child == 0:
        count = 0

        def counted(name: str) -> t.Callable[..., t.Any]:
            real = getattr(os, name)

            def call(*args: t.Any, **kwargs: t.Any) -> t.Any:
                nonlocal count
                if name != "open" or args[1] & os.O_CREAT:
                    count += 1
                    if count > step:
                        os._exit(9)
                return real(*args, **kwargs)

            return call

        try:
            for name in STEPS:
                setattr(os, name, counted(name))
            run(site, **options)
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9)
    return status == 9


def whole(site: pathlib.Path, retry: str, names: set[str], tokens: set[str]) -> bool:
    data = site / "maintenance.d"
    return (
        set(os.listdir(data / "allow")) >= names
        and set(os.listdir(data / "token")) >= tokens
        and (data / "page.html").read_text().endswith("</html>\n")
        and (data / "retry_after").read_text() in retry.split()
    )


@pytest.mark.parametrize("htaccess", [False, True])
def test_killed_at_any_step(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, htaccess: bool) -> None:
    """With the flag, maintenance is complete; and the next run finishes. Without it, a leftover token opens nothing and vanishes."""
    on: dict[str, t.Any] = {"allow_ips": ["192.0.2.0/30"], "bypass_token": TOKEN, "retry_after": 90}
    change: dict[str, t.Any] = {
        "allow_ips": ["192.0.2.2/31", "198.51.100.1"],
        "bypass_token": TOKEN[::-1],
        "retry_after": 60,
        "message": "New",
    }
    # A killed process loses nothing that it wrote; flushing only makes this slow.
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    deaths = 0
    for first, then, step in [
        (first, then, step) for first, then in ((None, on), (on, change), (on, {"state": "absent"})) for step in range(60)
    ]:
        site = tmp_path / f"{deaths}-{step}-{htaccess}"
        site.mkdir()
        if htaccess:
            (site / ".htaccess").write_text(ROLE)
        if first:
            run(site, **first)
        if not killed(site, step, **then):
            continue
        deaths += 1
        if (site / "maintenance.flag").exists():
            if first is None or then.get("state") == "absent":
                assert whole(site, "90", {f"192.0.2.{last}" for last in range(4)}, {TOKEN}), step
            else:
                assert whole(site, "60 90", {"192.0.2.2", "192.0.2.3"}, set()), step
        else:
            assert first is None or then.get("state") == "absent"
        run(site, **then)
        fresh = tmp_path / f"{deaths}-{step}-{htaccess}-fresh"
        fresh.mkdir()
        if htaccess:
            (fresh / ".htaccess").write_text(ROLE)
        if first:
            run(fresh, **first)
        run(fresh, **then)
        assert tree(site) == tree(fresh), step
        assert not run(site, **then)["changed"]
    assert deaths > 50
