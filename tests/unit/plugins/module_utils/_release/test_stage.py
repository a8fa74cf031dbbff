# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole stagings without Ansible: what is sent, linked, resumed, refused, and what the release consists of in the end."""

from __future__ import annotations

import base64
import hashlib
import os
import random
import stat

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, Refused, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._release import build, receive, stage
from ansible_collections.runbook.ops.plugins.module_utils._release.wire import pack
from ansible_collections.runbook.ops.plugins.plugin_utils import _upload
from faults.small_site import Host, SmallSite, listing, unpack, write_tree


class Killed(BaseException):
    """Ends a run where it is, as a signal would."""


def tree(www, release):
    """Path to link target, bytes, or None for a folder; with the mode."""
    found = {}
    root = www.path("releases", release)
    for path in sorted(root.rglob("*")):
        mode = stat.S_IMODE(path.lstat().st_mode)
        name = os.path.relpath(path, root)
        if path.is_symlink():
            found[name] = "->" + os.readlink(path)
        else:
            found[name] = (mode, None if path.is_dir() else path.read_bytes())
    return found


def refused(www, match, call, kind=Refused):
    before = listing(www.place)
    with pytest.raises(kind, match=match) as caught:
        call()
    assert "\n" not in caught.value.message
    after = listing(www.place)
    # The lock's folder and the mutex may be new: they are how the site is looked at.
    touched = {name for name in {*before, *after} if before.get(name) != after.get(name)} - {
        ".",
        "www",
        "www/.runbook",
        "www/.runbook/mutex",
    }
    assert not {name for name in touched if not name.startswith("source-")}
    return caught.value


def test_a_release_is_staged(www):
    result = www.stage(
        "r1", {"index.php": "one\n", "lib/a.php": "a\n", "empty": None, "link": "->lib/a.php"}, metadata={"commit": "5f2c9e1", "n": 1}
    )
    assert tree(www, "r1") == {
        "index.php": (0o644, b"one\n"),
        "lib": (0o755, None),
        "lib/a.php": (0o644, b"a\n"),
        "empty": (0o755, None),
        "link": "->lib/a.php",
    }
    assert (result["changed"], result["state"], result["files"], result["bytes"], result["sent_files"]) == (True, "ready", 2, 6, 2)
    assert result["changes"] == {"added": 3, "changed": 0, "removed": 0}
    assert www.info()["releases"][0]["metadata"] == {"commit": "5f2c9e1", "n": "1"}
    assert www.current() is None
    assert not www.leftovers()
    assert www.info(verify=True)["releases"][0]["verified"]


def test_again_changes_nothing_and_sends_nothing(www):
    www.stage("r1", {"a": "1"})
    before = listing(www.base)
    host = Host(www.base)
    result = www.stage("r1", {"a": "1"}, host=host)
    assert (result["changed"], result["state"], result["sent_files"]) == (False, "ready", 0)
    assert listing(www.base) == before
    assert host.steps == ["offer"]


def test_check_mode_changes_nothing_and_predicts(www):
    content = {"a": "1", "b": "2"}
    predicted = www.stage("r1", content, check=True, diff=True)
    assert not os.path.exists(www.base)
    made = www.stage("r1", content, diff=True)
    for key in ("changed", "release", "state", "release_path", "root", "files", "bytes", "changes", "diff", "sent_files"):
        assert predicted[key] == made[key], key
    www.swap("r1")
    before = listing(www.base)
    predicted = www.stage("r2", {"a": "1", "b": "3", "c": "4"}, check=True, diff=True)
    assert (predicted["sent_files"], predicted["changes"]) == (2, {"added": 1, "changed": 1, "removed": 0})
    assert predicted["diff"]["after"] == "+ c\n~ b\n"
    assert www.stage("r1", content, check=True)["changed"] is False
    assert www.stage("r9", content, check=True, lock_owner="x", lock_ttl=60)["changed"]
    assert listing(www.base) == before


def test_a_long_diff_is_cut(www):
    result = www.stage("r1", {f"f{number:03}": "x" for number in range(250)}, diff=True)
    assert result["diff"]["after"].endswith("+ f199\n+ ... and 50 more added\n")


# -- what is sent, what is linked ------------------------------------------------------------------------------------


def test_only_what_the_host_lacks_is_sent_and_the_rest_is_linked(www):
    www.deploy("r1", {"a": "1\n", "lib/b": "2\n", "lib/c": "3\n"})
    result = www.stage("r2", {"a": "changed\n", "lib/b": "2\n", "lib/c": "3\n", "moved/b": "2\n"})
    assert (result["sent_files"], result["linked_files"], result["received_files"]) == (1, 3, 1)
    assert result["changes"] == {"added": 1, "changed": 1, "removed": 0}
    assert os.path.samefile(www.path("releases/r1/lib/c"), www.path("releases/r2/lib/c"))
    assert not os.path.samefile(www.path("releases/r1/a"), www.path("releases/r2/a"))


