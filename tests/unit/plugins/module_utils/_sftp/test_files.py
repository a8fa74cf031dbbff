# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever loses the site while he waits for the host changes no name any more. What a server does with all this: tests/remote."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import Refused
from ansible_collections.runbook.ops.plugins.module_utils._sftp import wire
from ansible_collections.runbook.ops.plugins.module_utils._sftp.files import Files


class Client:
    """Counts what is sent; nothing should be."""

    def __init__(self, *extensions):
        self.extensions = dict.fromkeys(extensions, b"1")
        self.asked = []

    def run(self, jobs):
        self.asked += list(jobs)
        return iter(())

    def ask(self, request):
        self.asked.append(request)
        raise AssertionError("nobody may be asked any more")


@pytest.fixture
def lose(monkeypatch):
    """A site's files, and a method of theirs during which the site becomes another run's."""

    def make(method, *extensions):
        lost = []

        def changing(*names):
            if lost:
                raise Refused("this run stood still")

        def waiting(*_given, **_more):
            lost.append(method)

        files = Files(Client(*extensions), "/srv/www", False, changing)
        monkeypatch.setattr(files, method, waiting)
        return files

    return make


@pytest.mark.parametrize("extensions", [(wire.POSIX_RENAME,), ()])
def test_while_files_are_sent(lose, extensions):
    files = lose("_fill_each", *extensions)
    with pytest.raises(Refused, match="stood still"):
        files.write_each({".runbook/manifests/r1.json": b"{}"}, 0o600, move=("incoming/r1/tree", "releases/r1"))
    assert files._client.asked == []


def test_while_a_name_is_looked_at(lose):
    files = lose("stat")
    with pytest.raises(Refused, match="stood still"):
        files.rename("incoming/r1/tree", "releases/r1")
    assert files._client.asked == []
