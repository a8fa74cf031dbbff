<?php
// Copyright (c) 2026, runbook.ops contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

require dirname(__DIR__, 2) . '/lib/server.php';
$stuck = database()->query("SELECT COUNT(*) FROM jobs WHERE status = 'processing' AND lease_until < UTC_TIMESTAMP()")->fetch_row()[0];
echo json_encode(['internal_server_enabled' => settings()['internal_server_enabled'], 'stuck_jobs' => (int) $stuck]), "\n";
