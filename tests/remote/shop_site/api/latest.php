<?php
// Copyright (c) 2026, runbook.ops contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// What the newest worker is; may be cached, and asked for again.
$file = dirname(__DIR__) . '/storage/releases/latest.json';
$tag = '"' . hash_file('sha256', $file) . '"';
$time = gmdate('D, d M Y H:i:s', filemtime($file)) . ' GMT';
header('Content-Type: application/json');
header('Cache-Control: public, max-age=60');
header("ETag: $tag");
header("Last-Modified: $time");
$asked = $_SERVER['HTTP_IF_NONE_MATCH'] ?? null;
if ($asked !== null ? $asked === $tag : ($_SERVER['HTTP_IF_MODIFIED_SINCE'] ?? '') === $time) {
    http_response_code(304);
    exit;
}
readfile($file);
