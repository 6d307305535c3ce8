"""Which processes run, and which of them a circusd started: it lists those in its lock file, where its death leaves it.

Its warden reads there in which order to end what is left, and the next circusd what to end. A process also carries a
mark in its environment (`stale.MARK`), but programs that give themselves a title write that over their environment:
Valkey, nginx, PostgreSQL's children. Imports nothing that the warden would have to carry.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A pid and its start, in clock ticks since boot, as pids are used again. Across boots that means nothing, so a list
#: begins with the boot that it belongs to.
Identity = tuple[int, int]


def processes() -> dict[Identity, int]:
    """All that run, with their parents' pids."""
    looked_at = ((int(name), _look(int(name))) for name in os.listdir("/proc") if name.isdecimal())
    return {(pid, seen[1]): seen[0] for pid, seen in looked_at if seen is not None}


def identity_of(pid: int) -> Identity | None:
    """A running process's identity."""
    seen = _look(pid)
    return seen and (pid, seen[1])


def _look(pid: int) -> tuple[int, int] | None:
    """Parent's pid and own start of a process that runs."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()  # its name, before that, may contain anything
    except OSError:
        return None
    return None if fields[0] in b"ZX" else (int(fields[1]), int(fields[19]))


def write(lock: int, priorities: Mapping[Identity, int]) -> None:
    """Lists processes with the priorities of their watchers in an open file, in one step."""
    lines = [_boot(), *(f"{pid} {start} {priority}" for (pid, start), priority in priorities.items())]
    text = "\n".join([*lines, ""]).encode()
    os.pwrite(lock, text, 0)
    os.ftruncate(lock, len(text))


def read(lock: str) -> dict[Identity, int]:
    """The list in a file; empty when there is none of this boot."""
    try:
        with open(lock, encoding="utf-8", errors="replace") as file:
            boot, *lines = file.read().splitlines() or [""]
    except OSError:
        return {}
    numbers = [line.split() for line in lines] if boot == _boot() else []
    try:
        return {(int(pid), int(start)): int(priority) for pid, start, priority in numbers}
    except ValueError:
        return {}


def _boot() -> str:
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()
