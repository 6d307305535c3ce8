"""What an earlier circusd of the same configuration left behind when it was killed together with its warden.

A configuration is known by its pid file (without one, by its Unix control socket). Its circusd holds a lock beside that
file for its whole life, so there is at most one. Every process that it starts is listed there and carries the lock's
identity in its environment, and so do those below it. What is listed or carries that mark when this circusd has taken
the lock was left behind, and is ended before sockets are bound. Without pid file and Unix socket there is neither lock
nor sweep.
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

from bisnes_supervisor import started, warden

#: Variable that every process below circusd carries: its supervisor's pid file, and device and inode of the lock, since
#: the same path may be another file in another container.
MARK = "SUPERVISED_BY"

#: A file's time is coarser than a process's start.
CLOCK_S = 1.0

_lock: int | None = None
_listed: dict[started.Identity, int] = {}


def mark() -> dict[str, str]:
    """The mark as part of the environment of a process that circusd starts; empty if it has none."""
    return {MARK: os.environ[MARK]} if _lock is not None else {}


def note_start(pid: int, priority: int) -> None:
    """Lists a process that was just started, with its watcher's priority, and forgets those that have ended."""
    if _lock is None:
        return
    for ended in [identity for identity in _listed if started.identity_of(identity[0]) != identity]:
        del _listed[ended]
    identity = started.identity_of(pid)
    if identity is not None:
        _listed[identity] = priority
    _write_list(_lock)


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
    lock = f"{place}.lock"
    _lock = _hold(lock)
    _forget_dead_circusd(place)
    identity = os.fstat(_lock)
    os.environ[MARK] = f"{place}@{identity.st_dev}:{identity.st_ino}"
    _sweep(_LeftBehind(f"{MARK}={os.environ[MARK]}", started.read(lock)))
    _write_list(_lock)
    warden.tell_list(lock)


def _write_list(lock: int) -> None:
    try:
        started.write(lock, _listed)
    except OSError as problem:  # a full disk must keep nothing from starting; the marks are there still
        logger.warning("what circusd has started cannot be listed: %s", problem)


def _place(configuration: dict[str, Any]) -> Path | None:
    """What the configuration is known by."""
    parser = argparse.ArgumentParser(add_help=False, prog="bisnes-circusd")
    parser.add_argument("--pidfile")
    pid_file = parser.parse_known_args()[0].pidfile or configuration.get("pidfile")
    scheme, _, control_socket = configuration["endpoint"].partition("://")
    name = pid_file or (control_socket if scheme == "ipc" else None)
    return Path(name).resolve() if name else None


def _hold(lock: str) -> int:
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


def _sweep(left: _LeftBehind) -> None:
    found = left.find()
    if found is None:
        return
    logger.warning("ending what an earlier circusd left behind: %s", sorted(found))
    unending = warden.end_all(left.find, time.sleep)  # noqa: TID251 - the end of another's child is no event
    if unending:
        raise SystemExit(f"An earlier circusd left processes behind that do not end: {sorted(unending)}.")


class _LeftBehind:
    """Processes that are listed or marked, and what is below them.

    Args:
        assignment: the mark, as it stands in an environment.
        listed: with their priorities.
    """

    def __init__(self, assignment: str, listed: dict[started.Identity, int]) -> None:
        self._assignment = assignment.encode()
        self._listed = listed

    def find(self) -> dict[int, int] | None:
        """Those on top, whose parent is none of them, with their priorities; None when there are none."""
        running = started.processes()
        parents = {pid: parent for (pid, _), parent in running.items()}
        ours = _with_ancestors(os.getpid(), parents)  # when started from within, they carry the mark as well
        chosen = {pid for pid, start in running if (pid, start) in self._listed or self._is_marked(pid)} - ours
        while below := {pid for pid, parent in parents.items() if parent in chosen} - chosen - ours:
            chosen |= below
        self._listed = {identity: self._listed.get(identity, 0) for identity in running if identity[0] in chosen}
        return {pid: priority for (pid, _), priority in self._listed.items() if parents[pid] not in chosen} or None

    def _is_marked(self, pid: int) -> bool:
        try:
            return self._assignment in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            return False  # another user's, or it has ended


def _with_ancestors(pid: int, parents: dict[int, int]) -> set[int]:
    line = set()
    while pid in parents:
        line.add(pid)
        pid = parents[pid]
    return line
