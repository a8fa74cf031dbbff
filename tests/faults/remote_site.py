# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small site that is staged from here, as on a host without a shell, in a store on this disk. ``links``: whether that store makes
symbolic links; without them ``current`` is the folder of the release itself."""

from __future__ import annotations

import os
import pathlib
import shutil
import typing as t

from ansible_collections.runbook.ops.plugins.module_utils._common.runner import Run
from ansible_collections.runbook.ops.plugins.module_utils._release import options as specs
from ansible_collections.runbook.ops.plugins.module_utils._release.backends import REHEARSAL
from ansible_collections.runbook.ops.plugins.module_utils._release.finish import release_finish
from ansible_collections.runbook.ops.plugins.module_utils._release.info import release_info
from ansible_collections.runbook.ops.plugins.module_utils._release.prune import release_prune
from ansible_collections.runbook.ops.plugins.module_utils._release.release_lock import release_lock
from ansible_collections.runbook.ops.plugins.module_utils._release.stage_plan import rules_from_options
from ansible_collections.runbook.ops.plugins.module_utils._release.stage_remote import stage_remote
from ansible_collections.runbook.ops.plugins.module_utils._release.store import LocalStore, Put
from ansible_collections.runbook.ops.plugins.module_utils._release.swap import release_swap
from ansible_collections.runbook.ops.plugins.module_utils._release.walk import manifest_of

from .small_site import Content, Result, SmallSite, defaults


class FilledStore(LocalStore):
    """A local store that is filled from elsewhere."""

    links = hard_links = True

    def put_tree(self, source: str, manifest: t.Any, folder: str, known: t.Any, say: t.Any = None, hardlink: bool = True) -> Put:
        put, root = Put(), pathlib.Path(self.absolute(folder))
        root.mkdir(parents=True, exist_ok=True)
        for entry in manifest.entries:
            path = root / entry.path
            if entry.kind == "d":
                path.mkdir(exist_ok=True)
            elif entry.kind == "l":
                path.unlink(missing_ok=True)
                path.symlink_to(entry.digest)
            elif path.exists() and path.stat().st_size == entry.size:
                put.resumed += 1
            elif entry.digest in known:
                os.link(self.absolute(known[entry.digest][0]), path)
                put.linked += 1
            else:
                shutil.copyfile(os.path.join(source, entry.path), path)
                put.sent_files += 1
                put.sent_bytes += entry.size
            if entry.kind == "f":
                path.chmod(entry.mode)
                put.stamps[entry.path] = "seen"
        return put

    moves_first = False  # what one step does in which order is not promised

    def write_each(self, files: t.Mapping[str, bytes], move: tuple[str, str] | None = None) -> None:
        if move and self.moves_first:
            self.rename(*move)
        for name, data in files.items():
            self.write(name, data)
        if move and not self.moves_first:
            self.rename(*move)

    def space(self) -> tuple[int, int] | None:
        return None


class FolderStore(FilledStore):
    links = False

    def read_link(self, name: str) -> str | None:
        return None


class RemoteSite(SmallSite):
    """``kind``: its store's class."""

    kind: type[FilledStore] = FolderStore

    @property
    def store(self) -> FilledStore:
        return self.kind(self.base)

    def _options(self, spec: t.Any, **given: t.Any) -> Result:
        backend = {"backend": "sftp", "remote": {"host": "shop.example.com"}}
        return {**defaults(spec, path=self.base, **backend, **given), REHEARSAL: self.store}

    def stage(self, release: str, content: Content | str, *, check: bool = False, **given: t.Any) -> Result:  # type: ignore[override]
        folder = content if isinstance(content, str) else self.source(release, content)
        options = self._options(specs.STAGE, src=folder, release=release, **given)
        return stage_remote(options, Run(check), lambda: (folder, manifest_of(folder, rules_from_options(options))))

    def swap(self, release: str, *, check: bool = False, **given: t.Any) -> Result:
        return release_swap(self._options(specs.SWAP, release=release, **given), Run(check))

    def prune(self, *, check: bool = False, **given: t.Any) -> Result:
        return release_prune(self._options(specs.PRUNE, **given), Run(check))

    def info(self, **given: t.Any) -> Result:
        return release_info(self._options(specs.INFO, **given), Run())

    def lock(self, owner: str, *, check: bool = False, **given: t.Any) -> Result:
        return release_lock(self._options(specs.LOCK, owner=owner, **given), Run(check))

    def finish(self, *, check: bool = False, **given: t.Any) -> Result:
        return release_finish(self._options(specs.FINISH, **given), Run(check))

    def current(self) -> str | None:
        return self.site.current()