def test_hardlink_false_copies(www):
    www.deploy("r1", {"a": "1\n", "b": "2\n"})
    result = www.stage("r2", {"a": "1\n", "b": "3\n"}, hardlink=False)
    assert (result["sent_files"], result["linked_files"], result["copied_files"]) == (1, 0, 1)
    assert not os.path.samefile(www.path("releases/r1/a"), www.path("releases/r2/a"))


def test_where_links_cannot_be_had_files_are_copied(www, monkeypatch):
    def link(*args, **more):
        raise PermissionError(1, "Operation not permitted")

    www.deploy("r1", {"a": "1\n"})
    monkeypatch.setattr(os, "link", link)
    result = www.stage("r2", {"a": "1\n", "b": "2"})
    assert (result["sent_files"], result["linked_files"], result["copied_files"]) == (1, 0, 1)


def test_other_modes_are_copies_not_links(www):
    """chmod of a hard link would change the earlier release."""
    www.deploy("r1", {"a": "1\n"})
    www.stage("r2", {"a": "1\n", "b": ""}, file_mode="0640")
    assert stat.S_IMODE(os.stat(www.path("releases/r1/a")).st_mode) == 0o644
    assert stat.S_IMODE(os.stat(www.path("releases/r2/a")).st_mode) == 0o640


def test_the_same_content_twice_is_sent_once(www):
    result = www.stage("r1", {"a": "same", "b": "same", "c/d": "same"})
    assert result["sent_files"] == 1
    assert {entry[1] for entry in tree(www, "r1").values() if entry[1] is not None} == {b"same"}


def test_a_release_that_is_gone_is_no_source(www):
    www.deploy("r1", {"a": "1\n"})
    os.rename(www.path("releases/r1"), www.path("gone"))
    assert www.stage("r2", {"a": "1\n"})["sent_files"] == 1


def test_bad_releases_are_no_source(three):
    three.swap("previous", mark_bad=True)
    assert three.stage("r4", {"index.php": "version 3\n"})["sent_files"] == 1


@pytest.mark.parametrize("keep_times", [False, True])
def test_a_drifted_file_of_an_earlier_release_is_not_linked_but_sent_anew(www, keep_times):
    www.deploy("r1", {"a": "one\n", "b": "two\n"})
    path = www.path("releases/r1/a")
    seen = path.stat()
    path.write_text("ONE\n")
    if keep_times:
        os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    result = www.stage("r2", {"a": "one\n", "b": "two\n", "c": "three\n"})
    assert tree(www, "r2")["a"] == (0o644, b"one\n")
    assert (result["linked_files"], result["sent_files"]) == (1, 2)
    assert any("releases/r1/a is no longer what was staged there" in note for note in result["notes"])
    assert path.read_text() == "ONE\n"


def test_a_damaged_manifest_of_the_live_release_does_not_stop_a_deploy(www):
    www.deploy("r1", {"a": "1\n"})
    www.path(".runbook/manifests/r1.json").write_bytes(b"\0" * 100)
    assert www.stage("r2", {"a": "1\n"})["sent_files"] == 1
    assert www.swap("r2")["after"] == "r2"


def test_reuse_current(www):
    www.deploy("r1", {"a": "1\n"})
    result = www.stage("r2", {"a": "1\n"}, reuse_current=True)
    assert (result["changed"], result["release"], result["state"]) == (False, "r1", "live")
    assert www.releases() == ["r1"]
    assert www.stage("r2", {"a": "2\n"}, reuse_current=True)["release"] == "r2"
    assert www.stage("r3", {"a": "1\n"})["release"] == "r3"


# -- guessed: what the controller sent the host last ------------------------------------------------------------------


def sent(www, release, content):
    """The manifest of what was staged, as the controller remembers it."""
    www.stage(release, content)
    return www.site.manifest(release)


def test_a_guess_that_is_right_needs_one_question(www):
    last = sent(www, "r1", {"a": "1", "d/b": "2"})
    host = Host(www.base)
    result = www.stage("r2", {"a": "1", "d/b": "changed"}, host=host, last=last)
    assert host.steps == ["offer"]
    assert (result["state"], result["sent_files"], result["linked_files"], result["resumed_files"]) == ("ready", 1, 1, 0)
    assert tree(www, "r2")["d/b"] == (0o644, b"changed")


@pytest.mark.parametrize("had", [None, {"x": "other"}, {"a": "1"}, {"d/b": "2", "e/c": "3"}], ids=str)
def test_a_guess_that_is_wrong_costs_questions_only(www, quick, had):
    """The host was built anew, or another controller deploys to it too."""
    other = SmallSite(os.path.join(quick, "other"))
    last = sent(other, "r1", {"a": "1", "d/b": "2", "e/c": "3"})
    if had:
        www.deploy("r0", had)
    result = www.stage("r2", {"a": "1", "d/b": "changed", "e/c": "3"}, last=last)
    assert had or result["sent_files"] == 3
    assert {name: entry[1] for name, entry in tree(www, "r2").items() if entry[1]} == {"a": b"1", "d/b": b"changed", "e/c": b"3"}


