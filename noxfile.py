# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stages of tests/run.py by the names that nox users look for; ``nox -s lint`` is ``tests/run.py lint``."""

from __future__ import annotations

import nox

nox.options.sessions = ["lint", "units"]


def stages(session: nox.Session, *names: str) -> None:
    """Run stages; they make their own environments from the same pinned lists, so nox makes none."""
    session.run("make", "--no-print-directory", "setup", external=True)
    session.run(".venv/bin/python", "tests/run.py", *names, *session.posargs, external=True)


@nox.session(venv_backend="none", name="format")
def format_(session: nox.Session) -> None:
    """Rewrite Python files the way the checks want them."""
    stages(session, "--format")


@nox.session(venv_backend="none")
def lint(session: nox.Session) -> None:
    """ruff, yamllint, mypy, ansible-lint, antsibull-docs, changelog fragments."""
    stages(session, "lint")


@nox.session(venv_backend="none")
def units(session: nox.Session) -> None:
    """Unit tests on every ansible-core and Python that is supported and present."""
    stages(session, "units", "units-target", "units-newest")


@nox.session(venv_backend="none")
def sanity(session: nox.Session) -> None:
    """ansible-test sanity on the oldest and the newest ansible-core."""
    stages(session, "sanity", "sanity-newest")


@nox.session(venv_backend="none")
def docs(session: nox.Session) -> None:
    """Documentation of plugins and roles, and the built tarball as Galaxy would import it."""
    stages(session, "docs", "galaxy")


@nox.session(venv_backend="none")
def integration(session: nox.Session) -> None:
    """ansible-test integration on this machine, and scenarios on the test hosts."""
    stages(session, "integration", "testbed", "molecule")
