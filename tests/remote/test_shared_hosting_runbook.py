# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runbook that docs/shared_hosting.md replaces, whole and in its order, with the inventory as it is in the repository.

A second inventory says only where things are here: addresses, ports, accounts, a key. Each test goes on where the one before ended.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pathlib
import secrets
import shutil
import stat
import subprocess
import zipfile

import paramiko
import pytest
import yaml
from remote import shop
from remote.hosting import TENANT

ROOT = pathlib.Path(__file__).resolve().parents[2]
INVENTORY = ROOT / "inventories" / "shared_hosting"
KEYS = ROOT / "tests" / "fixtures" / "keys"
# What the operator sees of a run that failed.
_TAIL = 6000


class System:
    """Everything that the inventory speaks of, and ``ansible-playbook`` with it; ``last`` is what it wrote."""

    def __init__(self, hosting, place, folder, pair, told_at, machine, vault):
        self.hosting, self.place, self.folder, self.machine, self.vault, self.last = hosting, place, folder, machine, vault, ""
        self.visitor = shop.Visitor(place.web_port, pair[0])
        self.home = folder / "controller"
        self.source = self.home / "src" / shop.NAME
        self.environment = {
            **os.environ,
            "HOME": str(self.home),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "SSL_CERT_FILE": str(pair[0]),
        }
        self._account()
        self._overlay(told_at)

    def _account(self):
        """The deployer's key, as the inventory says: PuTTY's, with a passphrase."""
        key = self.home / ".ssh" / "example_deploy.ppk"
        key.parent.mkdir(parents=True)
        shutil.copyfile(KEYS / "ecdsa-v3-encrypted.ppk", key)
        key.chmod(0o600)
        with open(self.hosting.state / "authorized_keys", "a") as stream:
            stream.write((KEYS / "ecdsa.pub").read_text())

    def _overlay(self, told_at):
        overlay = self.folder / "overlay"
        for group in ("all", "site", "operations"):
            (overlay / "group_vars" / group).mkdir(parents=True)
        hosts = {shop.NAME: {"ansible_host": "127.0.0.1"}, "ops1.example.com": self.machine.variables}
        (overlay / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
        site = {
            "site_path": self.place.remote_base,
            "maintenance_web_path": str(self.place.base),
            "site_url": f"https://{shop.NAME}:{self.place.web_port}/",
            "site_sftp": {
                "host": "127.0.0.1",
                "port": self.hosting.port,
                "user": TENANT,
                "private_key": "~/.ssh/example_deploy.ppk",
                "private_key_passphrase": "{{ vault_sftp_key_passphrase }}",
                "fingerprint": self.hosting.fingerprint(),
            },
        }
        (overlay / "group_vars" / "site" / "main.json").write_text(json.dumps(site))
        base = {"engine": "mariadb", "database": "example", "login_host": "127.0.0.1", "login_user": "operations"}
        base["login_password"] = "{{ vault_database_password }}"
        (overlay / "group_vars" / "operations" / "main.json").write_text(json.dumps({"site_database": base}))
        (self.folder / "vault_password").write_text(secrets.token_urlsafe(24))
        values = {**self.vault, **{f"vault_{name}_webhook": f"{told_at}/{name}" for name in ("slack", "teams")}}
        example = INVENTORY / "group_vars" / "all" / "vault.yml.example"
        shop.encrypt(overlay / "group_vars" / "all" / "vault.yml", values, example, self.folder / "vault_password")

    def play(self, name, *words, fails=False, **variables):
        """Run one of the playbooks, or ``operations`` of the inventory; what it wrote, in one line."""
        book = INVENTORY / "playbooks" / "operations.yml" if name == "operations" else ROOT / "playbooks" / f"{name}.yml"
        command = ["python3", "-m", "ansible", "playbook", "-i", INVENTORY / "hosts.yml", "-i", self.folder / "overlay" / "hosts.json"]
        command += ["--vault-password-file", self.folder / "vault_password", book, *words, "-e", json.dumps(variables)]
        done = subprocess.run(command, env=self.environment, cwd=self.home, capture_output=True, text=True, timeout=240, check=False)
        self.last = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, self.last[-_TAIL:]
        assert "Traceback" not in self.last, self.last[-_TAIL:]
        assert fails or "[WARNING]" not in self.last, self.last[-_TAIL:]
        assert not [name for name, value in self.vault.items() if value in self.last]
        return " ".join(self.last.split())

    def prod(self, name, *words, **variables):
        return self.play(name, "-l", "prod", *words, **variables)

    def operate(self, *words, **variables):
        return self.play("operations", *words, **variables)

    def write(self, version, broken=False):
        shop.write_source(self.source, version, broken)

    def records(self):
        """Version and state of each release, in the order of their ids."""
        found = [json.loads(path.read_text()) for path in sorted(self.place.path(".runbook", "releases").glob("*.json"))]
        return [(record["metadata"]["version"], record["state"]) for record in found]

    def history(self):
        return [json.loads(line) for line in self.place.path(".runbook", "history.jsonl").read_text().splitlines()]

    def tree(self):
        return sorted(str(path.relative_to(self.place.base)) for path in self.place.base.rglob("*"))


@pytest.fixture(scope="module")
def system(hosting):
    folder = pathlib.Path("/srv/runbook-shop")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o755)
    vault = {
        "vault_sftp_key_passphrase": "worthless: ü $\"'\\ ",
        "vault_internal_secret": secrets.token_hex(24),
        "vault_maintenance_token": secrets.token_hex(24),
        "vault_database_password": secrets.token_hex(12),
    }
    settings = shop.env_php(vault["vault_internal_secret"], vault["vault_database_password"])
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.enter_context(shop.database(vault["vault_database_password"]))
        machine = stack.enter_context(shop.machine(folder, settings))
        told_at, told = stack.enter_context(shop.office())
        pair = shop.certificate(folder)
        system = System(hosting, hosting.site(flag=False, pair=pair), folder, pair, told_at, machine, vault)
        system.settings, system.told = settings, told
        yield system


