<?php
// Copyright (c) 2026, runbook.ops contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Writes numbered lines as a logger does that keeps its stream open; reopens it on USR1, ends on TERM, prints how many it wrote.
[, $path, $rate] = $argv;
$going = true;
$again = false;
pcntl_async_signals(true);
pcntl_signal(SIGTERM, function () use (&$going) { $going = false; });
pcntl_signal(SIGUSR1, function () use (&$again) { $again = true; });
$log = fopen($path, 'a');
stream_set_write_buffer($log, 0);
$number = 0;
$began = microtime(true);
while ($going) {
    if ($again) {
        $again = false;
        fclose($log);
        $log = fopen($path, 'a');
        stream_set_write_buffer($log, 0);
    }
    fwrite($log, "line $number " . str_repeat('x', $number % 89) . " end\n");
    $number++;
    $ahead = $began + $number / $rate - microtime(true);
    if ($ahead > 0.002) {
        usleep((int) ($ahead * 1e6));
    }
}
echo $number, "\n";
