# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site of a few files, deployed by the collection's own use cases, without Ansible: the ground of unit and fault tests."""

from __future__ import annotations

import base64
import copy
import hashlib
import io
import json
import os
import pathlib
import stat
import sys
import types
import typing as t
import zlib


def _without_ansible() -> None:
    """The use cases know nothing of Ansible; the module that joins the two imports one name of it."""
    try:
        import ansible.module_utils.basic  # noqa: F401
    except ImportError:
        for name in ("ansible", "ansible.module_utils", "ansible.module_utils.basic"):
            sys.modules.setdefault(name, types.ModuleType(name))
        sys.modules["ansible.module_utils.basic"].AnsibleModule = object  # type: ignore[attr-defined]


_without_ansible()

from ansible_collections.runbook.ops.plugins.module_utils._common.argspec import ArgumentSpec
from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._release import agent
from ansible_collections.runbook.ops.plugins.module_utils._release import options as specs
from ansible_collections.runbook.ops.plugins.module_utils._release.finish import release_finish
from ansible_collections.runbook.ops.plugins.module_utils._release.info import release_info
from ansible_collections.runbook.ops.plugins.module_utils._release.prune import release_prune
from ansible_collections.runbook.ops.plugins.module_utils._release.receive import receive
from ansible_collections.runbook.ops.plugins.module_utils._release.release_lock import release_lock
from ansible_collections.runbook.ops.plugins.module_utils._release.run import release_run
from ansible_collections.runbook.ops.plugins.module_utils._release.site import Site
from ansible_collections.runbook.ops.plugins.module_utils._release.stage_plan import rules_from_options, stage_request
from ansible_collections.runbook.ops.plugins.module_utils._release.store import LocalStore
from ansible_collections.runbook.ops.plugins.module_utils._release.swap import release_swap
from ansible_collections.runbook.ops.plugins.module_utils._release.walk import manifest_of
from ansible_collections.runbook.ops.plugins.plugin_utils._conversation import Conversation

Result = t.Dict[str, t.Any]
Content = t.Mapping[str, t.Union[str, bytes, None]]


def defaults(spec: ArgumentSpec, **given: t.Any) -> Result:
    """Options as a module would see them; a name that is no option is a mistake of the test."""
    unknown = set(given) - set(spec.options)
    assert not unknown, unknown
    return {**{name: copy.deepcopy(option.get("default")) for name, option in spec.options.items()}, **given}


def write_tree(root: t.Union[str, os.PathLike[str]], content: Content) -> None:
    """Make files (text or bytes), folders (``None``) and links (text that begins with ``->``) below ``root``."""
    for name, data in content.items():
        path = os.path.join(root, name)
        os.makedirs(path if data is None else os.path.dirname(path), exist_ok=True)
        if isinstance(data, str) and data.startswith("->"):
            os.symlink(data[2:], path)
        elif data is not None:
            if os.path.lexists(path):
                os.unlink(path)
            with open(path, "wb") as stream:
                stream.write(data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data)


def listing(root: t.Union[str, os.PathLike[str]]) -> dict[str, tuple[t.Any, ...]]:
    """Everything below a folder: kind, mode, inode, times, bytes. Equal listings mean that nothing was touched."""
    found: dict[str, tuple[t.Any, ...]] = {}
    for folder, folders, files in os.walk(root):
        for name in [*folders, *files]:
            path = os.path.join(folder, name)
            seen = os.lstat(path)
            if stat.S_ISLNK(seen.st_mode):
                what = os.readlink(path)
            else:
                what = hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest() if stat.S_ISREG(seen.st_mode) else ""
            found[os.path.relpath(path, root)] = (
                seen.st_mode,
                seen.st_ino,
                seen.st_uid,
                seen.st_gid,
                seen.st_mtime_ns,
                seen.st_nlink,
                what,
            )
    return found


def unpack(message: str) -> Result:
    """What the controller said, as the host's agent reads it."""
    text = zlib.decompress(base64.b64decode(message[2:])) if message.startswith("z:") else message
    return t.cast(Result, json.loads(text)[1])


class Host:
    """Stands for the connection to a host: messages are answered in this process."""

    def __init__(self, base: str, check: bool = False) -> None:
        self.base, self.check = base, check
        self.steps: list[str] = []
        self.uploads: list[bytes] = []
        self.lines: list[str] = []
        self.folder = ""

    def ask(self, message: str, once: bool = False) -> Result:
        said = unpack(message)
        self.steps.append(said["step"])
        if said.get("upload"):
            self.uploads.append(said["upload"].encode())
        reply = agent.serve({"request": message}, Run(self.check))
        return t.cast(Result, json.loads(json.dumps(reply)))

    def prepare(self, python: str, folder: str, receive_file: t.Callable[[str], object]) -> None:
        self.folder, self.receive_file = folder, receive_file

    def put(self, upload: bytes) -> None:
        self.uploads.append(upload)
        receive(t.cast(t.BinaryIO, io.BytesIO(upload)), self.folder)

    def say(self, line: str) -> None:
        self.lines.append(line)