def test_nothing_is_there_yet(system):
    """Is all ready; what would be done, with and without connecting; and the release itself. The host is not touched."""
    system.write("1.0")
    said = system.prod("preflight")
    assert "Ready" in said
    (document,) = (system.home / ".ansible" / "evidence").glob("*_preflight.json")
    checks = {check["name"]: check for check in json.loads(document.read_text())["hosts"][shop.NAME]["checks"]}
    assert checks["TLS certificate"]["status"] == "ok" and "no release is current" in checks["releases"]["message"]
    before = system.tree()
    dist = system.home / "src" / "dist"
    # What outlives releases comes first, as the tenant puts it there.
    key = paramiko.ECDSAKey.from_private_key_file(str(KEYS / "ecdsa"))
    with contextlib.closing(paramiko.Transport(("127.0.0.1", system.hosting.port))) as transport:
        transport.connect(username=TENANT, pkey=key)
        sftp = paramiko.SFTPClient.from_transport(transport)
        for name in ("shared", "shared/config"):
            sftp.mkdir(f"{system.place.remote_base}/{name}")
        with sftp.open(f"{system.place.remote_base}/shared/config/.env.php", "w") as stream:
            stream.write(system.settings)
        sftp.chmod(f"{system.place.remote_base}/shared/config/.env.php", 0o600)
    put = system.tree()
    assert before == []

    said = system.prod("deploy", "--check", "--diff")
    assert "would become live" in said
    assert "api/heartbeat.php" in said and "of-a-workstation" not in said
    nowhere = {"host": "127.0.0.1", "port": 1, "user": TENANT, "password": "never-used"}
    said = system.prod("deploy", "--check", "--diff", site_offline=True, site_sftp=nowhere)
    assert "would become live" in said
    # The other way to the same site has no token here, and needs none for that.
    assert "would become live" in system.play("deploy", "-l", "fallback", "--check", site_offline=True)
    assert not dist.exists() and system.tree() == put

    system.play("build")
    told = json.loads((dist / "latest.json").read_text())
    archive = dist / told["url"]
    assert (told["version"], told["sha256"]) == ("1.0", hashlib.sha256(archive.read_bytes()).hexdigest())
    names = zipfile.ZipFile(archive).namelist()
    assert {"index.php", "storage/releases/worker.exe", "storage/releases/latest.json"} <= set(names)
    assert not [name for name in names if name.startswith(("worker/", "tests/", ".git", "config/.env", "storage/logs"))]


