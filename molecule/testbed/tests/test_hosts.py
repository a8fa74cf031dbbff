# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every host is a whole one and plays its part."""

from __future__ import annotations

import pytest

# The lab is left out: its servers are killed by tests that may be running (tests/database).
testinfra_hosts = ["ansible://web", "ansible://apache", "ansible://db", "ansible://replica"]

DATABASES = {"mariadb", "postgresql", "redis-server", "mongod"}
PARTS = {
    "web1": {"nginx", "php8.2-fpm"},
    "web2": {"nginx", "php8.2-fpm"},
    "web3": {"apache2", "php8.2-fpm"},
    "db1": DATABASES,
    "db2": DATABASES,
}
SERVERS = {"nginx", "apache2", "php8.2-fpm", *DATABASES}


def name(host):
    return host.ansible.get_variables()["inventory_hostname"]


def test_systemd_has_no_failed_unit(host):
    assert host.check_output("systemctl is-system-running") == "running"


def test_its_servers_run_and_no_others(host):
    running = {server for server in SERVERS if host.service(server).is_running}
    assert running == PARTS[name(host)]


def test_the_play_reached_this_very_host(host):
    assert host.file("/etc/runbook-testbed").content_string == name(host) + "\n"
    assert host.file("/etc/runbook-testbed").user == "root"


def test_hosts_know_each_other(host):
    assert host.run("getent hosts db1").rc == 0
    if name(host) != "db1":
        assert host.run("mariadb-admin --host=db1 --connect-timeout=3 ping").rc == 0


def test_a_small_disk_is_there_to_be_filled(host):
    if name(host) != "web2":
        pytest.skip("web2 has it")
    assert host.mount_point("/srv/small").filesystem == "tmpfs"
    assert int(host.check_output("df --output=size -k /srv/small | tail -n 1")) == 64 * 1024


@pytest.mark.parametrize("config", ["nginx -t", "apachectl configtest", "php-fpm8.2 -t"])
def test_configurations_are_valid(host, config):
    assert host.run(config).rc == 0