def test_a_guess_over_a_drifted_release_is_put_right(www):
    last = sent(www, "r1", {"a": "1", "d/b": "2"})
    www.path("releases/r1/a").write_text("?")
    result = www.stage("r2", {"a": "1", "d/b": "changed"}, last=last)
    assert tree(www, "r2")["a"] == (0o644, b"1")
    assert result["state"] == "ready"
    assert any("no longer what was staged there" in note for note in result["notes"])


def test_a_guess_in_check_mode_changes_nothing(www):
    last = sent(www, "r1", {"a": "1", "d/b": "2"})
    before = listing(www.base)
    assert www.stage("r2", {"a": "1", "d/b": "changed"}, last=last, check=True)["sent_files"] == 1
    assert listing(www.base) == before


# -- resume ----------------------------------------------------------------------------------------------------------


CONTENT = {f"f{number}": f"{number}" * 400 for number in range(10)}


@pytest.fixture
def small_uploads(monkeypatch):
    """Every few files travel in an upload of their own."""
    monkeypatch.setattr(_upload, "INLINE", 0)
    monkeypatch.setattr(_upload, "UPLOAD", 1000)


class CutHost(Host):
    """The connection breaks after so many uploads, and so many bytes into the next."""

    def __init__(self, base, uploads, more=0):
        super().__init__(base)
        self.left, self.more = uploads, more

    def put(self, upload):
        if not self.left:
            with pytest.raises(ValueError) if self.more else pytest.MonkeyPatch.context():
                super().put(upload[: self.more])
            raise ConnectionError("cut")
        self.left -= 1
        super().put(upload)


@pytest.mark.parametrize("more", [0, 1, 66, 68, 70, 300, 470, 600], ids=lambda more: f"{more} bytes into it")
@pytest.mark.parametrize("whole", range(5))
def test_an_upload_that_is_cut_is_resumed(www, small_uploads, whole, more):
    host = CutHost(www.base, whole, more)
    with pytest.raises(ConnectionError):
        www.stage("r1", CONTENT, host=host)
    assert www.states() == {"r1": "staging"}
    assert www.releases() == []
    arrived = whole * 2 + (more >= 470)
    again = Host(www.base)
    result = www.stage("r1", CONTENT, host=again)
    assert (result["resumed_files"], result["sent_files"], result["state"]) == (arrived, 10 - arrived, "ready")
    assert sum(map(len, again.uploads)) < (10 - arrived) * 480
    assert not www.leftovers()


@pytest.mark.parametrize("compress", ["always", "never", "auto"])
def test_compression(www, small_uploads, compress):
    host = Host(www.base)
    www.stage("r1", CONTENT, host=host, compress=compress)
    assert host.uploads[0].startswith(b"zlib\n") is (compress == "always")
    assert tree(www, "r1")["f3"] == (0o644, b"3" * 400)


@pytest.mark.parametrize("where", ["verify_tree", "_flush", "fsync_folder"])
def test_a_build_that_is_killed_is_resumed_and_nothing_is_sent_twice(www, small_uploads, where):
    def kill(*args):
        raise Killed

    www.deploy("r0", {"f0": CONTENT["f0"]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, where, kill)
        with pytest.raises(Killed):
            www.stage("r1", CONTENT)
    assert www.states()["r1"] == "staging"
    host = Host(www.base)
    result = www.stage("r1", CONTENT, host=host)
    assert (result["sent_files"], result["resumed_files"], result["linked_files"]) == (0, 9, 1)
    assert host.uploads == []
    assert not www.leftovers()


def test_the_source_may_change_before_a_killed_build_is_resumed(www, small_uploads):
    """Also when a file has as many bytes as before, and when the release was in its place already."""
    for number, where in enumerate(("verify_tree", "fsync_folder")):

        def kill(*args):
            raise Killed

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stage, where, kill)
            with pytest.raises(Killed):
                www.stage(f"r{number}", CONTENT)
        source = www.source(f"r{number}", {"f1": "x" * 400, "f2": "shorter"})
        result = www.stage(f"r{number}", source)
        assert tree(www, f"r{number}")["f1"] == (0o644, b"x" * 400)
        assert result["state"] == "ready"


def test_an_upload_that_was_damaged_after_it_arrived_is_sent_anew(www, small_uploads):
    """A power failure can leave a file with its name and length but not its bytes."""
    with pytest.raises(ConnectionError):
        www.stage("r1", CONTENT, host=CutHost(www.base, 3))
    blobs = www.path(".runbook/incoming/r1/blobs")
    for blob, data in zip(sorted(blobs.iterdir()), (b"\0" * 400, b"", b"short")):
        blob.write_bytes(data)
    result = www.stage("r1", CONTENT)
    assert tree(www, "r1")["f1"] == (0o644, b"1" * 400)
    assert any("had arrived but is damaged" in note for note in result["notes"])