def test_the_first_deploy_and_its_probes(system):
    system.prod("maintenance", maintenance_state="installed")
    said = system.prod("deploy")
    assert "is live" in said
    assert system.visitor.ask() == (200, "shop 1.0, 0 places")
    assert system.records() == [("1.0", "live")]
    assert system.history()[-1]["outcome"] == "deployed"
    assert not system.place.path("maintenance.flag").exists()
    current = system.place.path("current").resolve()
    assert (current / "config" / ".env.php").resolve() == system.place.path("shared", "config", ".env.php")
    assert [system.visitor.ask(path)[0] for path in ("/config/.env.php", "/lib/server.php", "/VERSION")] == [404, 404, 200]
    # The cache was reset while the site was closed, which nobody else may do.
    assert "reset true" in system.place.path("shared", "storage", "logs", "opcache.log").read_text()
    secret = system.vault["vault_internal_secret"]
    assert system.visitor.ask("/api/opcache_reset.php", "POST", X_Internal_Secret=secret)[0] == 403

    system.prod("verify")
    assert shop.sql("SELECT COUNT(*) FROM workers WHERE id = 'probe'") == [["1"]]
    assert "heartbeat" in system.prod("verify", vault_internal_secret="somebody-elses-secret", verify_retries=0, fails=True)
    ahead = system.place.path("shared", "storage", "data", "clock_is_ahead")
    ahead.write_text("400")
    said = system.prod("verify", verify_retries=0, fails=True)
    assert "heartbeat" in said and "clock" in said
    ahead.unlink()


def test_maintenance_as_visitors_see_it(system):
    system.prod("maintenance", maintenance_state="present", maintenance_message="Back at noon")
    status, page = system.visitor.ask()
    assert status == 503 and "Back at noon" in page
    assert system.visitor.ask(X_Maintenance_Bypass=system.vault["vault_maintenance_token"])[0] == 200
    system.prod("maintenance", maintenance_state="absent")
    assert system.visitor.ask()[0] == 200


def test_smoke_and_acceptance(system):
    """A job goes all the way through the site, a worker and the database; figures are held to their targets and kept."""
    with shop.Worker(system.visitor, system.vault["vault_internal_secret"]):
        said = system.operate("-t", "smoke,acceptance")
    assert "worker round trip: PASS" in said and "geo acceptance" in said
    assert shop.sql("SELECT status, worker FROM jobs") == [["done", "office-1"]]
    assert shop.sql("SELECT job, worker FROM job_attempts") == [["1", "office-1"]]
    kept = system.machine.tools / "storage" / "data" / "geo" / "sa" / "acceptance_results.json"
    assert json.loads(kept.read_text())["points"] == 120
    assert {path.owner() for path in system.machine.tools.rglob("*")} == {shop.TOOLS_USER}


def test_without_a_worker_the_smoke_test_says_where_to_look(system):
    described = yaml.safe_load((INVENTORY / "group_vars" / "operations" / "main.yml").read_text())["site_smoke_test"]
    said = system.operate("-t", "smoke", fails=True, site_smoke_test={**described, "timeout": 2, "interval": 1})
    assert "FAIL" in said and "queued" in said and "worker/.env" in said
    shop.sql("DELETE FROM jobs WHERE status = 'queued'")


