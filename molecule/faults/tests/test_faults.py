# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults on real hosts. Each test asserts its invariant: the site answers with a complete release all the time, and the next run
finishes what was interrupted or undoes it. docs/faults.md lists them.

RUNBOOK_SOAK=1 runs the sweeps over random moments in full length; RUNBOOK_SEED repeats one.
"""

from __future__ import annotations

import io
import json
import os
import pathlib
import random
import re
import subprocess
import tarfile
import time

import driver
import pytest
import small

SCENARIO = pathlib.Path(__file__).resolve().parents[1]
WAIT = str(SCENARIO / "tasks" / "wait.yml")
DRIVERS = driver.ROOT / "tests" / "faults"
SITE, PORT = "/srv/faults/site", 8081
SMALL = "/srv/small/site"
SOAK = bool(os.environ.get("RUNBOOK_SOAK"))
SEED = os.environ.get("RUNBOOK_SEED") or str(random.SystemRandom().randrange(1_000_000))


@pytest.fixture(scope="session", autouse=True)
def seed():
    print(f"\nRUNBOOK_SEED={SEED}{' RUNBOOK_SOAK=1' if SOAK else ''}")
    return SEED


def start(*words, limit="web1", **variables):
    extra = [word for name, value in variables.items() for word in ("-e", json.dumps({name: value}))]
    return driver.Running(["ansible-playbook", *words, "-l", limit, *extra], [SCENARIO / "inventory"])


def deploy(source, **variables):
    return start("runbook.ops.deploy", deploy_src=f"{source}/" if os.path.isdir(source) else str(source), **variables).wait()


def module(host, name, **arguments):
    """One task by itself; its result."""
    words = ["ansible", host.name, "-m", f"runbook.ops.{name}", "-a", json.dumps(arguments)]
    run = driver.Running(words, [SCENARIO / "inventory"], {"ANSIBLE_LOAD_CALLBACK_PLUGINS": "1"}).wait()
    assert "Traceback" not in run.output, run
    return next({"failed": line["status"] == "failed", **line["result"]} for line in run.lines if "result" in line)


def page(host):
    """The marker of the release that answers; the whole answer when it is not a complete release's."""
    answer = subprocess.run(
        ["curl", "-sS", "--max-time", "20", f"http://{host.address}:{PORT}/"], capture_output=True, text=True, check=False
    )
    match = small.ANSWER.fullmatch(answer.stdout)
    return match[1] if match else answer.stdout + answer.stderr


def copy(host, *files, to="/srv/faults"):
    host(f"mkdir -p {to}")
    for file in files:
        host(f"cat > {to}/{file.name}", stdin=file.read_text())


@pytest.fixture(scope="session")
def versions(tmp_path_factory):
    """A function that gives the folder of a version of the small site."""
    base = tmp_path_factory.mktemp("versions")

    def make(marker, blob_megabytes=0):
        folder = base / marker
        return folder if folder.is_dir() else small.write(folder, marker, blob_megabytes)

    return make


@pytest.fixture
def site(web1, versions):
    """The small site on web1, serving ``base``, with nobody's lock on it."""
    if web1.current(SITE) != "base":
        web1(f"rm -rf {SITE} /run/runbook-go")
        run = deploy(versions("base"), deploy_release="base")
        assert run.rc == 0, run
    assert page(web1) == "base"
    return web1


# -- killed modules ---------------------------------------------------------------------------------------------------------


def _bring_collection(host):
    """What the drivers import, to /srv/faults/collections."""
    parts = [f"ansible_collections/runbook/ops/plugins/{part}" for part in ("module_utils", "plugin_utils")]
    words = ["tar", "-chf", "-", "--exclude=__pycache__", *parts]
    tar = subprocess.run(words, cwd=driver.collections(), capture_output=True, check=True).stdout
    host("rm -rf /srv/faults/collections /srv/faults/site && mkdir -p /srv/faults/collections")
    unpack = ["ssh", "-F", str(driver.SSH_CONFIG), host.name, "tar -C /srv/faults/collections -xf -"]
    subprocess.run(unpack, input=tar, check=True, capture_output=True)


