# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our reading of PHP and systemd files held against PHP and systemd themselves."""

from __future__ import annotations

import json
import pathlib
import random
import shutil
import subprocess

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._checks.env_php import read_php
from ansible_collections.runbook.ops.plugins.module_utils._checks.env_systemd import read_systemd

ROUNDS = 150


def chance():
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    return random.Random(seed)


def text(random_, letters):
    return "".join(random_.choice(letters) for _time in range(random_.randrange(14)))


def php_literal(random_):
    """A text as PHP code; many of them have a variable inside, which must not be taken for a value."""
    inner = text(
        random_,
        [
            "a",
            "B",
            "7",
            " ",
            "\\",
            "\\n",
            "\\\\",
            "'",
            "$",
            "$b",
            "{",
            "}",
            "\n",
            "#",
            "//",
            "/*",
            "?",
            ">",
            "\\x41",
            "\\u{e9}",
            "\\101",
            "é",
        ],
    )
    kind = random_.randrange(4)
    if kind == 0:
        return "'" + inner.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if kind == 1:
        return '"' + inner.replace("{$", "").rstrip("\\") + '"'
    if kind == 2:
        return f"<<<'END'\n{inner}\nEND"
    return f"'{random_.randrange(99)}' . \"{inner.count('a')}\""


@pytest.mark.skipif(not shutil.which("php"), reason="PHP is not installed here")
def test_php_reads_the_same(tmp_path):
    random_ = chance()
    script = tmp_path / "all.php"
    sources = [php_literal(random_) for _round in range(ROUNDS)]
    parts = []
    for source in sources:
        file = tmp_path / f"{len(parts)}.php"
        file.write_text(f"<?php\n$before = 1;\ndefine('N{len(parts)}', {source}\n);\n$after['x'] = 'end';\n")
        parts.append(str(file))
    script.write_text(
        "<?php $all = []; foreach (json_decode(stream_get_contents(STDIN)) as $i => $file) {"
        " try { $b = 'other'; include $file; $all[] = bin2hex(constant('N' . $i)); } catch (\\Throwable $e) { $all[] = null; } }"
        " echo json_encode($all);"
    )
    said = subprocess.run(
        ["php", "-d", "display_errors=0", str(script)], input=json.dumps(parts), capture_output=True, text=True, check=True, timeout=60
    ).stdout
    readable = 0
    for number, (meant, file) in enumerate(zip(json.loads(said), parts)):
        source = sources[number]
        if meant is None:  # not PHP at all
            continue
        settings = read_php(pathlib.Path(file).read_text())
        value = settings.get(f"N{number}")
        assert settings.get("after.x").text == "end", source
        if value.why:
            assert "$" in source, source
            continue
        readable += 1
        assert value.text.encode("utf-8", "surrogateescape").hex() == meant, source
    assert readable > ROUNDS / 2


@pytest.mark.skipif(not pathlib.Path("/run/systemd/system").is_dir(), reason="systemd does not run here")
def test_systemd_reads_the_same(tmp_path):
    random_ = chance()
    lines = []
    for number in range(40):
        inner = text(random_, ["a", "B", " ", "#", ";", "$", "'", '"', "\\"])
        single, double = inner.replace("'", ""), inner.replace("\\", "\\\\").replace('"', '\\"')
        plain = "x" + inner.rstrip("\\")
        lines.append(f"N{number}=" + random_.choice([f"'{single}'", f'"{double}"', plain, f"'{single}' \"{double}\"{plain}"]))
    file = tmp_path / "x.env"
    file.write_text("\n".join(lines) + "\n")
    show = "import json, os; print(json.dumps(dict(os.environ)))"
    words = ["systemd-run", "--quiet", "--pipe", "--wait", f"--property=EnvironmentFile={file}", "python3", "-c", show]
    meant = json.loads(subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout)
    settings = read_systemd(file.read_text())
    assert {name: settings.get(name).text for name in settings.names()} == {
        name: meant[name] for name in meant if name[0] == "N" and name[1:].isdigit()
    }
