# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The functions about files that can be members of a batch, with their parameters.

Paths are relative to the account's home folder. So are those that are sent: an absolute ``dir`` of ``upload_files`` is taken for one
inside the home folder by some versions, which report success all the same.
"""

from __future__ import annotations

import typing as t

from .._common.errors import InvalidInput

# Module, function, parameters.
Command = t.Tuple[str, str, t.Mapping[str, t.Any]]


def split(path: str) -> tuple[str, str]:
    """Folder and name of a path; the home folder is ``.``."""
    folder, _slash, name = path.rpartition("/")
    return folder or ".", name


def safe(path: str) -> str:
    """A path that can be sent: ``fileop`` takes a comma for the end of a name, and has no way to say otherwise."""
    if any(letter == "," or not letter.isprintable() for letter in path) or any(part in ("", ".", "..") for part in path.split("/")):
        raise InvalidInput(f"cPanel's API can't name {path!r}; use a folder without commas, line breaks and '..'")
    return path


def list_files(folder: str, **page: int) -> Command:
    options = {"show_hidden": 1, "include_mime": 0, "include_permissions": 0, "check_for_leaf_directories": 0}
    pages = {f"api.{key}": value for key, value in page.items()}
    return "Fileman", "list_files", {"dir": folder, **options, **pages}


def get_file_information(path: str) -> Command:
    return "Fileman", "get_file_information", {"path": path, "show_hidden": 1}


def get_file_content(path: str) -> Command:
    folder, name = split(path)
    charsets = {"from_charset": "ISO-8859-1", "to_charset": "UTF-8", "update_html_document_encoding": 0}
    return "Fileman", "get_file_content", {"dir": folder, "file": name, **charsets}


def move(old: str, new: str) -> Command:
    return "Fileman", "rename_file" if split(old)[0] == split(new)[0] else "move_file", {"source": old, "destination": new}


def delete_file(path: str) -> Command:
    """For good, folders with all that is in them."""
    return "Fileman", "delete_file", {"path": path}
