# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of check in its ok, warning, failed and crashed state, each caused for real: on a host that may be broken, as root."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._checks.host_check import host_check
from ansible_collections.runbook.ops.plugins.module_utils._checks.registry import KINDS
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from database.servers import until
from faults.small_backups import HOUR, SmallBackups
from operations.disks import disk
from operations.responders import ContainerEngine, TimeServer

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not pathlib.Path("/srv/small").is_mount(), reason="for a test host, as root")
SMALL = pathlib.Path("/srv/small")
UNITS = pathlib.Path("/run/systemd/system")
FAR = 10_000_000

SEEN: dict[str, set[str]] = {}


def look(*checks, **options):
    """All outcomes of some checks, asked in one run."""
    result = host_check({"checks": list(checks), "timeout": 20, "fail": False, "state_file": "/nowhere", **options}, Run())
    for item in result["checks"]:
        SEEN.setdefault(item["kind"], set()).add(item["status"])
        assert "\n" not in item["message"]
    return result["checks"]


def one(status, said="", **check):
    """The one outcome, which must have this status and say this."""
    (item,) = look(check)
    assert (item["status"], said in item["message"]) == (status, True), item
    return item


SCRIPT = """
import json, sys
from ansible_collections.runbook.ops.plugins.module_utils._checks.host_check import host_check
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
options = {"timeout": 20, "fail": False, "state_file": "/nowhere", "checks": json.load(sys.stdin)}
print(json.dumps(host_check(options, Run())["checks"]))
"""


