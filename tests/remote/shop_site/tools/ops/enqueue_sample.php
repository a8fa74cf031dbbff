<?php
// Copyright (c) 2026, runbook.ops contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

require dirname(__DIR__, 2) . '/lib/server.php';
database()->query("INSERT INTO jobs (kind) VALUES ('sample')");
$id = database()->insert_id;
note('ops/enqueue.log', "job $id");
echo "enqueued job $id\n";
