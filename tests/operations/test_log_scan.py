# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``log_scan`` on logs that real servers write and real tools rotate in the middle: nothing is counted twice, nothing is hidden."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import os
import pathlib
import random
import shutil
import signal
import subprocess
import threading
import time

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._logs.scan import log_scan
from ansible_collections.runbook.ops.plugins.module_utils._logs.scan_options import MEASURE, OPTIONS, SCAN

SOAK = os.environ.get("RUNBOOK_SOAK") == "1"
SEED = int(os.environ.get("RUNBOOK_SEED", "0")) or random.randrange(1 << 30)


def scans(*given):
    """Items of scans, by their names."""
    options = {name: option.get("default") for name, option in OPTIONS.options.items()}
    options.update(fail=False, scans=[{**{name: option.get("default") for name, option in SCAN.items()}, **scan} for scan in given])
    for scan in options["scans"]:
        if scan["measures"] is not None:
            scan["measures"] = [{**{name: option.get("default") for name, option in MEASURE.items()}, **one} for one in scan["measures"]]
    return {item["name"]: item for item in log_scan(options, Run())["checks"]}


@pytest.fixture
def room():
    """A folder that servers with accounts of their own may write to."""
    folder = pathlib.Path("/var/tmp/runbook-log-scan")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


class Server:
    """A web server of the test's own. It answers 200, 404 for /gone, 500 for /broken; ``sent`` counts what it answered."""

    def __init__(self, folder, port, words, config):
        self.port, self.sent = port, {200: 0, 404: 0, 500: 0}
        (folder / "www").mkdir()
        (folder / "www" / "index.html").write_text("well")
        path = folder / "server.conf"
        path.write_text(config)
        self.process = subprocess.Popen([*words, str(path)], stderr=subprocess.PIPE, text=True)
        for _try in range(100):
            with contextlib.suppress(OSError):
                self.get("/", count=False)
                break
            time.sleep(0.05)
        else:
            self.process.kill()
            raise AssertionError(self.process.communicate()[1])

    def get(self, path, count=True):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path, headers={"User-Agent": "scan test" if count else "starting"})
        status = connection.getresponse().status
        connection.close()
        if count:
            self.sent[status] += 1

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 2;
events {{}}
http {{
  log_format timed '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" '
    '$request_time';
  access_log {folder}/access.log timed;
  server {{ listen 127.0.0.1:{port}; root {folder}/www; location = /broken {{ return 500; }} }}
}}
"""
APACHE = """
ServerRoot /etc/apache2
ServerName www.example.com
Listen 127.0.0.1:{port}
PidFile {folder}/pid
Mutex file:{folder} default
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
User www-data
Group www-data
DocumentRoot {folder}/www
DirectoryIndex index.html
Redirect 500 /broken
LogFormat "%v:%p %h %l %u %t \\"%r\\" %>s %O \\"%{{Referer}}i\\" \\"%{{User-Agent}}i\\" %D" timed
CustomLog {folder}/access.log timed
ErrorLog {folder}/error.log
LogLevel info
"""


@pytest.fixture(params=["nginx", "apache"])
def server(request, room):
    port = 18090 if request.param == "nginx" else 18091
    config = (NGINX if request.param == "nginx" else APACHE).format(folder=room, port=port)
    words = ["nginx", "-c"] if request.param == "nginx" else ["apache2", "-D", "FOREGROUND", "-f"]
    made = Server(room, port, words, config)
    made.kind, made.folder = request.param, room
    yield made
    made.stop()


def shift(log):
    """logrotate's numbers, one up; the name for a new first one."""
    for number, ending in itertools.product(range(200, 0, -1), ("", ".gz", ".zst")):
        old = log.with_name(f"{log.name}.{number}{ending}")
        if old.exists():
            old.rename(log.with_name(f"{log.name}.{number + 1}{ending}"))
    return log.with_name(f"{log.name}.1")


def compress(log, choice):
    """Compress all but the newest two that were rotated, as delaycompress does, unless a writer is late: what it wrote would be lost."""
    for number in range(2, 200):
        path = log.with_name(f"{log.name}.{number}")
        if path.exists() and not is_open(path):
            subprocess.run(choice.choice([["gzip", str(path)], ["zstd", "-q", "--rm", str(path)]]), check=True)


def is_open(path):
    for name in pathlib.Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.readlink(name) == str(path):
                return True
    return False


