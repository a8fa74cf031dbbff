# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Switching through a ``Store``, which here is a real disk: the same site as switching on that disk makes."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pathlib
import stat
import typing as t

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, Refused, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run, describe_os_error
from ansible_collections.runbook.ops.plugins.module_utils._maintenance.elsewhere import switch_through
from ansible_collections.runbook.ops.plugins.module_utils._maintenance.options import MAINTENANCE
from ansible_collections.runbook.ops.plugins.module_utils._maintenance.switch import switch
from ansible_collections.runbook.ops.plugins.module_utils._release.store import LocalStore, Store

TOKEN = "unit-test-token_0123456789"
CLOSED = "<If \"-f '/srv/www.example.com/maintenance.flag' && ! ( \\\n  x \\\n)\">\n</If>"
ROLE = f"# BEGIN runbook.ops maintenance\n{CLOSED}\n# END runbook.ops maintenance\n"
ON: dict[str, t.Any] = {"allow_ips": ["192.0.2.0/30"], "bypass_token": TOKEN, "retry_after": 90, "message": "Hello", "by": "tester"}
CHANGE: dict[str, t.Any] = {"allow_ips": ["192.0.2.2/31", "198.51.100.1"], "bypass_token": TOKEN[::-1], "retry_after": 60, "message": "New"}
OFF: dict[str, t.Any] = {"state": "absent"}


class Killed(BaseException):
    """The run ends here, as a killed one does: nothing of it may act on this."""


class Counted:
    """A store that counts its calls, can be killed before one that changes something, and may know no links."""

    CHANGES = ("write", "chmod", "make_folder", "link", "rename", "remove", "remove_tree", "append", "exchange")

    def __init__(self, base: pathlib.Path, most: int = 10**6, links: bool = True) -> None:
        self._store = LocalStore(str(base))
        self.links = links
        self.left = most
        self.changes: list[str] = []

    def __getattr__(self, name: str) -> t.Any:
        real = getattr(self._store, name)
        if name not in self.CHANGES:
            return real

        def call(*args: t.Any, **kwargs: t.Any) -> t.Any:
            if self.left == 0:
                raise Killed
            self.left -= 1
            self.changes.append(f"{name} {args}")
            return real(*args, **kwargs)

        return call


@pytest.fixture
def site(tmp_path: pathlib.Path) -> pathlib.Path:
    return made(tmp_path / "site")


def made(base: pathlib.Path, htaccess: bool = False) -> pathlib.Path:
    base.mkdir()
    if htaccess:
        (base / ".htaccess").write_text(ROLE)
    return base


def asked(site: pathlib.Path, **options: t.Any) -> dict[str, t.Any]:
    values = {**dict.fromkeys(MAINTENANCE.options), "state": "present", "path": str(site), "backend": "sftp", **options}
    return {**values, "remote": values["remote"] or {}}


def run(site: pathlib.Path, store: t.Any = None, *, check_mode: bool = False, **options: t.Any) -> dict[str, t.Any]:
    def open_store(asked: t.Mapping[str, t.Any], _run: Run) -> t.ContextManager[Store]:
        return contextlib.nullcontext(store or LocalStore(asked["path"]))

    return dict(switch_through(open_store)(asked(site, **options), Run(check_mode=check_mode)))


def on_disk(site: pathlib.Path, **options: t.Any) -> dict[str, t.Any]:
    return switch(asked(site, **options), Run())


def tree(site: pathlib.Path) -> dict[str, str]:
    return {
        str(path.relative_to(site)): os.readlink(path) if path.is_symlink() else oct(path.stat().st_mode)
        for path in sorted(site.rglob("*"))
        if ".runbook" not in path.parts
    }


def content(site: pathlib.Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(site)): path.read_bytes() for path in site.rglob("*") if path.is_file() and path.name != "maintenance.flag"
    }


@pytest.mark.parametrize("steps", [(ON,), (ON, CHANGE), (ON, {"allow_ips": [], "bypass_token": ""}), (ON, OFF), (OFF,)])
def test_same_site_as_on_disk(tmp_path: pathlib.Path, steps: tuple[dict[str, t.Any], ...]) -> None:
    one, other = made(tmp_path / "one", htaccess=True), made(tmp_path / "other", htaccess=True)
    for step in steps:
        over, local = run(one, **step), on_disk(other, **step)
        for key in ("changed", "active", "was_active", "allow_names", "token_set", "retry_after_header"):
            assert over[key] == local[key], key
    assert tree(one) == tree(other) and content(one) == content(other)
    # Either finds the other's work done.
    assert not run(other, **steps[-1])["changed"] and not on_disk(one, **steps[-1])["changed"]


