<?php
// Copyright (c) 2026, runbook.ops contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Forget compiled code. For those who know the secret, and only while the site is closed.
require dirname(__DIR__) . '/lib/server.php';
$closed = file_exists(dirname($_SERVER['DOCUMENT_ROOT']) . '/maintenance.flag');
if (!$closed || !hash_equals(settings()['internal_secret'], $_SERVER['HTTP_X_INTERNAL_SECRET'] ?? '')) {
    answer(403, ['ok' => false]);
}
note('opcache.log', 'reset ' . var_export(opcache_reset(), true));
answer(200, ['ok' => true]);