def test_the_second_deploy_closes_the_site_meanwhile(system):
    system.write("1.1")
    with shop.Watched(system.visitor) as watched:
        system.prod("deploy")
    assert system.visitor.ask() == (200, "shop 1.1, 0 places")
    seen = [body if status == 200 else (status, "We are back in a minute" in body) for status, body in watched.seen]
    assert seen == ["shop 1.0, 0 places", (503, True), "shop 1.1, 0 places"]
    assert system.records() == [("1.0", "retired"), ("1.1", "live")]
    one, two = sorted(system.place.path("releases").iterdir())
    assert os.path.samefile(one / "api" / "heartbeat.php", two / "api" / "heartbeat.php")


def test_a_deploy_that_does_not_hold_is_taken_back_at_once(system):
    """All probes pass, but what can be downloaded is not what latest.json says. An incident keeps the site closed until it is told."""
    system.write("1.2", broken=True)
    said = system.prod("deploy", fails=True)
    assert "sha256" in said and "was taken back" in said and "An incident is open" in said
    assert [state for _version, state in system.records()] == ["retired", "live", "bad"]
    assert system.visitor.ask()[0] == 503
    mine = {"X_Maintenance_Bypass": system.vault["vault_maintenance_token"]}
    assert system.visitor.ask(**mine) == (200, "shop 1.1, 0 places")
    said = system.prod("maintenance", maintenance_state="absent", fails=True)
    assert "an incident is open since" in said
    assert system.visitor.ask()[0] == 503


def test_evidence_of_the_fixed_release(system):
    """Before, after, probes, and no secret; behind the page, which the incident keeps on until it is closed."""
    system.write("1.3")
    before = os.readlink(system.place.path("current"))
    system.prod("evidence")
    assert system.visitor.ask()[0] == 503
    (bundle,) = (system.home / ".ansible" / "evidence").glob("*_prod.zip")
    with zipfile.ZipFile(bundle) as opened:
        held = {name: opened.read(name) for name in opened.namelist()}
    assert before in held[f"{shop.NAME}/before/listing.txt"].decode()
    assert f"current -> {os.readlink(system.place.path('current'))}" in held[f"{shop.NAME}/after/listing.txt"].decode()
    probes = json.loads(held[f"{shop.NAME}/probes.json"])
    assert probes["status"] == "ok" and {"heartbeat", "pull job", "latest.json"} <= {probe["name"] for probe in probes["probes"]}
    assert json.loads(held["outcome.json"])["status"] == "ok"
    assert not [(name, value) for name, text in held.items() for value in system.vault.values() if value.encode() in text]
    system.prod("incident", incident_state="closed")
    assert system.visitor.ask() == (200, "shop 1.3, 0 places")


def test_rollback(system):
    system.prod("rollback")
    assert system.visitor.ask() == (200, "shop 1.1, 0 places")
    assert [state for _version, state in system.records()][-1] == "bad"
    assert "rolled back by hand" in [entry.get("outcome") for entry in system.history()]


def test_guarded_commands(system):
    """Rehearsed, confirmed by a typed word, done: the queue, a batch taken back, stuck jobs."""
    shop.sql("INSERT INTO jobs (id, kind) VALUES (70, 'places'), (71, 'places')")
    said = system.operate("-t", "queue")
    assert "job 70 would be run" in said and "run-the-queue" in said
    assert shop.sql("SELECT COUNT(*) FROM places") == [["0"]]
    assert "does not confirm" in system.operate("-t", "queue", confirm="yes", fails=True)
    said = system.operate("-t", "queue", confirm="run-the-queue")
    assert "job 71: pages=1 inserted=2" in said
    assert shop.sql("SELECT batch_id, COUNT(*) FROM places GROUP BY 1") == [["70", "2"], ["71", "2"]]
    assert system.visitor.ask() == (200, "shop 1.1, 4 places")

    assert "would delete 2 places of batch 71" in system.operate("-t", "batch", rollback_batch="71")
    system.operate("-t", "batch", rollback_batch="71", confirm="71")
    assert system.visitor.ask() == (200, "shop 1.1, 2 places")

    shop.sql("INSERT INTO jobs (id, kind, status, lease_until) VALUES (80, 'sample', 'processing', UTC_TIMESTAMP() - INTERVAL 1 HOUR)")
    said = system.operate("-t", "stuck", confirm="fix-stuck-jobs")
    assert "1 jobs are back" in said
    assert shop.sql("SELECT status FROM jobs WHERE id = 80") == [["queued"]]