def _keep(name, result):
    """The result, for the log and for the table in docs/faults.md."""
    print(json.dumps(result))
    folder = driver.ROOT / ".work" / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}{'-soak' if SOAK else ''}.json").write_text(json.dumps(result) + "\n")


def test_uploads_killed_at_random_moments(web1):
    """The whole conversation of stage with its uploads, swaps there and back, and pruning; a reader checks every byte of what is served."""
    rounds = 300 if SOAK else 5
    _bring_collection(web1)
    copy(web1, DRIVERS / "kill_sweep.py", DRIVERS / "small_site.py")
    web1("rm -rf /srv/faults/sweep && mkdir /srv/faults/sweep")
    words = f"/srv/faults/python3 /srv/faults/kill_sweep.py --rounds {rounds} --seed {SEED} --files 100 --place /srv/faults/sweep"
    done = web1.try_(f"PYTHONPATH=/srv/faults/collections {words}", seconds=840)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    result = json.loads(done.stdout.splitlines()[-1])
    _keep("kill-uploads", result)
    assert result["rounds"] == rounds and sum(result["killed_in"].values()) > 0
    web1("rm -rf /srv/faults/sweep")


def test_modules_killed_at_random_moments(web1):
    """The use cases of stage and swap, killed on the host by SIGKILL."""
    rounds = 300 if SOAK else 5
    _bring_collection(web1)
    copy(web1, DRIVERS / "rounds.py", pathlib.Path(small.__file__))
    started = time.monotonic()
    done = web1.try_(f"/srv/faults/python3 /srv/faults/rounds.py /srv/faults/collections {SITE} {PORT} {rounds} {SEED}", seconds=840)
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout.splitlines()[-1])
    result["seconds"] = round(time.monotonic() - started)
    _keep("kill-rounds", result)
    assert result["wrong"] == []
    assert result["rounds"] == rounds
    assert result["asked"] > rounds
    if SOAK:
        assert result["killed"] > rounds / 2
        assert result["old after the kill"] > 0 and result["new after the kill"] > 0


def test_deploys_whose_modules_are_killed(site, web1, versions):
    """Whole runs of the playbook, of which one module on the host is killed."""
    copy(web1, DRIVERS / "reaper.py")
    chance = random.Random(SEED)
    outcomes = []
    with small.Poller(web1.address, PORT) as poller:
        for number in range(40):
            # A kill can come too late; a run of this test without any would prove nothing.
            if number >= (20 if SOAK else 3) and any(outcome[2] == "killed" for outcome in outcomes):
                break
            marker = f"k{number}"
            nth, delay = chance.choice([1, 1, 2]), chance.uniform(0, 0.3)
            reaper = web1.start(f"/usr/bin/python3 /srv/faults/reaper.py /srv/faults/python3 {nth} {delay:.3f} 60")
            assert reaper.stdout.readline() == "watching\n"
            before = web1.current(SITE)
            run = deploy(versions(marker), deploy_release=marker, ansible_python_interpreter="/srv/faults/python3")
            said = reaper.communicate(timeout=90)[0].strip()
            now = web1.current(SITE)
            outcomes.append((nth, round(delay, 3), said, run.rc, now))
            assert now in (before, marker), outcomes
            assert "Traceback" not in run.output, run
            # A module that was killed after it had answered has done its work: the exit status is to be true, not to be bad.
            if run.rc == 0:
                assert now == marker and page(web1) == marker and web1.lock(SITE) is None, outcomes
            # What the deploy has marked bad comes under a new id.
            bad = web1.try_(f'grep -q \'"state": "bad"\' {SITE}/.runbook/releases/{marker}.json').returncode == 0
            again = deploy(versions(marker), deploy_release=f"{marker}-again" if bad else marker, deploy_lock_take_over=True)
            assert again.rc == 0, (outcomes, again)
            assert page(web1) == marker
            assert web1.lock(SITE) is None
            assert web1.try_(f"ls {SITE}/.runbook/incoming {SITE}/.runbook/swap.json").stdout.split("\n\n")[0].strip() in (
                "",
                f"{SITE}/.runbook/incoming:",
            )
    _keep("killed-deploys", {"seed": SEED, "runs": outcomes, "asked": poller.asked, "wrong": poller.wrong[:5]})
    assert poller.wrong == [] and poller.asked > 10
    assert any(said == "killed" for _nth, _delay, said, _rc, _now in outcomes), outcomes


