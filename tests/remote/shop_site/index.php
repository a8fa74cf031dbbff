<?php
// Copyright (c) 2026, runbook.ops contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// The home page: which release it is, as far as PHP knows.
$one = require __DIR__ . '/lib/release.php';
require_once __DIR__ . '/lib/server.php';
$places = database()->query('SELECT COUNT(*) FROM places')->fetch_row()[0];
echo "shop $one, $places places";
