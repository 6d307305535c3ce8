"""One process that circusd started, with what its supervision has to remember."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from typing import Any

import circus.process

from bisnes_supervisor import stale
from bisnes_supervisor.attendance import Attendance
from bisnes_supervisor.death import Cause
from bisnes_supervisor.niceness import AGAIN_S, yield_processors
from bisnes_supervisor.tree import OWNER_MARK

#: Points of the memory curve that are kept: ten minutes at one every two seconds.
CURVE_POINTS = 300

_serial = itertools.count(1)


class Process(circus.process.Process):
    """Circus's process, started with an owner's mark in its environment.

    Attributes:
        mark: unique for as long as this circusd lives.
        attendance: asks it whether it is ready and alive.
        gone: done once the process has ended and been waited for; its result is the exit code.
        ready: done once it has answered that it is ready.
        purpose: why it is being ended, once it is.
        detail: what is to be said of that.
        memory_bytes: proportional memory of its tree (resident, where the kernel does not tell).
        shared_ratio: of proportional to resident memory when both were last known.
        cpu_percent: of one processor, by its tree, between the last two looks.
        curve: instants (epoch seconds) with `memory_bytes`.
    """

    def __init__(self, name: str, wid: int, cmd: str, **options: Any) -> None:
        self.mark = f"{name}:{next(_serial)}"
        loop = asyncio.get_event_loop_policy().get_event_loop()
        self.gone: asyncio.Future[int] = loop.create_future()
        self.ready: asyncio.Future[None] = loop.create_future()
        self.attendance: Attendance | None = None
        self.purpose: Cause | None = None
        self.detail = ""
        self.memory_bytes = 0
        self.shared_ratio = 1.0
        self.cpu_percent = 0.0
        self.curve: deque[tuple[float, int]] = deque(maxlen=CURVE_POINTS)
        options["env"] = {**(options.get("env") or {}), **stale.mark(), OWNER_MARK: self.mark}
        super().__init__(name, wid, cmd, **options)
        stale.note_start(self.pid, getattr(self.watcher, "priority", 0))
        if self.watcher.policy.niceness:
            self._yield_processors(self.watcher.policy.niceness)

    def _yield_processors(self, niceness: int) -> None:
        if not self.gone.done() and not yield_processors(self.pid, niceness):
            self.watcher.loop.call_later(AGAIN_S, self._yield_processors, niceness)

    def to_be_ended(self, purpose: Cause, detail: str = "") -> None:
        """Notes why; the first reason stands."""
        if self.purpose is None:
            self.purpose, self.detail = purpose, detail

    def stop_attending(self) -> None:
        """Nobody asks it any more whether it is alive: it is being ended."""
        if self.attendance is not None:
            self.attendance.end()
