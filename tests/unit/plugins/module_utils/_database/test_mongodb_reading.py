# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MongoDB's free queries: what is refused before a server is asked, and what an answer amounts to."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput, RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._database.mongodb_reading import at, documents_of, field, reading_command


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("db.jobs.count()", "is not a mapping"),
        (None, "is not a mapping"),
        ({"drop": "jobs"}, "only reading is allowed"),
        ({"insert": "jobs", "documents": [{}]}, "only reading is allowed"),
        ({"find": 1}, "only reading is allowed"),
        ({"find": "jobs", "count": "jobs"}, "only reading is allowed"),
        ({"find": "jobs", "drop": "jobs"}, "find takes no drop"),
        ({"find": "jobs", "maxTimeMS": 0}, "find takes no maxTimeMS"),
        ({"aggregate": "jobs", "pipeline": [{"$match": {}}, {"$out": "x"}]}, r"the query writes \(\$out\)"),
        ({"aggregate": "jobs", "pipeline": [{"$lookup": {"pipeline": [{"$merge": "x"}]}}]}, r"the query writes \(\$merge\)"),
        ({"aggregate": "jobs", "pipeline": [[{"deep": [{"$out": "x"}]}]]}, "the query writes"),
    ],
)
def test_what_is_refused(query, message):
    with pytest.raises(InvalidInput, match=message):
        reading_command(query, 2, 10)


@pytest.mark.parametrize("name", ["", "$where", "a.$b", "a..b", ".", "a\0b"])
def test_what_is_no_field(name):
    with pytest.raises(InvalidInput, match="no name of a field"):
        field(name)


def test_fields():
    assert field("a.b") == "a.b"
    assert at({"a": {"b": [{"c": 7}]}}, "a.b.0.c") == 7
    for path in ("x", "a.x", "a.b.1", "a.b.c"):
        with pytest.raises(RunbookError, match="has no field"):
            at({"a": {"b": [1]}}, path)


def test_answers():
    assert documents_of({"cursor": {"firstBatch": [{"a": 1}]}}) == [{"a": 1}]
    assert documents_of({"values": [1, 2]}) == [{"value": 1}, {"value": 2}]
    assert documents_of({"n": 5, "ok": 1.0}) == [{"n": 5}]
