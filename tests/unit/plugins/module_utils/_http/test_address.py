# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""URLs and pinned nodes."""

from __future__ import annotations

import pytest
from ansible_collections.runbook.ops.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.runbook.ops.plugins.module_utils._http.address import Node, parse_node, parse_target


@pytest.mark.parametrize(
    ("url", "base", "authority", "path"),
    [
        ("https://WWW.Example.com", None, "www.example.com", "/"),
        ("http://www.example.com:8080/a?b=c#d", None, "www.example.com:8080", "/a?b=c"),
        ("https://www.example.com:443/", None, "www.example.com", "/"),
        ("http://[2001:DB8::1]:81/", None, "[2001:db8::1]:81", "/"),
        ("/health", "https://www.example.com/app/", "www.example.com", "/health"),
        ("health", "https://www.example.com/app/", "www.example.com", "/app/health"),
        ("", "https://www.example.com/app/", "www.example.com", "/app/"),
        ("http://bücher.example.com/straße?ü=1", None, "xn--bcher-kva.example.com", "/stra%C3%9Fe?%C3%BC=1"),
        ("http://www.example.com/a%20b", None, "www.example.com", "/a%20b"),
    ],
)
def test_target(url, base, authority, path):
    target = parse_target(url, base)
    assert (target.authority, target.path) == (authority, path)


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("", "url is empty; give an absolute URL"),
        ("/health", "give base_url"),
        ("www.example.com", "give base_url"),
        ("ftp://www.example.com/", "http:// or https://"),
        ("http:///path", "no host"),
        ("http://www.example.com:0/", "1 to 65535"),
        ("http://www.example.com:99999/", "1 to 65535"),
        ("http://www.example.com:web/", "1 to 65535"),
        ("http://user:hunter2@www.example.com/", "url_username"),
        ("http://www.example.com/a b", "%20"),
        ("http://www.example.com/\r\nHost: evil", "control"),
        ("http://exa<mple.com/", "no host name has"),
        ("http://[::1/", "can't be probed"),
    ],
)
def test_refuses_other_urls_without_repeating_secrets(url, hint):
    with pytest.raises(InvalidInput, match=hint) as caught:
        parse_target(url, None)
    assert "hunter2" not in caught.value.message
    assert "\n" not in caught.value.message


def test_display_masks_query_values():
    target = parse_target("https://www.example.com/a?token=hunter2&x=&secret&y=1=2", None)
    assert target.display == "https://www.example.com/a?token=***&x=&***&y=***"


@pytest.mark.parametrize(
    ("value", "node"),
    [
        (None, None),
        ("", None),
        ({}, None),
        ("192.0.2.11", Node("192.0.2.11")),
        ("192.0.2.11:8080", Node("192.0.2.11", 8080)),
        ("web1", Node("web1")),
        ("2001:db8::1", Node("2001:db8::1")),
        ("[2001:db8::1]", Node("2001:db8::1")),
        ("[2001:db8::1]:81", Node("2001:db8::1", 81)),
        ({"host": "web1"}, Node("web1")),
        ({"host": "2001:db8::1", "port": "81"}, Node("2001:db8::1", 81)),
    ],
)
def test_node(value, node):
    assert parse_node(value) == node


@pytest.mark.parametrize(
    "value", ["web1:", ":80", "web1:http", "web1:0", "web1:65536", "[::1]80", "http://web1/", "a b", {"port": 80}, {"host": "a", "x": 1}]
)
def test_refuses_other_nodes(value):
    with pytest.raises(InvalidInput, match="host"):
        parse_node(value)


@pytest.mark.parametrize(
    ("origin", "other", "trusted"),
    [
        ("https://www.example.com/", "https://www.example.com/b", True),
        ("http://www.example.com/", "https://www.example.com/", True),
        ("https://www.example.com/", "http://www.example.com/", False),
        ("https://www.example.com/", "https://example.com/", False),
        ("https://www.example.com/", "https://www.example.com:8443/", False),
        ("http://www.example.com:8080/", "https://www.example.com/", False),
    ],
)
def test_trust(origin, other, trusted):
    assert parse_target(origin, None).trusts(parse_target(other, None)) is trusted
