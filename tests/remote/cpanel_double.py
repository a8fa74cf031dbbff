# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cPanel server as far as deploying needs one: a stateful double, written from the published contract, acting on a real folder.

It stands in for what can't be had in a test. Each function's docstring names the page that it was written from; where the page is
silent the docstring says what was chosen, always the choice that is harder for a client. As a program it serves a folder of this host:

    python3 cpanel_double.py --home /home/site --user site --token-file FILE --version 136 --port 2083 --cert F --key F --control SECRET

With ``--control`` faults are set and calls are read over HTTP (``POST /_double/faults``, ``GET /_double/calls``, header ``X-Double``).
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import email.message
import http.server
import json
import mmap
import os
import pathlib
import shutil
import socket
import ssl
import stat
import struct
import tarfile
import tempfile
import threading
import time
import typing as t
import urllib.parse
import zipfile

UAPI = "https://api.docs.cpanel.net/specifications/cpanel.openapi"
API2 = "https://api.docs.cpanel.net/cpanel-api-2"
# From which version on there is a function (x-cpanel-available-version in the specification).
SINCE = {"copy_file": 136, "move_file": 136, "rename_file": 136, "delete_file": 136, "trash_file": 136, "restore_from_trash": 136}
# What unpacks archives there takes them as they are; older versions of Python have no other way and no such argument.
_TRUSTED: dict[str, t.Any] = {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}
LOGIN = b"<!DOCTYPE html><html><head><title>cPanel Login</title></head><body></body></html>"


@dataclasses.dataclass
class Fault:
    """Something that goes wrong with a function (``Module::function``, with ``:op`` for ``fileop``; ``*`` for any), or before it.

    ``kind``: ``error`` (status 0 with the text ``value``), ``http`` (status ``value``, Retry-After ``retry_after``), ``lie`` (success,
    nothing done), ``truncate`` (success, half done), ``refuse`` (success, but the one file of an upload was not stored), ``cut_before``
    and ``cut_after`` (the connection ends before or after the act), ``cut_upload`` (it ends after ``value`` bytes of the body), ``slow``
    (``value`` seconds), ``redirect`` (to the address ``value``), ``detach`` (the connection ends, the act follows after ``value`` seconds).
    ``skip``: calls that go well first. ``times``: how often, 0 for always.
    """

    function: str
    kind: str
    value: t.Any = None
    skip: int = 0
    times: int = 1
    retry_after: str = ""


class Failed(Exception):
    """A function that did not succeed, with the text of its answer."""


class Cut(Exception):
    """The connection ends here."""