class SmallSite:
    """A site at ``place``/www and sources at ``place``/source-…"""

    def __init__(self, place: t.Union[str, os.PathLike[str]]) -> None:
        self.place = str(place)
        self.base = os.path.join(self.place, "www")

    @property
    def store(self) -> LocalStore:
        return LocalStore(self.base)

    @property
    def site(self) -> Site:
        return Site(self.store)

    def path(self, *names: str) -> pathlib.Path:
        return pathlib.Path(self.base, *names)

    def source(self, name: str, content: Content) -> str:
        folder = os.path.join(self.place, f"source-{name}")
        os.makedirs(folder, exist_ok=True)
        write_tree(folder, content)
        return folder

    # -- use cases, with the options of the modules ------------------------------------------------------------------

    def stage(
        self,
        release: str,
        content: t.Union[Content, str],
        *,
        check: bool = False,
        diff: bool = False,
        host: t.Optional[Host] = None,
        last: t.Any = None,
        **given: t.Any,
    ) -> Result:
        """Stage a source folder, or content to make one of, over a conversation with a ``Host``."""
        folder = content if isinstance(content, str) else self.source(release, content)
        options = defaults(specs.STAGE, path=self.base, src=folder, release=release, **given)
        rules = rules_from_options(options)
        manifest = manifest_of(folder, rules)
        request = stage_request(options, rules, manifest.root, "test.example.com")
        host = host or Host(self.base, check)
        how = {"compress": options["compress"], "check_mode": check, "diff": diff, "last": last}
        how["swap"] = options["reason"] if options["swap"] else None
        talk = Conversation(host, request, folder, manifest, path=self.base, **how)
        return talk.run()

    def swap(self, release: str, *, check: bool = False, **given: t.Any) -> Result:
        return release_swap(defaults(specs.SWAP, path=self.base, release=release, **given), Run(check))

    def prune(self, *, check: bool = False, **given: t.Any) -> Result:
        return release_prune(defaults(specs.PRUNE, path=self.base, **given), Run(check))

    def info(self, **given: t.Any) -> Result:
        return release_info(defaults(specs.INFO, path=self.base, **given), Run())

    def lock(self, owner: str, *, check: bool = False, **given: t.Any) -> Result:
        return release_lock(defaults(specs.LOCK, path=self.base, owner=owner, **given), Run(check))

    def finish(self, *, check: bool = False, **given: t.Any) -> Result:
        return release_finish(defaults(specs.FINISH, path=self.base, **given), Run(check))

    def run(self, release: str, commands: t.Sequence[t.Any], *, check: bool = False, **given: t.Any) -> Result:
        return release_run(defaults(specs.RUN, path=self.base, release=release, commands=list(commands), **given), Run(check))

    # -- looking -----------------------------------------------------------------------------------------------------

    def deploy(self, release: str, content: t.Union[Content, str], **given: t.Any) -> Result:
        self.stage(release, content, **given)
        return self.swap(release)

    def current(self) -> t.Optional[str]:
        """What a web server would find, by name."""
        link = self.path("current")
        return os.path.basename(os.readlink(link)) if link.is_symlink() else None

    def served(self) -> dict[str, bytes]:
        """All files below ``current``."""
        root = os.path.realpath(self.path("current"))
        return {
            os.path.relpath(os.path.join(folder, name), root): pathlib.Path(folder, name).read_bytes()
            for folder, _folders, files in os.walk(root)
            for name in files
        }

    def releases(self) -> list[str]:
        folder = self.path("releases")
        return sorted(os.listdir(folder)) if folder.is_dir() else []

    def states(self) -> dict[str, str]:
        return {record.id: record.state for record in self.site.records().values()}

    def age(self, release: str, seconds: float) -> None:
        """Make a record older than it is: tests don't wait."""
        path = self.path(".runbook", "releases", f"{release}.json")
        record = json.loads(path.read_text())
        for key in ("created", "live_since", "retired"):
            if record[key]:
                from ansible_collections.runbook.ops.plugins.module_utils._common import clock

                record[key] = clock.stamp(clock.seconds(record[key]) - seconds)
        path.write_text(json.dumps(record))

    def leftovers(self) -> list[str]:
        """What a completed run must not leave behind."""
        state = self.path(".runbook")
        found = [str(path) for path in pathlib.Path(self.base).rglob("*.partial")]
        found += [str(state / name) for name in ("next", "swap.json") if os.path.lexists(state / name)]
        for folder in ("trash", "incoming"):
            found += [str(path) for path in state.joinpath(folder).glob("*")]
        return found + [str(path) for path in state.glob("lock-*")]
