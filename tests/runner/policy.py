# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules that every module, role and playbook of the collection keeps, as questions with a list of complaints for answer.

tests/unit/test_collection_policy.py asks them of the collection; its other half asks them of small broken ones, so that
a rule that no longer notices anything is noticed itself.
"""

from __future__ import annotations

import ast
import pathlib
import re
import typing as t

import yaml

ATTRIBUTES = ("check_mode", "diff_mode", "idempotent")
# Variables of a site, described once for all roles.
SITE_PREFIX = "site_"
_NOT_CHANGED = re.compile(
    r"\b(\w+)(?:\.\w+)* is not changed\b|\bnot \(?(\w+)[\w.\[\]]*\.changed\b|\b(\w+)[\w.\[\]]*\.changed (?:==|is) false\b", re.IGNORECASE
)


class _Loader(yaml.SafeLoader):
    """Reads Ansible's YAML, tags such as !unsafe and !vault included."""


_Loader.add_multi_constructor("!", lambda loader, suffix, node: getattr(node, "value", None))


def load(path: pathlib.Path) -> t.Any:
    """The content of a YAML file; nothing for one that is missing."""
    return yaml.load(path.read_text(), Loader=_Loader) if path.is_file() else None


def modules(root: pathlib.Path) -> list[str]:
    """Names of all modules."""
    return sorted(path.stem for path in (root / "plugins/modules").glob("*.py") if path.stem != "__init__")


def roles(root: pathlib.Path) -> list[str]:
    """Names of all roles."""
    return sorted(path.name for path in (root / "roles").glob("*") if path.is_dir() and any(path.iterdir()))


def playbooks(root: pathlib.Path) -> list[str]:
    """Names of all playbooks."""
    return sorted(path.stem for path in (root / "playbooks").glob("*.y*ml"))


def strings(path: pathlib.Path) -> dict[str, str]:
    """Names and values of the texts that a Python file assigns, in its classes too."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            found.update({target.id: node.value.value for target in node.targets if isinstance(target, ast.Name)})
    return found


# Modules


def module_documentation(root: pathlib.Path, name: str) -> list[str]:
    """A module says what it does in check mode, diff mode and when repeated, and shows how it is called and answers."""
    texts = strings(root / f"plugins/modules/{name}.py")
    missing = [f"no {kind}" for kind in ("DOCUMENTATION", "EXAMPLES", "RETURN") if not texts.get(kind, "").strip()]
    if "no DOCUMENTATION" in missing:
        return missing
    attributes = _attributes(root, name)
    for attribute in ATTRIBUTES:
        if not attributes.get(attribute, {}).get("support"):
            missing.append(f"attribute {attribute} is not documented (extend runbook.ops._attributes and .full or .info)")
    if f"runbook.ops.{name}:" not in texts.get("EXAMPLES", ""):
        missing.append(f"EXAMPLES never call runbook.ops.{name}")
    return missing


def _attributes(root: pathlib.Path, name: str) -> dict[str, dict[str, t.Any]]:
    """What a module says of its attributes, its fragments' words included."""
    documentation = yaml.load(strings(root / f"plugins/modules/{name}.py").get("DOCUMENTATION", ""), Loader=_Loader) or {}
    attributes: dict[str, dict[str, t.Any]] = {}
    fragments = documentation.get("extends_documentation_fragment") or []
    for fragment in [fragments] if isinstance(fragments, str) else fragments:
        _merge(attributes, _fragment(root, fragment))
    _merge(attributes, documentation.get("attributes") or {})
    return attributes


def _fragment(root: pathlib.Path, name: str) -> dict[str, t.Any]:
    match = re.fullmatch(r"runbook\.ops\.(\w+)(?:\.(\w+))?", name)
    path = root / "plugins/doc_fragments" / f"{match[1]}.py" if match else None
    if match is None or path is None or not path.is_file():
        return {}
    text = strings(path).get((match[2] or "DOCUMENTATION").upper(), "")
    return (yaml.load(text, Loader=_Loader) or {}).get("attributes") or {}


def _merge(into: dict[str, dict[str, t.Any]], more: t.Mapping[str, t.Any]) -> None:
    for key, value in more.items():
        into.setdefault(key, {}).update(value or {})


def module_tests(root: pathlib.Path, name: str) -> list[str]:
    """A module has a unit test, and an integration target that holds it to check mode and to idempotence (unless it has none)."""
    missing = []
    if not (root / f"tests/unit/plugins/modules/test_{name}.py").is_file():
        missing.append(f"no tests/unit/plugins/modules/test_{name}.py")
    target = root / "tests/integration/targets" / name
    if not (target / "aliases").is_file():
        missing.append(f"no {target.relative_to(root)}/aliases")
    tasks = [task for path in sorted((target / "tasks").glob("*.y*ml")) for task in flat(load(path))]
    if not tasks:
        return [*missing, f"no tasks in {target.relative_to(root)}/tasks"]
    own = [task for task in tasks if f"runbook.ops.{name}" in task]
    that = [line for task in tasks for line in _claims(task)]
    predicted = {task["register"] for task in own if task.get("check_mode") is True and task.get("register")}
    if not any(re.search(rf"\b{re.escape(register)}\b", line) for register in predicted for line in that):
        missing.append("no task with check_mode: true whose registered result is asserted")
    registered = {task["register"] for task in own if task.get("register")}
    repeated = {group for line in that for match in _NOT_CHANGED.finditer(line) for group in match.groups() if group}
    if not registered & repeated and _attributes(root, name).get("idempotent", {}).get("support") != "none":
        missing.append("no assertion that a repeated call is not changed (that: again is not changed)")
    return missing


