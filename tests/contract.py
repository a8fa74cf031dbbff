# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module keeps to: its documentation says what its options are, and it runs as Ansible runs it."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import types
import typing as t

import pytest
import yaml
from ansible_collections.runbook.ops.plugins.module_utils._common.argspec import ArgumentSpec


def complaints(module: types.ModuleType, spec: ArgumentSpec, secrets: t.Collection[str] = ()) -> list[str]:
    """Where the module's documentation and its options differ; none is what a test wants."""
    documentation = yaml.safe_load(module.DOCUMENTATION)
    documented = dict(documentation.get("options") or {})
    for name in documentation.get("extends_documentation_fragment", ()):
        documented = {**_fragment(name).get("options", {}), **documented}
    found = [f"{name} is documented but is no option" for name in documented.keys() - spec.options.keys()]
    found += [f"{name} is not documented" for name in spec.options.keys() - documented.keys()]
    for name in documented.keys() & spec.options.keys():
        said, option = documented[name], spec.options[name]
        for key in ("type", "elements", "choices", "default"):
            if said.get(key) != option.get(key):
                found.append(f"{name}: {key} is documented as {said.get(key)!r} but is {option.get(key)!r}")
        if bool(said.get("required")) != bool(option.get("required")):
            found.append(f"{name}: required differs")
        if (name in secrets) != bool(option.get("no_log")):
            found.append(f"{name}: no_log is {option.get('no_log')}")
        if not all(line.endswith((".", "?", ")")) for line in said["description"]):
            found.append(f"{name}: a description is no sentence")
    if documentation["module"] != module.__name__.rpartition(".")[2]:
        found.append("module: is another's name")
    return found


def _fragment(name: str) -> dict[str, t.Any]:
    """A fragment such as runbook.ops._release or runbook.ops._release.lock."""
    _namespace, _collection, file, *part = name.split(".")
    fragments = importlib.import_module(f"ansible_collections.runbook.ops.plugins.doc_fragments.{file}").ModuleDocFragment
    return t.cast("dict[str, t.Any]", yaml.safe_load(getattr(fragments, part[0].upper() if part else "DOCUMENTATION")))


def run(module: types.ModuleType, check: bool = False, **options: t.Any) -> tuple[int, dict[str, t.Any]]:
    """The module in a process of its own: exit status and result."""
    script = (
        "import importlib, json, sys\n"
        "from ansible.module_utils.testing import patch_module_args\n"
        "main = importlib.import_module(sys.argv[1]).main\n"
        "with patch_module_args(json.loads(sys.argv[2])):\n"
        "    main()\n"
    )
    name = f"ansible_collections.runbook.ops.plugins.modules.{module.__name__.rpartition('.')[2]}"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    words = [sys.executable, "-c", script, name, json.dumps({**options, "_ansible_check_mode": check})]
    process = subprocess.run(words, env=env, capture_output=True, check=False)
    assert b"Traceback" not in process.stderr + process.stdout, process.stderr.decode()
    result = json.loads(process.stdout)
    assert "\n" not in result.get("msg", ""), result["msg"]
    return process.returncode, result


class SiteModule:
    """What a module that works on a site keeps to; a test file derives its ``TestContract`` from it."""

    MODULE: types.ModuleType
    SPEC: ArgumentSpec
    GOOD: t.Mapping[str, t.Any]  # options that it takes, all that it needs besides path
    SECRETS: t.Collection[str] = ()

    def test_documentation_and_options_agree(self) -> None:
        assert complaints(self.MODULE, self.SPEC, self.SECRETS) == []

    @pytest.mark.parametrize(
        ("path", "match"), [("/", "belongs to the system"), ("www", "is not absolute"), ("/srv/../etc", "climbs with")]
    )
    def test_paths_that_are_no_sites(self, path: str, match: str) -> None:
        for check in (True, False):
            status, result = run(self.MODULE, check, **{**self.GOOD, "path": path})
            assert (status, result["failed"]) == (1, True)
            assert match in result["msg"]

    def test_path_is_required(self) -> None:
        status, result = run(self.MODULE, **self.GOOD)
        assert status == 1
        assert "path" in result["msg"]