def test_uploads_of_an_interrupted_other_id_are_taken_over_by_the_holder_of_the_lock(www, small_uploads):
    with pytest.raises(ConnectionError):
        www.stage("r1", CONTENT, host=CutHost(www.base, 3), lock_owner="one", lock_ttl=60)
    result = www.stage("r2", CONTENT, lock_owner="two", lock_ttl=60, lock_take_over=True)
    assert (result["resumed_files"], result["sent_files"]) == (6, 4)
    assert any("lock was taken over from one" in note for note in result["notes"])
    assert any("interrupted staging of r1" in note for note in result["notes"])
    assert www.states() == {"r2": "ready"}
    assert not www.leftovers()


def test_a_killed_build_of_another_id_is_taken_over_too(www, small_uploads, monkeypatch):
    def kill(*args):
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "verify_tree", kill)
        with pytest.raises(Killed):
            www.stage("r1", CONTENT, lock_owner="one", lock_ttl=60)
    result = www.stage("r2", {**CONTENT, "f0": "new"}, lock_owner="one", lock_ttl=60)
    assert (result["resumed_files"], result["sent_files"]) == (9, 1)


def test_without_the_lock_nobody_is_robbed(www, small_uploads):
    with pytest.raises(ConnectionError):
        www.stage("r1", CONTENT, host=CutHost(www.base, 3))
    assert www.stage("r2", CONTENT)["sent_files"] == 10
    assert www.stage("r1", CONTENT)["resumed_files"] == 0
    assert www.states() == {"r1": "ready", "r2": "ready"}


def test_a_damaged_manifest_of_an_interrupted_run_stops_nobody(www, small_uploads):
    with pytest.raises(ConnectionError):
        www.stage("r1", CONTENT, host=CutHost(www.base, 3), lock_owner="one", lock_ttl=60)
    www.path(".runbook/incoming/r1/manifest.json").write_text("{")
    assert www.stage("r2", CONTENT, lock_owner="one", lock_ttl=60)["sent_files"] == 4
    www.lock("one", state="released")
    with pytest.raises(ConnectionError):
        www.stage("r3", {"x": "x" * 900, "y": "y" * 900}, host=CutHost(www.base, 1))
    www.path(".runbook/incoming/r3/manifest.json").write_text("{")
    assert www.stage("r3", {"x": "x" * 900, "y": "y" * 900})["sent_files"] == 1


def test_a_release_whose_removal_was_killed_is_staged_again(three):
    os.rename(three.path("releases/r1"), three.path("gone"))
    result = three.stage("r1", {"index.php": "version 1\n", "lib/same.php": "same\n"})
    assert (result["changed"], result["state"]) == (True, "ready")
    assert any("its folder is gone; it is staged anew" in note for note in result["notes"])
    assert three.swap("r1")["after"] == "r1"


def test_a_build_after_the_lock_was_taken_over_is_refused(www, small_uploads):
    class Slow(Host):
        def put(self, upload):
            if not self.uploads:
                www.lock("two", take_over=True)
            super().put(upload)

    with pytest.raises(Refused, match="locked by two"):
        www.stage("r1", CONTENT, host=Slow(www.base), lock_owner="one", lock_ttl=60)
    assert www.releases() == []


def test_a_swap_that_was_killed_is_put_right_and_told(three):
    from ansible_collections.runbook.ops.plugins.module_utils._release import journal

    journal.begin(three.site, journal.Step("r2", "r3"))
    result = three.stage("r4", {"a": "4"})
    assert any("announced the swap to release r2 without making it" in note for note in result["notes"])
    assert not three.leftovers()


# -- the source ------------------------------------------------------------------------------------------------------


def test_a_file_that_changes_while_it_is_sent_is_refused(www):
    class Changing(Host):
        def ask(self, message, once=False):
            reply = super().ask(message)
            if self.steps == ["offer"] or self.steps == ["offer", "detail"]:
                with open(os.path.join(www.place, "source-r1", "a"), "w") as stream:
                    stream.write("2")
            return reply

    with pytest.raises(RunbookError, match="source-r1/a changed while it was being deployed; let the build finish"):
        www.stage("r1", {"a": "1"}, host=Changing(www.base))
    assert www.releases() == []
    assert www.stage("r1", os.path.join(www.place, "source-r1"))["state"] == "ready"


def test_file_names_that_are_no_utf_8_and_arabic_ones(www):
    names = [
        "مرحبا بالعالم.txt",
        b"\xff\xfe latin \xe9".decode("utf-8", "surrogateescape"),
        "new\nline",
        "tab\t",
        " ",
        "-rf",
        "ü" * 100,
        "a\b",
    ]
    result = www.stage("r1", {**{name: name for name in names}, "folder " + names[1] + "/x": "x", "l": "->" + names[1]}, diff=True)
    assert result["files"] == 9
    for name in names:
        with open(os.path.join(os.fsencode(www.path("releases/r1")), os.fsencode(name)), "rb") as stream:
            assert stream.read() == os.fsencode(name)
    assert www.swap("r1", verify="full")["verified"]
    assert www.stage("r2", {**{name: name for name in names}, "z": "z"})["linked_files"] == 8


