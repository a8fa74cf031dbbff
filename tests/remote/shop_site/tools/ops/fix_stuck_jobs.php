<?php
// Copyright (c) 2026, runbook.ops contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

require dirname(__DIR__, 2) . '/lib/server.php';
database()->query("UPDATE jobs SET status = 'queued', worker = NULL WHERE status = 'processing' AND lease_until < UTC_TIMESTAMP()");
echo database()->affected_rows, " jobs are back in the queue\n";