def test_check_mode_predicts_and_touches_nothing(site: pathlib.Path) -> None:
    (site / ".htaccess").write_text(ROLE)
    for options in (ON, ON, CHANGE, OFF, OFF):
        before, store = tree(site), Counted(site)
        checked = run(site, store, check_mode=True, **options)
        assert tree(site) == before and store.changes == []
        applied = run(site, **options)
        for key in ("changed", "active", "was_active", "allow_names", "token_set", "retry_after_header"):
            assert checked[key] == applied[key], (options, key)
        assert bool(checked["transcript"]) == checked["changed"] and "transcript" not in applied


def test_tokens_are_never_shown(site: pathlib.Path) -> None:
    for options in (ON, {"bypass_token": TOKEN[::-1]}, OFF):
        result = json.dumps(run(site, **options))
        assert TOKEN not in result and TOKEN[::-1] not in result
    planned = json.dumps(run(site, check_mode=True, **ON))
    assert "(a token)" in planned and TOKEN not in planned


class ServerSays(OSError):
    """An error as a store may have, made of other things than an ``OSError``."""

    def __init__(self, code: int, name: str) -> None:
        super().__init__(errno.EACCES, f"the server says no to {name}", name)
        self.code = code


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EIO, "no", TOKEN, None, TOKEN),
        ServerSays(3, TOKEN),
        OSError(f"lost: {TOKEN}"),
        RunbookError(f"no {TOKEN}"),
    ],
)
def test_errors_do_not_name_a_token(site: pathlib.Path, error: Exception) -> None:
    class Failing(Counted):
        def remove(self, name: str) -> None:
            raise error

    run(site, **ON)
    with pytest.raises((OSError, RunbookError)) as caught:
        run(site, Failing(site), bypass_token="")
    shown = f"{caught.value!r} {caught.value} {getattr(caught.value, 'filename', '')} {getattr(caught.value, 'filename2', '')}"
    assert TOKEN not in shown and "None" not in str(caught.value) and len(str(caught.value)) > 3
    if isinstance(caught.value, OSError):
        assert TOKEN not in describe_os_error(caught.value)


def test_without_links_the_value_stands_in_a_file(site: pathlib.Path) -> None:
    assert run(site, Counted(site, links=False), **ON)["changed"]
    after = site / "maintenance.d/retry_after"
    assert not after.is_symlink() and after.read_text() == "90"
    assert not run(site, Counted(site, links=False), **ON)["changed"]
    run(site, Counted(site, links=False), **CHANGE)
    assert after.read_text() == "60"
    run(site, Counted(site, links=False), **OFF)
    assert tree(site) == {}


def test_owner_and_group_are_refused_before_anything_is_opened(site: pathlib.Path) -> None:
    for name in ("owner", "group"):
        with pytest.raises(InvalidInput, match=f"{name} can't be given with backend sftp"):
            run(site, t.cast(t.Any, "never used"), **{name: "deploy"})
    with pytest.raises(InvalidInput, match="bypass_token"):
        run(site, t.cast(t.Any, "never used"), bypass_token="short")


def test_things_that_are_not_ours(site: pathlib.Path, tmp_path: pathlib.Path) -> None:
    with pytest.raises(InvalidInput, match="does not exist"):
        run(site / "nowhere")
    assert not run(site / "nowhere", state="absent")["changed"]
    assert run(site / "nowhere", check_mode=True)["changed"] and not (site / "nowhere").exists()
    os.chmod(site, 0o777)
    with pytest.raises(Refused, match="writable by every user"):
        run(site)
    os.chmod(site, 0o755)
    for name in ("maintenance.flag", "maintenance.d"):
        os.symlink(tmp_path, site / name)
        for options in (ON, OFF):
            with pytest.raises(Refused, match="move it away"):
                run(site, **options)
        os.unlink(site / name)
    run(site)
    (site / "maintenance.d/notes.txt").write_text("keep")
    assert run(site, **OFF)["changed"]
    assert list(tree(site)) == ["maintenance.d", "maintenance.d/notes.txt"]
    assert not run(site, **OFF)["changed"]


