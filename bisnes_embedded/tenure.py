"""One server per data folder: a lock that lives exactly as long as the last process of that server.

The lock file is locked with `flock` before the server is started and its descriptor passed on through `exec`; every
process that the server forks inherits it. So the lock is free when, and only when, nothing of the previous server is
left, also after `kill -9` of its main process (PostgreSQL refuses to start on data which an old backend still uses).
The file's content says who runs the server and under which supervisor, and that decides what a waiting start does:

-   the same supervisor (a reload): wait;
-   another living supervisor: refuse, two gateways must not share a folder;
-   a supervisor that is gone: the server was abandoned, stop it;
-   a server that is gone: its orphans end by themselves within moments; end those that do not.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypedDict

import psutil

from bisnes_embedded.errors import CannotStart

#: How often a waiting start looks again; a restart should cost no more than this.
LOOK_S = 0.05
#: Another supervisor may be about to end (restart of the whole gateway); longer than its last steps, no more.
OTHER_GATEWAY_PATIENCE_S = 5.0
#: Time for each of the signals that end an abandoned server, and for orphans to notice that they are.
SIGNAL_PATIENCE_S = 5.0


class Tenant(TypedDict):
    """Who runs the server. A process is its pid together with its start, as pids are used again."""

    server: tuple[int, float]
    supervisor: tuple[int, float]


def take(lock: Path, stop_signals: Sequence[signal.Signals]) -> None:
    """Waits until the previous server is gone and enters this process as the next one.

    Args:
        lock: the lock file; stays locked until this process and all that it forks are gone.
        stop_signals: what ends an abandoned server, gentle to hard; each gets `SIGNAL_PATIENCE_S`.

    Raises:
        CannotStart: when another living gateway runs the server.
    """
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if not _try_lock(descriptor):
        _wait(descriptor, lock, stop_signals)
    os.ftruncate(descriptor, 0)
    tenant = Tenant(server=_identity(os.getpid()), supervisor=_identity(os.getppid()))
    os.pwrite(descriptor, json.dumps(tenant).encode(), 0)
    os.set_inheritable(descriptor, True)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait(descriptor: int, lock: Path, stop_signals: Sequence[signal.Signals]) -> None:
    began = time.monotonic()
    measures = iter([*stop_signals, signal.SIGKILL])
    measure_due = began
    while not _try_lock(descriptor):
        now = time.monotonic()
        tenant = _read(lock)
        if tenant is not None and _lives(tenant["server"]) and _lives(tenant["supervisor"]):
            if tenant["supervisor"][0] != os.getppid() and now - began > OTHER_GATEWAY_PATIENCE_S:
                raise CannotStart(
                    f"another gateway (pid {tenant['supervisor'][0]}) uses {lock.parent}: "
                    "stop it with `bisnes down`, or set BISNES_HOME to another folder"
                )
        elif tenant is not None and _lives(tenant["server"]):
            if now >= measure_due:
                _signal([tenant["server"][0]], next(measures, signal.SIGKILL))
                measure_due = now + SIGNAL_PATIENCE_S
        elif now - began > SIGNAL_PATIENCE_S:
            _signal(_holders(lock), signal.SIGKILL)
        time.sleep(LOOK_S)  # noqa: TID251 - the end of somebody else's process sends no event


def _read(lock: Path) -> Tenant | None:
    try:
        content = json.loads(lock.read_text())
        return Tenant(server=tuple(content["server"]), supervisor=tuple(content["supervisor"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # being written at this moment, or the machine stopped while it was


def _identity(pid: int) -> tuple[int, float]:
    return pid, psutil.Process(pid).create_time()


def _lives(identity: tuple[int, float]) -> bool:
    pid, started_at = identity
    try:
        process = psutil.Process(pid)
        return bool(process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - started_at) < 1.0)
    except psutil.NoSuchProcess:
        return False


def _holders(lock: Path) -> Iterator[int]:
    """Processes that hold the lock file open."""
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            if any(opened.path == str(lock.resolve()) for opened in process.open_files()):
                yield process.pid
        except psutil.Error:
            continue  # ended meanwhile, or another user's


def _signal(pids: Iterator[int] | list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
