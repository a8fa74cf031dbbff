# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._checks.env_php import read_php
from ansible_collections.runbook.ops.plugins.module_utils._checks.env_values import Broken


def only(text, name="A"):
    value = read_php(f"<?php\n{text}\n").get(name)
    return value and (value.why or value.text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("define('A', 'b');", "b"),
        ('\\define("A", "b") ;', "b"),
        ("DEFINE('A', TRUE);", "true"),
        ("define('A', 'b'); define('A', 'c');", "b"),
        ("define( 'A' /* ; */ , 'b' ); // define('A', 'c');", "b"),
        ("const B = 1, A = 'x';", "x"),
        ("defined('A') || define('A', 'b');", "b"),
        ("if (!defined('A')) define('A', 'b');", "b"),
        ("if ( ! defined( 'A' ) ) {\n define( 'A', 'b' );\n}", "b"),
        ("define('B', 'x'); require_once B . '/y.php'; define('A', 'b');", "b"),
        ("function f($x) { $A = 1; return $x; } define('A', 'b');", "b"),
        ("class C { const A = 1; function f() { return 2; } } define('A', 'b');", "b"),
        ("?> define('A', 'c'); <?php define('A', 'b');", "b"),
        ("#[Attribute]\n$A = 'b';", "b"),
        ("$A = 'b';", "b"),
        ("$A = 'b'; $A = \"c\";", "c"),
        ("$A = $B = 'c';", "c"),
        ("$A = ('b' . \"c\");", "bc"),
        ("$A = -5;", "-5"),
        ("$A = 1_000;", "1000"),
        ("$A = null;", ""),
        ("$A = [];", ""),
        ("$A = 'it\\'s \\n';", "it's \\n"),
        ('$A = "a\\tb\\x41\\101\\u{e9}\\$x\\q";', "a\tbAA\xe9$x\\q"),
        ("$A = <<<'END'\n  a $b\n  END;", "a $b"),
        ("$A = <<<END\na\\tb\nEND . 'c';", "a\tbc"),
        ("exit; $A = 'b';", None),
        ("// $A = 'b';\n/* $A = 'c'; */ # $A = 'd';", None),
    ],
)
def test_means(text, value):
    assert only(text) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("define('A', getenv('A'));", "made by getenv()"),
        ("define('A', __DIR__ . '/x');", "put together"),
        ("define('A', 'x' . B);", "put together"),
        ("define('A', $b ? 'x' : 'y');", "put together"),
        ('$A = "x$b";', "put together"),
        ('$A = "x{$b["y"]}z"; $c = "d";', "put together"),
        ("$A = <<<END\n$b\nEND;", "put together"),
        ("$A = `id`;", "put together"),
        ("$A = (int) '5';", "put together"),
        ("$A = function () { return 'x'; };", "made by function()"),
        ("if ($x) { define('A', 'b'); }", "condition"),
        ("if ($x) { $y = 1; } else { $A = 'b'; }", "condition"),
        ("if ($x): $y = 1; else: $A = 'b'; endif;", "condition"),
        ("$A = 'b'; if ($x) $A = 'c';", "condition"),
        ("$A = 'b'; foreach ($x as $A) { }", "condition"),
        ("$A = 'b'; $A .= 'c';", "condition"),
        ("$A = 'b'; unset($x, $A);", "condition"),
        ("[$x, $A] = f();", "condition"),
        ("switch ($x) { case 1: $A = 'b'; break; }", "condition"),
        ("function f() { define('A', 'b'); } ", "condition"),
        ("if (!defined('B')) { define('A', 'b'); }", "condition"),
    ],
)
def test_what_is_not_written_out_is_not_readable(text, words):
    assert words in only(text)


def test_arrays_by_their_dotted_names():
    settings = read_php(
        """<?php
        use Illuminate\\Support\\Str;
        return [
            'default' => env('DB_CONNECTION', 'mysql'),
            'connections' => array('mysql' => ['host' => '127.0.0.1', 'port' => 3306, 'password' => env('DB_PASSWORD', '')]),
            'list' => ['a', 'b', 5 => 'c', 'd'],
            'sum' => [...$other, 'x'],
            'dynamic' => [$key => 'y'],
        ];
        $unreached = 1;"""
    )
    assert settings.get("connections.mysql.port").text == "3306"
    assert settings.get("default").why == "is made by env()"
    assert settings.get("connections.mysql.password").why
    assert settings.get("connections.mysql").why == "is a list of values"
    assert [settings.get(f"list.{key}").text for key in (0, 1, 5, 6)] == ["a", "b", "c", "d"]
    assert settings.get("sum.0").why
    assert settings.get("dynamic.anything").why
    assert settings.get("absent") is None
    assert settings.get("unreached") is None


def test_a_returned_call_leaves_nothing_readable():
    assert read_php("<?php return array_merge(['a' => 'b'], f());").get("a").why


def test_elements_of_arrays():
    settings = read_php(
        "<?php $wg['x']['y'] = 'a'; $wg['list'][] = 'b'; $wg['list'][] = 'c'; $wg['x'] = ['z' => 'd']; $f = f(); $f[] = 'e'; $wg[g()] = 1;"
    )
    assert settings.get("wg.x.z") is None or settings.get("wg.x.z").why
    assert settings.get("f.0").why
    settings = read_php("<?php $wg['x']['y'] = 'a'; $wg['list'][] = 'b'; $wg['list'][] = 'c'; $wg['x'] = ['z' => 'd'];")
    assert settings.names() == ["wg.list.0", "wg.list.1", "wg.x.z"]


@pytest.mark.parametrize("text", ["$A = 'x", '$A = "x', "/* x", "$A = <<<END\nx", '$A = "{$x[\'y"; '])
def test_without_an_end_it_is_broken_and_shows_nothing(text):
    with pytest.raises(Broken, match=r"^line 2 begins") as caught:
        read_php(f"<?php\n{text}")
    assert "$A" not in caught.value.message


@pytest.mark.parametrize(
    "text", ["", "no php", "<?php", "<?php ) ] } ; {", "<?php define(", "<?php $A = [", "<?php if (", "<?php $", "<?= 'x' ?>"]
)
def test_any_text_has_an_end(text):
    assert read_php(text) is not None