def test_htaccess_keeps_its_mode_and_the_rest(site: pathlib.Path) -> None:
    path = site / ".htaccess"
    path.write_bytes(b"# caf\xe9\n" + ROLE.encode())
    os.chmod(path, 0o640)
    run(site, **ON)
    assert b"ErrorDocument 503" in path.read_bytes() and stat.S_IMODE(path.stat().st_mode) == 0o640
    assert not run(site, **ON)["changed"]
    run(site, **OFF)
    assert path.read_bytes() == b"# caf\xe9\n" + ROLE.encode() and stat.S_IMODE(path.stat().st_mode) == 0o640


def test_htaccess_is_at_its_place_at_every_moment(site: pathlib.Path) -> None:
    """It is never unreadable for the web server, nor half written, nor away: Apache reads it for every request."""
    (site / ".htaccess").write_text(ROLE)
    seen = set()

    class Watched(Counted):
        def __getattribute__(self, name: str) -> t.Any:
            if name in Counted.CHANGES:
                seen.add(((site / ".htaccess").read_text().count("ErrorDocument"), stat.S_IMODE((site / ".htaccess").stat().st_mode)))
            return super().__getattribute__(name)

    run(site, Watched(site), **ON)
    run(site, Watched(site), **OFF)
    assert seen == {(0, 0o644), (1, 0o644)}


def test_htaccess_below_the_base_only(site: pathlib.Path, tmp_path: pathlib.Path) -> None:
    (site / "public").mkdir()
    (site / "public/.htaccess").write_text(ROLE)
    run(site, htaccess=str(site / "public/.htaccess"), **ON)
    assert "Hello" in (site / "public/.htaccess").read_text()
    with pytest.raises(InvalidInput, match="neither in .* nor below it"):
        run(site, htaccess=str(tmp_path / ".htaccess"), **ON)


