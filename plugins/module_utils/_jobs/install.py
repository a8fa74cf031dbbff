# Copyright (c) 2026, runbook.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put a set of jobs on a host so that they run by themselves: the runner, a file for each job, and timers or cron entries."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import re
import stat
import sys
import typing as t

from .._common.argspec import ArgumentSpec
from .._common.errors import InvalidInput, Refused, RunbookError
from .._common.files import write_atomic
from .._common.process import Command, find_program, run
from .._common.runner import Run
from . import archive, escape, heartbeat, plan, schedule, watch
from .plan import Job
from .use_cases import JOBS

SCHEDULE = JOBS.merge(
    ArgumentSpec(
        {
            "manager": {"type": "str", "choices": ["auto", "systemd", "cron"], "default": "auto"},
            "watch": {"type": "str", "default": ""},
        }
    )
)
# systemd stops a runner that did not stop itself in time.
_SPARE = 120
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# How late a job may be before it counts as missed, in seconds, besides the time that it may take.
_GRACE = 300
# Seconds; a timer may only be started as long as they have not passed, or it would run its job at once.
_AFTER_BOOT = 30
_HEAD = "# Written by runbook.ops; the schedule's next installation overwrites it.\n"


@dataclasses.dataclass(frozen=True)
class Places:
    """Where things go on a host; ``root`` is prepended, for tests."""

    root: str = ""

    def path(self, *parts: str) -> str:
        return self.root + os.path.join("/", *parts)

    @property
    def runner(self) -> str:
        return self.path("usr/local/lib/runbook/jobs.pyz")

    def jobs(self, name: str) -> str:
        return self.path("etc/runbook/jobs", name)

    def unit(self, base: str, kind: str) -> str:
        return self.path("etc/systemd/system", f"{base}.{kind}")

    def cron(self, base: str) -> str:
        return self.path("etc/cron.d", base)


@dataclasses.dataclass(frozen=True)
class _File:
    content: bytes
    mode: int


def backup_schedule(options: t.Mapping[str, t.Any], how: Run, places: Places | None = None) -> dict[str, t.Any]:
    """Make the set ``name`` of scheduled backups exactly the given ones, as ``install`` does; jobs without a schedule are not installed."""
    return install(options, [job for job in plan.jobs_of(options) if job.schedule], how, places)


def install(options: t.Mapping[str, t.Any], given: t.Sequence[Job], how: Run, places: Places | None = None) -> dict[str, t.Any]:
    """Make a set exactly these jobs, and one that watches them: ``{changed, manager, scheduled, written, removed, runner, diff}``.

    ``options`` has ``name``, ``manager``, ``watch``. Those that were installed before and are not given any more are removed.
    """
    where = places or Places()
    name, manager = options["name"], options["manager"]
    if manager == "auto":
        manager = "systemd" if os.path.isdir("/run/systemd/system") else "cron"
    jobs = [*given, *_watcher(options, given, where, how)]
    if not where.root and os.geteuid() != 0:
        raise Refused("a schedule is installed by root; run the task with become: true")
    wanted = _wanted(name, jobs, manager, where)
    present = _installed(name, where)
    gone = sorted(path for path in present if path not in wanted)
    written = sorted(path for path, file in wanted.items() if not _same(path, file))
    control = Control(manager == "systemd" and not where.root)
    timers = {f"{_base(name, job.name)}.timer": schedule.parse(job.schedule, job.called).boot for job in jobs if manager == "systemd"}
    stopped = [timer for timer, boot in timers.items() if not control.runs(timer, boot=boot)]
    result = {
        "changed": bool(gone or written or stopped),
        "manager": manager,
        "scheduled": [{"name": job.called, "schedule": job.schedule, "heartbeat": heartbeat.path_of(job)} for job in jobs],
        "written": written,
        "removed": gone,
        "runner": where.runner,
        "diff": [_difference(path, wanted.get(path)) for path in (*gone, *written)],
    }
    if manager == "cron" and jobs and not where.root and not _cron_runs():
        how.warn("no cron runs on this host, so nothing will start the jobs; install and start it, or use systemd")
    if how.check_mode or not result["changed"]:
        return result
    control.stop([os.path.basename(path) for path in gone if path.endswith(".timer")])
    for path in gone:
        _forget(path)
    for path in written:
        _put(path, wanted[path])
    again = {os.path.basename(path) for path in written if path.endswith(".timer")} | set(stopped)
    control.start({timer: timers[timer] for timer in sorted(again)}, reload=any("/systemd/" in path for path in (*gone, *written)))
    return result


