"""A place for one instance of a watcher: it outlives the processes that fill it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from bisnes_supervisor.process import Process
from bisnes_supervisor.restarts import History

State = Literal["online", "starting", "stopping", "waiting restart", "errored", "stopped"]


@dataclass
class Slot:
    """One instance.

    Attributes:
        process: what fills it now.
        history: its deaths, for the next decision.
        due_at: when to start a process, on the loop's clock; None: not by itself.
        restarts: starts after the first one, since the watcher was started or reset.
        started_once: whether the next start is a restart.
        last_end: how its last process ended, in a sentence.
    """

    process: Process | None = None
    history: History = field(default_factory=History)
    due_at: float | None = 0.0
    restarts: int = 0
    started_once: bool = False
    last_end: str = ""

    @property
    def state(self) -> State:
        """For people."""
        if self.process is not None and self.process.stopping:
            return "stopping"
        if self.history.errored:  # also while a process is on trial: it has not been up for `min_uptime` yet
            return "errored"
        if self.process is not None:
            return "online" if self.process.ready.done() else "starting"
        return "stopped" if self.due_at is None else "waiting restart"

    def is_due(self, now: float) -> bool:
        """Whether a process is to be started."""
        return self.process is None and self.due_at is not None and self.due_at <= now

    def fill(self, process: Process) -> None:
        """A process takes the place."""
        self.process, self.due_at = process, None
        self.restarts += self.started_once
        self.started_once = True

    def forgive(self, now: float) -> None:
        """Forgets all deaths; an empty place is due at once."""
        self.history = History()
        self.restarts = 0
        if self.process is None:
            self.due_at = now
