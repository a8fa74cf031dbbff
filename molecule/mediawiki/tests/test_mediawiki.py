# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The story of a wiki: deployed, changed, broken, rolled back, closed for maintenance, deployed by two people at once.

The tests are one story and run in this order. The scenario has deployed the first release already.
"""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys

import driver
import pytest
import wiki

SCENARIO = pathlib.Path(__file__).resolve().parents[1]
TASKS = SCENARIO / "tasks"
SITE = "/srv/wiki"
PAGE = "/index.php?title=Main_Page"
# What a browser sends, as far as it matters here.
BROWSER = ("-H", "Accept: text/html,application/xhtml+xml", "-H", "Accept-Language: en", "-A", "Mozilla/5.0")
TOKEN = "open-sesame-0123456789"


def start(playbook, *arguments, limit="wiki", **variables):
    extra = [word for name, value in variables.items() for word in ("-e", driver.json.dumps({name: value}))]
    return driver.Running(["ansible-playbook", f"runbook.ops.{playbook}", "-l", limit, *arguments, *extra], [SCENARIO / "inventory"])


def play(playbook, *arguments, **variables):
    return start(playbook, *arguments, **variables).wait()


def deploy(number, *arguments, **variables):
    """Deploy version ``number`` of the source, under an id that says so."""
    wiki.version(number)
    return play("deploy", *arguments, deploy_release=f"v{number}", **variables)


def served(host):
    """The version that a host serves, by its static file; and that its page works."""
    assert host.get(PAGE, *BROWSER).status == 200, host.name
    match = re.match(r"version (\d+)\n", host.get(f"/{wiki.STATIC}").body)
    return int(match[1]) if match else None


@pytest.fixture(scope="module")
def first(web1):
    """The id of the release that the scenario deployed."""
    return next(event["release"] for event in web1.history(SITE) if event["event"] == "swapped")


def test_first_deploy_is_complete_on_both_hosts(webs, first):
    assert first
    for host in webs:
        assert host.current(SITE) == first
        assert served(host) == 1
        record = host.record(SITE, first)
        assert record["files"] > 23_000
        assert int(host(f"find {SITE}/current/ -type f | wc -l")) == record["files"]
        assert host(f"readlink -f {SITE}/current/LocalSettings.php") == f"{SITE}/shared/LocalSettings.php"
        assert host(f"stat -c '%U:%G %a' {SITE}/shared/LocalSettings.php") == "root:www-data 640"
        assert host(f"readlink -f {SITE}/current/images") == f"{SITE}/shared/images"
        assert host(f"stat -c %U {SITE}/shared/images") == "www-data"
        assert host.lock(SITE) is None
        (line,) = [event for event in host.history(SITE) if event["event"] == "deploy"]
        assert line["release"] == first and line["outcome"] == "deployed"
        assert line["summary"] == "first release" and line["tester"] == "molecule" and line["duration_s"] > 0 and line["by"]


def test_what_visitors_upload_outlives_the_release(web1):
    web1(f"install -o www-data -m 0644 /dev/null {SITE}/current/images/upload.txt && test -f {SITE}/shared/images/upload.txt")


def test_one_changed_file_is_all_that_is_sent(webs, first):
    inodes = {host.name: host(f"stat -c %i {SITE}/current/index.php") for host in webs}
    run = deploy(2, "-vvv")
    assert run.rc == 0, run
    for host in webs:
        assert host.current(SITE) == "v2"
        assert served(host) == 2
        staged = run.result("Stage the release", host.name)
        assert staged["sent_files"] == 1
        assert staged["sent_bytes"] < 100_000
        assert staged["changes"] == {"added": 0, "changed": 1, "removed": 0}
        # An unchanged file is the same file in both releases, a changed one is not.
        assert host(f"stat -c %i {SITE}/releases/{first}/index.php {SITE}/releases/v2/index.php").split() == [inodes[host.name]] * 2
        assert len(set(host(f"stat -c %i {SITE}/releases/{first}/{wiki.STATIC} {SITE}/releases/v2/{wiki.STATIC}").split())) == 2
        assert 3 <= run.commands(host.address) <= 6, run.log
        assert host(f"ls {SITE}/current/images/") == ("upload.txt" if host.name == "web1" else "")


def test_the_same_again_changes_nothing(webs):
    before = [host.snapshot(f"{SITE}/releases") for host in webs]
    history = [host.history(SITE) for host in webs]
    run = play("deploy")
    assert run.rc == 0, run
    assert [run.recap(host.name)["changed"] for host in webs] == [0, 0]
    assert [host.current(SITE) for host in webs] == ["v2", "v2"]
    assert [host.snapshot(f"{SITE}/releases") for host in webs] == before
    assert [host.history(SITE) for host in webs] == history


def test_migrations_run_once_after_the_backup(webs, db1):
    db1("rm -f /run/runbook-order")
    for host in webs:
        host("rm -f /run/runbook-order")
    commands = [
        ["php", "maintenance/update.php", "--quick"],
        ["sh", "-c", 'echo "migrated in $PWD" >> /run/runbook-order'],
    ]
    run = deploy(3, deploy_backup_tasks=str(TASKS / "backup.yml"), deploy_migrate_commands=commands)
    assert run.rc == 0, run
    assert db1("cat /run/runbook-order") == "backup on db1"
    assert [host.try_("cat /run/runbook-order").stdout for host in webs] == [f"migrated in {SITE}/releases/v3\n", ""]
    assert float(db1("stat -c %.9Y /run/runbook-order")) < float(webs[0]("stat -c %.9Y /run/runbook-order"))
    assert "CREATE TABLE" in db1("head -c 20000 /run/runbook-wiki.sql")
    assert [served(host) for host in webs] == [3, 3]


def test_check_mode_tells_all_and_changes_nothing(webs, first):
    wiki.version(4)
    before = [host.snapshot(SITE) for host in webs]
    run = play("deploy", "--check", "--diff", deploy_release="v4", deploy_keep=2)
    assert run.rc == 0, run
    assert [host.snapshot(SITE) for host in webs] == before
    for host in webs:
        staged = run.result("Stage the release", host.name)
        assert staged["changed"] and staged["sent_files"] == 1 and 20_000 < staged["sent_bytes"] < 21_000
        assert set(run.result("Finish", host.name)["removed"]) == {first, "v2"}
        story = run.reported(host.name)
        for part in ("v4 would", "1 of them to send", "v3", first, "v2"):
            assert part in story, story
        assert run.recap(host.name)["changed"] > 0
    assert f"~ {wiki.STATIC}" in run.output  # the file, in the diff
    assert re.search(r"Rollback target: v3\b", run.reported("web1"))


def test_rollback_says_that_the_schema_stays(webs):
    run = play("rollback", rollback_reason="too slow")
    assert run.rc == 0, run
    for host in webs:
        assert host.current(SITE) == "v2" and served(host) == 2
        left = host.record(SITE, "v3")
        assert left["state"] == "bad" and "too slow" in left["reason"]
        assert "schema was NOT rolled back" in run.reported(host.name)
        assert host.lock(SITE) is None


def test_rollback_of_a_rollback_goes_further_back(webs, first):
    run = play("rollback")
    assert run.rc == 0, run
    for host in webs:
        assert host.current(SITE) == first and served(host) == 1
        assert "NOT rolled back" not in run.reported(host.name)


def test_rollback_with_nothing_left_changes_nothing(webs, first):
    before = [host.snapshot(f"{SITE}/releases") for host in webs]
    run = play("rollback")
    assert run.rc != 0
    for host in webs:
        message = run.failure(host.name)
        assert "nothing was rolled back" in message and f"no good release precedes {first}" in message, message
        assert host.current(SITE) == first and served(host) == 1
        assert host.lock(SITE) is None
    assert [host.snapshot(f"{SITE}/releases") for host in webs] == before
    assert "Traceback" not in run.output


def test_maintenance_can_be_left_on_for_warming_caches(webs, web1):
    run = deploy(5, deploy_leave_maintenance=True)
    assert run.rc == 0, run
    for host in webs:
        assert host.current(SITE) == "v5"
        assert host.get(PAGE, *BROWSER).status == 503
    run = play("maintenance", maintenance_state="absent")
    assert run.rc == 0, run
    assert [served(host) for host in webs] == [5, 5]


def test_an_incident_outlasts_whoever_deploys(webs):
    token = {"maintenance_bypass_token": TOKEN}
    run = play("incident", incident_state="open", incident_reason="Edits are lost", **token)
    assert run.rc == 0, run
    flags = [host(f"cat {SITE}/maintenance.flag") for host in webs]
    run = play("deploy", deploy_release="v5", deploy_maintenance=True, **token)
    assert run.rc == 0, run
    run = play("maintenance", maintenance_state="absent")
    assert run.rc != 0 and "Edits are lost" in run.failure("web1")
    assert [host(f"cat {SITE}/maintenance.flag") for host in webs] == flags
    assert [host.get(PAGE, *BROWSER).status for host in webs] == [503, 503]
    run = play("incident", incident_state="closed")
    assert run.rc == 0, run
    assert [served(host) for host in webs] == [5, 5]


@pytest.mark.parametrize("maintenance_before", [False, True])
def test_one_broken_host_takes_all_back(webs, web1, web2, db1, maintenance_before):
    number = 7 if maintenance_before else 6
    variables = {"maintenance_bypass_token": TOKEN}
    if maintenance_before:
        assert play("maintenance", maintenance_state="present", **variables).rc == 0
        variables["verify_headers"] = {"X-Maintenance-Bypass": TOKEN}
    flags = [host.try_(f"cat {SITE}/maintenance.flag").stdout for host in webs]
    run = deploy(
        number,
        deploy_before_swap_tasks=str(TASKS / "break_web2.yml"),
        deploy_maintenance=True,
        **({"verify_headers": variables["verify_headers"]} if maintenance_before else {}),
    )
    assert run.rc != 0
    message = run.failure("web1")
    assert "failed on web2:" in message and "main page" in message and "500" in message, message
    assert "web1 was taken back to v5" in message and "web2 was taken back to v5" in message
    for host in webs:
        assert host.current(SITE) == "v5"
        record = host.record(SITE, f"v{number}")
        assert record["state"] == "bad" and "web2" in record["reason"]
        assert host.lock(SITE) is None
        assert [event["outcome"] for event in host.history(SITE) if event["event"] == "deploy"][-1] == "rolled back"
        assert host.get(PAGE, *BROWSER).status == (503 if maintenance_before else 200)
    assert [host.try_(f"cat {SITE}/maintenance.flag").stdout for host in webs] == flags
    if maintenance_before:
        assert web1.get(PAGE, "-H", f"X-Maintenance-Bypass: {TOKEN}").status == 200
        assert play("maintenance", maintenance_state="absent").rc == 0
    assert [served(host) for host in webs] == [5, 5]


def test_a_bad_release_is_not_deployed_again(webs):
    run = play("deploy", deploy_release="v6")
    assert run.rc != 0
    assert "v6 was marked bad" in run.failure("web1")
    assert [host.current(SITE) for host in webs] == ["v5", "v5"]
    assert [host.lock(SITE) for host in webs] == [None, None]


# -- maintenance, as visitors see it ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def apache_site(web3):
    """A site on the host with Apache, released by hand: what matters is what .htaccess does."""
    web3(f"mkdir -p {SITE}/releases/one && ln -sfn releases/one {SITE}/current")
    web3(f"cat > {SITE}/current/index.php", stdin="<?php echo 'Example wiki';")
    return web3


def _closed(answer, message):
    assert answer.status == 503
    assert answer.headers["retry-after"] == "120"
    assert "no-store" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/html")
    assert message in answer.body
    assert "Example wiki" not in answer.body


@pytest.mark.parametrize("server", ["nginx", "apache"])
def test_maintenance_as_visitors_see_it(server, web1, apache_site, db1):
    host, limit = (web1, "web1") if server == "nginx" else (apache_site, "web3")
    assert host.get(PAGE, *BROWSER).status == 200
    options = {
        "maintenance_message": "We move <house>.",
        "maintenance_retry_after": 120,
        "maintenance_allow_ips": [db1.address],
        "maintenance_bypass_token": TOKEN,
    }
    run = play("maintenance", limit=limit, maintenance_state="present", **options)
    assert run.rc == 0, run
    assert TOKEN not in "".join(line for line in run.output.splitlines(keepends=True) if not line.startswith("$ ")), "the token is shown"
    for path in (PAGE, "/", "/no/such/page", "/index.php"):
        _closed(host.get(path, *BROWSER), "We move &lt;house&gt;.")
    _closed(host.get(PAGE, *BROWSER, "-X", "POST", "-d", "a=b"), "We move")
    # The allowed address, by its own address and not by what it claims.
    assert host.get(PAGE, *BROWSER, source=db1).status == 200
    assert host.get(PAGE, *BROWSER, "-H", f"X-Forwarded-For: {db1.address}").status == 503
    # The token: in a header, and in the query with a cookie that remembers it.
    assert host.get(PAGE, "-H", f"X-Maintenance-Bypass: {TOKEN}").status == 200
    assert host.get(PAGE, "-H", f"X-Maintenance-Bypass: {TOKEN}x").status == 503
    entered = host.get(f"{PAGE}&maintenance_bypass={TOKEN}", *BROWSER)
    assert entered.status in (200, 302)
    cookie = entered.headers["set-cookie"].partition(";")[0]
    assert host.get(PAGE, *BROWSER, "-H", f"Cookie: {cookie}").status == 200
    assert host.get("/maintenance.flag", "-H", f"X-Maintenance-Bypass: {TOKEN}").status == 404
    again = play("maintenance", limit=limit, maintenance_state="present", **options)
    assert again.recap(limit)["changed"] == 0
    assert play("maintenance", limit=limit, maintenance_state="absent").rc == 0
    assert host.get(PAGE, *BROWSER).status == 200
    assert host.get(PAGE, *BROWSER, "-H", f"Cookie: {cookie}").status == 200


# -- trouble with others, and with hosts ----------------------------------------------------------------------------------


def test_of_two_deploys_one_wins_and_the_other_is_told(webs):
    for host in webs:
        host("rm -f /run/runbook-go")
    wiki.version(8)
    winner = start("deploy", deploy_release="v8", deploy_by="ann", deploy_before_swap_tasks=str(TASKS / "wait.yml"))
    driver.until(lambda: all(host.lock(SITE) for host in webs), "the first deploy has the lock")
    since = webs[0].lock(SITE)["since"]
    loser = play("deploy", deploy_release="v9", deploy_by="bob")
    for host in webs:
        host("touch /run/runbook-go")
    won = winner.wait()
    assert loser.rc != 0
    message = loser.failure("web1")
    assert "is locked by ann" in message and f"since {since}" in message and f"from {driver.hostname()}" in message, message
    assert "Every host still serves what it served before" in message
    assert won.rc == 0, won
    assert [served(host) for host in webs] == [8, 8]
    assert [host.lock(SITE) for host in webs] == [None, None]
    assert webs[0].try_(f"test -e {SITE}/.runbook/releases/v9.json").returncode != 0


def test_an_unreachable_host_keeps_all_from_swapping(webs, web2, tmp_path):
    """web2 does not let anybody in: its address is right, its port is not."""
    place = tmp_path / "hosts.yml"
    place.write_text("web:\n  hosts:\n    web2:\n      ansible_port: 9\n")
    wiki.version(10)
    words = ["ansible-playbook", "runbook.ops.deploy", "-l", "wiki", "-e", "deploy_release=v10"]
    run = driver.Running(words, [SCENARIO / "inventory", place]).wait()
    assert run.rc != 0
    message = run.failure("web1")
    assert "swapped to on no host" in message and "web2" in message, message
    assert [served(host) for host in webs] == [8, 8]
    assert [host.lock(SITE) for host in webs] == [None, None]
    # When it is back, the same deploy goes on with what the other host has already.
    run = play("deploy", deploy_release="v10")
    assert run.rc == 0, run
    assert run.result("Stage the release", "web1")["sent_files"] == 0
    assert [served(host) for host in webs] == [10, 10]


def test_a_host_lost_after_its_swap_takes_the_others_back(web1, web2):
    wiki.version(11)
    lose = [sys.executable, str(driver.ROOT / "molecule" / "support" / "lose.py"), "web2"]
    try:
        run = play("deploy", deploy_release="v11", deploy_after_swap_tasks=str(TASKS / "lose_web2.yml"))
    finally:
        subprocess.run([*lose, "back"], check=True)
    assert run.rc != 0
    message = run.failure("web1")
    assert "failed on web2" in message and "web1 was taken back to v10" in message, message
    assert re.search(r"web2 COULD NOT BE REACHED and may serve v11", message), message
    assert web1.current(SITE) == "v10" and served(web1) == 10
    assert web1.record(SITE, "v11")["state"] == "bad"
    assert web1.lock(SITE) is None
    # The lost host comes back with what it was swapped to, and is taken back by the rollback that the message names.
    assert web2.current(SITE) == "v11"
    locked = play("rollback", limit="web2")
    assert locked.rc != 0 and "is locked by" in locked.failure("web2")
    run = play("rollback", limit="web2", rollback_lock_take_over=True)
    assert run.rc == 0, run
    assert web2.current(SITE) == "v10" and served(web2) == 10