def test_a_web_server_under_load_while_its_log_is_rotated(server):
    print(f"seed {SEED}")
    choice, log = random.Random(SEED), server.folder / "access.log"
    seen = {200: 0, 404: 0, 500: 0}
    scan = {
        "name": "log",
        "paths": [str(log)],
        "format": server.kind,
        "state": str(server.folder / "scan.json"),
        "measures": [{"name": str(status), "regex": rf'" {status} .*"scan test"'} for status in seen],
    }
    going = threading.Event()

    def load():
        while not going.is_set():
            server.get(choice.choice(["/", "/", "/gone", "/broken"]))
            time.sleep(0.002)

    def look():
        for status in seen:
            item = found[f"log {status}"]
            assert item["status"] == "ok", item["message"]
            seen[status] += item["value"]

    client = threading.Thread(target=load)
    client.start()
    try:
        for _round in range(60 if SOAK else 12):
            time.sleep(0.2)
            how = choice.choice(["rename", "rename", "compress", "nothing"])
            if how == "rename":
                log.rename(shift(log))
                if choice.random() < 0.5:  # between the two moments the old name is gone and the old file is written on
                    found = scans(scan)
                    look()
                if server.kind == "nginx":
                    os.kill(int((server.folder / "pid").read_text()), signal.SIGUSR1)
                else:
                    subprocess.run(["apache2", "-f", str(server.folder / "server.conf"), "-k", "graceful"], check=True)
                    time.sleep(0.5)
            elif how == "compress" and server.kind == "nginx":
                compress(log, choice)
            found = scans(scan)
            look()
    finally:
        going.set()
        client.join()
    time.sleep(1.5)  # Apache's old processes end
    found = scans(scan)
    look()
    assert seen == server.sent and min(seen.values()) > 20
    found = scans(scan)
    assert [item["value"] for item in found.values()] == [0, 0, 0]


def test_what_a_web_server_did(server):
    for path in ["/"] * 30 + ["/gone"] * 6 + ["/broken"] * 4 + ["/.env", "/?q=../../etc/passwd"]:
        with contextlib.suppress(KeyError):
            server.get(path)
    time.sleep(0.3)
    log = server.folder / "access.log"
    names = ["errors", "warnings", "suspicious_requests"]
    measures = [{"pattern": name} for name in names] + [{"measure": "p50"}, {"measure": "max"}, {"measure": "requests"}]
    measures += [{"measure": "rate", "pattern": "errors", "crit": 5}]
    scan = {"name": "w", "paths": [str(log)], "since": "10m", "exclude": ['"starting"'], "measures": measures}
    found = scans(scan)
    assert [found[f"w {name}"]["value"] for name in names] == [4, 7, 2]
    assert found["w requests"]["value"] == 42
    assert (found["w errors rate"]["status"], found["w errors rate"]["formats"]) == ("failed", ["access"])
    assert found["w errors"]["top"] == [{"message": "500 GET /broken", "count": 4}]
    assert 0 <= found["w p50"]["value"] <= found["w max"]["value"] < 5000
    assert scans({**scan, "since": "20m", "until": "10m"})["w requests"]["value"] == 0
    errors = scans({"name": "e", "paths": [str(server.folder / "error.log")], "format": server.kind})["e errors"]
    # nginx says what it did not find, Apache does not think that worth an error.
    assert errors["value"] == (7 if server.kind == "nginx" else 0), errors
    assert server.kind == "apache" or errors["top"][0]["count"] == 6


PHP = r"""<?php
$number = 0;
$end = microtime(true) + (float) $argv[2];
while (microtime(true) < $end) {
    $number++;
    $trace = "{\"exception\":\"[object] (RuntimeException(code: 0): no stock\n[stacktrace]\n#0 {main}\n\"}";
    $line = sprintf("[%s] production.ERROR: Order %d failed %s\n", gmdate('Y-m-d H:i:s'), $number, $trace);
    file_put_contents($argv[1], $line, FILE_APPEND | LOCK_EX);
    usleep(400);
}
echo $number;
"""


def test_laravel_under_load_while_its_log_is_rotated(room):
    print(f"seed {SEED}")
    choice, log, script = random.Random(SEED), room / "laravel.log", room / "writer.php"
    script.write_text(PHP)
    scan = {"name": "l", "paths": [str(log)], "format": "laravel", "state": str(room / "scan.json"), "allow_missing": True}
    writer = subprocess.Popen(["php", str(script), str(log), "30" if SOAK else "6"], stdout=subprocess.PIPE, text=True)
    seen = 0
    while writer.poll() is None:
        if choice.random() < 0.4 and log.exists():
            log.rename(shift(log))  # it is opened anew for every line
            time.sleep(0.05)
            compress(log, choice)
        item = scans(scan)["l errors"]
        assert item["status"] in ("ok", "skipped"), item["message"]
        seen += item["value"] or 0
        time.sleep(0.1)
    item = scans(scan)["l errors"]
    seen += item["value"]
    assert seen == int(writer.communicate()[0]) > 500
    everything = scans({**scan, "state": None, "since": "1h"})["l errors"]
    assert everything["value"] == seen
    assert everything["top"] == [{"message": "ERROR: Order N failed", "count": seen}]