def _watcher(options: t.Mapping[str, t.Any], jobs: t.Sequence[Job], where: Places, how: Run) -> list[Job]:
    """The job that tells of those that did not run, if there is to be one."""
    if not options["watch"] or not jobs:
        return []
    for job in jobs:
        if not job.missed_after and not schedule.parse(job.schedule, job.called).cron:
            how.warn(f"nobody will notice when {job.called} does not run: cron has no word for {job.schedule!r}; give it missed_after")
    step = plan.Step("heartbeats", {"folder": where.jobs(options["name"]), "grace": _GRACE})
    first = jobs[0]
    return [
        Job(
            watch.NAME,
            (step,),
            60.0,
            options["watch"],
            first.alert_command,
            first.log,
            first.folder,
            alert_on_change=True,
            mailto=first.mailto,
            watcher=True,
        )
    ]


def _difference(path: str, file: _File | None) -> dict[str, str]:
    try:
        with open(path, "rb") as stream:
            before = stream.read()
    except OSError:
        before = b""
    return {
        "before_header": path,
        "after_header": path,
        "before": _shown(path, before),
        "after": _shown(path, file.content if file else b""),
    }


def _shown(path: str, content: bytes) -> str:
    if not content:
        return ""
    if path.endswith(".pyz"):
        return f"{len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}\n"
    return plan.shown(content) if path.endswith(".json") else content.decode("utf-8", "replace")


def _forget(path: str) -> None:
    """Remove a file of a job that is no more, and its heartbeat, which would soon be found too old."""
    if path.endswith(".json"):
        with contextlib.suppress(RunbookError, FileNotFoundError):
            os.unlink(heartbeat.path_of(plan.read(path)))
    os.unlink(path)


def _cron_runs() -> bool:
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{entry}/comm", encoding="utf-8", errors="replace") as stream:
            if stream.read().strip() in ("cron", "crond", "fcron", "busybox"):
                return True
    return False


def _base(name: str, job: str) -> str:
    return f"runbook-{name}-{job}"


def _wanted(name: str, jobs: t.Sequence[Job], manager: str, where: Places) -> dict[str, _File]:
    """Every file that has to be there, by its path."""
    files = {where.runner: _File(archive.build(), 0o644)} if jobs else {}
    for job in jobs:
        when, base = schedule.parse(job.schedule, job.called), _base(name, job.name)
        path = os.path.join(where.jobs(name), f"{job.name}.json")
        files[path] = _File(job.to_json(), 0o600)
        words = (_python(), where.runner, path)
        if manager == "cron":
            if not when.cron:
                raise InvalidInput(f"cron can't do the schedule {job.schedule!r} of {job.called}; write five fields of cron or use systemd")
            entry = f"{when.cron} root {escape.cron_words(words)} >/dev/null"
            files[where.cron(base)] = _File(f"{_HEAD}# {job.called}\n{_PATH}\n{entry}\n".encode(), 0o644)
        else:
            _check_calendar(when, job, where)
            files[where.unit(base, "service")] = _File(_service(name, job, words).encode(), 0o644)
            files[where.unit(base, "timer")] = _File(_timer(name, job, when).encode(), 0o644)
    return files


def _python() -> str:
    if re.search(r"[\s%\"'\\]", sys.executable or " "):
        raise Refused(f"the Python {sys.executable!r} has a name that no schedule can hold; set ansible_python_interpreter to another")
    return sys.executable


