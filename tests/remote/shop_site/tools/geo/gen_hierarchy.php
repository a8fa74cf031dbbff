<?php
// Copyright (c) 2026, runbook.ops contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

$folder = dirname(__DIR__, 2) . '/storage/data/geo/sa';
$cities = array_map('str_getcsv', file("$folder/cities.csv", FILE_IGNORE_NEW_LINES));
file_put_contents("$folder/hierarchy.json", json_encode(['sa' => array_column($cities, 0)]));
echo count($cities), " cities below sa\n";