def test_names_cannot_pass_for_other_entries(www):
    """A link target and a name with line breaks were the same bytes as two entries would have been."""
    from ansible_collections.runbook.ops.plugins.module_utils._release.manifest import Entry, Manifest

    one = Manifest.of([Entry("a", "l", 0o777, 0, "t"), Entry("x\nl 777 0 b", "l", 0o777, 0, "u")])
    other = Manifest.of([Entry("a", "l", 0o777, 0, "t\nl 777 0 x"), Entry("b", "l", 0o777, 0, "u")])
    assert one.root != other.root


def test_modes(www):
    source = www.source("r1", {"plain": "x", "run": "x", "private": "x", "setuid": "x", "dir/x": "x"})
    for name, mode in (("plain", 0o666), ("run", 0o777), ("private", 0o600), ("setuid", 0o4755)):
        os.chmod(os.path.join(source, name), mode)
    os.chmod(os.path.join(source, "dir"), 0o2777)
    www.stage("r1", source)
    assert {name: entry[0] for name, entry in tree(www, "r1").items()} == {
        "plain": 0o644,
        "run": 0o755,
        "private": 0o644,
        "setuid": 0o755,
        "dir": 0o755,
        "dir/x": 0o644,
    }
    www.stage("r2", source, file_mode="0640", dir_mode="0750")
    assert {name: entry[0] for name, entry in tree(www, "r2").items()} == {
        "plain": 0o640,
        "run": 0o750,
        "private": 0o640,
        "setuid": 0o750,
        "dir": 0o750,
        "dir/x": 0o640,
    }


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_the_umask_does_not_matter(www, mask):
    old = os.umask(mask)
    try:
        www.stage("r1", {"d/a": "x"}, shared_dirs=["up/loads"])
    finally:
        os.umask(old)
    assert {name: entry[0] for name, entry in tree(www, "r1").items() if entry[0] != "-"} == {"d": 0o755, "d/a": 0o644, "up": 0o755}
    for name, mode in (("releases", 0o755), ("releases/r1", 0o755), ("shared", 0o755), ("shared/up/loads", 0o755), (".runbook", 0o700)):
        assert stat.S_IMODE(os.stat(www.path(name)).st_mode) == mode, name


def test_folders_that_inherit_a_group_get_the_modes_they_should_have(www):
    os.makedirs(www.base)
    os.chmod(www.base, 0o2775)
    www.stage("r1", {"d/e/a": "x"})
    assert www.swap("r1", verify="full")["verified"]


def test_read_only_folders_can_be_staged_by_an_ordinary_user(www):
    os.chmod(www.place, 0o755)
    os.makedirs(www.base)
    os.chmod(www.base, 0o777 | stat.S_ISVTX)
    source = www.source("r1", {"d/e/a": "x", "b": "y"})
    pid = os.fork()
    if not pid:
        try:
            os.setgid(65534)
            os.setuid(65534)
            www.stage("r1", source, dir_mode="0555")
            www.stage("r2", source, dir_mode="0555")
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert tree(www, "r2")["d/e"] == (0o555, None)


def test_owner_and_group(www):
    if os.geteuid():
        pytest.skip("needs root")
    www.stage(
        "r1",
        {"d/a": "x", "l": "->d/a"},
        owner="65534",
        group="daemon",
        shared_dirs=[{"src": "deep/er/up", "dest": "up", "owner": "1", "mode": "0700"}],
    )
    group = os.stat(www.path("releases/r1")).st_gid
    for path in [www.path("releases/r1"), *www.path("releases/r1").rglob("*"), www.path("releases"), www.path("shared")]:
        assert (path.lstat().st_uid, path.lstat().st_gid) == (65534, group), path
    made = {name: www.path("shared", name).stat() for name in ("deep", "deep/er", "deep/er/up")}
    assert {name: (seen.st_uid, stat.S_IMODE(seen.st_mode)) for name, seen in made.items()} == {
        "deep": (1, 0o755),
        "deep/er": (1, 0o755),
        "deep/er/up": (1, 0o700),
    }
    result = www.stage("r2", {"d/a": "x", "b": "b"}, owner="1")
    assert (result["linked_files"], os.stat(www.path("releases/r1/d/a")).st_uid) == (0, 65534)


@pytest.mark.parametrize("options", [{"owner": "nobody-knows"}, {"group": "nobody-knows"}])
def test_unknown_owner(www, options):
    with pytest.raises(InvalidInput, match="nobody-knows' is not a .* of this host; create it first"):
        www.stage("r1", {"a": "1"}, **options)


