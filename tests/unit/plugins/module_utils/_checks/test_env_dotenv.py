# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._checks.env_dotenv import read_docker, read_dotenv
from ansible_collections.runbook.ops.plugins.module_utils._checks.env_values import Broken


def only(text, name="A", read=read_dotenv):
    value = read(text).get(name)
    return value and (value.why or value.text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=b", "b"),
        ("A=", ""),
        ("export A=b", "b"),
        ("  A = b  ", "b"),
        ("A=b # comment", "b"),
        ("A='b # c' # comment", "b # c"),
        ('A="b # c"', "b # c"),
        ("A='it\\'s'", "it's"),
        ("A='C:\\'\nB='x'", "C:\\"),
        ('A="x\\ny\\"z\\\\"', 'x\ny"z\\'),
        ('A="one\ntwo"\nB=c', "one\ntwo"),
        ("A='one\n#two\n'\nB=c", "one\n#two\n"),
        ("A=`b \"c\" 'd'`", "b \"c\" 'd'"),
        ("A=My App", "My App"),
        ("A=http://example.com/?a=b&c=d", "http://example.com/?a=b&c=d"),
        ("B=x\nA=${B}-y", "x-y"),
        ('B=x\nA="${B}/y"', "x/y"),
        ("B=x\nA='${B}'", "${B}"),
        ('A="\\${B}"', "${B}"),
        ("A=${B:-default}", "default"),
        ("B=\nA=${B:-default}", "default"),
        ("B=\nA=${B-default}x", "x"),
        ("A=5$", "5$"),
        ("A=1\nA=1", "1"),
        ("#A=b", None),
    ],
)
def test_means(text, value):
    assert only(text) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A=${B}", "B, which is not set"),
        ("A=${A}x", "A, which is not set"),
        ("A=p$word", "single quotes"),
        ('A="p$word"', "single quotes"),
        ("A=${B:?must}", "only the program"),
        ("A=$(date)", "only the program"),
        ("A=#abc", "has a #"),
        ("A=ab#cd", "has a #"),
        ('A="x" y', "behind its closing quote"),
        ('A=x"y"', "quotes or a backslash inside"),
        ('A="\\d"', "backslash before a character"),
        ("A=1\nA=2", "more than once"),
        ("B=p$word\nA=${B}", "can't be told"),
    ],
)
def test_what_programs_read_differently_is_not_readable(text, words):
    assert words in only(text)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("A=b\nMIIEvQIBADANBgkqhkiG", 2),
        ("A=b\nMIIEvQIBADANBgkq=", 2),
        ("A=b\nMIIEvQ==", 2),
        ("A=b\n\n1A=b", 3),
        ("A='b", 1),
        ('A=b\nB="c\n', 2),
        ("A='b\nc' d\n", 1),
        ("A" * 101 + "=b", 1),
        ("A: b", 1),
    ],
)
def test_a_broken_file_is_refused_by_line_without_its_content(text, line):
    with pytest.raises(Broken) as caught:
        read_dotenv(text)
    assert caught.value.message.startswith(f"line {line} ")
    assert not any(word in caught.value.message for word in ("MII", "1A", "b'", "AAA"))


def test_docker_takes_everything_for_the_value():
    assert only("A='b' # c", read=read_docker) == "'b' # c"
    assert only("A=${B}$C", read=read_docker) == "${B}$C"
    assert only("# c\nA=1\nA=2\r\n", read=read_docker) == "2"
    assert "environment" in only("A", read=read_docker)
    with pytest.raises(Broken, match="line 2"):
        read_docker("A=1\n" + "x" * 64)
