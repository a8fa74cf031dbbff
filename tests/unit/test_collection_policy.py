# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection polices itself: what no linter knows of is asked here, of every module, role and playbook."""

from __future__ import annotations

import pathlib
import textwrap

import pytest
from runner import policy

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODULES = policy.modules(ROOT)
ROLES = policy.roles(ROOT)
PLAYBOOKS = policy.playbooks(ROOT)


def complain(complaints):
    assert not complaints, "\n  " + "\n  ".join(complaints)


@pytest.mark.parametrize("name", MODULES)
class TestModules:
    def test_says_how_it_behaves(self, name):
        complain(policy.module_documentation(ROOT, name))

    def test_is_held_to_check_mode_and_idempotence(self, name):
        complain(policy.module_tests(ROOT, name))

    def test_is_in_the_readme(self, name):
        complain(policy.table_row(ROOT, name))


@pytest.mark.parametrize("name", ROLES)
class TestRoles:
    def test_describes_its_interface(self, name):
        complain(policy.role_interface(ROOT, name))

    def test_keeps_to_its_own_variables(self, name):
        complain(policy.role_prefixes(ROOT, name))

    def test_is_in_the_readme(self, name):
        if not name.startswith("_"):
            complain(policy.table_row(ROOT, name))


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_playbook_is_in_the_readme(name):
    complain(policy.playbook_mention(ROOT, name))


def test_ignored_sanity_tests_have_a_reason():
    complain(policy.sanity_ignores(ROOT))


def test_action_groups_name_modules():
    complain(policy.action_groups(ROOT))


# What follows keeps the rules themselves honest: each must notice what it is there to notice.


MODULE = '''
DOCUMENTATION = r"""
module: sample
extends_documentation_fragment:
  - runbook.ops._attributes
  - runbook.ops._attributes.full
"""
EXAMPLES = r"""
- name: Use it
  runbook.ops.sample:
    path: /srv/www.example.com
"""
RETURN = r"""
before: {description: What was, type: str, returned: always}
"""
'''
TARGET = """
- name: Predict
  runbook.ops.sample: {path: /tmp/x}
  check_mode: true
  register: predicted
- name: Apply
  runbook.ops.sample: {path: /tmp/x}
  register: applied
- name: Apply again
  runbook.ops.sample: {path: /tmp/x}
  register: again
- name: Compare
  ansible.builtin.assert:
    that:
      - predicted is changed
      - applied is changed
      - again is not changed
"""
SPECS = """
argument_specs:
  main:
    short_description: Sample
    options:
      sample_path: {description: Where., type: path, required: true}
      sample_keep: {description: How many., type: int, default: 5}
"""


def write(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))


@pytest.fixture
def small(tmp_path):
    """A collection of one module, one role and one playbook that keeps all rules."""
    write(tmp_path, "plugins/modules/sample.py", MODULE)
    write(tmp_path, "plugins/doc_fragments/_attributes.py", (ROOT / "plugins/doc_fragments/_attributes.py").read_text())
    write(tmp_path, "tests/unit/plugins/modules/test_sample.py", "")
    write(tmp_path, "tests/integration/targets/sample/tasks/main.yml", TARGET)
    write(tmp_path, "tests/integration/targets/sample/aliases", "gather_facts/no\n")
    write(tmp_path, "roles/sample/meta/argument_specs.yml", SPECS)
    write(tmp_path, "roles/sample/defaults/main.yml", "sample_keep: 5\n")
    write(tmp_path, "roles/sample/README.md", "# sample\n")
    write(tmp_path, "roles/sample/tasks/main.yml", "- name: Go\n  ansible.builtin.command: 'true'\n  register: __sample_result\n")
    write(tmp_path, "playbooks/go.yml", "[]\n")
    write(tmp_path, "README.md", "| module | does |\n|---|---|\n| [`sample`](docs) | samples |\n\n`playbooks/go.yml`\n")
    return tmp_path