def test_a_swap_that_came_with_the_staging_is_taken_back(site, web1, versions):
    """One host, nothing to do in between: the release is current before the controller hears of it. The probes still decide."""
    run = deploy(versions("refused"), deploy_release="refused", verify_probes=[{"name": "teapot", "url": "/", "status": [418]}])
    assert run.rc != 0
    swapped = run.result("Stage the release", "web1")["swap"]
    assert (swapped["changed"], swapped["before"], swapped["after"]) == (True, "base", "refused")
    message = run.failure("web1")
    assert "teapot" in message and "web1 was taken back to base" in message, message
    assert page(web1) == "base" and web1.lock(SITE) is None
    assert '"state": "bad"' in web1(f"cat {SITE}/.runbook/releases/refused.json")


# -- broken connections -----------------------------------------------------------------------------------------------------


def test_a_cut_upload_is_resumed(web1):
    """The connection breaks in the middle of a cold MediaWiki; the next run sends only what was missing."""
    import mediawiki

    path = "/srv/faults/cut"
    source = mediawiki.tree()
    options = {"site_path": path, "deploy_src": f"{source}/", "deploy_verify": False}
    # One connection a command, each a process below ours, so that nobody else's is cut.
    alone = {"ansible_ssh_common_args": _without_sharing()}
    first = start("runbook.ops.deploy", deploy_release="cut", **options, **alone)
    count = f"ls {path}/.runbook/incoming/cut/blobs 2>/dev/null | wc -l"
    driver.until(lambda: int(web1(count)) > 3000, "3,000 files have arrived", 120)

    def uploading():
        return [pid for pid, words in first.descendants().items() if words.split(" ")[0].endswith("ssh")]

    # There is none between two uploads.
    for pid in driver.until(uploading, "an upload is under way"):
        os.kill(pid, 9)
    broken = first.wait()
    assert broken.rc != 0
    message = broken.failure("web1")
    assert "swapped to on no host" in message and "run the deploy again" in message, message
    assert "Traceback" not in broken.output
    assert web1.current(path) == "" and web1.lock(path) is None
    arrived = int(web1(f"ls {path}/.runbook/incoming/cut/blobs | grep -vc partial"))
    assert arrived > 3000
    run = start("runbook.ops.deploy", deploy_release="resumed", **options).wait()
    assert run.rc == 0, run
    staged = run.result("Stage the release", "web1")
    unique = int(web1(f"cd {path}/current/ && find . -type f ! -size 0 -print0 | xargs -0 sha256sum | cut -c1-64 | sort -u | wc -l"))
    assert staged["resumed_files"] == arrived
    assert unique <= staged["sent_files"] + staged["resumed_files"] <= unique + 1  # and the empty file
    web1(f"rm -rf {path}")


def _without_sharing():
    text = driver.json.loads(driver.INVENTORY.read_text().split("\n", 1)[1])["all"]["vars"]["ansible_ssh_common_args"]
    return re.sub(r"-o Control\w+=\S+ ?", "", text) + " -o ControlMaster=no -o ControlPath=none"


# -- full disks ---------------------------------------------------------------------------------------------------------------


def test_a_disk_that_is_too_small_is_refused_up_front(web2, versions):
    web2(f"rm -rf {SMALL} /srv/small/filler")
    run = deploy(versions("base"), limit="web2", deploy_release="base")
    assert run.rc == 0, run
    before = web2.snapshot(f"{SMALL}/releases")
    run = deploy(versions("huge", 80), limit="web2", deploy_release="huge")
    assert run.rc != 0
    message = run.failure("web2")
    found = re.search(r"not enough space .*: needs ([\d.]+) MB, ([\d.]+) MB free", message)
    assert found and float(found[1]) > 80 and float(found[2]) < 66, message
    assert run.result("Stage the release", "web2").get("sent_files", 0) == 0
    assert web2.snapshot(f"{SMALL}/releases") == before
    assert web2.try_(f"ls {SMALL}/.runbook/incoming").stdout == ""
    assert page(web2) == "base" and web2.lock(SMALL) is None


