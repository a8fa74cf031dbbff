# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start and stop a private nginx and a private Apache for one site; nothing of the system's own services is touched.

servers.py start FOLDER   starts them; needs FOLDER/nginx-snippet.conf and FOLDER/apache-snippet.conf, writes FOLDER/ports.json
servers.py stop FOLDER

Each server has four faces: its document root is the current release or the site's base, its traffic is files or is meant for an
application server that is not there. Apache exists twice: with the snippet in the virtual host, and with .htaccess files only.
The address in X-Test-Address counts as the visitor's when the connection comes from 127.0.0.1, so that any address can be tried.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

NGINX = """\
daemon on;
pid {run}/nginx.pid;
error_log {run}/nginx.error.log notice;
{user}
events {{ }}
http {{
    access_log off;
    types {{ text/html html; }}
    client_body_temp_path {run}/nginx_body;
    proxy_temp_path {run}/nginx_proxy;
    fastcgi_temp_path {run}/nginx_fastcgi;
    uwsgi_temp_path {run}/nginx_uwsgi;
    scgi_temp_path {run}/nginx_scgi;
    set_real_ip_from 127.0.0.1;
    real_ip_header X-Test-Address;
    server {{
        listen 127.0.0.1:{nginx};
        listen 127.0.0.2:{nginx};
        include {folder}/nginx-snippet.conf;
        root {site}/current;
        client_max_body_size 1k;
        error_page 404 /missing.html;
        add_header X-Site yes;
        rewrite ^/old$ /index.html last;
        location / {{ try_files $uri $uri/ /index.html?routed=$uri; }}
        location = /closed {{ deny all; }}
        location ^~ /health {{ try_files /index.html =404; }}
        location ^~ /app/ {{ proxy_pass http://127.0.0.1:9; }}
        location ~ [.]php$ {{ fastcgi_pass 127.0.0.1:9; }}
    }}
    server {{
        listen 127.0.0.1:{nginx_base};
        include {folder}/nginx-snippet.conf;
        root {site};
    }}
}}
"""

APACHE = """\
ServerRoot {run}
ServerName www.example.com
PidFile {run}/apache.pid
Mutex file:{run} default
ErrorLog {run}/apache.error.log
{user}
{modules}
RemoteIPHeader X-Test-Address
RemoteIPInternalProxy 127.0.0.1
Listen 127.0.0.1:{apache}
Listen 127.0.0.2:{apache}
Listen 127.0.0.1:{apache_base}
Listen 127.0.0.1:{htaccess}
Listen 127.0.0.2:{htaccess}
Listen 127.0.0.1:{htaccess_base}
TypesConfig /dev/null
AddType text/html .html
<Directory />
    AllowOverride None
    Require all denied
</Directory>
<Directory {site}>
    AllowOverride None
    Options FollowSymLinks
    Require all granted
</Directory>
<VirtualHost *:{apache}>
    Include {folder}/apache-snippet.conf
    DocumentRoot {site}/current
    Header set X-Site yes
    ProxyPass /app/ http://127.0.0.1:9/
    RewriteEngine On
    RewriteCond %{{DOCUMENT_ROOT}}%{{REQUEST_URI}} !-f
    RewriteRule !^/app/ /index.html?routed=1 [PT]
</VirtualHost>
<VirtualHost *:{apache_base}>
    Include {folder}/apache-snippet.conf
    DocumentRoot {site}
</VirtualHost>
<VirtualHost *:{htaccess}>
    DocumentRoot {site}/current
    <Directory {site}>
        AllowOverride FileInfo
    </Directory>
</VirtualHost>
<VirtualHost *:{htaccess_base}>
    DocumentRoot {site}
    <Directory {site}>
        AllowOverride FileInfo
    </Directory>
</VirtualHost>
"""

MODULES = "mpm_event authz_core authz_host alias dir headers mime proxy proxy_http remoteip rewrite setenvif"
PORTS = ("nginx", "nginx_base", "apache", "apache_base", "htaccess", "htaccess_base")


def main(action: str, name: str) -> None:
    folder = pathlib.Path(name)
    if action == "start":
        start(folder)
    for server in ("nginx", "apache"):
        if action == "stop":
            stop(folder / "run" / f"{server}.pid")


def start(folder: pathlib.Path) -> None:
    run = folder / "run"
    run.mkdir(exist_ok=True)
    ports = free_ports()
    modules = pathlib.Path(os.environ.get("APACHE_MODULES", "/usr/lib/apache2/modules"))
    account = "www-data" if os.geteuid() == 0 else ""
    values = {
        **ports,
        "folder": folder,
        "run": run,
        "site": folder / "site",
        "modules": "\n".join(f"LoadModule {module}_module {modules}/mod_{module}.so" for module in MODULES.split()),
    }
    (run / "nginx.conf").write_text(NGINX.format(user=f"user {account};" if account else "", **values))
    (run / "apache.conf").write_text(APACHE.format(user=f"User {account}\nGroup {account}" if account else "", **values))
    subprocess.run([program("nginx"), "-c", str(run / "nginx.conf"), "-p", str(run)], check=True)
    for action in (["-t"], ["-k", "start"]):
        if subprocess.run([program("apache2"), "-f", str(run / "apache.conf"), *action], check=False).returncode:
            sys.exit((run / "apache.error.log").read_text())
    for port in ports.values():
        wait(port)
    (folder / "ports.json").write_text(json.dumps(ports))


def program(name: str) -> str:
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if not found:
        sys.exit(f"{name} is not installed")
    return found


def free_ports() -> dict[str, int]:
    sockets = {}
    for name in PORTS:
        sockets[name] = socket.create_server(("127.0.0.1", 0))
    ports = {name: opened.getsockname()[1] for name, opened in sockets.items()}
    for opened in sockets.values():
        opened.close()
    return ports


def wait(port: int) -> None:
    for _try in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"nothing listens on port {port}")


def stop(pid_file: pathlib.Path) -> None:
    try:
        pid = int(pid_file.read_text())
        os.kill(pid, signal.SIGTERM)
        for _try in range(100):
            os.kill(pid, 0)
            time.sleep(0.1)
    except (FileNotFoundError, ProcessLookupError):
        pass


main(*sys.argv[1:])
