# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong on the way to a host without a shell. The site always serves one complete release, and the next run goes on or undoes.

A connection is cut when so many bytes have passed, which is drawn for each round. ``RUNBOOK_SEED`` repeats a run, ``RUNBOOK_SOAK=1`` asks
for a hundred rounds of each.
"""

from __future__ import annotations

import collections
import multiprocessing
import os
import pathlib
import signal
import threading
import time

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import Refused, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._sftp import mutex
from proxy import Proxy
from remote.rounds import SOAK, rounds
from remote.tenant import TROUBLE, Tenant, tree_of


@pytest.fixture(params=["openssh", "plain", "no_links"])
def line(request):
    """A tenant whose connection can be cut, and what cuts it."""
    if request.param == "openssh":
        found = request.getfixturevalue("tenant")
    else:
        found = request.getfixturevalue("plain_tenant")
    if request.param == "no_links":
        request.getfixturevalue("plain").well(links=False)
    with Proxy("127.0.0.1", found.remote["port"]) as proxy:
        yield through(found, proxy), proxy


def through(tenant, proxy):
    """The same host, reached by the proxy's port."""
    known = tenant.work / f"known_hosts-{proxy.port}"
    keys = pathlib.Path(tenant.remote["known_hosts"]).read_text().splitlines()
    known.write_text("".join(f"[127.0.0.1]:{proxy.port} {line.split(' ', 1)[1]}\n" for line in keys))
    return tenant.through(proxy.port, str(known))


def one_line(error):
    message = str(getattr(error.value, "message", error.value))
    assert "\n" not in message
    assert "Traceback" not in message
    return message


