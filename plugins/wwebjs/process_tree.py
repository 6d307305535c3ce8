"""The processes of a browser as the kernel shows them: found by profile, killed, weighed."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

from plugins.wwebjs.guardian import descendants

#: Between two looks at processes that were killed.
LOOK_EVERY_S: Final = 0.01
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


def is_of_profile(command_line: bytes, profile: Path) -> bool:
    """Whether a process with this command line was started for the profile.

    Chromium's children rewrite their command line to words parted by spaces; hence not by argument. A folder whose name
    only begins like the profile's is another one.
    """
    return (
        re.search(rb"--user-data-dir=" + re.escape(os.fsencode(profile)) + rb"/?(?:[\0 ]|$)", command_line) is not None
    )


def processes_of(profile: Path) -> list[int]:
    """Every living process of this profile, whoever started it, with all that descends from it."""
    found: set[int] = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit() and is_of_profile(command_line_of(int(entry)), profile):
            found.add(int(entry))
    for pid in tuple(found):
        found.update(descendants(pid))
    return sorted(found - {os.getpid()})


def command_line_of(pid: int) -> bytes:
    """Its arguments, each ended by a zero byte; empty when the process is gone or waits to be collected."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


async def kill_processes_of(profile: Path, deadline_s: float) -> list[int]:
    """Kills whatever runs on this profile; returns those that still live at the deadline.

    Only for the holder of the profile's lock: what runs without the lock is an orphan.
    """
    try:
        async with asyncio.timeout(deadline_s):
            while pids := await asyncio.to_thread(processes_of, profile):
                kill_all(pids)
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError:
        return processes_of(profile)
    return []


def kill_all(pids: list[int]) -> None:
    """SIGKILL to each; those that are gone or not ours are passed over."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def has_dead_child(parent: int) -> bool:
    """Whether a child of this process has ended and was not collected."""
    for child in descendants(parent):
        with suppress(OSError, IndexError):
            state, its_parent = Path(f"/proc/{child}/stat").read_bytes().rsplit(b")", 1)[1].split()[:2]
            if state == b"Z" and int(its_parent) == parent:
                return True
    return False


def tree_bytes(root: int) -> int:
    """Memory of a process and all below it: proportional set size, so that what they share counts once."""
    return sum(_memory_bytes(pid) for pid in (root, *descendants(root)))


def _memory_bytes(pid: int) -> int:
    """Proportional set size; resident set size where the kernel keeps that from us; 0 when the process is gone."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
    return 0