@pytest.mark.parametrize("links", [True, False])
def test_killed_at_any_step(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    """With the flag, maintenance is complete; and the next run finishes. Without it, a leftover token opens nothing and vanishes."""
    # What is killed here loses nothing that it wrote; flushing only makes this slow.
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    deaths = 0
    for first, then in ((None, ON), (ON, CHANGE), (ON, OFF)):
        fresh = made(tmp_path / f"fresh-{deaths}", htaccess=True)
        for options in (first, then):
            if options:
                run(fresh, Counted(fresh, links=links), **options)
        for step in range(100):
            site = made(tmp_path / f"{deaths}-{step}", htaccess=True)
            if first:
                run(site, Counted(site, links=links), **first)
            try:
                run(site, Counted(site, step, links=links), **then)
            except Killed:
                deaths += 1
            else:
                break
            data, flag = site / "maintenance.d", (site / "maintenance.flag").exists()
            if flag:
                names, tokens = set(os.listdir(data / "allow")), set(os.listdir(data / "token"))
                assert names >= {"192.0.2.2", "192.0.2.3"} and (tokens or first) and (data / "page.html").read_text().endswith("</html>\n")
                assert (data / "retry_after").read_text() in ("90", "60") and "ErrorDocument" in (site / ".htaccess").read_text()
            assert flag or first is None or then is OFF
            run(site, Counted(site, links=links), **then)
            assert tree(site) == tree(fresh), step
            assert not run(site, Counted(site, links=links), **then)["changed"]
    assert deaths > 35


@pytest.mark.parametrize("form", [".{name}.0123456789ab.partial", "{name}.0123456789ab.partial"])
def test_what_killed_writes_leave(site: pathlib.Path, form: str) -> None:
    (site / ".htaccess").write_text(ROLE)
    run(site, **ON)
    left = [
        site / form.format(name="maintenance.flag"),
        site / form.format(name=".htaccess"),
        site / "maintenance.d" / form.format(name="page.html"),
        site / "maintenance.d/allow" / form.format(name="192.0.2.9"),
        site / "maintenance.d/token" / form.format(name=TOKEN),
    ]
    for path in left:
        path.write_text("half")
    again = run(site)
    assert again["changed"] and again["allow_names"] == [f"192.0.2.{last}" for last in range(4)]
    assert not [path for path in left if path.exists()]


def test_a_flag_that_a_killed_replacement_left_aside_is_put_back_first(site: pathlib.Path) -> None:
    class TwoRenames(Counted):
        """What a store does that can't replace a file in one step: a file that is aside is read there."""

        def read(self, name: str) -> bytes | None:
            return self._store.read(f"{name}.aside" if self._store.stat(name) is None else name)

        def settle(self) -> str:
            os.rename(site / "maintenance.flag.aside", site / "maintenance.flag")
            return "it was put back"

    first = run(site, **ON)
    os.rename(site / "maintenance.flag", site / "maintenance.flag.aside")
    again = run(site, TwoRenames(site))
    assert again["was_active"] and again["flag"] == first["flag"] and again["token_set"]
    assert not (site / "maintenance.flag.aside").exists()


def test_offline_connects_to_nothing(tmp_path: pathlib.Path) -> None:
    nowhere = tmp_path / "nowhere"
    for check_mode in (True, False):
        result = run(nowhere, t.cast(t.Any, "never used"), check_mode=check_mode, remote={"offline": True}, **ON)
        assert result["changed"] and "offline" in result["msg"] and TOKEN not in json.dumps(result)
    lines = result["transcript"]
    assert [line.split(str(nowhere))[-1] for line in lines if "maintenance.flag" in line] == ["/maintenance.flag (mode 0644)"]
    assert sum("/allow/192.0.2." in line for line in lines) == 4
    assert f"write 0 bytes to {nowhere}/maintenance.d/token/(a token) (mode 0600)" in lines
    off = run(nowhere, t.cast(t.Any, "never used"), remote={"offline": True}, **OFF)["transcript"]
    assert off[0] == f"remove {nowhere}/maintenance.flag" and f"remove folder {nowhere}/maintenance.d" in off
    assert not nowhere.exists()


def test_installing(tmp_path: pathlib.Path) -> None:
    options = {"state": "installed", "snippet": CLOSED + "\n"}
    results = []
    for name, use in (("over", run), ("local", on_disk)):
        base = tmp_path / name
        first, again = use(base, **options), use(base, **options)
        assert first["changed"] and not again["changed"] and not first["active"]
        assert (base / ".htaccess").read_text() == ROLE and stat.S_IMODE((base / ".htaccess").stat().st_mode) == 0o644
        use(base, **ON)
        (base / ".htaccess").write_text("RewriteEngine On\n" + (base / ".htaccess").read_text().replace("  x ", "  y "))
        os.chmod(base / ".htaccess", 0o640)
        changed = use(base, **options)
        assert changed["changed"] and changed["active"]
        text = (base / ".htaccess").read_text()
        assert text.startswith("RewriteEngine On\n" + ROLE) and "Hello" in text
        assert stat.S_IMODE((base / ".htaccess").stat().st_mode) == 0o640
        assert "RewriteEngine" not in json.dumps(changed["diff"]) and "  x " in changed["diff"]["after"]
        results.append((text, sorted(tree(base))))
    assert results[0] == results[1]


def test_installing_is_predicted(site: pathlib.Path) -> None:
    options: dict[str, t.Any] = {"state": "installed", "snippet": CLOSED}
    assert run(site, check_mode=True, **options)["changed"] and tree(site) == {}
    planned = run(site / "new", check_mode=True, **options)
    assert planned["changed"] and planned["transcript"][0] == f"make folder {site}/new (mode 0755)" and tree(site) == {}
    run(site, **options)
    assert not run(site, check_mode=True, **options)["changed"]


def test_modes_that_an_umask_takes(tmp_path: pathlib.Path) -> None:
    class Masked(Counted):
        """A store whose host makes folders as its umask likes."""

        def make_folder(self, name: str, mode: int) -> None:
            self._store.make_folder(name, mode & 0o700)

    base = tmp_path / "site"
    run(base, Masked(base), state="installed", snippet=CLOSED)
    run(base, Masked(base), **ON)
    assert stat.S_IMODE(base.stat().st_mode) == 0o755
    assert {oct(stat.S_IMODE(path.stat().st_mode)) for path in (base / "maintenance.d").rglob("*") if path.is_dir()} == {"0o711"}


def test_snippets_that_are_refused(site: pathlib.Path, tmp_path: pathlib.Path) -> None:
    for use in (run, on_disk):
        for snippet in ("", "RewriteEngine On", ROLE):
            with pytest.raises(InvalidInput, match="snippet"):
                use(site, state="installed", snippet=snippet)
        with pytest.raises(InvalidInput, match="does not exist"):
            use(site, state="installed", snippet=CLOSED, htaccess=str(site / "nowhere/.htaccess"))
        (site / ".htaccess").write_text("# BEGIN runbook.ops maintenance\n")
        with pytest.raises(Refused, match="no line"):
            use(site, state="installed", snippet=CLOSED)
        os.unlink(site / ".htaccess")
        os.symlink(tmp_path / "elsewhere", site / ".htaccess")
        with pytest.raises(Refused, match="not a regular file"):
            use(site, state="installed", snippet=CLOSED)
        os.unlink(site / ".htaccess")
