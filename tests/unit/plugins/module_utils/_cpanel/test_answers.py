# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._cpanel.answers import (
    Answer,
    api2_answer,
    failure,
    is_login_page,
    kind_of,
    one_line,
    parse,
    uapi_answer,
)


@pytest.mark.parametrize(
    ("document", "ok", "errors"),
    [
        ({"status": 1, "data": [1], "errors": None}, True, []),
        ({"result": {"status": "1", "data": [1], "errors": []}}, True, []),
        ({"status": 0, "errors": ["no"]}, False, ["no"]),
        ({"result": {"status": 0, "errors": "no", "data": None}}, False, ["no"]),
        ({"cpanelresult": {"error": "Access denied", "data": {"reason": "Access denied", "result": "0"}}}, False, ["Access denied"]),
    ],
)
def test_uapi_with_and_without_its_envelope(document: t.Any, ok: bool, errors: list[str]) -> None:
    answer = uapi_answer(document)
    assert (answer.ok, answer.errors) == (ok, errors)


@pytest.mark.parametrize("document", [None, [], {}, {"data": 1}, {"result": [1]}, "text"])
def test_other_documents_are_no_answers(document: t.Any) -> None:
    with pytest.raises(ValueError, match="no "):
        uapi_answer(document)
    with pytest.raises(ValueError, match="no "):
        api2_answer(document)


@pytest.mark.parametrize(
    ("found", "ok", "errors"),
    [
        ({"data": [{"src": "/a", "dest": "/b", "result": 1}], "event": {"result": 1}}, True, []),
        ({"data": [{"result": 1}, {"result": 0, "err": "no"}], "event": {"result": 1}}, False, ["no"]),
        ({"data": [{"result": "0", "reason": "no"}]}, False, ["no"]),
        ({"data": [], "event": {"result": 0, "reason": "no"}}, False, ["no"]),
        ({"data": [], "error": "no", "event": {"result": 1}}, False, ["no"]),
        ({"data": None, "error": "no", "event": {"result": 0, "reason": "no"}}, False, ["no"]),
    ],
)
def test_api2_tells_of_each_file(found: dict[str, t.Any], ok: bool, errors: list[str]) -> None:
    answer = api2_answer({"cpanelresult": found})
    assert (answer.ok, answer.errors) == (ok, errors)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("The system could not find the function \u201cmove_file\u201d in the module \u201cFileman\u201d.", "unsupported"),
        ("Failed to load module \u201cBatch\u201d: (XID abc123) Can't locate Cpanel/API/Batch.pm", "unsupported"),
        ("You do not have the feature \u201cfilemanager\u201d.", "restricted"),
        ("This feature is not enabled for your account", "restricted"),
        ("The function is disabled in demo mode", "restricted"),
        ("The \u201cFileStorage\u201d role is disabled on this server.", "restricted"),
        ("Access denied", "token"),
        ("Permission denied", "token"),
        ("The system failed to open \u201c/home/site/x\u201d: Permission denied", "denied"),
        ("/home/site/x: Permission denied", "denied"),
        ("The directory \u201c/home/site/quota/disabled\u201d does not exist.", "missing"),
        ("The path \u201c/home/site/this feature is disabled\u201d does not exist.", "missing"),
        ("/home/site/already exists/x: No such file or directory", "missing"),
        ("The destination \u201c/home/site/x\u201d already exists.", "exists"),
        ("/home/site/x: Directory not empty", "exists"),
        ("The system failed to write to \u201c/home/site/x\u201d: Disk quota exceeded", "quota"),
        ("write error: No space left on device", "quota"),
        ("Something else", "other"),
        ("", "other"),
    ],
)
def test_what_a_text_means(text: str, kind: str) -> None:
    assert kind_of([text]) == kind


@pytest.mark.parametrize("function", ["Fileman::upload_files", "Quota::get_quota_info", "Other::thing"])
def test_a_failure_is_one_line_with_advice(function: str) -> None:
    error = failure(
        function, Answer(False, errors=["You do not have\nthe feature \u201cx\u201d.\x1b[0m"]), "site on cpanel.example.com:2083"
    )
    assert error.kind == "restricted" and "\n" not in error.message and "\x1b" not in error.message
    assert error.message.startswith(f"{function} failed for site on cpanel.example.com:2083: You do not have the feature")
    assert "backend: sftp" in error.message
    assert "gave no reason" in failure(function, Answer(False), "x").message


def test_long_texts_are_cut() -> None:
    assert len(one_line("x" * 1000)) == 300 and one_line("a\tb\r\n c") == "a b c"


def test_pages_for_people_are_no_answers() -> None:
    assert is_login_page(b"\n<!DOCTYPE html><html>") and is_login_page(b"<HTML>")
    assert not is_login_page(b'{"status":1}')
    assert not is_login_page(b'{"status":1,"data":{"content":"<!DOCTYPE html><html>"}}'), "the content of a file"


def test_listings_are_trimmed_and_others_are_not() -> None:
    entry = {"file": "x", "fullpath": "/home/site/x", "size": "3", "humansize": "3 bytes", "mimetype": "text/plain"}
    found = parse(json.dumps({"data": [entry], "file": "kept", "other": 1}).encode())
    assert found == {"data": [{"file": "x", "fullpath": "/home/site/x", "size": "3"}], "file": "kept", "other": 1}
    with pytest.raises(ValueError, match="Expecting"):
        parse(b"<html>")
