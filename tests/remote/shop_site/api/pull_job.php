<?php
// Copyright (c) 2026, runbook.ops contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// A worker asks for work. It has the job for five minutes, unless its circuit is open.
require dirname(__DIR__) . '/lib/server.php';
$worker = worker('GET');
$open = database()->execute_query('SELECT circuit_open FROM workers WHERE id = ?', [$worker])->fetch_row()[0];
database()->begin_transaction();
$job = $open ? null : database()->query("SELECT id FROM jobs WHERE kind = 'sample' AND status = 'queued' ORDER BY id LIMIT 1 FOR UPDATE")->fetch_row();
if (!$job) {
    http_response_code(204);
    exit;
}
database()->execute_query("UPDATE jobs SET status = 'processing', worker = ?, lease_until = UTC_TIMESTAMP() + INTERVAL 5 MINUTE WHERE id = ?", [$worker, $job[0]]);
database()->execute_query('INSERT INTO job_attempts (job, worker) VALUES (?, ?)', [$job[0], $worker]);
database()->commit();
answer(200, ['job' => (int) $job[0]]);
