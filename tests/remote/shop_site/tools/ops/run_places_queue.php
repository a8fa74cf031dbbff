<?php
// Copyright (c) 2026, runbook.ops contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Every job of the kind "places" is a page of two places.
require dirname(__DIR__, 2) . '/lib/server.php';
$options = getopt('', ['max:', 'dry-run']);
$most = (int) ($options['max'] ?? 5);
$jobs = array_column(database()->query("SELECT id FROM jobs WHERE kind = 'places' AND status = 'queued' ORDER BY id LIMIT $most")->fetch_all(), 0);
foreach ($jobs as $job) {
    if (isset($options['dry-run'])) {
        echo "job $job would be run\n";
        continue;
    }
    foreach ([1, 2] as $number) {
        database()->execute_query('INSERT INTO places (name, types_json, source, collected_at, last_seen_at, batch_id)
            VALUES (?, ?, ?, UTC_TIMESTAMP(), UTC_TIMESTAMP(), ?)', ["مقهى $job-$number", '["cafe"]', 'queue', $job]);
    }
    database()->execute_query("UPDATE jobs SET status = 'done' WHERE id = ?", [$job]);
    $line = "job $job: pages=1 inserted=2 updated=0 deduped=0 batch_id=$job";
    note('ops/places_queue_' . gmdate('Ymd') . '.log', $line);
    echo "$line\n";
}
