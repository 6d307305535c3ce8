"""Process trees as the kernel tells them: who is below whom, what they use, and their certain end.

A descendant whose parent died is adopted by circusd (a child subreaper), so trees do not fall apart; an environment
mark that every process inherits says whose tree an adopted one belongs to.
"""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

#: Names the process that circusd started at the root of the tree.
OWNER_MARK = "SUPERVISED_AS"

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Member:
    """One process; pid and start together are unique.

    Attributes:
        session: its session's number; circusd gives each process that it starts a session of its own.
        started: in clock ticks since the machine's start.
        cpu_s: user and system time so far.
        rss_bytes: resident memory, shared pages included.
    """

    pid: int
    parent: int
    session: int
    started: int
    cpu_s: float
    rss_bytes: int
    zombie: bool


def look() -> dict[int, Member]:
    """Every process of the machine by pid. About 20 µs each."""
    members = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            member = member_of(int(name))
            if member is not None:
                members[member.pid] = member
    return members


def member_of(pid: int) -> Member | None:
    """One process, or None when it is gone. Fields: proc(5), /proc/pid/stat."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except OSError:
        return None
    fields = text[text.rindex(b")") + 2 :].split()
    return Member(
        pid=pid,
        parent=int(fields[1]),
        session=int(fields[3]),
        started=int(fields[19]),
        cpu_s=(int(fields[11]) + int(fields[12])) * TICK_S,
        rss_bytes=int(fields[21]) * PAGE_BYTES,
        zombie=fields[0] in (b"Z", b"X"),
    )


def forest(members: Mapping[int, Member]) -> dict[int, list[int]]:
    """Children by parent."""
    children: dict[int, list[int]] = defaultdict(list)
    for member in members.values():
        children[member.parent].append(member.pid)
    return children


def below(root: int, children: Mapping[int, list[int]]) -> list[int]:
    """A process and all below it, parents first."""
    found, place = [root], 0
    while place < len(found):
        found += children.get(found[place], ())
        place += 1
    return found


def proportional_bytes(pids: Iterable[int]) -> int | None:
    """Memory of processes with shared pages divided among their users; None when the kernel does not tell.

    Resident memory counts a page once for each process: for a Chromium 2.4 times too much.
    """
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
                line = next(line for line in file if line.startswith(b"Pss:"))
            total += int(line.split()[1]) * 1024
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        except (OSError, StopIteration):
            return None
    return total


def owner_of(pid: int) -> str | None:
    """The owner's mark in a process's environment, or None when there is none to be read."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            environment = file.read().split(b"\0")
    except OSError:
        return None
    prefix = OWNER_MARK.encode() + b"="
    return next((entry[len(prefix) :].decode() for entry in environment if entry.startswith(prefix)), None)


def kill(pids: Iterable[int], number: signal.Signals = signal.SIGKILL) -> None:
    """Signals processes, children first, so that no parent starts a successor."""
    for pid in reversed(list(pids)):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def kill_group(leader: int) -> None:
    """Kills what is left of a process group in one step."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def oom_kills() -> int:
    """How often the kernel has killed for want of memory since the machine's start, cgroup limits included."""
    try:
        with open("/proc/vmstat", "rb") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(b"oom_kill "))
    except (OSError, StopIteration):
        return 0