def test_excluded_names(www):
    content = dict.fromkeys(
        (
            ".git/HEAD",
            ".gitignore",
            "a/.svn/x",
            "node_modules/x",
            "a/node_modules/y",
            "a.map",
            "lib/b.map",
            "build/x",
            "src/build/x",
            "keep",
            "a[1]",
        ),
        "x",
    )
    www.stage("r1", content, exclude=["node_modules", "*.map", "/build/", "a[[]1]", " ", ""])
    assert {name for name, entry in tree(www, "r1").items() if entry[1] is not None} == {".gitignore", "src/build/x", "keep"}


@pytest.mark.parametrize("target", ["/etc/passwd", "../x", "..", "a/../..", "a/../../x", "in/../../..", "./../x", "../../r0/a", "in/.."])
def test_links_that_lead_out_are_refused(www, target):
    source = www.source("r1", {"a/b": "x", "in": "->a"})
    os.symlink(target, os.path.join(source, "link"))
    refused(www, r"link in the source is a link that leads out of it", lambda: www.stage("r1", source))
    assert www.stage("r1", source, exclude=["link"])["state"] == "ready"


def test_a_link_that_climbs_out_through_another_link_is_refused(www):
    """deep/link -> ../in/.. stays inside by its words, but 'in' leads two folders down."""
    source = www.source("r1", {"x/y/z": "x", "in": "->x/y", "deep/link": "->../in/../../.."})
    refused(www, "deep/link in the source is a link that leads out of it", lambda: www.stage("r1", source))


@pytest.mark.parametrize("target", ["a/b", "./a/b", "a", "dangling", "in/b"])
def test_links_inside_are_kept(www, target):
    source = www.source("r1", {"a/b": "x", "in": "->a"})
    os.symlink(target, os.path.join(source, "link"))
    www.stage("r1", source)
    assert tree(www, "r1")["link"] == "->" + target


def test_devices_pipes_and_sockets_are_refused(www):
    source = www.source("r1", {"a": "1"})
    os.mkfifo(os.path.join(source, "pipe"))
    refused(www, "pipe in the source is neither a file, a folder nor a link", lambda: www.stage("r1", source))


# -- shared ----------------------------------------------------------------------------------------------------------


def test_shared_paths(www):
    write_tree(www.path("shared"), {"config/site.php": "secret\n", "up/a": "a"})
    os.chmod(www.path("shared/up"), 0o700)
    result = www.stage(
        "r1",
        {"index.php": "x", "uploads/.gitkeep": "", "uploads/old": "x", "var/x": "x"},
        shared_dirs=[{"src": "up", "dest": "uploads"}, "var/cache/deep", {"src": "new", "dest": "a/b/new", "mode": "0770"}],
        shared_files=[{"src": "config/site.php", "dest": "app/config.php"}],
    )
    assert {name: target for name, target in tree(www, "r1").items() if target[0] == "-"} == {
        "uploads": "->../../shared/up",
        "var/cache/deep": "->../../../../shared/var/cache/deep",
        "a/b/new": "->../../../../shared/new",
        "app/config.php": "->../../../shared/config/site.php",
    }
    www.swap("r1")
    assert www.path("current/uploads/a").read_text() == "a"
    assert www.path("current/app/config.php").read_text() == "secret\n"
    assert stat.S_IMODE(os.stat(www.path("shared/up")).st_mode) == 0o700, "what exists is never touched"
    assert stat.S_IMODE(os.stat(www.path("shared/new")).st_mode) == 0o770
    assert www.path("current/var/cache/deep").is_dir()
    assert result["files"] == 2


def test_shared_content_outlives_releases(www):
    www.deploy("r1", {"a": "1"}, shared_dirs=["up"])
    www.path("current/up/file").write_text("precious")
    www.deploy("r2", {"a": "2", "up/file": "from the source"}, shared_dirs=["up"])
    www.deploy("r3", {"a": "3"}, shared_dirs=["up"])
    www.prune(keep=2)
    assert www.path("current/up/file").read_text() == "precious"
    assert www.path("shared/up/file").read_text() == "precious"


def test_shared_paths_below_links_of_the_source_land_where_the_links_lead(www):
    """As with MediaWiki's package: the folder's parent is a link inside the release."""
    www.stage(
        "r1", {"real/deep/old/x": "x", "link": "->real/deep", "two": "->link", "index": "x"}, shared_dirs=[{"src": "up", "dest": "two/old"}]
    )
    found = tree(www, "r1")
    assert found["real/deep/old"] == "->../../../../shared/up"
    assert found["two"] == "->link"
    assert www.path("releases/r1/two/old").resolve() == www.path("shared/up").resolve()


@pytest.mark.parametrize(
    "dirs",
    [["link/up", "real/up"], ["real/up", "link/up"], ["link/up", "real/up/deeper"], ["real/up/deeper", "link/up"]],
    ids="+".join,
)
def test_two_shared_paths_that_meet_through_a_link_are_refused(www, dirs):
    content = {"real/x": "x", "link": "->real"}
    options = [{"src": name.replace("/", "-"), "dest": name} for name in dirs]
    refused(www, "through links of the source, where real/up.* is shared too", lambda: www.stage("r1", content, shared_dirs=options))


