<?php
// Copyright (c) 2026, runbook.ops contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// A worker says what came of its job.
require dirname(__DIR__) . '/lib/server.php';
$worker = worker('POST');
$told = json_decode(file_get_contents('php://input'), true);
database()->execute_query("UPDATE jobs SET status = 'done', lease_until = NULL WHERE id = ? AND worker = ?", [$told['job'], $worker]);
answer(200, ['ok' => database()->affected_rows === 1]);
