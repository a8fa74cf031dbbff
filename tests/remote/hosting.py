# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A shared host: OpenSSH that lets its tenant do nothing but SFTP in a chroot, and Apache with PHP-FPM that serves the tenant's folder.

Servers of the tests' own on free ports, so that the host's services stay as they are.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
import typing as t

import jinja2

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOMES = pathlib.Path("/srv/runbook-hosting")
TENANT = "tenant"
TEMPLATE = ROOT / "roles" / "maintenance" / "templates" / "apache.conf.j2"

_SSHD = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {state}/host_key
PidFile none
UsePAM no
StrictModes no
MaxStartups 100
AuthorizedKeysFile {state}/authorized_keys
Subsystem sftp internal-sftp
Match User {tenant}
    ForceCommand internal-sftp
    ChrootDirectory {homes}/%u
    AllowTcpForwarding no
    PermitTTY no
"""
_APACHE = """\
ServerRoot /etc/apache2
ServerName www.example.com
PidFile {state}/apache.pid
Mutex file:{state} default
ErrorLog {state}/apache.log
User www-data
Group www-data
KeepAlive On
StartServers 1
{modules}
TypesConfig /etc/mime.types
<Directory {homes}>
    Options FollowSymLinks
    AllowOverride All
    Require all granted
    DirectoryIndex index.php index.html
</Directory>
<FilesMatch "[.]php$">
    SetHandler "proxy:unix:{state}/php.sock|fcgi://localhost"
</FilesMatch>
"""
_VHOST = """\
Listen 127.0.0.1:{port}
<VirtualHost 127.0.0.1:{port}>
    DocumentRoot {root}
    {more}
</VirtualHost>
"""
# As most hosts have it: encrypted, and PHP runs as the tenant.
_OWN = """\
SSLEngine on
    SSLCertificateFile {certificate}
    SSLCertificateKeyFile {key}
    <FilesMatch "[.]php$">
        SetHandler "proxy:unix:{state}/tenant.sock|fcgi://tenant"
    </FilesMatch>
"""
_MODULES = ["mpm_event", "authz_core", "mime", "dir", "alias", "headers", "setenvif", "rewrite", "proxy", "proxy_fcgi", "ssl"]
# Nothing that PHP remembers of paths may hide which release is served.
_PHP = """\
[global]
error_log = {state}/php.log
[www]
user = www-data
group = www-data
listen = {state}/php.sock
listen.owner = www-data
listen.mode = 0600
pm = static
pm.max_children = 4
php_admin_value[realpath_cache_size] = 0
php_admin_flag[opcache.enable] = off
[tenant]
user = {tenant}
group = {tenant}
listen = {state}/tenant.sock
listen.owner = www-data
listen.mode = 0600
pm = ondemand
pm.max_children = 4
php_admin_value[realpath_cache_size] = 0
; Code that was compiled once is served until somebody resets that.
php_admin_value[opcache.validate_timestamps] = 0
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return t.cast(int, probe.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[t.Any] | None = None) -> None:
    for _try in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if process is not None and process.poll() is not None:
            break
        time.sleep(0.05)
    raise AssertionError(f"nothing answers on port {port}")


def htaccess(base: str) -> str:
    """What the role maintenance installs into a site's folder, for a site that the web server knows as ``base``."""
    # As Ansible renders it.
    engine = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined)
    values = {"maintenance_web_path": base, "__maintenance_htaccess": True, "__maintenance_open": "/[.]well-known/acme-challenge/"}
    block = engine.from_string(TEMPLATE.read_text()).render(values)
    return f"# BEGIN runbook.ops maintenance\n{block.rstrip()}\n# END runbook.ops maintenance\n"


@dataclasses.dataclass
class Place:
    """One site: ``base`` as the web server knows it, ``remote_base`` as its tenant does over SFTP, served on ``web_port``."""

    base: pathlib.Path
    remote_base: str
    web_port: int

    def path(self, *names: str) -> pathlib.Path:
        return self.base.joinpath(*names)

    def empty(self) -> None:
        """Remove everything but what closes the site."""
        for path in self.base.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != ".htaccess":
                path.unlink()
        (self.base / ".htaccess").write_text(htaccess(str(self.base)))


