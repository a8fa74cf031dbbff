# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.runbook.ops.plugins.module_utils._jobs.crontab import parse

TEXT = """\
# comment
PATH = "/usr/local/bin:/usr/bin"
MAILTO=""
0 1 * * * first
# job: places
*/15 * * * * /home/shop/tools/ops/cron_places.sh

SHELL=/bin/bash
@daily  php -r "echo 'x';"
0 2 * * Sun mysqldump shop > /var/backups/shop_$(date +\\%F).sql
5 4 1,15 jan-mar * cat%one%two\\%
"""


def test_lines_settings_and_input():
    first, places, daily, dump, cat = parse(TEXT, users=False)
    assert first.environment == {"PATH": "/usr/local/bin:/usr/bin"}
    assert (places.name, places.schedule, places.command) == ("places", "*/15 * * * *", "/home/shop/tools/ops/cron_places.sh")
    assert (daily.schedule, daily.shell, daily.environment["SHELL"]) == ("@daily", "/bin/bash", "/bin/bash")
    assert dump.command == "mysqldump shop > /var/backups/shop_$(date +%F).sql"
    assert (cat.command, cat.stdin) == ("cat", "one\ntwo%\n")
    assert first.name.startswith("first-")
    assert dump.name.startswith("mysqldump-")
    assert daily.name.startswith("php-")


def test_names_stay_with_their_command():
    one = parse("0 1 * * * /opt/x/backup.sh\n0 2 * * * /opt/x/backup.sh -a", users=False)
    other = parse("5 5 * * * /opt/x/backup.sh -a\n@hourly /opt/x/backup.sh\n@daily /opt/x/backup.sh", users=False)
    assert {entry.name for entry in one} < {entry.name for entry in other}
    assert [entry.name.rpartition("-")[2] for entry in other][2] == "2"


def test_users():
    (entry,) = parse("17 * * * * www-data cd / && run-parts /etc/cron.hourly", users=True)
    assert (entry.schedule, entry.user, entry.command) == ("17 * * * *", "www-data", "cd / && run-parts /etc/cron.hourly")
    (entry,) = parse("@reboot root x", users=True)
    assert (entry.schedule, entry.user, entry.command) == ("@reboot", "root", "x")


TABLE = """\
## Cron Jobs
| Schedule | Command | Purpose |
| --- | --- | --- |
| Every 15 minutes | `php -r "require 'app/bootstrap.php'; (new App\\\\Reminders())->run();"` | Reminders |
| Nightly 02:15 | `mysqldump school > /backups/school_$(date +%F).sql` | Database backup |
| Weekly Sunday 03:00 | `find /srv/x -mtime +30 | xargs rm` | Clean |
"""


def test_the_table_of_a_runbook():
    reminders, dump, clean = parse(TABLE, users=False)
    assert (reminders.schedule, dump.schedule, clean.schedule) == ("Every 15 minutes", "Nightly 02:15", "Weekly Sunday 03:00")
    assert dump.command.endswith("$(date +%F).sql")
    assert clean.command == "find /srv/x -mtime +30 | xargs rm"
    assert "App\\\\Reminders" in reminders.command


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 1 * * *", "no command"),
        ("@daily", "no command"),
        ("@never x", "no time that every cron knows"),
        ("61 * * * * x", "no minute"),
        ("0~30 * * * * x", "no time that every cron knows"),
        ("now and then do it x", "is no"),
        ("0 1 * * * x\nCRON_TZ=UTC", "CRON_TZ is not supported"),
        ("A B = c", "no command"),
        ("0 1 * * * root x", None),
        ("| Nightly | `x` |", "not understood"),
        ("| Nightly 02:00 | x | y |", "not between backquotes"),
        ('@weekly mysql -u <user> -e "DELETE"', "placeholder <user>"),
    ],
)
def test_one_line_for_what_can_not_be_kept_to(text, words):
    if words is None:
        assert parse(text, users=False)
        return
    with pytest.raises(InvalidInput, match=words) as caught:
        parse(text, users=False)
    assert caught.value.message.startswith(f"line {len(text.splitlines())} of the crontab: ")
    assert "\n" not in caught.value.message