def _answer(data: t.Any = None, errors: list[str] | None = None, metadata: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
    return {
        "status": 0 if errors else 1,
        "data": data,
        "errors": errors or None,
        "messages": None,
        "metadata": metadata or {},
        "warnings": None,
    }


class Double:
    """The server and what it knows. ``home`` is the account's home folder on this machine, and is told as its real path."""

    def __init__(
        self,
        home: str | os.PathLike[str],
        *,
        user: str = "site",
        token: str = "TOKEN0123456789",
        version: int = 136,
        wrapped: bool | None = None,
        published_lists: bool = False,
        page_size: int = 0,
        quota_mb: float = 0,
        inode_limit: int = 0,
        upload_max: int = 0,
        restricted: t.Mapping[str, str] | None = None,
        unlink_folders: bool = True,
        content: str = "exact",
        umask: int = 0o022,
        links: bool = True,
    ) -> None:
        """``restricted``: functions with the text that refuses them. ``wrapped``: UAPI answers inside ``result``, as the specification
        shows and older servers do not. ``content``: ``exact``, ``utf8`` (from_charset is ignored) or ``text`` (files with NUL bytes are
        refused). ``umask``: what is taken off the permissions of what is unpacked. ``links``: whether links are unpacked at all."""
        self.home = pathlib.Path(os.path.realpath(home))
        self.user, self.token, self.version = user, token, version
        self.wrapped = version >= 130 if wrapped is None else wrapped
        self.published_lists, self.page_size = published_lists, page_size
        self.quota_mb, self.inode_limit, self.upload_max = quota_mb, inode_limit, upload_max
        self.restricted = dict(restricted or {})
        self.unlink_folders, self.content, self.umask, self.links = unlink_folders, content, umask, links
        self.faults: list[Fault] = []
        self.calls: list[str] = []
        self.authorizations: list[str] = []
        self.control = ""
        self._lock = threading.RLock()
        self._server: http.server.ThreadingHTTPServer | None = None

    # -- serving -----------------------------------------------------------------------------------------------

    def start(self, host: str = "127.0.0.1", port: int = 0, cert: str = "", key: str = "") -> int:
        """Serve in a thread; returns the port."""
        double = self

        class Bound(Handler):
            pass

        Bound.double = double
        server = http.server.ThreadingHTTPServer((host, port), Bound)
        server.daemon_threads = True
        if cert:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(cert, key or None)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        self._server = server
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return int(server.server_address[1])

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()

    def fail(self, function: str, kind: str, value: t.Any = None, **more: t.Any) -> None:
        """Add a fault."""
        self.faults.append(Fault(function, kind, value, **more))

    def count(self, function: str) -> int:
        """How often a function was called."""
        return sum(1 for call in self.calls if call == function)

    def fault(self, function: str, *kinds: str) -> Fault | None:
        """The fault that this call meets, if any, of those kinds."""
        with self._lock:
            for fault in self.faults:
                if fault.kind not in kinds or fault.function not in (function, "*"):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                if fault.times:
                    fault.times -= 1
                    if not fault.times:
                        self.faults.remove(fault)
                return fault
        return None

    # -- what functions share ----------------------------------------------------------------------------------

    def path(self, text: str) -> str:
        """A path of a parameter: relative to the home folder, or absolute inside it."""
        path = os.path.normpath(os.path.join(self.home, text)) if not text.startswith(str(self.home)) else os.path.normpath(text)
        if path != str(self.home) and not path.startswith(f"{self.home}/"):
            raise Failed(f"The path {text} is outside of the home directory.")
        return path

    def item(self, path: str) -> dict[str, t.Any]:
        """What listings and get_file_information tell of a name."""
        seen = os.lstat(path)
        kinds = {stat.S_IFDIR: "dir", stat.S_IFREG: "file", stat.S_IFLNK: "link", stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket"}
        return {
            "absdir": str(self.home),
            "path": os.path.dirname(path),
            "fullpath": path,
            "file": os.path.basename(path),
            "exists": 1,
            "type": kinds.get(stat.S_IFMT(seen.st_mode), "char"),
            "size": str(seen.st_size),
            "mode": str(seen.st_mode),
            "nicemode": f"{stat.S_IMODE(seen.st_mode):04o}",
            "mtime": int(seen.st_mtime),
            "ctime": int(seen.st_ctime),
            "uid": seen.st_uid,
            "gid": seen.st_gid,
            "humansize": f"{seen.st_size} bytes",
        }

    def used(self) -> tuple[float, int]:
        """Megabytes and names that the account uses."""
        size = names = 0
        for folder, folders, files in os.walk(self.home):
            for name in [*folders, *files]:
                with contextlib.suppress(OSError):
                    size += os.lstat(os.path.join(folder, name)).st_size
                    names += 1
        return size / 1048576, names

    def room(self, size: int, path: str) -> None:
        """Fail when the quota does not allow for more bytes."""
        if self.quota_mb and self.used()[0] + size / 1048576 > self.quota_mb:
            raise Failed(f"The system failed to write to the file \u201c{path}\u201d because of an error: Disk quota exceeded")

    # -- dispatch ----------------------------------------------------------------------------------------------

    def uapi(self, module: str, function: str, params: dict[str, str], files: list[tuple[str, str]]) -> dict[str, t.Any]:
        """One UAPI call. The status is in the body; https://api.docs.cpanel.net/cpanel/introduction"""
        name = f"{module}::{function}"
        self.calls.append(name)
        try:
            handler = getattr(self, f"uapi_{module}_{function}".lower(), None)
            if handler is None or self.version < SINCE.get(function, 0):
                raise Failed(f"The system could not find the function \u201c{function}\u201d in the module \u201c{module}\u201d.")
            act = self.meet(name)
            with self._lock if name != "Batch::strict" else contextlib.nullcontext():
                answer = handler(params, act) if name != "Fileman::upload_files" else handler(params, act, files)
        except Failed as failed:
            answer = _answer(errors=[str(failed)])
        except OSError as error:
            answer = _answer(errors=[f"The system failed to use \u201c{error.filename}\u201d because of an error: {error.strerror}"])
        self.end(name)
        return answer

    def api2(self, params: dict[str, str]) -> dict[str, t.Any]:
        """One API 2 call; https://api.docs.cpanel.net/cpanel-api-2"""
        module, function = params.get("cpanel_jsonapi_module", ""), params.get("cpanel_jsonapi_func", "")
        name = _function(params)
        self.calls.append(name)
        try:
            handler = getattr(self, f"api2_{module}_{function}".lower(), None)
            if handler is None:
                raise Failed(f"Could not find function {function} in module {module}")
            act = self.meet(name)
            with self._lock:
                data = handler(params, act)
            found: dict[str, t.Any] = {"data": data, "event": {"result": 1}}
        except Failed as failed:
            found = {"data": [], "error": str(failed), "event": {"result": 0, "reason": str(failed)}}
        except OSError as error:
            found = {"data": [], "error": f"{error.filename}: {error.strerror}", "event": {"result": 0}}
        self.end(name)
        return {"cpanelresult": {"apiversion": 2, "module": module, "func": function, **found}}

    def meet(self, name: str) -> str:
        """What happens to this call: ``do``, or ``lie`` or ``truncate``; or it fails here."""
        for text in (name, name.rpartition(":")[0] if name.count(":") == 3 else name):
            if text in self.restricted:
                raise Failed(self.restricted[text])
        fault = self.fault(name, "slow")
        if fault:
            time.sleep(fault.value)
        if self.fault(name, "cut_before"):
            raise Cut
        fault = self.fault(name, "error")
        if fault:
            raise Failed(fault.value)
        fault = self.fault(name, "lie", "truncate", "refuse")
        return fault.kind if fault else "do"

    def end(self, name: str) -> None:
        if self.fault(name, "cut_after"):
            raise Cut

    # -- UAPI --------------------------------------------------------------------------------------------------

    def uapi_batch_strict(self, params: dict[str, str], _act: str) -> dict[str, t.Any]:
        """Functions in order until one fails. UAPI/batch/strict. What ``data`` holds after a failure is not said: what was run, here."""
        commands = [value for key, value in sorted(params.items(), key=_index) if key.split("-")[0] == "command"]
        found = []
        for command in commands:
            module, function, *rest = json.loads(command)
            answer = self.uapi(module, function, {key: str(value) for key, value in (rest[0] if rest else {}).items()}, [])
            found.append(answer)
            if not answer["status"]:
                return {**_answer(found), "status": 0, "errors": [f"The \u201c{function}\u201d call failed: {'; '.join(answer['errors'])}"]}
        return _answer(found)

    def uapi_variables_get_user_information(self, _params: dict[str, str], _act: str) -> dict[str, t.Any]:
        """UAPI/account-information/variables-get_user_information"""
        return _answer({"home": str(self.home), "home_directory_links": [], "user": self.user, "uid": os.getuid()})

    def uapi_variables_get_server_information(self, _params: dict[str, str], _act: str) -> dict[str, t.Any]:
        """UAPI/cpanel-server-information/variables-get_server_information"""
        return _answer({"version": f"11.{self.version}.0.5"})

    def uapi_statsbar_get_stats(self, _params: dict[str, str], _act: str) -> dict[str, t.Any]:
        """UAPI/resource-usage-and-statistics, ``display=cpanelversion``"""
        return _answer([{"name": "cpanelversion", "item": "cPanel Version", "value": f"{self.version}.0 (build 5)"}])

    def uapi_quota_get_quota_info(self, _params: dict[str, str], _act: str) -> dict[str, t.Any]:
        """UAPI/disk-quotas/quota-get_quota_info: numbers or texts, 0 for what is not limited."""
        size, names = self.used()
        return _answer(
            {
                "megabyte_limit": f"{self.quota_mb:.2f}",
                "megabytes_used": f"{size:.2f}",
                "megabytes_remain": f"{max(0.0, self.quota_mb - size):.2f}" if self.quota_mb else "0.00",
                "inode_limit": self.inode_limit,
                "inodes_used": names,
                "inodes_remain": max(0, self.inode_limit - names) if self.inode_limit else 0,
            }
        )

    def uapi_fileman_list_files(self, params: dict[str, str], _act: str) -> dict[str, t.Any]:
        """UAPI/manage-files/fileman-list_files. What a missing folder answers is not said; nor whether a host cuts lists into pages."""
        folder = self.path(params["dir"])
        if not os.path.isdir(folder):
            raise Failed(f"The directory \u201c{folder}\u201d does not exist.")
        names = sorted(name for name in os.listdir(folder) if params.get("show_hidden") == "1" or not name.startswith("."))
        items = [self.item(os.path.join(folder, name)) for name in names]
        metadata: dict[str, t.Any] = {}
        if self.page_size:
            page = int(params.get("api.paginate_page") or 1)
            total = -(-len(items) // self.page_size)
            metadata = {
                "paginate": {"current_page": page, "total_pages": total, "results_per_page": self.page_size, "total_results": len(items)}
            }
            items = items[(page - 1) * self.page_size : page * self.page_size]
        if self.published_lists:
            folders = [each for each in items if each["type"] == "dir"]
            return _answer({"dirs": folders, "files": [each for each in items if each["type"] != "dir"]}, metadata=metadata)
        return _answer(items, metadata=metadata)

    def uapi_fileman_get_file_information(self, params: dict[str, str], _act: str) -> dict[str, t.Any]:
        """UAPI/manage-files/fileman-get_file_information: ``exists`` is 0 for what is not there."""
        path = self.path(params["path"])
        if not os.path.lexists(path):
            return _answer({"file": os.path.basename(path), "fullpath": path, "exists": 0})
        return _answer(self.item(path))

    def uapi_fileman_get_file_content(self, params: dict[str, str], act: str) -> dict[str, t.Any]:
        """UAPI/manage-files/fileman-get_file_content: ISO-8859-1 as from_charset gives every byte as a character."""
        path = os.path.join(self.path(params.get("dir", ".")), params["file"])
        if not os.path.isfile(path):
            raise Failed(f"The system failed to open \u201c{path}\u201d: No such file or directory")
        data = pathlib.Path(path).read_bytes()
        if act == "truncate":
            data = data[: len(data) // 2]
        if self.content == "text" and b"\0" in data:
            raise Failed("The file is not a text file.")
        exact = self.content != "utf8" and params.get("from_charset") == "ISO-8859-1"
        return _answer(
            {
                "dir": os.path.dirname(path),
                "filename": params["file"],
                "content": data.decode("iso-8859-1" if exact else "utf-8", "replace"),
            }
        )

    def uapi_fileman_upload_files(self, params: dict[str, str], act: str, files: list[tuple[str, str]]) -> dict[str, t.Any]:
        """UAPI/manage-files/fileman-upload_files. A file too large is discarded, and then there is none. An absolute ``dir``
        is taken for one inside the home folder, as users report of some versions (not in the contract)."""
        if not files or (self.upload_max and all(os.path.getsize(stored) > self.upload_max for _name, stored in files)):
            return _answer({"uploads": [], "succeeded": 0, "failed": 0, "warned": 0}, ["You must specify at least one file to upload."])
        folder = os.path.join(self.home, params.get("dir", ".").lstrip("/"))
        uploads = []
        for name, stored in files:
            size = os.path.getsize(stored)
            target = os.path.join(folder, name)
            reason = ""
            if os.path.lexists(target) and params.get("overwrite") != "1":
                reason = "The file you are attempting to upload already exists."
            elif self.quota_mb and self.used()[0] + size / 1048576 > self.quota_mb:
                reason = "The upload would exceed your disk quota."
            elif any(letter in name for letter in "`;/") or name in (".", ".."):
                reason = "The file name is not valid."
            elif act == "refuse":
                reason = "The file is infected."
            if not reason and act != "lie":
                os.makedirs(folder, exist_ok=True)
                with tempfile.NamedTemporaryFile(dir=folder, delete=False) as out, open(stored, "rb") as source:
                    shutil.copyfileobj(source, out)
                    if act == "truncate":
                        out.truncate(size // 2)
                os.chmod(out.name, int(params.get("permissions", "0644"), 8))
                os.rename(out.name, target)
            uploads.append(
                {
                    "file": name,
                    "size": None if reason else size,
                    "status": 0 if reason else 1,
                    "reason": reason or f"Upload of \u201c{name}\u201d succeeded.",
                    "warnings": [],
                }
            )
        failed = sum(1 for each in uploads if not each["status"])
        data = {"uploads": uploads, "succeeded": len(uploads) - failed, "failed": failed, "warned": 0}
        if failed == len(uploads) and act != "refuse":
            return {**_answer(data), "status": 0, "errors": ["Failed to upload any of the requested files with various failures."]}
        return _answer(data)

    def uapi_fileman_move_file(self, params: dict[str, str], act: str) -> dict[str, t.Any]:
        """UAPI/manage-files/fileman-move_file: into a destination that is a folder; an error when the destination exists."""
        source, dest = self.path(params["source"]), self.path(params["destination"])
        return self._renamed(source, os.path.join(dest, os.path.basename(source)) if os.path.isdir(dest) else dest, act)

    def uapi_fileman_rename_file(self, params: dict[str, str], act: str) -> dict[str, t.Any]:
        """UAPI/manage-files/fileman-rename_file: within one folder; an error when the destination exists."""
        source, dest = self.path(params["source"]), self.path(params["destination"])
        if os.path.dirname(source) != os.path.dirname(dest):
            raise Failed("The destination must be in the same directory as the source.")
        return self._renamed(source, dest, act)

    def _renamed(self, source: str, dest: str, act: str) -> dict[str, t.Any]:
        if not os.path.lexists(source):
            raise Failed(f"The path \u201c{source}\u201d does not exist.")
        if os.path.lexists(dest):
            raise Failed(f"The destination \u201c{dest}\u201d already exists.")
        if act == "do":
            os.rename(source, dest)
        return _answer({"src": source, "dest": dest})

    def uapi_fileman_delete_file(self, params: dict[str, str], act: str) -> dict[str, t.Any]:
        """UAPI/manage-files/fileman-delete_file: for good, folders with what is in them."""
        path = self.path(params["path"])
        if not os.path.lexists(path):
            raise Failed(f"The path \u201c{path}\u201d does not exist.")
        if act == "do":
            _delete(path)
        return _answer({"path": path})

    # -- API 2 -------------------------------------------------------------------------------------------------

    def api2_fileman_mkdir(self, params: dict[str, str], act: str) -> list[dict[str, t.Any]]:
        """API2/cpanel-api-2-modules-fileman/cpanel-api-2-functions-fileman-mkdir. That an existing one is an error is not said."""
        path = os.path.join(self.path(params.get("path") or "."), params["name"])
        if act == "do":
            os.mkdir(path)
            os.chmod(path, int(params.get("permissions") or "0755", 8))
        return [{"path": os.path.dirname(path), "name": params["name"], "permissions": params.get("permissions", "0755")}]

    def api2_fileman_getdiskinfo(self, _params: dict[str, str], _act: str) -> list[dict[str, t.Any]]:
        """API2/cpanel-api-2-modules-fileman/cpanel-api-2-functions-fileman-getdiskinfo"""
        return [{"file_upload_max_bytes": self.upload_max, "spaceused": int(self.used()[0] * 1048576)}]

    def api2_fileman_fileop(self, params: dict[str, str], act: str) -> list[dict[str, t.Any]]:
        """API2/cpanel-api-2-modules-fileman/cpanel-api-2-functions-fileman-fileop: a comma ends a name; one result for each source."""
        operation = getattr(self, f"_op_{params.get('op')}", None)
        if operation is None:
            raise Failed(f"Unknown op {params.get('op')}")
        dests = [self.path(each) for each in params.get("destfiles", "").split(",") if each]
        found = []
        for index, text in enumerate(params.get("sourcefiles", "").split(",")):
            source = self.path(text)
            dest = (dests[index] if index < len(dests) else dests[-1]) if dests else ""
            outcome: dict[str, t.Any] = {"src": source, "dest": dest, "result": 1}
            try:
                operation(source, dest, params.get("metadata", ""), act)
            except (OSError, Failed) as error:
                text = str(error) if isinstance(error, Failed) else f"{source}: {error.strerror}"
                outcome.update(result=0, err=text)
            found.append(outcome)
        return found

    def _op_rename(self, source: str, dest: str, _metadata: str, act: str) -> None:
        """As rename(2): what is there may be replaced; the page does not say otherwise."""
        if not os.path.lexists(source):
            raise Failed(f"{source}: No such file or directory")
        if act == "do":
            os.rename(source, dest)

    def _op_move(self, source: str, dest: str, _metadata: str, act: str) -> None:
        """Into a destination that is a folder."""
        if not os.path.lexists(source):
            raise Failed(f"{source}: No such file or directory")
        if act == "do":
            shutil.move(source, dest)

    def _op_chmod(self, source: str, _dest: str, metadata: str, act: str) -> None:
        if act == "do":
            os.chmod(source, int(metadata, 8))

    def _op_unlink(self, source: str, _dest: str, _metadata: str, act: str) -> None:
        """Files; folders too as users report (``unlink_folders``), the page speaks of links."""
        if os.path.isdir(source) and not self.unlink_folders:
            raise Failed(f"{source}: Is a directory")
        if act == "do":
            _delete(source)

    def _op_trash(self, source: str, _dest: str, _metadata: str, act: str) -> None:
        if act == "do":
            os.makedirs(self.home / ".trash", exist_ok=True)
            os.rename(source, self.home / ".trash" / f"{os.path.basename(source)}-{time.time_ns()}")

    def _op_extract(self, source: str, dest: str, _metadata: str, act: str) -> None:
        """.zip, .tar, .tar.gz, .tar.bz2 by their names, into a folder that is there; existing files are replaced."""
        if not os.path.isdir(dest):
            raise Failed(f"{dest}: No such file or directory")
        if act == "lie":
            return
        if source.endswith(".zip"):
            with zipfile.ZipFile(source) as packed:
                packed.extractall(dest)
            return
        try:
            with tarfile.open(source) as archive:
                members = archive.getmembers()
                for index, member in enumerate(members):
                    if act == "truncate" and index > len(members) // 2:
                        return
                    if member.issym() and not self.links:
                        continue
                    if self.quota_mb and index % 20 == 0:
                        self.room(member.size, os.path.join(dest, member.name))
                    archive.extract(member, dest, numeric_owner=True, **_TRUSTED)
                    if self.umask != 0o022 and not member.issym():
                        os.chmod(os.path.join(dest, member.name), member.mode & ~self.umask)
        except (tarfile.TarError, EOFError) as error:
            raise Failed(f"Failed to extract {source}: {error}") from error


def _delete(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def _function(params: t.Mapping[str, str]) -> str:
    """The name of an API 2 call, as faults and counts have it."""
    function = params.get("cpanel_jsonapi_func", "")
    return f"{params.get('cpanel_jsonapi_module', '')}::{function}" + (f":{params.get('op')}" if function == "fileop" else "")


def _index(pair: tuple[str, str]) -> int:
    _name, _dash, number = pair[0].partition("-")
    return int(number) if number.isdigit() else 0


class Handler(http.server.BaseHTTPRequestHandler):
    """HTTP: who asks, what for, and faults of the connection."""

    double: Double
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one packet
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: t.Any) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        try:
            self._route()
        except Cut:
            # A reset, so that the client does not take it for the end of an answer.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            self.connection.close()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _route(self) -> None:
        double, where = self.double, urllib.parse.urlsplit(self.path)
        parts = [part for part in where.path.split("/") if part]
        if parts[:1] == ["_double"]:
            self._control(parts[1:])
            return
        name = "::".join(parts[1:3]) if parts[:1] == ["execute"] else "API2"
        with tempfile.TemporaryDirectory() as folder:
            params, files = self._body(where.query, folder, name)
            double.authorizations.append(self.headers.get("Authorization", ""))
            function = _function(params) if name == "API2" else name
            fault = double.fault(function, "http", "redirect", "detach")
            if fault and fault.kind == "detach":
                later = (lambda: double.api2(params)) if name == "API2" else (lambda: double.uapi(parts[1], parts[2], params, []))
                threading.Timer(fault.value, later).start()
                raise Cut
            if fault and fault.kind == "redirect":
                self._send(302, b"", {"Location": fault.value})
            elif fault:
                self._send(fault.value, b"busy", {"Retry-After": fault.retry_after} if fault.retry_after else {})
            elif self.headers.get("Authorization") != f"cpanel {double.user}:{double.token}":
                # As it is seen in practice: UAPI shows the page for people, API 2 answers.
                if name == "API2":
                    refusal = {"cpanelresult": {"error": "Access denied", "data": {"reason": "Access denied", "result": "0"}}}
                    self._json(refusal, 403)
                else:
                    self._send(401, LOGIN, {"Content-Type": "text/html"})
            elif name == "API2" and parts == ["json-api", "cpanel"]:
                self._json(double.api2(params))
            elif len(parts) == 3 and parts[0] == "execute":
                answer = double.uapi(parts[1], parts[2], params, files)
                self._json({"apiversion": 3, "module": parts[1], "func": parts[2], "result": answer} if double.wrapped else answer)
            else:
                self._send(404, b"Not Found")

    def _body(self, query: str, folder: str, name: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
        left = int(self.headers.get("Content-Length") or 0)
        params = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        cut = self.double.fault(name, "cut_upload") if left > 4096 or name == "Fileman::upload_files" else None
        stored = os.path.join(folder, "body")
        with open(stored, "wb") as out:
            read = 0
            while left:
                piece = self.rfile.read(min(left, 1 << 16))
                if not piece:
                    raise Cut
                out.write(piece)
                left -= len(piece)
                read += len(piece)
                if cut and read >= cut.value:
                    raise Cut
        kind = self.headers.get("Content-Type", "")
        if kind.startswith("multipart/form-data"):
            return self._multipart(stored, kind, params, folder)
        params.update(urllib.parse.parse_qsl(pathlib.Path(stored).read_text("utf-8"), keep_blank_values=True))
        return params, []

    @staticmethod
    def _multipart(stored: str, kind: str, params: dict[str, str], folder: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
        header = email.message.Message()
        header["content-type"] = kind
        mark = b"--" + str(header.get_param("boundary")).encode()
        files: list[tuple[str, str]] = []
        with open(stored, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as body:
            at = body.find(mark)
            while at >= 0 and body[at + len(mark) : at + len(mark) + 2] != b"--":
                head_end = body.find(b"\r\n\r\n", at)
                head = email.message_from_bytes(body[at + len(mark) + 2 : head_end])
                end = body.find(b"\r\n" + mark, head_end)
                if end < 0:
                    break
                name, filename = (head.get_param(key, header="content-disposition") for key in ("name", "filename"))
                if filename is None:
                    params[str(name)] = body[head_end + 4 : end].decode()
                else:
                    part = os.path.join(folder, f"part{len(files)}")
                    with open(part, "wb") as out:
                        for start in range(head_end + 4, end, 1 << 20):
                            out.write(body[start : min(end, start + (1 << 20))])
                    files.append((str(filename), part))
                at = end + 2
        return params, files

    def _control(self, parts: list[str]) -> None:
        if not self.double.control or self.headers.get("X-Double") != self.double.control:
            self._send(404, b"Not Found")
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if parts == ["faults"] and self.command == "POST":
            self.double.faults = [Fault(**each) for each in json.loads(body)]
        elif parts == ["settings"] and self.command == "POST":
            for key, value in json.loads(body).items():
                setattr(self.double, key, value)
        if parts == ["calls"]:
            self._json(self.double.calls)
        else:
            self._json({"faults": [dataclasses.asdict(each) for each in self.double.faults]})

    def _json(self, document: t.Any, status: int = 200) -> None:
        self._send(status, json.dumps(document).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: t.Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--token-file", required=True)
    parser.add_argument("--version", type=int, default=136)
    parser.add_argument("--host", default="0.0.0.0")
    parser.add_argument("--port", type=int, default=2083)
    parser.add_argument("--cert", default="")
    parser.add_argument("--key", default="")
    parser.add_argument("--control", default="")
    parser.add_argument("--quota-mb", type=float, default=0)
    options = parser.parse_args()
    token = pathlib.Path(options.token_file).read_text("utf-8").strip()
    double = Double(options.home, user=options.user, token=token, version=options.version, quota_mb=options.quota_mb)
    double.control = options.control
    double.start(options.host, options.port, options.cert, options.key)
    threading.Event().wait()


if __name__ == "__main__":
    main()
