# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import RunbookError
from ansible_collections.runbook.ops.plugins.module_utils._cpanel import api
from ansible_collections.runbook.ops.plugins.module_utils._cpanel.account import Account
from ansible_collections.runbook.ops.plugins.module_utils._cpanel.upload import Upload


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("", None),
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Fri, 20 Nov 2026 10:00:30 GMT", 30.0),
        ("Fri, 20 Nov 2026 09:00:00 GMT", 0.0),
        ("soon", None),
    ],
)
def test_how_long_the_server_wants_to_be_left_alone(text: str | None, seconds: float | None) -> None:
    assert api.retry_after(text, 1795168800.0) == seconds


def test_the_library_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "HAS_REQUESTS", False)
    with pytest.raises(RunbookError, match="pip install requests"):
        api.Api(Account("cpanel.example.com", "site", "ABC"))


def test_an_upload_can_be_begun_again() -> None:
    import io

    told: list[int] = []
    upload = Upload({"dir": "a"}, "name", io.BytesIO(b"0123456789"), 10, advance=lambda files, size: told.append(size))
    first = b"".join(iter(lambda: upload.read(3), b""))
    upload.rewind()
    assert upload.read() + upload.read() + upload.read() == first and len(first) == len(upload)
    assert sum(told) == 10, "what is sent twice is counted once"
    assert first.count(upload.boundary.encode()) == 3 and b'filename="name"' in first and b"0123456789\r\n--" in first
    shorter = Upload({}, "name", io.BytesIO(b"01"), 10)
    with pytest.raises(OSError, match="became shorter"):
        b"".join(shorter)