class Hosting:
    """The host. ``options()`` is what a module's ``remote`` needs to reach it."""

    def __init__(self, state: pathlib.Path) -> None:
        self.state = state
        self.password = secrets.token_urlsafe(12)
        self.port = free_port()
        self._servers: list[subprocess.Popen[bytes]] = []
        self._mounts: list[pathlib.Path] = []
        self._sites = 0

    @property
    def key(self) -> pathlib.Path:
        return self.state / "key"

    @property
    def known_hosts(self) -> pathlib.Path:
        return self.state / "known_hosts"

    def start(self) -> Hosting:
        self.state.mkdir(parents=True, mode=0o755)
        _account(self.password)
        for name in ("host_key", "key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "example", "-f", self.state / name], check=True)
        shutil.copyfile(self.state / "key.pub", self.state / "authorized_keys")
        self.trust(self.port, "host_key.pub")
        home = HOMES / TENANT
        shutil.rmtree(HOMES, ignore_errors=True)
        home.mkdir(parents=True, mode=0o755)
        for folder in (HOMES, home):
            folder.chmod(0o755)
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        self._serve(self.port, ["/usr/sbin/sshd", "-D", "-f", self._write("sshd_config", _SSHD, port=self.port)], "sshd.log")
        modules = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in _MODULES)
        self._write("apache.conf", _APACHE, modules=modules)
        php = ["/usr/sbin/php-fpm8.2", "--nodaemonize", "--fpm-config", self._write("php.conf", _PHP)]
        self._servers.append(subprocess.Popen(php, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        return self

    def stop(self) -> None:
        for server in reversed(self._servers):
            server.terminate()
        for server in self._servers:
            server.wait(20)
        for folder in self._mounts:
            subprocess.run(["umount", "--lazy", folder], check=True)

    def kill_sessions(self) -> None:
        """Kill what serves the tenant's connections, but not what accepts new ones."""
        sshd = self._servers[0].pid
        children = pathlib.Path(f"/proc/{sshd}/task/{sshd}/children").read_text().split()
        for child in children:
            inner = pathlib.Path(f"/proc/{child}/task/{child}/children")
            for pid in [*(inner.read_text().split() if inner.exists() else []), child]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)

    def trust(self, port: int, public_key: str) -> None:
        """Add a host key to the file of known hosts."""
        kind, data = (self.state / public_key).read_text().split()[:2]
        with open(self.known_hosts, "a") as stream:
            stream.write(f"[127.0.0.1]:{port} {kind} {data}\n")

    def fingerprint(self) -> str:
        words = ["ssh-keygen", "-l", "-E", "sha256", "-f", self.state / "host_key.pub"]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()[1]

    def options(self, **given: t.Any) -> dict[str, t.Any]:
        """``remote``: with the key, unless a password is given."""
        found = {"host": "127.0.0.1", "port": self.port, "user": TENANT, "known_hosts": str(self.known_hosts), "timeout": 10.0}
        if "password" not in given:
            found["private_key"] = str(self.key)
        return {**found, **given}

    def small(self) -> pathlib.Path:
        """A folder of 32 MB in the tenant's home."""
        folder = HOMES / TENANT / "small"
        folder.mkdir(mode=0o755)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m,mode=755", "tmpfs", folder], check=True)
        self._mounts.append(folder)
        return folder

    def site(
        self,
        owner: str | None = TENANT,
        parent: pathlib.Path | None = None,
        flag: bool = True,
        pair: tuple[pathlib.Path, pathlib.Path] | None = None,
    ) -> Place:
        """An empty site with a port of its own; ``parent`` is another folder for it than the tenant's home, ``flag`` installs .htaccess.

        ``pair``, a certificate and its key: over HTTPS, with PHP as the tenant and compiled code that stays until it is reset."""
        self._sites += 1
        base = (parent or HOMES / TENANT) / f"site{self._sites}"
        base.mkdir(mode=0o755)
        base.chmod(0o755)
        if flag:
            (base / ".htaccess").write_text(htaccess(str(base)))
        if owner:
            user = pwd.getpwnam(owner)
            for path in (base, *base.iterdir()):
                os.chown(path, user.pw_uid, user.pw_gid)
        place = Place(base, f"/{base.name}" if parent is None else str(base), free_port())
        config = self.state / f"{base.name}.conf"
        apache = (self.state / "apache.conf").read_text()
        if parent is not None:
            apache = re.sub(r"<Directory .*>", f"<Directory {parent}>", apache)
        apache = apache.replace(f"{self.state}/apache.pid", f"{self.state}/{base.name}.pid")
        more = _OWN.format(certificate=pair[0], key=pair[1], state=self.state) if pair else ""
        config.write_text(apache + _VHOST.format(port=place.web_port, root=f"{base}/current", more=more))
        (base / "current").mkdir()  # Apache wants a document root to start with
        try:
            self._serve(place.web_port, ["/usr/sbin/apache2", "-DFOREGROUND", "-f", config], "apache-start.log")
        finally:
            (base / "current").rmdir()
        return place

    def _write(self, name: str, text: str, **values: t.Any) -> pathlib.Path:
        path = self.state / name
        path.write_text(text.format(state=self.state, homes=HOMES, tenant=TENANT, **values))
        return path

    def _serve(self, port: int, words: list[t.Any], log: str) -> None:
        with open(self.state / log, "ab") as stream:
            self._servers.append(subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream))
        try:
            wait_for(port, self._servers[-1])
        except AssertionError as error:
            raise AssertionError(f"{words[0]}: {(self.state / log).read_text()[-2000:]}") from error


def _account(password: str) -> None:
    try:
        pwd.getpwnam(TENANT)
    except KeyError:
        subprocess.run(["useradd", "--home-dir", "/", "--no-create-home", "--shell", "/usr/sbin/nologin", TENANT], check=True)
    subprocess.run(["chpasswd"], input=f"{TENANT}:{password}\n", text=True, check=True)
