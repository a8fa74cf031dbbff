<?php
// Copyright (c) 2026, runbook.ops contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// What endpoints and tools share: settings, the database, and whether a request is signed by a worker.
declare(strict_types=1);

function settings(): array
{
    static $settings;

    return $settings ??= require dirname(__DIR__) . '/config/.env.php';
}

function database(): mysqli
{
    static $database;
    mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);

    return $database ??= new mysqli('127.0.0.1', settings()['db_user'], settings()['db_password'], settings()['db_name']);
}

function answer(int $status, array $body): never
{
    http_response_code($status);
    header('Content-Type: application/json');
    echo json_encode($body);
    exit;
}

/** What this server takes for the present; a test may set its clock wrong. */
function present(): int
{
    return time() + (int) @file_get_contents(dirname(__DIR__) . '/storage/data/clock_is_ahead');
}

/** The worker that signed this request; others get 401. */
function worker(string $method): string
{
    $given = (string) ($_SERVER['HTTP_X_AUTH_TS'] ?? '');
    header('Date: ' . gmdate('D, d M Y H:i:s', present()) . ' GMT');
    if ($_SERVER['REQUEST_METHOD'] !== $method || !settings()['internal_server_enabled']) {
        answer(405, ['ok' => false]);
    }
    $path = strtok($_SERVER['REQUEST_URI'], '?');
    $words = implode('|', [$method, $path, hash('sha256', file_get_contents('php://input')), $given]);
    $signature = hash_hmac('sha256', $words, settings()['internal_secret']);
    if (!ctype_digit($given) || abs(present() - (int) $given) > 300 || !hash_equals($signature, $_SERVER['HTTP_X_AUTH_SIGN'] ?? '')) {
        answer(401, ['ok' => false]);
    }
    $worker = $_SERVER['HTTP_X_WORKER_ID'] ?? '';
    database()->execute_query('INSERT INTO workers (id, last_seen) VALUES (?, UTC_TIMESTAMP())
        ON DUPLICATE KEY UPDATE last_seen = UTC_TIMESTAMP()', [$worker]);

    return $worker;
}

/** A line in a log of the site's. */
function note(string $log, string $line): void
{
    $path = dirname(__DIR__) . "/storage/logs/$log";
    @mkdir(dirname($path), 0755, true);
    if (file_put_contents($path, gmdate('Y-m-d\TH:i:s\Z ') . $line . "\n", FILE_APPEND) === false) {
        throw new RuntimeException("$path can't be written");
    }
}
