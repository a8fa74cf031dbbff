<?php
// Copyright (c) 2026, runbook.ops contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

require dirname(__DIR__, 2) . '/lib/server.php';
$dead = database()->query('SELECT COUNT(*) FROM dlq')->fetch_row()[0];
note('ops/alerts.log', "dead letters: $dead, as " . posix_getpwuid(posix_geteuid())['name']);
echo json_encode(['ok' => $dead == 0, 'alerts' => [], 'ts' => gmdate('c')]), "\n";