@pytest.mark.usefixtures("quick_mutex")
def test_cut_while_sending_and_swapping(line, chance):
    """Odd rounds are cut anywhere, even ones in the swap. Then the same release is deployed again."""
    tenant, proxy = line
    atomic = tenant.place.base.as_posix().startswith("/srv/runbook-hosting")
    tenant.deploy("r0")
    proxy.reset()
    tenant.stage("r1")
    sending = proxy.traffic.all
    proxy.reset()
    tenant.swap("r1")
    swapping = proxy.traffic.all
    counts = collections.Counter()
    with tenant.poller() as poller:
        for number in range(2, rounds(6) + 2):
            old, new = f"r{number - 1}", f"r{number}"
            tenant.source(new)
            swap_alone = number % 2 == 0
            if swap_alone:
                proxy.reset()
                tenant.stage(new)
            # The records, the link and the history are in the last bytes of a swap, behind what it reads.
            first, last = (swapping * 3 // 4, swapping) if swap_alone else (1, sending + swapping)
            proxy.reset(cut=chance.randint(first, last))
            try:
                tenant.swap(new) if swap_alone else tenant.deploy(new)
                counts["done before the cut"] += 1
            except TROUBLE as error:
                assert "\n" not in str(error), number
                counts["cut"] += 1
            assert proxy.broken or counts["done before the cut"], number
            if atomic:
                served = tenant.served()
                assert served in (old, new), f"round {number}: {served}"
                counts["old" if served == old else "new"] += 1
            elif os.path.lexists(tenant.place.path("current")):
                assert tenant.served() in (old, new), f"round {number}"
            else:
                counts["nothing"] += 1
            counts["announced"] += tenant.place.path(".runbook", "swap.json").exists()
            proxy.reset()
            tenant.deploy(new)
            assert tenant.served() == new, f"round {number}"
            states = tenant.states()
            assert (states[new], states[old]) == ("live", "retired"), f"round {number}: {states}"
            tenant.prune(keep=2)
            assert tenant.leftovers() == [], f"round {number}"
    print(dict(counts), "asked", poller.asked)
    if atomic:
        assert poller.wrong == []


@pytest.mark.usefixtures("quick_mutex")
def test_what_had_arrived_is_not_sent_again(line):
    tenant, proxy = line
    tenant.source("big", 12)
    proxy.reset()
    tenant.stage("big0", src=tenant.source("big"))
    whole = proxy.traffic
    tenant.place.empty()
    proxy.reset(cut=int(whole.all * 0.7))
    with pytest.raises(TROUBLE) as error:
        tenant.stage("big1", src=tenant.source("big"))
    one_line(error)
    assert not tenant.place.path("releases", "big1").exists()
    proxy.reset()
    staged = tenant.stage("big1", src=tenant.source("big"))
    assert staged["resumed_files"] > 0
    assert proxy.traffic.to_server < 0.5 * whole.to_server
    assert tree_of(tenant.place.path("releases", "big1")) == tree_of(tenant.source("big"))


@pytest.mark.usefixtures("quick_mutex")
def test_a_new_release_goes_on_with_what_an_interrupted_one_had_sent(line):
    tenant, proxy = line
    tenant.source("big", 12)
    tenant.deploy("r0")
    tenant.lock("me")
    proxy.reset(cut=8 << 20)
    with pytest.raises(TROUBLE):
        tenant.stage("first", src=tenant.source("big"), lock_owner="me")
    proxy.reset()
    staged = tenant.stage("second", src=tenant.source("big"), lock_owner="me")
    assert staged["resumed_files"] > 0
    assert "first" in " ".join(staged["notes"])
    assert "first" not in tenant.states()


@pytest.mark.usefixtures("quick_mutex")
def test_what_an_interrupted_staging_had_linked_is_never_written_to(line):
    """Its files are those of the release that is served: another content for the same names must not get into them."""
    tenant, proxy = line
    source = pathlib.Path(tenant.source("big", 12))
    (source / "zz_large").write_bytes(b"a" * (9 << 20))
    (source / "small.txt").write_text("old")
    tenant.stage("r0", src=str(source))
    tenant.swap("r0")
    before = tree_of(tenant.place.path("releases", "r0"))
    (source / "new.bin").write_bytes(os.urandom(16 << 20))
    tenant.lock("me")
    proxy.reset(cut=20 << 20)
    with pytest.raises(TROUBLE):
        tenant.stage("first", src=str(source), lock_owner="me")
    linked = [path for path in tenant.place.path(".runbook", "incoming", "first", "tree").rglob("*") if path.is_file()]
    if not any(path.stat().st_nlink > 1 for path in linked):
        pytest.skip("this server makes no hard links")
    (source / "zz_large").write_bytes(b"b" * (10 << 20))  # larger, so that it looks like one of which a part has arrived
    (source / "small.txt").write_text("newer")
    proxy.reset()
    tenant.stage("second", src=str(source), lock_owner="me")
    assert tree_of(tenant.place.path("releases", "second")) == tree_of(source)
    assert tree_of(tenant.place.path("releases", "r0")) == before
    assert all(row["verified"] for row in tenant.info(verify=True)["releases"])


@pytest.mark.usefixtures("quick_mutex")
def test_a_connection_that_goes_silent_ends_within_the_timeout(line):
    tenant, proxy = line
    tenant.deploy("r0")
    tenant.remote["timeout"] = 1.5
    proxy.reset(cut=200_000, silent=True)
    began = time.monotonic()
    with pytest.raises(TROUBLE) as error:
        tenant.stage("big", src=tenant.source("big", 12))
    assert time.monotonic() - began < 6
    assert "lost" in one_line(error)
    proxy.reset()
    assert tenant.served() == "r0"
    tenant.deploy("r1")
    assert tenant.served() == "r1"


# -- servers that don't do what they are asked -------------------------------------------------------------------------


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("heard", [True, False])
def test_dropped_at_the_changes_of_a_swap(plain, plain_tenant, links, heard, chance, monkeypatch):
    """A server that is gone at a request that changes something, having done it (which nobody hears of) or not."""
    monkeypatch.setattr(mutex, "DEAD", 0.3)
    monkeypatch.setattr(mutex, "BEAT", 2.0)  # signs of life change something too, and would upset the count
    plain.well(links=links)
    plain_tenant.deploy("r0")
    plain_tenant.deploy("r1")
    plain_tenant.swap("r0")
    plain.well(links=links)
    plain_tenant.swap("r1")
    steps = range(1, plain.seen.changes + 1)
    # Those that change what is served, and the one after each.
    vital = {step + more for step, words in enumerate(plain.seen.words, 1) for more in (0, 1) if "/current" in words}
    outcomes = collections.Counter()
    old, new = "r0", "r1"
    for step in steps if SOAK else sorted({*vital, *chance.sample(steps, 5)}):
        old, new = new, old
        plain.well(links=links, drop_after=-step, lose_reply=not heard)
        with pytest.raises(TROUBLE) as error:
            plain_tenant.swap(new)
            raise OSError("it was done before")  # in fewer steps than the first time
        one_line(error)
        plain.well(links=links)
        served = plain_tenant.served_or_nothing()
        outcomes[served] += 1
        if served is None:
            # Whatever comes next, it has to bring the name back.
            plain_tenant.prune(keep=2)
            assert plain_tenant.served() in (old, new), step
        repaired = plain_tenant.swap(new)
        assert plain_tenant.served() == new, (step, repaired)
        states = plain_tenant.states()
        assert (states[new], states[old]) == ("live", "retired"), (step, states)
    plain_tenant.prune(keep=2)
    assert plain_tenant.leftovers() == []
    assert len(outcomes) == 3, outcomes  # the old one, the new one, and nothing for a moment


@pytest.mark.usefixtures("quick_mutex")
def test_a_server_that_lies_about_bytes(plain, plain_tenant):
    """It says that it has written what it has not, or other bytes: that is found by reading back, and nothing is made current."""
    plain_tenant.deploy("r0")
    for lie in ({"swallow": lambda name: name.endswith("files/100.txt")}, {"corrupt": lambda name: name.endswith("lib/one.php")}):
        plain.well(**lie)
        with pytest.raises(RunbookError, match="did not arrive") as error:
            plain_tenant.deploy("r1")
        assert "reported success" in one_line(error)
        plain.well()
        assert plain_tenant.served() == "r0"
        assert plain_tenant.states()["r1"] == "staging"
    plain_tenant.deploy("r1")
    assert plain_tenant.served() == "r1"


@pytest.mark.usefixtures("quick_mutex")
def test_a_server_that_swallows_records(plain, plain_tenant):
    """The journal and records are small and many; none of them may be torn into a site that is not one release."""
    plain_tenant.deploy("r0")
    for part in ("swap.json", "releases/r1.json", "manifests/r1.json"):
        plain.well(swallow=lambda name, part=part: f".runbook/{part}" in name)
        try:
            plain_tenant.deploy("r1")
        except TROUBLE as error:
            assert "\n" not in str(error)
        plain.well()
        assert plain_tenant.served() in ("r0", "r1")


@pytest.mark.usefixtures("quick_mutex")
def test_shared_paths_need_links(plain, plain_tenant):
    plain.well(links=False)
    with pytest.raises(Refused, match="no symbolic links, so uploads can't be one"):
        plain_tenant.stage("r0", shared_dirs=["uploads"])
    assert not plain_tenant.place.path("releases", "r0").exists()


@pytest.mark.usefixtures("quick_mutex")
@pytest.mark.parametrize("room", [0, 300_000, 800_000])
def test_a_quota(plain, plain_tenant, room):
    """The server has no words for it: any write fails. The site stays, and when there is room again the deploy goes on."""
    plain_tenant.deploy("r0")
    plain.well(writes=room)
    with pytest.raises(TROUBLE) as error:
        plain_tenant.deploy("r1")
    message = one_line(error)
    assert "quota" in message or "full" in message
    plain.well()
    assert plain_tenant.served() == "r0"
    again = plain_tenant.deploy("r1")
    assert plain_tenant.served() == "r1"
    assert again["changed"]


@pytest.mark.usefixtures("quick_mutex")
@pytest.mark.parametrize("what", [".runbook", "releases", "current"])
def test_permission_denied(plain, plain_tenant, what):
    plain_tenant.deploy("r0")
    base = os.path.relpath(plain_tenant.place.base, plain.root)
    plain.well(deny=lambda name: name.startswith(f"{base}/{what}"))
    with pytest.raises(TROUBLE) as error:
        plain_tenant.deploy("r1")
    assert "enied" in one_line(error)
    plain.well()
    assert plain_tenant.served() == "r0"
    plain_tenant.deploy("r1")
    assert plain_tenant.served() == "r1"
    plain_tenant.prune(keep=2)
    assert plain_tenant.leftovers() == []


@pytest.mark.usefixtures("quick_mutex")
def test_openssh_permission_denied(tenant):
    tenant.deploy("r0")
    tenant.place.path("releases").chmod(0o555)
    with pytest.raises(TROUBLE) as error:
        tenant.deploy("r1")
    assert "enied" in one_line(error)
    tenant.place.path("releases").chmod(0o755)
    assert tenant.served() == "r0"
    tenant.deploy("r1")
    assert tenant.served() == "r1"


@pytest.mark.usefixtures("quick_mutex")
def test_a_full_disk(hosting, sources):
    """OpenSSH says how much room there is before anything is sent; a disk that fills up meanwhile is named as what it is."""
    home = hosting.small()
    place = hosting.site(parent=home, owner="tenant")
    tenant = Tenant(place, "sftp", f"{home.name}/{place.base.name}", hosting.options(), sources)
    tenant.path = f"/{home.name}/{place.base.name}"
    tenant.deploy("r0")
    with pytest.raises(Refused, match="not enough space"):
        tenant.deploy("big", src=tenant.source("huge", 40))
    assert tenant.served() == "r0"
    filler = home / "filler"
    stopping = threading.Event()

    def fill():
        # Room is there when it is asked for, and is gone a moment later.
        while not tenant.place.path(".runbook", "incoming", "big").exists() and not stopping.wait(0.001):
            pass
        with open(filler, "wb") as stream:
            try:
                while not stopping.is_set():
                    stream.write(bytes(1 << 16))
                    stream.flush()
            except OSError:
                pass

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        with pytest.raises(TROUBLE) as error:
            tenant.deploy("big", src=tenant.source("big", 12))
        assert "space" in one_line(error)
    finally:
        stopping.set()
        thread.join()
    assert tenant.served() == "r0"
    filler.unlink()
    tenant.deploy("r1")
    assert tenant.served() == "r1"


# -- runs beside each other ----------------------------------------------------------------------------------------------


def _deploy(tenant, release, source):
    try:
        tenant.deploy(release, src=source)
    except TROUBLE as error:
        print(f"{release}: {error}", flush=True)
        raise SystemExit(1) from error


def _apart(tenant, release, source):
    process = multiprocessing.get_context("fork").Process(target=_deploy, args=(tenant, release, source))
    process.start()
    return process


def test_two_deploys_at_once(tenant):
    """Without a lock each waits for the other's mutex; both releases are whole, one of them is served."""
    tenant.deploy("r0")
    with tenant.poller() as poller:
        runs = [_apart(tenant, release, tenant.source(release)) for release in ("r1", "r2")]
        for run in runs:
            run.join(60)
    assert [run.exitcode for run in runs] == [0, 0]
    assert poller.wrong == []
    assert tenant.served() in ("r1", "r2")
    for release in ("r1", "r2"):
        assert tree_of(tenant.place.path("releases", release)) == tree_of(tenant.source(release))
    assert sorted(tenant.states().values()) == ["live", "retired", "retired"]
    for release in ("r3", "r4", "r5"):
        runs = [_apart(tenant, release, tenant.source(release)) for _each in range(3)]
        for run in runs:
            run.join(60)
        assert [run.exitcode for run in runs] == [0, 0, 0], release
        assert tenant.served() == release
    tenant.prune()
    assert tenant.leftovers() == []


@pytest.mark.usefixtures("quick_mutex")
def test_a_killed_controller(tenant, chance):
    """Nothing of it is left but what it had sent: its mutex is given up after a while, and the next run goes on."""
    tenant.deploy("r0")
    for number in range(1, rounds(4) + 1):
        release = f"r{number}"
        source = tenant.source(release)
        began = time.monotonic()
        run = _apart(tenant, release, source)
        time.sleep(chance.uniform(0, 1.0))
        os.kill(run.pid, signal.SIGKILL)
        run.join()
        assert tenant.served() in (f"r{number - 1}", release)
        tenant.deploy(release)
        assert tenant.served() == release
        assert time.monotonic() - began < 30
    tenant.prune(keep=2)
    assert tenant.leftovers() == []


@pytest.mark.usefixtures("quick_mutex")
def test_a_controller_that_slept(tenant):
    """A laptop that is closed in the middle of a deploy and opened when another run has long taken over."""
    tenant.deploy("r0")
    source = tenant.source("huge", 40)
    run = _apart(tenant, "sleeper", source)
    while not tenant.place.path(".runbook", "incoming", "sleeper", "tree", "blobs").exists():
        assert run.is_alive()
        time.sleep(0.01)
    os.kill(run.pid, signal.SIGSTOP)
    try:
        tenant.deploy("r1")
        assert tenant.served() == "r1"
    finally:
        os.kill(run.pid, signal.SIGCONT)
    run.join(60)
    assert run.exitcode not in (None, 0), "it must not go on with what is another's now"
    assert tenant.served() == "r1"
    tenant.deploy("r2")
    assert tenant.served() == "r2"


@pytest.mark.usefixtures("quick_mutex")
def test_sshd_that_is_killed(tenant, hosting, chance):
    """The host goes down in the middle of it."""
    tenant.deploy("r0")
    for number in range(1, rounds(3) + 1):
        release = f"r{number}"
        source = tenant.source(release)
        run = _apart(tenant, release, source)
        time.sleep(chance.uniform(0.1, 0.8))
        hosting.kill_sessions()
        run.join(60)
        assert run.exitcode is not None
        assert tenant.served() in (f"r{number - 1}", release)
        tenant.deploy(release)
        assert tenant.served() == release