def test_a_disk_that_is_filled_meanwhile(web2, versions):
    copy(web2, DRIVERS / "filler.py", to="/run/runbook-faults")
    with small.Poller(web2.address, PORT) as poller:
        filler = web2.start(f"/usr/bin/python3 /run/runbook-faults/filler.py {SMALL} /srv/small/filler 20 60")
        assert filler.stdout.readline() == "watching\n"
        run = deploy(versions("big", 35), limit="web2", deploy_release="big")
        assert filler.communicate(timeout=90)[0].strip() == "full"
        assert run.rc != 0
        message = run.failure("web2")
        assert "No space left on device" in message or "not enough space" in message, message
        assert "Traceback" not in run.output
        assert web2.current(SMALL) == "base" and page(web2) == "base"
        web2("rm /srv/small/filler")
        kept = web2(f"cd {SMALL}/.runbook/incoming/big/blobs && ls | grep -vc partial")
        run = deploy(versions("big", 35), limit="web2", deploy_release="big", deploy_lock_take_over=True)
        assert run.rc == 0, run
        staged = run.result("Stage the release", "web2")
        assert staged["resumed_files"] == int(kept) > 0 and staged["sent_files"] > 0
        assert page(web2) == "big"
    assert poller.wrong == []
    assert poller.seen == ["base", "big"]


# -- altered and hostile content --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    ["echo '// one more' >> lib/one.php", "rm files/000.txt", "touch new.php", "chmod 600 lib/one.php", "ln -sf /etc/passwd static.txt"],
)
def test_an_altered_release_is_not_swapped_to(site, web1, versions, change):
    release = "altered"
    web1(f"rm -rf {SITE}/releases/{release} {SITE}/.runbook/releases/{release}.json {SITE}/.runbook/manifests/{release}.json")
    assert module(web1, "release_stage", path=SITE, src=f"{versions('altered')}/", release=release)["state"] == "ready"
    web1(f"cd {SITE}/releases/{release} && {change}")
    result = module(web1, "release_swap", path=SITE, release=release)
    assert result["failed"], result
    assert "release altered" in result["msg"] and "is not what was staged" in result["msg"], result["msg"]
    assert len(result["drifted"] + result["missing"] + result["extra"]) == 1
    assert web1.current(SITE) == "base" and page(web1) == "base"