def _service(name: str, job: Job, words: t.Sequence[str]) -> str:
    title = escape.systemd_text(f"Job of {name}: {job.called}")
    return (
        f"{_HEAD}[Unit]\nDescription={title}\nWants=network-online.target\nAfter=network-online.target\n\n"
        f"[Service]\nType=oneshot\nExecStart={escape.systemd_words(words)}\nTimeoutStartSec={int(job.timeout) + _SPARE}\nUMask=0077\n"
    )


def _timer(name: str, job: Job, when: schedule.Schedule) -> str:
    lines = "".join(f"OnCalendar={escape.systemd_text(line)}\n" for line in when.calendar) or f"OnBootSec={_AFTER_BOOT}\n"
    # What came while the host was off is made up for; only the watcher first lets the others do that.
    return (
        f"{_HEAD}[Unit]\nDescription={escape.systemd_text(f'When {job.called} of {name} runs')}\n\n"
        f"[Timer]\n{lines}Persistent={'false' if job.watcher else 'true'}\nAccuracySec=1s\n\n[Install]\nWantedBy=timers.target\n"
    )


def _check_calendar(when: schedule.Schedule, job: Job, where: Places) -> None:
    if when.cron or where.root:
        return
    try:
        run(Command((find_program(["systemd-analyze"], "systemd"), "calendar", "--", *when.calendar)), timeout=20)
    except RunbookError as error:
        raise InvalidInput(f"systemd does not understand the schedule {job.schedule!r} of {job.called}: {error.message}") from None


def _installed(name: str, where: Places) -> set[str]:
    """The files of the set that are there. Which jobs it had, its folder of jobs says."""
    folder = where.jobs(name)
    found: set[str] = set()
    with contextlib.suppress(FileNotFoundError):
        for entry in os.listdir(folder):
            job, ext = os.path.splitext(entry)
            if ext == ".json":
                base = _base(name, job)
                own = [os.path.join(folder, entry), where.cron(base), where.unit(base, "service"), where.unit(base, "timer")]
                found.update(path for path in own if os.path.lexists(path))
    # The runner is every set's; one that is not needed does no harm.
    return found


def _same(path: str, file: _File) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(fd, "rb") as stream:
            return stat.S_IMODE(os.fstat(stream.fileno()).st_mode) == file.mode and stream.read() == file.content
    except OSError:
        return False


def _put(path: str, file: _File) -> None:
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o700 if "/etc/runbook" in folder else 0o755, exist_ok=True)
    write_atomic(path, file.content, file.mode)


class Control:
    """systemd's timers; does nothing where there is no systemd."""

    def __init__(self, active: bool) -> None:
        self._systemctl = find_program(["systemctl"], "systemd") if active else ""

    def runs(self, timer: str, *, boot: bool = False) -> bool:
        """Whether a timer is enabled and started; one for the host's start needs no more than the former."""
        if not self._systemctl:
            return True
        # Other exit statuses than 0 are answers too: disabled, not found.
        said = [self._run(verb, "--", timer, ok=range(256)).strip() for verb in ("is-enabled", "is-active")]
        return said == [b"enabled", b"active"] or (boot and said[0] == b"enabled")

    def stop(self, timers: t.Sequence[str]) -> None:
        if self._systemctl and timers:
            self._run("disable", "--now", "--", *timers)
            # Or a timer of that name, years later, would make up for what it has missed since.
            self._run("clean", "--what=state", "--", *timers, ok=range(256))

    def start(self, timers: t.Mapping[str, bool], *, reload: bool) -> None:
        """Enable and start timers; those whose value is true are for the host's start, and only enabled."""
        if self._systemctl and reload:
            self._run("daemon-reload")
        if self._systemctl and timers:
            self._run("enable", "--", *timers)
            now = [timer for timer, boot in timers.items() if not boot]
            if now:
                self._run("restart", "--", *now)

    def _run(self, *words: str, ok: t.Container[int] = (0,)) -> bytes:
        return run(Command((self._systemctl, "--no-ask-password", *words)), timeout=60, ok=ok)
