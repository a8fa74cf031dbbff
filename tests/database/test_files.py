# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""files_backup and files_restore with a real restic, and what happens when it is killed or its repository is damaged."""

from __future__ import annotations

import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, Refused, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._files import backup, options, place, restic, restore

PASSWORD = 'it\'s "quoted" # 100% كلمة \\'


class Files:
    """A small upload folder and its repository."""

    def __init__(self, root):
        self.root = root
        self.path = root / "www" / "uploads [1]"
        self.repository = root / "restic"
        (self.path / "2026" / "empty").mkdir(parents=True)
        (self.path / "a.txt").write_text("a\n")
        (self.path / "2026" / "صورة.jpg").write_bytes(random.Random(7).randbytes(300_000))
        (self.path / "link").symlink_to("a.txt")
        (self.path / "2026").chmod(0o750)
        for name in (b"odd\xff\xfename", b"with space\n"):
            pathlib.Path(os.fsdecode(os.fsencode(self.path) + b"/" + name)).write_text("odd")
        self.said = []

    def _options(self, spec, more):
        given = {name: option.get("default") for name, option in spec.options.items()}
        return {
            **given,
            "repository": str(self.repository),
            "password": PASSWORD,
            "path": str(self.path),
            "host": "web",
            "tags": ["k=u"],
            **more,
        }

    def back_up(self, preview=False, **more):
        run = Run(check_mode=preview, warn=self.said.append)
        return backup.files_backup(self._options(options.FILES_BACKUP, {"init": True, **more}), run)

    def restore(self, preview=False, **more):
        return restore.files_restore(self._options(options.FILES_RESTORE, more), Run(check_mode=preview))

    def opened(self):
        return restic.opened(restic.Location(str(self.repository), PASSWORD))

    def snapshots(self):
        with self.opened() as repository:
            return repository.snapshots([])

    def content(self, path=None):
        found = {}
        for folder, folders, files in os.walk(path or self.path):
            for name in folders + files:
                one = os.path.join(folder, name)
                status = os.lstat(one)
                data = os.readlink(one) if os.path.islink(one) else pathlib.Path(one).read_bytes() if os.path.isfile(one) else None
                found[os.path.relpath(one, path or self.path)] = (data, oct(status.st_mode), status.st_uid)
        return found


@pytest.fixture(scope="module")
def empty_repository(tmp_path_factory):
    """Made once: restic takes seconds for a key."""
    files = Files(tmp_path_factory.mktemp("made"))
    with files.opened() as repository:
        repository.run("init")
    return files.repository


@pytest.fixture
def files(tmp_path, empty_repository):
    files = Files(tmp_path)
    shutil.copytree(empty_repository, files.repository)
    return files


def test_there_and_back(files):
    shutil.rmtree(files.repository)
    with pytest.raises(RunbookError, match="init: true"):
        files.back_up(init=False)
    assert files.back_up(preview=True)["changed"] is True
    assert not files.repository.exists()
    first = files.back_up(check_data="100%")
    assert first["snapshot"]["verified"] is True
    assert (first["files"], first["bytes"], first["excluded_files"]) == (4, 300_008, 0)
    assert first["files_new"] == 4
    was = files.content()
    again = files.restore()
    assert (again["changed"], again["files"]) == (False, 4)
    assert files.back_up(fresh_for="1h")["changed"] is False

    (files.path / "a.txt").write_text("b\n")
    (files.path / "new.txt").write_text("new\n")
    predicted = files.back_up(preview=True)
    assert (predicted["files_new"], predicted["files_changed"], len(files.snapshots())) == (1, 1, 1)
    with pytest.raises(Refused, match="force: true"):
        files.restore()
    now = files.content()
    assert files.restore(preview=True, force=True)["changed"] is True
    assert files.content() == now
    done = files.restore(force=True)
    assert files.content() == was
    assert files.content(done["previous"]) == now
    assert files.restore(force=True)["changed"] is False
    assert sorted(os.listdir(files.path.parent)) == sorted([files.path.name, os.path.basename(done["previous"])])


def test_previous_ones_are_limited(files):
    files.back_up()
    kept = []
    for number in range(3):
        (files.path / "a.txt").write_text(str(number))
        kept.append(files.restore(force=True)["previous"])
    assert [os.path.exists(path) for path in kept] == [False, False, True]