def _archive(path, kind):
    with tarfile.open(path, "w") as tar:

        def add(name, content=b"x", **fields):
            member = tarfile.TarInfo(name)
            member.size = len(content) if not fields else 0
            for field, value in fields.items():
                setattr(member, field, value)
            tar.addfile(member, io.BytesIO(content))

        # Never the same archive twice: what was once unpacked is kept, and a guard that is tried out must not answer for another run.
        add("index.php", os.urandom(16))
        if kind == "dotdot":
            add("../../evil-dotdot")
        elif kind == "absolute":
            add("/tmp/evil-absolute")
        elif kind == "link":
            add("out", type=tarfile.SYMTYPE, linkname="/tmp")
            add("out/evil-link")
        elif kind == "relative-link":
            add("lib/out", type=tarfile.SYMTYPE, linkname="../../../../etc/passwd")
        elif kind == "hardlink":
            add("passwd", type=tarfile.LNKTYPE, linkname="/etc/passwd")
        elif kind == "device":
            add("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3)
        elif kind == "pipe":
            add("pipe", type=tarfile.FIFOTYPE)


def test_hostile_archives_are_refused(site, web1, tmp_path):
    kinds = ["dotdot", "absolute", "link", "relative-link", "hardlink", "device", "pipe"]
    for kind in kinds:
        _archive(tmp_path / f"{kind}.tar", kind)
    before = web1.snapshot(f"{SITE}/releases")
    run = start(str(SCENARIO / "hostile.yml"), archives=str(tmp_path), kinds=kinds).wait()
    assert "Traceback" not in run.output, run
    for task in ("Unpack on the controller", "Unpack on the host"):
        results = run.result(task, "web1")["results"]
        assert [item["item"] for item in results if item.get("failed")] == kinds, results
        for item in results:
            assert item["item"] in item["msg"] and "\n" not in item["msg"], item["msg"]
    assert web1.snapshot(f"{SITE}/releases") == before
    assert web1.current(SITE) == "base" and page(web1) == "base"
    assert web1.try_("ls -d /tmp/evil-* /srv/evil-* /srv/faults/evil-* /srv/faults/site/evil-* /root/.cache/evil-*").stdout == ""
    assert not [name for name in os.listdir("/tmp") if name.startswith("evil-")]


# -- dead lock holders -----------------------------------------------------------------------------------------------------------------


def _die_with_lock(web1, source, release, **variables):
    """A deploy that is killed while it holds the lock. Returns the lock."""
    web1("rm -f /run/runbook-go")
    holder = start(
        "runbook.ops.deploy", deploy_src=f"{source}/", deploy_release=release, deploy_by="ann", deploy_after_stage_tasks=WAIT, **variables
    )
    # The hook has begun: the release is ready, so nothing of this run is at work on the host but the wait.
    driver.until(lambda: web1.try_(f"grep -q ready {SITE}/.runbook/releases/{release}.json").returncode == 0, "the release is staged")
    lock = web1.lock(SITE)
    os.killpg(holder.process.pid, 9)
    holder.process.wait()
    web1("touch /run/runbook-go")
    return lock


def test_a_dead_holders_lock_is_told_and_taken_over(site, web1, versions):
    lock = _die_with_lock(web1, versions("dead"), "dead")
    assert lock["owner"].startswith("ann") and lock["where"] == driver.hostname()
    before = web1.snapshot(f"{SITE}/releases")
    refused = deploy(versions("after"), deploy_release="after", deploy_by="bob")
    assert refused.rc != 0
    message = refused.failure("web1")
    for part in ("is locked by ann", f"from {driver.hostname()}", "for release dead", f"since {lock['since']}", "take the lock over"):
        assert part in message, message
    assert web1.snapshot(f"{SITE}/releases") == before
    assert web1.lock(SITE) == lock
    run = deploy(versions("after"), deploy_release="after", deploy_by="bob", deploy_lock_take_over=True)
    assert run.rc == 0, run
    assert "the lock was taken over from ann" in run.reported("web1")
    assert page(web1) == "after" and web1.lock(SITE) is None
    assert any(event["event"] == "lock_taken_over" and event["before"]["owner"] == lock["owner"] for event in web1.history(SITE))


def test_a_lock_that_has_run_out_is_taken(web1, versions):
    _die_with_lock(web1, versions("dead2"), "dead2", deploy_lock_ttl=1)
    time.sleep(2.5)
    run = deploy(versions("later"), deploy_release="later", deploy_by="bob")
    assert run.rc == 0, run
    assert page(web1) == "later" and web1.lock(SITE) is None


# -- under load -----------------------------------------------------------------------------------------------------------------------


def test_no_request_fails_during_fifty_swaps(web1, versions):
    for release in ("one", "two"):
        run = deploy(versions(release), deploy_release=release)
        assert run.rc == 0, run
    load = {}
    for name, path in (("page", "/"), ("static", "/static.txt")):
        wrk = f"wrk -t 1 -c 4 -d 240 --timeout 20 -H 'Host: faults.example.com' http://127.0.0.1:{PORT}{path}"
        command = f"echo $$ > /run/runbook-wrk-{name}; exec nice -n 19 {wrk}"
        load[name] = web1.start(f"sh -c {driver.shlex.quote(command)}")
    driver.until(lambda: web1.try_("test -s /run/runbook-wrk-page && test -s /run/runbook-wrk-static").returncode == 0, "wrk runs")
    with small.Poller(web1.address, PORT) as poller:
        run = start(str(SCENARIO / "swaps.yml"), swaps=50).wait()
    web1("kill -INT $(cat /run/runbook-wrk-page /run/runbook-wrk-static)")
    assert run.rc == 0, run
    swaps = run.result("Swap", "web1")["results"]
    assert len(swaps) == 50 and all(item["changed"] for item in swaps)
    assert poller.wrong == [] and set(poller.seen) == {"one", "two"}
    for name, process in load.items():
        text = process.communicate(timeout=60)[0]
        print(name, " ".join(text.split()))
        served = re.search(r"(\d+) requests in", text)
        assert served and int(served[1]) > 500, text
        assert "Non-2xx" not in text and "Socket errors" not in text, text
