<?php
// Copyright (c) 2026, runbook.ops contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// The worker's installer, whole or in parts.
$file = dirname(__DIR__) . '/storage/releases/worker.exe';
$size = filesize($file);
[$first, $last] = [0, $size - 1];
header('Content-Type: application/octet-stream');
header('Accept-Ranges: bytes');
header('ETag: "' . hash_file('sha256', $file) . '"');
if (preg_match('/^bytes=(\d+)-(\d*)$/', $_SERVER['HTTP_RANGE'] ?? '', $found)) {
    [$first, $last] = [(int) $found[1], $found[2] === '' ? $last : min($last, (int) $found[2])];
    http_response_code(206);
    header("Content-Range: bytes $first-$last/$size");
}
header('Content-Length: ' . ($last - $first + 1));
if ($_SERVER['REQUEST_METHOD'] !== 'HEAD') {
    echo file_get_contents($file, false, null, $first, $last - $first + 1);
}