def flat(tasks: t.Any, inherited: t.Mapping[str, t.Any] | None = None) -> list[dict[str, t.Any]]:
    """All tasks of a list, those in blocks too, with the check mode of their block."""
    found = []
    for task in tasks or []:
        if not isinstance(task, dict):
            continue
        merged = {**({"check_mode": inherited["check_mode"]} if inherited and "check_mode" in inherited else {}), **task}
        for part in ("block", "rescue", "always"):
            found += flat(task.get(part), merged)
        if "block" not in task:
            found.append(merged)
    return found


def _claims(task: t.Mapping[str, t.Any]) -> list[str]:
    arguments = task.get("ansible.builtin.assert") or {}
    that = arguments.get("that") or [] if isinstance(arguments, dict) else []
    return [str(line) for line in ([that] if isinstance(that, str) else that)]


def table_row(root: pathlib.Path, name: str) -> list[str]:
    """README's tables have a row for a module or role."""
    readme = root / "README.md"
    lines = readme.read_text().splitlines() if readme.is_file() else []
    pattern = re.compile(rf"(?<![\w/]){re.escape(name)}(?!\w)")
    if any(line.lstrip().startswith("|") and pattern.search(line.split("|")[1]) for line in lines if line.count("|") >= 2):
        return []
    return [f"no row for {name} in README.md"]


# Roles and playbooks


def role_interface(root: pathlib.Path, name: str) -> list[str]:
    """A role's argument specification and its defaults name the same options, and README.md is there."""
    folder = root / "roles" / name
    missing = [f"no roles/{name}/{file}" for file in ("README.md", "meta/argument_specs.yml") if not (folder / file).is_file()]
    specs = (load(folder / "meta/argument_specs.yml") or {}).get("argument_specs") or {}
    options: dict[str, t.Any] = {}
    for entry in specs.values():
        options.update(entry.get("options") or {})
    defaults = load(folder / "defaults/main.yml") or {}
    for option in sorted(set(defaults) - set(options)):
        if not option.startswith("__"):
            missing.append(f"{option} has a default but is not in argument_specs")
    for option, spec in sorted(options.items()):
        if not (spec or {}).get("description"):
            missing.append(f"{option} has no description in argument_specs")
        if option not in defaults and not (spec or {}).get("required") and not option.startswith(SITE_PREFIX):
            missing.append(f"{option} is in argument_specs, is not required, and has no default")
    return missing


def role_prefixes(root: pathlib.Path, name: str) -> list[str]:
    """Variables of a role carry its name, so that two roles in one play do not meet."""
    folder = root / "roles" / name
    own = name.lstrip("_")
    prefixes = (f"{own}_", f"__{own}_")
    others = (*tuple(f"{role.lstrip('_')}_" for role in roles(root)), SITE_PREFIX)
    wrong: set[str] = set()

    def look(names: t.Iterable[str], allowed: tuple[str, ...], where: str) -> None:
        wrong.update(f"{variable} in {where} lacks the prefix {own}_" for variable in names if not str(variable).startswith(allowed))

    for path in sorted([*folder.glob("defaults/*.y*ml"), *folder.glob("vars/*.y*ml")]):
        look(load(path) or {}, prefixes, str(path.relative_to(folder)))
    for option in (load(folder / "meta/argument_specs.yml") or {}).get("argument_specs", {}).values():
        look(option.get("options") or {}, (*prefixes, SITE_PREFIX), "meta/argument_specs.yml")
    for path in sorted([*folder.glob("tasks/**/*.y*ml"), *folder.glob("handlers/**/*.y*ml")]):
        where = str(path.relative_to(folder))
        for task in flat(load(path)):
            if task.get("register"):
                look([task["register"]], prefixes, where)
            facts = task.get("ansible.builtin.set_fact")
            # What a role that is called is going to register may be emptied before: an earlier call's result is no proof of this one.
            kept = [key for key, value in facts.items() if key != "cacheable" and value != {}] if isinstance(facts, dict) else []
            look(kept, prefixes, where)
            calls = any(f"ansible.builtin.{how}_role" in task for how in ("include", "import"))
            # Connection variables are Ansible's own; what another role is given carries that role's name.
            look(task.get("vars") or {}, (*prefixes, "ansible_", *(others if calls else ())), where)
    return sorted(wrong)


def playbook_mention(root: pathlib.Path, name: str) -> list[str]:
    """README says that a playbook exists."""
    readme = root / "README.md"
    text = readme.read_text() if readme.is_file() else ""
    if re.search(rf"playbooks/{re.escape(name)}\.ya?ml|runbook\.ops\.{re.escape(name)}(?!\w)", text):
        return []
    return [f"README.md does not mention playbooks/{name}.yml or runbook.ops.{name}"]


# Bookkeeping


def sanity_ignores(root: pathlib.Path) -> list[str]:
    """Every ignored sanity test says why it is ignored: ``path test:code # reason``."""
    wrong = []
    for path in sorted((root / "tests/sanity").glob("ignore-*.txt")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if line.strip() and not line.startswith("#") and len(line.partition("#")[2].strip()) < 10:
                wrong.append(f"{path.name}:{number} has no reason: {line}")
    return wrong


def action_groups(root: pathlib.Path) -> list[str]:
    """Action groups name modules that exist; a module of a group says so in its documentation."""
    groups = (load(root / "meta/runtime.yml") or {}).get("action_groups") or {}
    wrong = []
    for group, members in groups.items():
        for member in members:
            path = root / f"plugins/modules/{member}.py"
            if not path.is_file():
                wrong.append(f"action group {group} names {member}, which is no module")
            elif f"actiongroup_{group}" not in strings(path).get("DOCUMENTATION", ""):
                wrong.append(f"{member} does not extend runbook.ops._attributes.actiongroup_{group}")
    return wrong