def test_logrotate_with_copytruncate(room):
    """Between lines, since copytruncate itself loses what is written meanwhile."""
    log, conf = room / "app.log", room / "logrotate.conf"
    conf.write_text(f"{log} {{\n  su root root\n  copytruncate\n  rotate 5\n  compress\n  missingok\n}}\n")
    scan = {"name": "a", "paths": [str(log)], "format": "plain", "state": str(room / "scan.json")}
    written = seen = 0
    for _round in range(8):
        for lines in (7, 300):
            with log.open("a") as stream:
                for _line in range(lines):
                    written += 1
                    stream.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} ERROR {written} of a writer that keeps its log open\n")
            if lines == 7:
                seen += scans(scan)["a errors"]["value"]
        subprocess.run(["logrotate", "-f", "-s", str(room / "status"), str(conf)], check=True)
        item = scans(scan)["a errors"]
        assert item["status"] == "ok", item["message"]
        seen += item["value"]
        assert seen == written
    assert len(list(room.glob("app.log.*.gz"))) == 5


def test_php_errors(room):
    log = room / "php.log"
    words = ["php", "-d", "display_errors=0", "-d", "log_errors=1", "-d", f"error_log={log}", "-d", "error_reporting=-1", "-r"]
    for _time in range(3):
        subprocess.run([*words, "echo $undefined; nothing();"], check=False, stdout=subprocess.DEVNULL)
    found = scans({"name": "p", "paths": [str(log)], "since": "10m", "measures": [{"pattern": "errors"}, {"pattern": "warnings"}]})
    assert (found["p errors"]["value"], found["p warnings"]["value"]) == (3, 3)
    assert "undefined function nothing()" in found["p errors"]["top"][0]["message"]


def test_the_journal_while_it_is_rotated(room):
    tag = f"runbook-scan-{os.getpid()}"
    regex = rf"^<[0-3]>\S+ {tag}(?:\[\d+\])?: disk"
    scan = {"name": "j", "format": "journald", "since": "5m", "state": str(room / "scan.json"), "measures": [{"name": "d", "regex": regex}]}
    written = seen = 0
    for round_ in range(5):
        text = "".join(f"disk {number} is broken\n" for number in range(40))
        for priority in ("user.err", "user.info"):
            subprocess.run(["logger", "-t", tag, "-p", priority], input=text, text=True, check=True)
        written += 40
        subprocess.run(["journalctl", "--sync"], check=True)
        if round_ % 2:
            subprocess.run(["journalctl", "--rotate"], check=True)
        item = scans(scan)["j d"]
        seen += item["value"]
        assert (item["status"], seen) == ("ok", written)
    assert scans(scan)["j d"]["value"] == 0
    assert scans({**scan, "state": None})["j d"]["value"] == written
    exported = room / "syslog"
    with exported.open("wb") as stream:
        subprocess.run(["journalctl", "-o", "short", "-t", tag, "--no-pager"], stdout=stream, check=True)
    measure = {"measures": [{"regex": "disk [0-9]+ is broken"}]}
    found = scans({"name": "s", "paths": [str(exported)], "format": "syslog", "since": "1h", **measure})
    assert next(iter(found.values()))["value"] == 2 * written


def test_failed_log_ins(room):
    subprocess.run(["logger", "-t", "sshd", "-p", "auth.info", "--id=1", "Invalid user admin from 203.0.113.7 port 4242"], check=True)
    subprocess.run(["journalctl", "--sync"], check=True)
    (item,) = scans({"name": "l", "format": "journald", "since": "1m", "measures": [{"pattern": "failed_logins", "warn": 0}]}).values()
    assert item["status"] == "warning" and item["value"] >= 1


def test_memory_does_not_grow_with_the_log(room):
    log = room / "access.log"
    line = '203.0.113.7 - - [02/Jan/2026:10:00:00 +0000] "GET /item/{} HTTP/1.1" {} 12 "-" "test" 0.{:03}\n'
    lines = "".join(line.format(number, 500 if number % 50 == 0 else 200, number % 1000) for number in range(10000))
    with log.open("w") as stream:
        for _part in range(200):
            stream.write(lines)
    script = (
        "import resource, sys\nfrom operations import test_log_scan as own\n"
        "m = [{'pattern': 'errors'}, {'measure': 'rate', 'pattern': 'errors'}, {'measure': 'p95'}]\n"
        "found = own.scans({'name': 'm', 'paths': [sys.argv[1]], 'measures': m})\n"
        "print(found['m errors']['value'], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    tests = str(pathlib.Path(__file__).resolve().parents[1])
    environment = {**os.environ, "PYTHONPATH": f"{tests}:{os.environ['PYTHONPATH']}" if "PYTHONPATH" in os.environ else tests}
    done = subprocess.run(["python3", "-c", script, str(log)], env=environment, capture_output=True, text=True, check=True)
    value, kilobytes = map(int, done.stdout.split())
    assert (value, kilobytes < 80 * 1024) == (40000, True), done.stdout