ALL = {
    policy.module_documentation: "sample",
    policy.module_tests: "sample",
    policy.table_row: "sample",
    policy.role_interface: "sample",
    policy.role_prefixes: "sample",
    policy.playbook_mention: "go",
}


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.__name__)
def test_a_good_collection_passes(small, rule):
    complain(rule(small, ALL[rule]))


BROKEN = [
    (policy.module_documentation, "plugins/modules/sample.py", "  - runbook.ops._attributes.full\n", "", "check_mode"),
    (policy.module_documentation, "plugins/modules/sample.py", "RETURN = ", "RESULT = ", "no RETURN"),
    (policy.module_documentation, "plugins/modules/sample.py", "  runbook.ops.sample:", "  sample:", "never call"),
    (policy.module_tests, "tests/integration/targets/sample/tasks/main.yml", "  check_mode: true\n", "", "check_mode"),
    (policy.module_tests, "tests/integration/targets/sample/tasks/main.yml", "      - predicted is changed\n", "", "check_mode"),
    (policy.module_tests, "tests/integration/targets/sample/tasks/main.yml", "again is not changed", "again is changed", "repeated"),
    (policy.module_tests, "tests/integration/targets/sample/tasks/main.yml", "again is not changed", "nobody is not changed", "repeated"),
    (policy.table_row, "README.md", "| [`sample`](docs) |", "| other | sample of", "no row"),
    (policy.role_interface, "roles/sample/defaults/main.yml", "sample_keep: 5", "sample_kept: 5", "sample_kept"),
    (policy.role_interface, "roles/sample/defaults/main.yml", "sample_keep: 5", "{}", "sample_keep"),
    (policy.role_interface, "roles/sample/meta/argument_specs.yml", "description: Where., ", "", "sample_path"),
    (policy.role_prefixes, "roles/sample/defaults/main.yml", "sample_keep: 5", "keep: 5", "keep in defaults"),
    (policy.role_prefixes, "roles/sample/tasks/main.yml", "__sample_result", "result", "result in tasks"),
    (policy.playbook_mention, "README.md", "playbooks/go.yml", "playbooks/gone.yml", "does not mention"),
]


@pytest.mark.parametrize(("rule", "file", "old", "new", "complaint"), BROKEN)
def test_a_broken_collection_is_noticed(small, rule, file, old, new, complaint):
    text = (small / file).read_text()
    assert old in text
    (small / file).write_text(text.replace(old, new))
    assert complaint in "\n".join(rule(small, ALL[rule]))


@pytest.mark.parametrize("file", ["tests/unit/plugins/modules/test_sample.py", "tests/integration/targets/sample/aliases"])
def test_a_missing_test_is_noticed(small, file):
    (small / file).unlink()
    assert file in "\n".join(policy.module_tests(small, "sample"))


def test_a_module_that_says_it_does_its_work_every_time_is_not_held_to_idempotence(small):
    file = small / "plugins/modules/sample.py"
    file.write_text(file.read_text().replace("_attributes.full\n", "_attributes.full\nattributes:\n  idempotent: {support: none}\n"))
    target = small / "tests/integration/targets/sample/tasks/main.yml"
    target.write_text(target.read_text().replace("again is not changed", "again is changed"))
    complain(policy.module_tests(small, "sample"))


def test_an_ignore_entry_without_a_reason_is_noticed(tmp_path):
    write(
        tmp_path,
        "tests/sanity/ignore-2.19.txt",
        "plugins/modules/a.py pep8:E501\nplugins/modules/b.py pep8:E501 # a table reads better unbroken\n",
    )
    assert len(policy.sanity_ignores(tmp_path)) == 1


def test_a_group_of_modules_that_are_not_there_is_noticed(small):
    write(small, "meta/runtime.yml", "action_groups: {release: [sample, gone]}\n")
    assert len(policy.action_groups(small)) == 2