def test_a_shared_path_through_a_loop_of_links_is_refused(www):
    refused(www, "runs through a loop of links", lambda: www.stage("r1", {"a": "->b", "b": "->a"}, shared_dirs=["a/up"]))


def test_a_shared_path_below_a_file_is_refused(www):
    refused(www, "up/x lies below up, which is a file in the source", lambda: www.stage("r1", {"up": "file"}, shared_dirs=["up/x"]))


@pytest.mark.parametrize(
    "options",
    [
        {"shared_dirs": ["/etc"]},
        {"shared_dirs": ["../x"]},
        {"shared_dirs": ["a/../../x"]},
        {"shared_dirs": [""]},
        {"shared_dirs": ["."]},
        {"shared_dirs": [1]},
        {"shared_dirs": [None]},
        {"shared_dirs": [["a"]]},
        {"shared_dirs": [{"dest": "a"}]},
        {"shared_dirs": [{"src": "a", "dst": "a"}]},
        {"shared_dirs": [{"src": "a", "dest": "../../x"}]},
        {"shared_dirs": ["a", "a/b"]},
        {"shared_dirs": ["a"], "shared_files": ["a"]},
        {"shared_dirs": ["a", "./a"]},
        {"shared_dirs": [{"src": "a", "mode": "rwx"}]},
        {"file_mode": "0999"},
        {"file_mode": 644},
        {"file_mode": "u+x"},
        {"dir_mode": "2755"},
        {"dir_mode": -1},
        {"max_size": 0},
        {"lock_owner": "a", "lock_ttl": 0},
        {"release": "../r"},
        {"release": "none"},
    ],
    ids=str,
)
def test_nonsense_is_refused_before_anything_is_touched(www, options):
    with pytest.raises(InvalidInput) as caught:
        www.stage(options.pop("release", "r1"), {"a": "1"}, **options)
    assert "\n" not in caught.value.message
    assert not os.path.exists(www.base)


def test_a_missing_shared_file_is_refused(www):
    refused(
        www,
        "shared file .*/shared/config.php does not exist; put it there first",
        lambda: www.stage("r1", {"a": "1"}, shared_files=["config.php"]),
    )
    predicted = www.stage("r1", {"a": "1"}, shared_files=["config.php"], check=True)
    assert any("config.php does not exist" in note for note in predicted["notes"])
    write_tree(www.path("shared"), {"config.php": "x"})
    assert www.stage("r1", {"a": "1"}, shared_files=["config.php"])["state"] == "ready"


def test_a_shared_path_of_the_wrong_kind_is_refused(www):
    write_tree(www.path("shared"), {"a": "file", "b": None})
    with pytest.raises(Refused, match="shared/a should be a shared folder but is a file"):
        www.stage("r1", {"x": "1"}, shared_dirs=["a"])
    with pytest.raises(Refused, match="shared/b should be a shared file but is a folder"):
        www.stage("r1", {"x": "1"}, shared_files=["b"])


# -- refused ---------------------------------------------------------------------------------------------------------


def test_an_id_with_other_content_is_refused(three):
    refused(three, "r2 exists with other content; stage under a new id", lambda: three.stage("r2", {"a": "other"}))
    refused(three, "r3 exists with other content", lambda: three.stage("r3", {"a": "other"}))
    refused(three, "r3 exists with other content", lambda: three.stage("r3", {"a": "other"}, check=True))


def test_a_bad_id_is_refused(three):
    three.swap("previous", mark_bad=True, reason="500")
    refused(three, r"r3 was marked bad \(500\); stage under a new id", lambda: three.stage("r3", {"index.php": "version 3\n"}))


def test_a_folder_of_somebody_else_is_refused(www):
    write_tree(www.path("releases/r1"), {"a": "theirs"})
    refused(www, "releases/r1 exists but has no record, something else made it", lambda: www.stage("r1", {"a": "1"}))


def test_a_locked_site_is_refused(three):
    three.lock("deploy 1")
    refused(three, "locked by deploy 1", lambda: three.stage("r4", {"a": "1"}))
    refused(three, "locked by deploy 1", lambda: three.stage("r4", {"a": "1"}, lock_owner="deploy 2", lock_ttl=60))


def test_a_base_that_anybody_may_write_to_is_refused(www):
    os.makedirs(www.base)
    os.chmod(www.base, 0o777)
    refused(www, "writable by every user.*chmod o-w", lambda: www.stage("r1", {"a": "1"}))


def test_a_base_that_is_a_file_is_refused(www):
    write_tree(www.place, {"www": "x"})
    refused(www, "is not a folder", lambda: www.stage("r1", {"a": "1"}))


class Disk:
    f_frsize, f_bavail, f_files, f_favail = 4096, 1 << 30, 1 << 20, 1 << 20


