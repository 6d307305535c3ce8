"""What an earlier circusd of the same configuration left behind when it was killed together with its warden.

A configuration is known by its pid file (without one, by its Unix control socket). Its circusd holds a lock beside that
file for its whole life, so there is at most one, and every process that it starts carries the lock's identity in its
environment. So whatever carries that mark while this circusd holds the lock was left behind, and is ended before
sockets are bound. Without pid file and Unix socket there is neither lock nor sweep.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import time
from pathlib import Path
from typing import Any

import psutil
from circus import logger

from bisnes_supervisor import warden

#: Variable that every process below circusd carries: its supervisor's pid file, and device and inode of the lock, since
#: the same path may be another file in another container.
MARK = "SUPERVISED_BY"

#: A file's time is coarser than a process's start.
CLOCK_S = 1.0

_lock: int | None = None


def mark() -> dict[str, str]:
    """The mark as part of the environment of a process that circusd starts; empty if it has none."""
    return {MARK: os.environ[MARK]} if _lock is not None else {}


def claim(configuration: dict[str, Any]) -> None:
    """Makes this process the configuration's only circusd and ends what an earlier one left behind.

    Sets the mark in this process's environment: call it before watchers are made. Later calls do nothing.

    Raises:
        SystemExit: when another circusd runs the configuration, or what an earlier one left cannot be ended.
    """
    global _lock
    place = _place(configuration)
    if _lock is not None or place is None:
        return
    _lock = _hold(Path(f"{place}.lock"))
    _forget_dead_circusd(place)
    identity = os.fstat(_lock)
    os.environ[MARK] = f"{place}@{identity.st_dev}:{identity.st_ino}"
    _sweep(f"{MARK}={os.environ[MARK]}")


def _place(configuration: dict[str, Any]) -> Path | None:
    """What the configuration is known by."""
    parser = argparse.ArgumentParser(add_help=False, prog="bisnes-circusd")
    parser.add_argument("--pidfile")
    pid_file = parser.parse_known_args()[0].pidfile or configuration.get("pidfile")
    scheme, _, control_socket = configuration["endpoint"].partition("://")
    name = pid_file or (control_socket if scheme == "ipc" else None)
    return Path(name).resolve() if name else None


def _hold(lock: Path) -> int:
    """Locks a file for the life of this process; it is never removed, as another start may wait at it."""
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise SystemExit(f"circusd cannot open its lock {lock}: {problem.strerror}.") from problem
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit(f"A circusd runs this configuration already: it holds {lock}.") from None
    return descriptor


def _forget_dead_circusd(pid_file: Path) -> None:
    """Removes a stale pid file: Circus would refuse to start once its pid belongs to some other process.

    Raises:
        SystemExit: when the pid file's process lives. It does not hold our lock, so it is a plain `circusd`.
    """
    if not pid_file.is_file():
        return
    try:
        process = psutil.Process(int(pid_file.read_text()))
        wrote_it = process.create_time() <= pid_file.stat().st_mtime + CLOCK_S
        if wrote_it and process.status() != psutil.STATUS_ZOMBIE:
            raise SystemExit(f"A circusd runs this configuration already: pid {process.pid} in {pid_file}.")
    except (psutil.Error, ValueError):  # nobody's pid, or none at all
        pass
    pid_file.unlink()


def _sweep(assignment: str) -> None:
    left = _LeftBehind(assignment.encode())
    pids = left.on_top()
    if pids is None:
        return
    logger.warning("ending what an earlier circusd left behind: %s", sorted(pids))
    unending = warden.end_all(left.on_top, time.sleep)  # noqa: TID251 - the end of another's child is no event
    if unending:
        raise SystemExit(f"An earlier circusd left processes behind that do not end: {sorted(unending)}.")


class _LeftBehind:
    """Processes with the mark, and what is below them: that may have dropped its environment."""

    def __init__(self, assignment: bytes) -> None:
        self._assignment = assignment
        self._known: set[tuple[int, int]] = set()

    def on_top(self) -> list[int] | None:
        """Those whose parent is not one of them, None when there are none."""
        table = warden.processes()
        chosen = {pid for pid, (_, start) in table.items() if (pid, start) in self._known or self._is_marked(pid)}
        ours, pid = set(), os.getpid()
        while pid in table:  # started by a process of an earlier circusd, we carry the mark and so do those above us
            ours.add(pid)
            pid = table[pid][0]
        chosen -= ours
        while below := {pid for pid, (parent, _) in table.items() if parent in chosen} - chosen - ours:
            chosen |= below
        self._known = {(pid, table[pid][1]) for pid in chosen}
        return [pid for pid in chosen if table[pid][0] not in chosen] or None

    def _is_marked(self, pid: int) -> bool:
        try:
            return self._assignment in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            return False  # another user's, or it has ended