def test_ids_and_moments(files):
    first = files.back_up()
    between = str(int(time.time()) + 1)
    time.sleep(2.1)
    (files.path / "a.txt").write_text("b\n")
    second = files.back_up()
    target = files.root / "scratch"
    for number, (more, wanted) in enumerate([({"as_of": between}, first), ({"src": first["snapshot"]["id"]}, first), ({}, second)]):
        result = files.restore(mode="scratch", target=f"{target}{number}", **more)
        assert result["snapshot"]["id"] == wanted["snapshot"]["id"]
        assert (pathlib.Path(f"{target}{number}") / "a.txt").exists()
    with pytest.raises(Refused, match="exists; mode: scratch"):
        files.restore(mode="scratch", target=f"{target}0", src=second["snapshot"]["id"])
    with pytest.raises(Refused, match="no verified snapshot"):
        files.restore(force=True, as_of="1000000000")
    with pytest.raises(Refused, match="is not one of"):
        files.restore(force=True, src="00000000")
    with pytest.raises(Refused, match="no snapshot of"):
        files.restore(force=True, host="other")


def test_retention(files):
    ids = []
    for number in range(3):
        (files.path / "a.txt").write_text(str(number))
        ids.append(files.back_up(keep_last=2, check=False)["snapshot"]["id"])
    assert [snapshot.short for snapshot in files.snapshots()] == ids[1:]
    assert files.restore()["changed"] is False
    with pytest.raises(InvalidInput, match="below the floor"):
        files.back_up(keep_last=1)


def test_excluded_files(files, monkeypatch):
    monkeypatch.setattr(backup, "_MARGIN", -5.0)  # files of this very second count too
    (files.path / "cache.tmp").write_text("x")
    result = files.back_up(exclude=["*.tmp"])
    assert (result["files"], result["excluded_files"]) == (4, 1)


def test_a_source_in_use(files):
    """Files that come, go and grow meanwhile are no reason to fail."""
    files.back_up()
    stop = threading.Event()

    def write():
        number = 0
        while not stop.is_set():
            number += 1
            (files.path / f"busy{number % 50}").write_text("x" * (number % 997))
            if number % 3 == 0:
                (files.path / f"busy{(number * 7) % 50}").unlink(missing_ok=True)
            time.sleep(0.0005)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _round in range(3):
            assert files.back_up(check=False)["snapshot"]["verified"] is True
    finally:
        stop.set()
        writer.join()


def test_a_snapshot_that_lacks_files_does_not_count(files, monkeypatch):
    """As if restic had silently passed over something."""
    real = backup._words
    (files.path / "lost.txt").write_text("x")
    monkeypatch.setattr(backup, "_MARGIN", -5.0)
    monkeypatch.setattr(backup, "_words", lambda options, path, host: [*real(options, path, host)[:-2], "--exclude=lost.txt", "--", path])
    with pytest.raises(RunbookError, match=r"1 missing \(such as lost.txt\)"):
        files.back_up()
    assert restic.VERIFIED not in files.snapshots()[0].tags
    with pytest.raises(Refused, match="no verified snapshot"):
        files.restore(force=True)
    with pytest.raises(Refused, match="never verified"):
        files.restore(force=True, src=files.snapshots()[0].short)


@pytest.mark.parametrize("allow", [False, True])
def test_unreadable_files(files, allow):
    """Exit status 3. As root nothing is unreadable, so a reader without rights is asked."""
    if os.geteuid() != 0:
        pytest.fail("run as root")
    (files.path / "secret").write_text("x")
    (files.path / "secret").chmod(0)
    os.chmod(files.root, 0o777)
    for folder in (files.root, *files.root.parents):
        if folder != pathlib.Path("/"):
            os.chmod(folder, os.stat(folder).st_mode | 0o555)
    subprocess.run(["chown", "-R", "65534:65534", str(files.repository)], check=True)
    (files.path / "2026").chmod(0o755)
    time.sleep(backup._MARGIN + 1)  # what changes while it is backed up is not judged
    script = (
        "import sys, os\n"
        "os.setgid(65534); os.setuid(65534); os.environ['HOME'] = '/tmp'\n"
        "sys.path[:0] = " + repr(sys.path) + "\n"
        "import pathlib\n"
        "from database.test_files import Files, RunbookError\n"
        f"files = Files.__new__(Files); files.root = pathlib.Path({str(files.root)!r}); files.said = []\n"
        f"files.path = pathlib.Path({str(files.path)!r}); files.repository = files.root / 'restic'\n"
        "try:\n"
        f"    print(files.back_up(allow_unreadable={allow})['snapshot']['verified'], files.said)\n"
        "except RunbookError as error:\n"
        "    print(error.message)\n"
    )
    told = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert "secret" in told.stdout, told.stderr
    assert ("True" in told.stdout) == allow
    assert ("does not count" in told.stdout) == (not allow)