def test_queues_and_export(system):
    shop.sql("INSERT INTO dlq (job) VALUES (71)")
    said = system.operate("-t", "queues,export", export_batch="70")
    assert "1 of 3 checks not ok - dead letters" in said
    path = system.machine.tools / "storage" / "exports" / "places_70.csv"
    data = path.read_bytes()
    columns = "place_id,name,phone,address,lat,lng,website,types_json,source,source_url,collected_at,last_seen_at,batch_id"
    assert data.startswith(b"\xef\xbb\xbf" + columns.encode())
    assert "مقهى 70-1" in data.decode() and len(data.decode().splitlines()) == 3
    assert (path.owner(), stat.S_IMODE(path.stat().st_mode)) == (shop.TOOLS_USER, 0o600)


def test_logs_are_rotated(system):
    log = system.machine.tools / "storage" / "logs" / "app.log"
    log.write_bytes(b"a line of twenty-five MB\n" * 1_100_000)
    shutil.chown(log, shop.TOOLS_USER, shop.TOOLS_USER)
    system.play("rotate_logs", "-l", "operations")
    assert log.stat().st_size == 0 and log.owner() == shop.TOOLS_USER
    assert list(log.parent.glob("app.log-*.gz"))
    assert not list(log.parent.glob("ops/*.gz"))


def test_the_database_is_backed_up(system):
    dest = pathlib.Path("/var/backups/www.example.com")
    try:
        system.play("backup", "-l", "operations")
        (dump,) = dest.glob("example/*.sql.zst")
        text = subprocess.run(["zstd", "-dcq", dump], check=True, capture_output=True).stdout.decode()
        assert "CREATE TABLE `places`" in text and "مقهى 70-1" in text
    finally:
        shutil.rmtree(dest, ignore_errors=True)


def test_the_machine_with_a_shell_is_ready_and_tells(system):
    """Its preflight, with the site's; and those who have an address hear of a dead letter."""
    system.play("preflight", "-l", "prod:operations")
    reports = {"daily_checks_dest": str(system.folder / "reports"), "daily_checks_state_dir": str(system.folder / "checks")}
    # The host is not what is looked at here.
    reports |= {f"daily_checks_{often}": [] for often in ("daily", "weekly", "monthly")}
    system.play("daily_checks", "-l", "operations", **reports)
    assert {path for path, _body in system.told} == {"/slack", "/teams"}  # no address, no message
    assert all("dead letters" in json.dumps(body) for _path, body in system.told)


def test_jobs_run_by_themselves(system):
    log = system.machine.tools / "storage" / "logs" / "ops" / "alerts.log"
    try:
        system.play("scheduled_jobs", "-l", "operations")
        words = ["systemctl", "list-timers", "--all", "--no-legend", "runbook-*"]
        units = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        assert "places" in units and "alerts" in units
        (unit,) = {word for word in units.split() if "alerts" in word and word.endswith(".service")}
        subprocess.run(["systemctl", "start", unit], check=True)
        assert f"dead letters: 1, as {shop.TOOLS_USER}" in log.read_text()
    finally:
        system.play("scheduled_jobs", "-l", "operations", scheduled_jobs_state="absent")