@pytest.mark.parametrize(
    ("disk", "match", "fact"),
    [
        ({"f_bavail": 500}, "not enough space for the release .*: needs 6.2 MB, 2.0 MB free; nothing was written", "needed_bytes"),
        ({"f_favail": 2}, "not enough inodes for the release .*: needs 3, 2 free; nothing was written", "needed_inodes"),
    ],
)
@pytest.mark.parametrize("check", [True, False])
def test_too_little_room_is_refused_before_anything_is_written(www, monkeypatch, disk, match, fact, check):
    monkeypatch.setattr(build.os, "statvfs", lambda path: type("", (Disk,), disk))
    host = Host(www.base, check)
    source = www.source("r1", {"big": b"x" * 5_200_000, "b": "b", "c": "c"})
    with pytest.raises(Refused, match=match) as caught:
        www.stage("r1", source, host=host, check=check)
    assert caught.value.result[fact]
    assert host.uploads == []
    assert sorted(os.listdir(www.base) if os.path.exists(www.base) else []) == ([] if check else [".runbook"])
    assert not check or not os.path.exists(www.base)


def test_file_systems_without_a_count_of_inodes_are_fine(www, monkeypatch):
    monkeypatch.setattr(build.os, "statvfs", lambda path: type("", (Disk,), {"f_files": 0, "f_favail": 0}))
    assert www.stage("r1", {"a": "1"})["state"] == "ready"


def test_room_is_asked_only_for_what_is_new(www, monkeypatch):
    content = {f"f{number}": f"{number}" * 100_000 for number in range(50)}
    www.deploy("r1", content)
    monkeypatch.setattr(build.os, "statvfs", lambda path: type("", (Disk,), {"f_bavail": 300, "f_favail": 5}))
    assert www.stage("r2", {**content, "f1": "new"})["state"] == "ready"
    with pytest.raises(Refused, match="not enough space"):
        www.stage("r3", {**content, "f2": "new"}, hardlink=False)


def test_a_disk_that_fills_up_meanwhile_keeps_what_arrived(www, small_uploads, monkeypatch):
    real, left = os.open, [8]

    def full(path, flags, *args, **more):
        if str(path).endswith(".partial") and "blobs" in str(path):
            left[0] -= 1
            if left[0] < 0:
                raise OSError(28, "No space left on device", path)
        return real(path, flags, *args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(receive.os, "open", full)
        with pytest.raises(OSError, match="No space left"):
            www.stage("r1", CONTENT)
    result = www.stage("r1", CONTENT)
    assert (result["resumed_files"], result["sent_files"]) == (8, 2)


def test_a_message_with_damaged_files_is_a_clear_error(www):
    class Noisy(Host):
        def ask(self, message, once=False):
            said = unpack(message)
            if said.get("upload"):
                said["upload"] = base64.b64encode(base64.b64decode(said["upload"])[:-1] + b"?").decode()
            return super().ask(pack("stage", said))

    with pytest.raises(RunbookError, match="the host could not store an upload: a file arrived as .* instead of .*; run the deploy again"):
        www.stage("r1", {"a": "1"}, host=Noisy(www.base))
    assert www.stage("r1", {"a": "1"})["state"] == "ready"


def test_a_host_that_never_has_enough_is_given_up(www):
    class Forgetful(Host):
        def ask(self, message, once=False):
            self.steps.append(unpack(message)["step"])
            lacking = [hashlib.sha256(b"1").hexdigest()]
            return {"lacking": lacking} if self.steps[-1] == "build" else super().ask(message)

    with pytest.raises(RunbookError, match="still lacks 1 files after 4 rounds"):
        www.stage("r1", {"a": "1"}, host=Forgetful(www.base))


def test_unknown_steps_name_the_likely_cause(www):
    request = stage.Request("r1", "0" * 64).to_wire()
    with pytest.raises(InvalidInput, match="run different versions"):
        stage.answer({"step": "sing", "path": www.base, "request": request}, Run())


def test_a_build_without_an_offer_is_a_clear_error(www):
    request = stage.Request("r1", "0" * 64).to_wire()
    with pytest.raises(RunbookError, match="nothing is being staged as r1"):
        stage.answer({"step": "build", "path": www.base, "request": request, "upload": ""}, Run())


def test_any_history_of_stagings_gives_exactly_what_was_asked(quick):
    """Random sources, one after another: every release is its source, and earlier ones stay what they were."""
    seed = 20261121
    chance = random.Random(seed)
    www = SmallSite(quick)
    sources = {}
    for number in range(25):
        content = {}
        for _file in range(chance.randrange(1, 12)):
            folder = "/".join(chance.choice("abc") + "_" for _level in range(chance.randrange(3)))
            name = (folder + "/" if folder else "") + chance.choice("uvwxyz")
            content[name] = chance.choice(["", "one", "two", "three", "four" * 1000])
        www.deploy(f"r{number}", content, hardlink=chance.random() < 0.7)
        sources[f"r{number}"] = {name: data.encode() for name, data in content.items()}
    assert len(www.releases()) == 25
    for release, content in sources.items():
        root = www.path("releases", release)
        assert {os.path.relpath(path, root): path.read_bytes() for path in root.rglob("*") if path.is_file()} == content, (seed, release)
