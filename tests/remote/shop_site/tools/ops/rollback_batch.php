<?php
// Copyright (c) 2026, runbook.ops contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

require dirname(__DIR__, 2) . '/lib/server.php';
$options = getopt('y', ['batch:', 'dry-run']);
$count = database()->execute_query('SELECT COUNT(*) FROM places WHERE batch_id = ?', [$options['batch']])->fetch_row()[0];
if (isset($options['dry-run'])) {
    echo "would delete $count places of batch {$options['batch']}\n";
    exit;
}
if (!isset($options['y'])) {
    fwrite(STDERR, "say -y\n");
    exit(2);
}
database()->execute_query('DELETE FROM places WHERE batch_id = ?', [$options['batch']]);
echo "deleted $count places of batch {$options['batch']}\n";
