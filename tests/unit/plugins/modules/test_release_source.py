# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module itself, run as Ansible runs it: options in, JSON out."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import yaml
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._source import archive, source
from ansible_collections.runbook.ops.plugins.modules import release_source


def run(tmp_path, check=False, **options):
    """The module in a process of its own: exit status and result."""
    options.update(cache_dir=str(tmp_path / "cache"), _ansible_check_mode=check)
    script = (
        "import sys\n"
        "from ansible.module_utils.testing import patch_module_args\n"
        "from ansible_collections.runbook.ops.plugins.modules.release_source import main\n"
        "import json\n"
        "with patch_module_args(json.loads(sys.argv[1])):\n"
        "    main()\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.run([sys.executable, "-c", script, json.dumps(options)], env=env, capture_output=True, check=False)
    assert b"Traceback" not in process.stderr + process.stdout, process.stderr.decode()
    return process.returncode, json.loads(process.stdout)


def test_a_folder_is_resolved_also_in_check_mode(tmp_path):
    for check in (True, False, False, True):
        status, result = run(tmp_path, check=check, src=str(tmp_path))
        assert (status, result["changed"], result["path"], result["kind"]) == (0, False, os.path.realpath(tmp_path), "folder")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "one of the following is required: src, url, repo"),
        ({"src": "/a", "url": "https://www.example.com/a", "checksum": "x"}, "mutually exclusive"),
        ({"url": "https://www.example.com/a"}, "missing parameter(s) required by 'url': checksum"),
        ({"repo": "/a", "checksum": "x"}, "mutually exclusive"),
        ({"src": "/does/not/exist"}, "does not exist on the controller"),
    ],
)
def test_bad_options(tmp_path, options, match):
    status, result = run(tmp_path, **options)
    assert status == 1
    assert result["failed"]
    assert match in result["msg"]
    assert "\n" not in result["msg"]


def test_secrets_are_not_in_the_result(tmp_path):
    _status, result = run(tmp_path, repo="/does/not/exist", password="s3cret", headers={"Private-Token": "t0ken"})
    assert "s3cret" not in json.dumps(result)
    assert "t0ken" not in json.dumps(result)


def test_documentation_and_options_agree():
    documented = yaml.safe_load(release_source.DOCUMENTATION)["options"]
    spec = release_source.SPEC.options
    assert documented.keys() == spec.keys()
    for name, option in spec.items():
        assert documented[name].get("default") == option.get("default"), name
        assert documented[name]["type"] == option["type"], name
    assert spec["max_bytes"]["default"] == archive.DEFAULT_MAX_BYTES
    assert spec["max_files"]["default"] == archive.DEFAULT_MAX_FILES


def test_every_documented_result_is_returned(tmp_path):
    documented = yaml.safe_load(release_source.RETURN).keys()
    assert documented == source.resolve({"src": str(tmp_path)}, Run()).keys() - {"changed"}