def _tamper(files, how):
    """Damage the largest pack of the repository."""
    packs = sorted((path for path in (files.repository / "data").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    packs[-1].chmod(0o600)
    if how == "flip":
        with packs[-1].open("r+b") as stream:
            stream.seek(1000)
            byte = stream.read(1)
            stream.seek(1000)
            stream.write(bytes([byte[0] ^ 1]))
    elif how == "cut":
        os.truncate(packs[-1], 1000)
    else:
        packs[-1].unlink()


@pytest.mark.parametrize("how", ["flip", "cut", "remove"])
def test_a_damaged_repository(files, how):
    for number in range(2):
        (files.path / "a.txt").write_text(str(number))
        files.back_up(check=False)
    before = {snapshot.id for snapshot in files.snapshots()}
    live = files.content()
    _tamper(files, how)
    (files.path / "b.txt").write_text("more")
    with pytest.raises(RunbookError, match="damaged"):
        files.back_up(check_data="100%", keep_last=2)
    assert before <= {snapshot.id for snapshot in files.snapshots()}
    (files.path / "b.txt").unlink()
    os.unlink(files.path / "2026" / "صورة.jpg")
    live.pop("2026/صورة.jpg")
    with pytest.raises(RunbookError):
        files.restore(force=True)
    assert files.content() == live
    assert os.listdir(files.path.parent) == [files.path.name]


_KILLED = """
import json, sys
sys.path[:0] = json.loads(sys.argv[1])
from database.test_files import *
files = Files.__new__(Files)
files.root, files.said = pathlib.Path(sys.argv[2]), []
files.path, files.repository = files.root / "www" / "uploads [1]", files.root / "restic"
"""


def _child(files, code):
    words = [sys.executable, "-c", _KILLED + code, json.dumps(sys.path), str(files.root)]
    return subprocess.Popen(words, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_killed_while_backing_up(files):
    good = files.back_up()
    for number in range(20):
        (files.path / f"large{number}").write_bytes(random.Random(number).randbytes(4_000_000))
    for delay in (0.6, 1.4, 2.2):
        child = _child(files, "files.back_up(keep_last=2)\n")
        time.sleep(delay)
        # The whole tree: the module and whatever restic it has started, which is in a session of its own.
        for pid in [*_descendants(child.pid), child.pid]:
            os.kill(pid, signal.SIGKILL)
        child.wait()
        verified = [snapshot.short for snapshot in files.snapshots() if restic.VERIFIED in snapshot.tags]
        assert good["snapshot"]["id"] in verified
    done = files.back_up(keep_last=5, check_data="100%")
    assert done["files"] == 24
    assert files.restore()["changed"] is False


def _descendants(pid):
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            child = int(path.parent.name)
            found += [*_descendants(child), child]
    return found


@pytest.mark.parametrize("delay", [0.6, 1.8, 3.0])
def test_killed_while_restoring(files, delay):
    """Anywhere; each step of the switch itself is in the unit tests."""
    new = files.content()
    files.back_up(check=False)
    (files.path / "a.txt").write_text("changed")
    old = files.content()
    child = _child(files, "files.restore(force=True)\n")
    time.sleep(delay)
    for pid in [*_descendants(child.pid), child.pid]:
        os.kill(pid, signal.SIGKILL)
    child.wait()
    assert files.content() in (old, new)
    files.restore(force=True)
    assert files.content() == new
    assert [name for name in os.listdir(files.path.parent) if "restore" in name] == []
    assert [files.content(path) for path in place.Place(str(files.path)).previous()] == [old]


def test_two_restores_at_once(files):
    files.back_up()
    (files.path / "a.txt").write_text("changed")
    with place.Place(str(files.path)).locked(), pytest.raises(Refused, match="another restore"):
        files.restore(force=True)


def test_a_restic_that_stands_still(files, monkeypatch):
    """As it can after an error (0.14): it lives, prints the same or nothing, and would never end."""
    files.back_up()
    before = [snapshot.id for snapshot in files.snapshots()]
    monkeypatch.setattr(restic, "STILL", 4.0)
    (files.path / "large").write_bytes(random.Random(1).randbytes(200_000_000))
    stopped = threading.Event()

    def stop():
        while not stopped.is_set():
            for pid in _pids(b"restic\0backup"):
                os.kill(pid, signal.SIGSTOP)
                stopped.set()

    stopper = threading.Thread(target=stop)
    stopper.start()
    try:
        with pytest.raises(RunbookError, match="restic backup did nothing for 4 s and was stopped"):
            files.back_up()
        assert stopped.is_set()
        assert _pids(b"restic\0backup") == []
    finally:
        stopped.set()
        stopper.join()
    assert [snapshot.id for snapshot in files.snapshots()] == before
    (files.path / "large").unlink()
    assert files.restore()["changed"] is False


def _pids(words):
    """Processes whose command line begins so, wherever their program is."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if words in path.read_bytes()[:200]:
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def test_a_disk_that_is_full(files, monkeypatch):
    """Both the repository and the target on 64 MB."""
    monkeypatch.setattr(restic, "STILL", 20.0)  # it has been seen to stand still then
    small = pathlib.Path("/srv/small")
    if not os.path.ismount(small):
        pytest.fail("needs the small file system at /srv/small")
    shutil.copytree(files.repository, small / "rb_test_restic")
    files.repository = small / "rb_test_restic"
    try:
        files.back_up()
        before = [snapshot.id for snapshot in files.snapshots()]
        (files.path / "large").write_bytes(random.Random(1).randbytes(80_000_000))
        with pytest.raises(RunbookError, match="no space|repository"):
            files.back_up(keep_last=2)
        assert [snapshot.id for snapshot in files.snapshots()] == before
        (files.path / "large").unlink()
        assert files.restore()["changed"] is False
    finally:
        subprocess.run(["rm", "-rf", str(files.repository)], check=True)


def test_nothing_secret_is_seen(files):
    """Neither in arguments nor in what is returned."""
    seen = []
    stop = threading.Event()

    def look():
        while not stop.is_set():
            for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    words = path.read_bytes()
                except OSError:
                    continue
                if b"restic\0" in words:
                    seen.append(words)

    looker = threading.Thread(target=look)
    looker.start()
    try:
        result = files.back_up(repository_env={"AWS_SECRET_ACCESS_KEY": "s3cret-value"})
    finally:
        stop.set()
        looker.join()
    assert seen
    for secret in (PASSWORD, "s3cret-value"):
        assert not any(secret.encode() in words for words in seen)
        assert secret not in json.dumps(result, default=str)


BAD = [
    ({"password": "wrong"}, "the password does not open"),
    ({"password": ""}, "empty"),
    ({"path": "/"}, "below /"),
    ({"path": "uploads"}, "absolute"),
    ({"path": "/nonexistent"}, "does not exist"),
    ({"repository": "restic"}, "neither an absolute path nor"),
    ({"repository": "--help"}, "no address"),
    ({"tags": ["a,b"]}, "can't be a tag"),
    ({"tags": ["runbook-verified"]}, "can't be a tag"),
    ({"check_data": "some"}, "check"),
    ({"fresh_for": "x"}, "fresh_for"),
    ({"repository": "sftp:nobody@127.0.0.1:/x", "sftp_command": "false"}, "repository sftp:"),
]


def test_bad_input(files):
    for more, message in BAD:
        with pytest.raises(RunbookError, match=message) as error:
            files.back_up(**more)
        assert "\n" not in error.value.message


def test_what_is_no_repository(files, tmp_path):
    shutil.rmtree(files.repository)
    files.repository.mkdir()
    (tmp_path / "restic" / "notes").write_text("x")
    with pytest.raises(RunbookError, match="holds something else"):
        files.back_up()
    assert os.listdir(tmp_path / "restic") == ["notes"]


def test_bad_restores(files):
    before = files.content()
    for more, message in [
        ({"keep_previous": 0}, "1 or more"),
        ({"mode": "scratch"}, "give target"),
        ({"target": "/etc"}, "belongs to the system"),
        ({"target": "/nonexistent/x"}, "does not exist"),
        ({"src": "0123456", "as_of": "1"}, "leave src out"),
        ({}, "no snapshot of"),
        ({"repository": "/nonexistent"}, "no repository at"),
        ({"password": "wrong"}, "does not open"),
    ]:
        with pytest.raises(RunbookError, match=message):
            files.restore(force=True, **more)
    assert files.content() == before