def elsewhere(before, *checks, user="root"):
    """Outcomes on a host that a shell command has changed first, for this process alone (a mount namespace)."""
    python = f"exec runuser -u {user} -- env PYTHONPATH=$PYTHONPATH PYTHONDONTWRITEBYTECODE=1 {sys.executable} -c '{SCRIPT}'"
    words = ["unshare", "-m", "sh", "-euc", f"{before}; {python}"]
    found = subprocess.run(words, input=json.dumps(list(checks)), capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    items = json.loads(found.stdout)
    for item in items:
        SEEN.setdefault(item["kind"], set()).add(item["status"])
    return items


def sh(*words):
    subprocess.run(words, check=True, capture_output=True, timeout=120)


@contextlib.contextmanager
def units(**files):
    """Units of systemd that are gone afterwards."""
    paths = [UNITS / name.replace("_", ".", 1) for name in files]
    for path, text in zip(paths, files.values()):
        path.write_text(text)
    sh("systemctl", "daemon-reload")
    try:
        yield
    finally:
        for path in paths:
            subprocess.run(["systemctl", "stop", path.name], capture_output=True, check=False)
            subprocess.run(["systemctl", "reset-failed", path.name], capture_output=True, check=False)
            path.unlink()
        sh("systemctl", "daemon-reload")


def test_service():
    try:
        one("ok", "active (running)", kind="service", service="nginx", enabled=True)
        sh("systemctl", "disable", "nginx")
        one("warning", "disabled: it will be missing", kind="service", service="nginx", enabled=True)
        one("ok", kind="service", service="nginx")
        sh("systemctl", "stop", "nginx")
        one("failed", "inactive (dead)", kind="service", service="nginx")
    finally:
        sh("systemctl", "enable", "nginx")
        sh("systemctl", "start", "nginx")
    one("crashed", "systemd knows no ngnix", kind="service", service="ngnix")


def test_a_service_that_starts_ends_or_comes_back():
    slow = "[Service]\nType=notify\nExecStart=/bin/sleep 600\n"
    loop = "[Service]\nExecStart=/bin/false\nRestart=always\nRestartSec=600\n"
    with units(rbslow_service=slow, rbloop_service=loop):
        sh("systemctl", "start", "--no-block", "rbslow", "rbloop")
        until(lambda: look({"kind": "service", "service": "rbslow"})[0]["status"] == "warning")
        until(lambda: "systemd will start it again" in look({"kind": "service", "service": "rbloop"})[0]["message"])
        one("failed", "exit-code", kind="service", service="rbloop")


def test_failed_units():
    # What others left is not ours to judge.
    ignore = {"ignore": [f"{name}*" for name in look({"kind": "failed_units"})[0]["units"]]}
    one("ok", kind="failed_units", **ignore)
    with units(rbfail_service="[Service]\nExecStart=/bin/false\n"):
        sh("systemctl", "start", "rbfail")
        until(lambda: look({"kind": "failed_units", **ignore})[0]["status"] == "failed")
        assert one("failed", "rbfail.service", kind="failed_units", **ignore)["units"] == ["rbfail.service"]
        one("warning", kind="failed_units", warn=0, crit=5, **ignore)
        one("ok", kind="failed_units", ignore=["rb*", *ignore["ignore"]])
    (item,) = elsewhere("mount -t tmpfs none /run/systemd", {"kind": "failed_units"})
    assert (item["status"], "systemctl ended with 1" in item["message"]) == ("crashed", True), item


def test_process(tmp_path):
    program = tmp_path / "rbworker"
    program.symlink_to("/bin/sleep")
    check = {"kind": "process", "process": "rbworker", "warn": 2, "crit": 1}
    workers = [subprocess.Popen([program, "600"]) for _number in range(2)]
    try:
        until(lambda: look(check)[0]["value"] == 2)
        one("ok", **check)
        one("failed", "none runs", **check, arguments="700")
        one("failed", "none runs", **check, user="nobody")
        workers[0].send_signal(signal.SIGKILL)
        until(lambda: look(check)[0]["value"] == 1)  # dead, and not yet waited for
        one("warning", **check)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    one("failed", "below crit 1, none runs", **check)
    one("crashed", "there is no user nobody-here", **check, user="nobody-here")
    (item,) = elsewhere("mount -t proc -o hidepid=2 proc /proc", check, user="nobody")
    assert (item["status"], "can't be seen" in item["message"]) == ("crashed", True), item


def test_disk():
    filler = SMALL / "host_check.fill"
    check = {"kind": "disk", "path": str(SMALL)}
    try:
        one("ok", **check)
        filler.write_bytes(bytes(51 << 20))
        one("warning", "above warn 70", **check)
        one("warning", kind="disk", path=str(SMALL), measure="free", warn="20M", crit="5M")
        with contextlib.suppress(OSError), filler.open("ab", buffering=0) as stream:
            while stream.write(bytes(1 << 20)):
                pass
        assert one("failed", "100 %", **check)["value"] == 100
    finally:
        filler.unlink()
    one("crashed", "No such file", kind="disk", path=str(SMALL / "nowhere"))


def test_inodes(tmp_path):
    check = {"kind": "inodes", "path": str(tmp_path)}
    sh("mount", "-t", "tmpfs", "-o", "nr_inodes=100", "none", str(tmp_path))
    try:
        one("ok", **check)
        for count, status in ((75, "warning"), (95, "failed")):
            for number in range(count):
                (tmp_path / str(number)).touch()
            one(status, **check)
    finally:
        sh("umount", str(tmp_path))
    one("crashed", kind="inodes", path="/nowhere")


def test_memory():
    free = one("ok", kind="memory", measure="free", warn=1)["value"]
    limit = free - (200 << 20)
    code = "import sys; held = bytearray(500 << 20); held[::4096] = b'x' * len(held[::4096]); print(1, flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as hog:
        assert hog.stdout.readline() == b"1\n"
        one("warning", "below warn", kind="memory", measure="free", warn=limit, crit=1)
        one("failed", "below crit", kind="memory", measure="free", crit=limit)
        hog.stdin.close()


def test_load():
    busy = [subprocess.Popen(["nice", "-n", "19", "sh", "-c", "while :; do :; done"]) for _number in range(24)]
    try:
        until(lambda: look({"kind": "load", "measure": "1m"})[0]["value"] > 0.4)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    check = {"kind": "load", "measure": "1m"}
    one("ok", **check, warn=FAR)
    one("warning", "above warn 0.2", **check, warn=0.2, crit=FAR)
    one("failed", "above crit 0.2", **check, crit=0.2)


def test_uptime():
    one("ok", kind="uptime", warn=1)
    one("warning", "below warn", kind="uptime", warn=FAR * 100)
    one("failed", "below crit", kind="uptime", crit=FAR * 100)
    one("failed", "above crit", kind="uptime", crit=1, direction="above")


def test_a_host_that_does_not_tell():
    checks = [{"kind": "memory"}, {"kind": "swap"}, {"kind": "load"}, {"kind": "uptime"}, {"kind": "port", "port": 22}]
    items = elsewhere("mount -t tmpfs none /proc", *checks)
    assert [(item["kind"], item["status"]) for item in items] == [(check["kind"], "crashed") for check in checks]


# Holds 40 MB that the kernel has just been asked to move out of memory.
SWAPPED = """
import mmap, os, sys
held = mmap.mmap(-1, 40 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
held.write(os.urandom(40 << 20))
held.madvise(21)  # MADV_PAGEOUT
print(1, flush=True)
sys.stdin.read()
"""


def test_swap():
    with disk(64) as device:
        sh("mkswap", str(device))
        sh("swapon", str(device))
        try:
            free = one("ok", kind="swap", measure="free", warn=1)["value"]
            limit = free - (20 << 20)
            with subprocess.Popen([sys.executable, "-c", SWAPPED], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as hog:
                assert hog.stdout.readline() == b"1\n"
                until(lambda: look({"kind": "swap", "measure": "free", "warn": 1})[0]["value"] < limit)
                one("warning", "below warn", kind="swap", measure="free", warn=limit, crit=1)
                one("failed", "below crit", kind="swap", measure="free", crit=limit)
                hog.stdin.close()
        finally:
            sh("swapoff", str(device))


@pytest.fixture
def clock():
    server = TimeServer()
    yield server
    server.close()


def test_time_skew(clock):
    check = {"kind": "time_skew", "server": clock.address, "timeout": 3}
    assert abs(one("ok", "known to within", **check)["offset"]) < 1
    clock.skew = 5
    assert 4 < one("warning", "this clock is behind", **check)["value"] < 6
    clock.skew = -120
    one("failed", "this clock is ahead of", **check)
    clock.skew, clock.drop = 0, 2
    one("ok", **check)  # lost packets are sent again
    clock.forged = True
    one("ok", **check)  # and what nobody asked for is not believed
    clock.forged, clock.leap = False, 3
    one("crashed", "does not know the time itself", **check)
    clock.leap, clock.stratum, clock.code = 0, 0, b"RATE"
    one("crashed", "sends us away (RATE)", **check)
    clock.stratum, clock.drop = 2, FAR
    one("crashed", "does not answer", **{**check, "timeout": 0.5})
    clock.close()
    one("crashed", "Connection refused", **check)


def package(folder, version):
    """A Debian package of nothing."""
    tree = folder / f"tree-{version}"
    (tree / "DEBIAN").mkdir(parents=True)
    control = f"Package: rbsample\nVersion: {version}\nArchitecture: all\nMaintainer: A <a@example.com>\nDescription: nothing\n"
    (tree / "DEBIAN/control").write_text(control)
    path = folder / f"rbsample_{version}.deb"
    sh("dpkg-deb", "--build", str(tree), str(path))
    data = path.read_bytes()
    return path, f"{control}Filename: ./{path.name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n\n"


def test_security_updates(tmp_path):
    lists, source = pathlib.Path("/var/lib/apt/lists"), pathlib.Path("/etc/apt/sources.list.d/rbsample.list")
    kept = tmp_path / "lists"
    shutil.move(lists, kept)
    repository = tmp_path / "repository"
    repository.mkdir()
    tmp_path.chmod(0o755)
    (old, _stanza), (_new, stanza) = package(repository, "1.0"), package(repository, "1.1")
    packages = stanza.encode()
    (repository / "Packages").write_bytes(packages)
    digest = hashlib.sha256(packages).hexdigest()
    date = time.strftime("%a, %d %b %Y %H:%M:%S UTC", time.gmtime())
    (repository / "Release").write_text(
        f"Origin: Debian\nLabel: Debian-Security\nSuite: stable-security\nVersion: 12\nDate: {date}\n"
        f"SHA256:\n {digest} {len(packages)} Packages\n"
    )
    try:
        (lists / "partial").mkdir(parents=True)
        one("crashed", "no lists of packages", kind="security_updates")
        sh("dpkg", "-i", str(old))
        source.write_text(f"deb [trusted=yes] file:{repository} ./\n")
        only = ("-o", f"Dir::Etc::SourceList={source}", "-o", "Dir::Etc::SourceParts=-", "-o", "APT::Sandbox::User=root")
        sh("apt-get", *only, "-qq", "update")
        assert one("warning", "rbsample", kind="security_updates")["packages"] == ["rbsample"]
        one("failed", "above crit 0", kind="security_updates", crit=0)
        sh("apt-get", *only, "-qq", "-y", "install", "rbsample")
        one("ok", kind="security_updates")
        week = time.time() - 8 * 86400
        for path in (*lists.glob("**/*"), lists):
            os.utime(path, (week, week))
        one("crashed", "8 days old; run apt-get update", kind="security_updates")
        one("ok", kind="security_updates", max_age="9d")
    finally:
        subprocess.run(["dpkg", "--purge", "rbsample"], capture_output=True, check=False)
        source.unlink(missing_ok=True)
        shutil.rmtree(lists)
        shutil.move(kept, lists)


def certificate(path, days):
    sh("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=www.example.com",
       "-keyout", f"{path}.key", "-out", str(path), "-days", str(days))  # fmt: skip


def test_certificate(tmp_path):
    check = {"kind": "certificate", "path": f"{tmp_path}/*.pem"}
    one("crashed", "no file fits", **check)
    certificate(tmp_path / "a.pem", 60)
    assert one("ok", "www.example.com", **check)["value"] in (59, 60)
    certificate(tmp_path / "b.pem", 20)
    one("warning", "below warn 30", **check)
    certificate(tmp_path / "c.pem", 5)
    assert one("failed", "below crit 14", **check)["certificates"] == 3
    lines = (tmp_path / "c.pem").read_text().splitlines()
    (tmp_path / "c.pem").write_text("\n".join([*lines[:3], *lines[4:]]))
    one("crashed", "can't be read", **check)
    (tmp_path / "c.pem").write_text("no certificate\n")
    one("crashed", "holds no certificate", **check)


def test_port():
    check = {"kind": "port", "address": "127.0.0.1"}
    with socket.socket() as closed, socket.socket() as inside, socket.socket() as outside:
        closed.bind(("127.0.0.1", 0))
        inside.bind(("127.0.0.1", 0))
        outside.bind(("0.0.0.0", 0))
        inside.listen()
        outside.listen()
        one("ok", "listens on 127.0.0.1", port=inside.getsockname()[1], **check)
        one("warning", "others than this host can reach it", port=outside.getsockname()[1], **check)
        one("failed", "nobody listens", port=closed.getsockname()[1], **check)
        one("failed", "not on 192.0.2.1", kind="port", port=inside.getsockname()[1], address="192.0.2.1")
        with socket.socket(socket.AF_INET6) as both:
            both.bind(("::", 0))
            both.listen()
            one("ok", "listens on ::", kind="port", port=both.getsockname()[1], address="192.0.2.1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(("127.0.0.1", 0))
        one("ok", kind="port", port=datagrams.getsockname()[1], protocol="udp")


def aged(path, seconds, text=""):
    path.write_text(text)
    os.utime(path, (time.time() - seconds,) * 2)


def test_heartbeat(tmp_path):
    path = tmp_path / "beat"
    check = {"kind": "heartbeat", "path": str(path), "warn": "1m", "crit": "5m"}
    one("failed", "is not there", **check)
    for age, status in ((0, "ok"), (120, "warning"), (600, "failed"), (-3600, "crashed")):
        aged(path, age)
        one(status, **check)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    aged(path, 600, json.dumps({"at": now, "status": "ok"}))
    one("ok", **check)
    aged(path, 0, json.dumps({"at": now, "status": "failed", "message": "exit status 3"}))
    one("failed", "was failed: exit status 3", **check)
    aged(path, 0, json.dumps({"at": now, "status": "warning"}))
    one("warning", "was warning", **check)
    aged(path, 0, '{"at": ')
    one("crashed", "is no heartbeat", **check)


def test_file_age(tmp_path):
    check = {"kind": "file_age", "path": f"{tmp_path}/*.csv", "warn": "1h", "crit": "1d"}
    one("failed", "no file fits", **check)
    for name, age, status in (("a", 2 * 86400, "failed"), ("b", 7200, "warning"), ("c", 60, "ok")):
        aged(tmp_path / f"{name}.csv", age)
        one(status, **check)
    one("failed", "a.csv is 2 days old", **check, measure="oldest")
    one("ok", "there is none", **{**check, "path": f"{tmp_path}/*.spool"}, measure="oldest")
    aged(tmp_path / "d.csv", -86400)
    one("crashed", "in the future", **check)
    one("crashed", "No such file", kind="file_age", path="/nowhere/*.csv", crit=1, measure="oldest")


def test_file_contents(tmp_path):
    base, manifest = tmp_path / "app", tmp_path / "SHA256SUMS"
    (base / "lib").mkdir(parents=True)
    for name in ("index.php", "lib/a.php"):
        (base / name).write_text(name)
    listed = subprocess.run(["sha256sum", "index.php", "./lib/a.php"], cwd=base, capture_output=True, text=True, check=True).stdout
    manifest.write_text(listed)
    check = {"kind": "file_contents", "path": str(base), "manifest": str(manifest), "exact": True}
    one("ok", "2 files as they should be", **check)
    (base / "shell.php").write_text("<?php")
    one("warning", "shell.php should not be there", **check)
    (base / "index.php").write_text("changed")
    (base / "lib/a.php").unlink()
    item = one("failed", "lib/a.php is missing; index.php is different", **check)
    assert (item["value"], item["unexpected"]) == (2, ["shell.php"])
    os.mkfifo(base / "lib/a.php")
    one("failed", "lib/a.php is different", **check)
    manifest.write_text(listed + "cut")
    one("crashed", "line 3", **check)
    manifest.unlink()
    one("crashed", "No such file", **check)


def test_timer(tmp_path):
    code = tmp_path / "code"
    code.write_text("0")
    job = f"[Service]\nType=oneshot\nExecStart=/bin/sh -c 'exit $(cat {code})'\n"
    timer = "[Timer]\nOnActiveSec=0\nOnUnitActiveSec=1d\nAccuracySec=1us\n"
    check = {"kind": "timer", "timer": "rbjob"}
    with units(rbjob_timer=timer, rbjob_service=job):
        one("failed", "is inactive", **check)
        sh("systemctl", "start", "rbjob.timer")
        until(lambda: "last ran" in look(check)[0]["message"])
        one("ok", **check)
        until(lambda: look(check)[0]["value"] > 1)
        one("warning", **check, warn="1s")
        one("failed", "above crit 1", **check, crit="1s")
        code.write_text("3")
        sh("systemctl", "restart", "rbjob.timer")
        until(lambda: "ended with exit-code" in look(check)[0]["message"])
        one("failed", "ended with exit-code", **check)
    one("crashed", "systemd knows no rbjob.timer", **check)


def test_backup(tmp_path):
    backups = SmallBackups(tmp_path / "backups")
    check = {"kind": "backup", "dest": str(backups.dest), "database": "shop"}
    one("crashed", "is no folder", **{**check, "dest": str(tmp_path / "nowhere")})
    one("failed", "no good backup", **check)
    backups.make(30 * HOUR)
    one("failed", "above crit", **check)
    identity = backups.make(3 * HOUR)
    assert 2.9 * HOUR < one("ok", **check)["value"] < 3.1 * HOUR
    one("warning", "above warn", **check, warn="2h", crit="26h")
    path = pathlib.Path(backups.path(f"{identity}.json"))
    path.write_bytes(path.read_bytes()[:40])
    one("crashed", identity, **check)


def test_container(tmp_path):
    engine = ContainerEngine(str(tmp_path / "docker.sock"))
    check = {"kind": "container", "container": "api", "socket": engine.path}
    try:
        one("crashed", "there is no container api", **check)
        engine.containers["api"] = {"Status": "running", "Health": {"Status": "starting"}}
        one("warning", "its health is not known yet", **check)
        engine.containers["api"] = {"Status": "running"}
        one("ok", **check)
        engine.containers["api"] = {"Status": "running", "Health": {"Status": "unhealthy", "Log": [{"Output": "connection\nrefused"}]}}
        one("failed", "unhealthy: connection refused", **check)
        engine.containers["api"] = {"Status": "exited", "ExitCode": 137, "OOMKilled": True}
        one("failed", "exit code 137, killed for want of memory", **check)
        engine.containers["api"], engine.restarts = {"Status": "running", "Health": {"Status": "healthy"}}, 4
        one("warning", "above warn 3, running, healthy", **check, warn=3)
        engine.status = 500
        one("crashed", "answers 500", **check)
    finally:
        engine.close()
    one("crashed", "no container engine answers", **check)


@pytest.fixture
def redis(tmp_path):
    """A server of one's own, so that it may be filled and stopped."""
    path = f"{tmp_path}/redis.sock"
    words = ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--dir", str(tmp_path), "--maxmemory", "20mb"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as process:

        def ask(*words):
            return subprocess.run(["redis-cli", "-s", path, *words], capture_output=True, text=True, check=True, input="").stdout.strip()

        until(lambda: os.path.exists(path) and ask("PING") == "PONG")
        yield path, ask, process
        process.kill()


def test_redis(redis):
    path, ask, process = redis
    login = {"login_unix_socket": path}
    one("ok", kind="redis_ping", **login, crit=FAR)
    for limits, status in (({"warn": 50, "crit": FAR}, "warning"), ({"crit": 50}, "failed")):
        ask("CLIENT", "PAUSE", "1500", "ALL")
        one(status, **{"kind": "redis_ping", **login, **limits})
    one("ok", kind="redis_memory", **login)
    used = int(next(line for line in ask("INFO", "memory").splitlines() if line.startswith("used_memory:")).split(":")[1])
    for share, status in ((0.8, "warning"), (0.95, "failed")):
        ask("CONFIG", "SET", "maxmemory", str(int(used / share)))
        one(status, **{"kind": "redis_memory", **login})
    ask("CONFIG", "SET", "maxmemory", "0")
    one("crashed", "maxmemory is not set", kind="redis_memory", **login)
    script = "for number = 1, tonumber(ARGV[1]) do redis.call('RPUSH', 'mail', number) end"
    for more, status in ((10, "ok"), (1500, "warning"), (4000, "failed")):
        ask("EVAL", script, "0", str(more))
        one(status, **{"kind": "redis_length", "key": "mail", **login})
    ask("SET", "text", "x")
    one("crashed", "WRONGTYPE", kind="redis_length", key="text", **login)
    one("ok", kind="redis_length", key="none", **login)
    process.terminate()
    process.wait()
    one("crashed", "no Redis server answers", kind="redis_ping", **login)


@pytest.fixture
def rabbitmq():
    """The host's RabbitMQ with its management interface, through which queues are made and filled."""
    sh("rabbitmq-plugins", "enable", "rabbitmq_management")

    def ask(method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:15672/api{path}", data, method=method)
        request.add_header("Authorization", f"Basic {base64.b64encode(b'guest:guest').decode()}")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status

    def answers():
        try:
            return ask("GET", "/overview") == 200
        except (urllib.error.URLError, OSError):
            return False

    until(answers)
    ask("PUT", "/queues/%2F/rborders", {"durable": True})
    try:
        yield ask
    finally:
        until(answers)
        ask("DELETE", "/queues/%2F/rborders")
        sh("rabbitmq-plugins", "disable", "rabbitmq_management")


def test_rabbitmq(rabbitmq):
    local = {"kind": "rabbitmq_queue", "queue": "rborders", "warn": 3, "crit": 6}
    remote = {**local, "url": "http://127.0.0.1:15672", "login_user": "guest", "login_password": "guest"}
    message = {"properties": {}, "routing_key": "rborders", "payload": "order", "payload_encoding": "string"}
    one("ok", **local)
    for count, status in ((5, "warning"), (8, "failed")):
        for _number in range(count):
            rabbitmq("POST", "/exchanges/%2F/amq.default/publish", message)
        one(status, **local)
        until(lambda status=status: look(remote)[0]["status"] == status)  # its statistics come every five seconds
    one("failed", "below crit 1", kind="rabbitmq_queue", queue="rborders", measure="consumers")
    one("crashed", "there is no queue rbnone", **{**local, "queue": "rbnone"})
    one("crashed", "there is no queue rbnone", **{**remote, "queue": "rbnone"})
    one("crashed", "answers 401", **{**remote, "login_password": "wrong"})
    sh("rabbitmqctl", "stop_app")
    try:
        one("crashed", "does not tell its queues", **local)
        one("crashed", "management interface", **remote)
    finally:
        sh("rabbitmqctl", "start_app")


def test_command(tmp_path):
    answer = tmp_path / "answer"
    program = tmp_path / "health"
    program.write_text(f"#!/bin/sh\ncat {answer}\nexit $(cat {tmp_path}/rc)\n")
    program.chmod(0o755)
    (tmp_path / "rc").write_text("0")
    limits = {"kind": "command", "command": [str(program)], "query": "length(workers)", "direction": "below", "warn": 3, "crit": 2}
    for workers, status in ((3, "ok"), (2, "warning"), (1, "failed")):
        answer.write_text(json.dumps({"workers": ["x"] * workers, "state": "up"}))
        one(status, **limits)
    state = {"kind": "command", "command": str(program), "query": "state", "value": "up"}
    one("ok", 'state is "up"', **state)
    one("failed", 'expected state eq "down"', **{**state, "value": "down"})
    one("crashed", "the value is NULL", **{**limits, "query": "gone"})
    one("crashed", "can't be evaluated", **{**limits, "query": "length(gone)"})
    (tmp_path / "rc").write_text("1")
    one("crashed", "health ended with 1", **state)
    one("ok", **state, rc=[0, 1])
    answer.write_text("<html>")
    one("crashed", "did not print JSON", **state, rc=[1])
    one("crashed", "no-such-program is not installed", **{**state, "command": "no-such-program"})
    program.write_text("#!/bin/sh\nsleep 600\n")
    one("crashed", "still running after 0.5 s", **state, timeout=0.5)


def test_a_check_that_is_stuck_keeps_nobody_waiting(tmp_path):
    """A pipe that nobody writes to stands for a file system that does not answer."""
    os.mkfifo(tmp_path / "beat")
    checks = [{"kind": "heartbeat", "path": str(tmp_path / "beat"), "timeout": 0.2}, {"kind": "uptime", "warn": 1}]
    stuck, well = look(*checks)
    assert (stuck["status"], stuck["message"], well["status"]) == ("crashed", "no answer within 0.2 s", "ok")
    with open(tmp_path / "beat", "w"):
        pass  # the reader goes on


def test_what_lasts_counts(tmp_path):
    """The same service, stopped for real, is held back until it was so three times in a row; being well again counts at once."""
    state = tmp_path / "state.json"
    check = {"kind": "service", "service": "nginx", "times": 3}
    statuses = []
    try:
        for stop in (False, True, True, True, True, False, True):
            sh("systemctl", "stop" if stop else "start", "nginx")
            statuses.append(look(check, state_file=str(state))[0]["status"])
    finally:
        sh("systemctl", "start", "nginx")
    assert statuses == ["ok", "ok", "ok", "failed", "failed", "ok", "ok"]


def test_two_runs_at_once_are_both_counted(tmp_path):
    state = tmp_path / "state.json"
    check = {"kind": "process", "process": "no-such-process", "times": 100}
    threads = [threading.Thread(target=look, args=(check,), kwargs={"state_file": str(state)}) for _number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    streaks = json.loads(state.read_text())["checks"]["process no-such-process"]["streaks"]
    assert streaks["failed"]["times"] == 12


def test_every_kind_was_seen_in_every_state(request):
    names = {item.function for item in request.session.items}
    if any(value not in names for name, value in globals().items() if name.startswith("test_")):
        pytest.skip("only some tests were chosen")
    missing = {kind: {"ok", "warning", "failed", "crashed"} - SEEN.get(kind, set()) for kind in KINDS}
    assert {kind: sorted(statuses) for kind, statuses in missing.items() if statuses} == {}
