"""The instances of one watcher: which are wanted, which are due, and what becomes of one whose process has ended.

Everything that may change what runs calls `tend`, which looks at the slots and starts what is due. It waits for
nothing, so no watcher ever waits for another.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from circus import logger

from bisnes_supervisor.attendance import Attendance, filled_in
from bisnes_supervisor.death import Death
from bisnes_supervisor.process import Process
from bisnes_supervisor.restarts import History, after_death
from bisnes_supervisor.slot import Slot

if TYPE_CHECKING:
    from bisnes_supervisor.watcher import Watcher


class Instances:
    """See above.

    Args:
        watcher: whose instances they are; it spawns and says what its state is.

    Attributes:
        slots: one for each wanted instance.
        spawn_error: why the last process could not be started; empty when a hook forbade it.
    """

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self.slots: list[Slot] = []
        self.spawn_error = ""
        self._made_pid = 0
        self._timer: object | None = None
        self._next_start_at = 0.0

    def slot_of(self, process: Process) -> Slot | None:
        """The slot that a process fills."""
        return next((slot for slot in self.slots if slot.process is process), None)

    def fit(self, wanted: int) -> list[Process]:
        """As many slots as wanted. The emptiest and youngest go first; answers the processes that lost theirs."""
        while len(self.slots) < wanted:
            self.slots.append(Slot(due_at=self._now()))
        homeless = []
        while len(self.slots) > wanted:
            slot = next((slot for slot in reversed(self.slots) if slot.process is None), self.slots[-1])
            self.slots.remove(slot)
            if slot.process is not None:
                homeless.append(slot.process)
        return homeless

    def clear(self) -> None:
        """No instance is wanted any more."""
        self.slots = []
        self._next_start_at = 0.0
        self._wake_at(None)

    def forgive(self) -> None:
        """Forgets deaths; what waits or was given up is due at once."""
        for slot in self.slots:
            slot.forgive(self._now())

    def tend(self) -> bool:
        """Starts what is due, and remembers to look again when the next is. False when a hook forbids starting."""
        allowed = all(self._launch(slot) for slot in self.slots if slot.is_due(self._now()))
        due = [slot.due_at for slot in self.slots if slot.process is None and slot.due_at is not None]
        self._wake_at(min(due) if due and allowed else None)
        return allowed

    def _wake_at(self, at: float | None) -> None:
        if self._timer is not None:
            self._watcher.loop.remove_timeout(self._timer)
        self._timer = None if at is None else self._watcher.loop.call_at(at, self._watcher.tend)

    def _launch(self, slot: Slot) -> bool:
        now = self._now()
        wait_s = self._watcher.arbiter.budget.take(now) if slot.history.in_a_row else 0.0
        due_at = max(now + wait_s, self._next_start_at)
        if due_at > now:
            slot.due_at = due_at
            return True
        self._next_start_at = now + self._watcher.warmup_delay
        process = self.spawn()
        if process is not None:
            slot.fill(process)
        elif self.spawn_error:
            self.after_end(slot, Death("not started", 127, self.spawn_error), 0.0)
        else:
            slot.due_at = None
            return False
        return True

    def spawn(self) -> Process | None:
        """A new process, attended to but in no slot yet; None when the kernel (`spawn_error`) or a hook refused."""
        watcher, policy = self._watcher, self._watcher.policy
        self.spawn_error = ""
        started = watcher.spawn_process()
        process = watcher.processes.get(self._made_pid) if started else None
        if process is None:
            if self.spawn_error:
                watcher.journal("not started", "error", reason=self.spawn_error)
            return None
        if policy.wait_ready is None:
            process.ready.set_result(None)
        process.attendance = Attendance(
            process,
            policy,
            watcher.arbiter.folder,
            on_ready=lambda took_s: self._on_ready(process, took_s),
            on_late=lambda: self._on_late(process),
            on_hung=lambda silence_s: watcher.on_hung(process, silence_s),
        )
        watcher.loop.call_later(policy.min_uptime_s, self._on_proved, process)
        if watcher.max_age:
            age_s = watcher.max_age + random.uniform(0, watcher.max_age_variance)  # noqa: S311 - spreads load
            watcher.loop.call_later(age_s, watcher.on_old, process)
        watcher.journal("started", "info", process)
        return process

    def make(self, *args: Any, **options: Any) -> Process:
        """Called by Circus, inside `spawn`, for the process itself."""
        try:
            process = Process(*args, **options)
        except (OSError, ValueError) as refused:
            self.spawn_error = f"cannot be started: {refused}"
            raise
        self._made_pid = process.pid
        self._watcher.arbiter.started[process.pid] = process
        return process

    def after_end(self, slot: Slot, death: Death, uptime_s: float) -> None:
        """Decides about a slot whose process has ended."""
        watcher, now = self._watcher, self._now()
        slot.process, slot.due_at, slot.last_end = None, now, death.text
        if death.commanded:
            return
        if not watcher.respawn:
            slot.due_at = None
            return
        was_errored = slot.history.errored
        decided = after_death(watcher.policy, slot.history, uptime_s=uptime_s, at=now, exit_code=death.exit_code)
        slot.history = decided.history
        slot.due_at = None if decided.delay_s is None else now + decided.delay_s
        if decided.history.errored and not was_errored:
            again = "never" if decided.delay_s is None else f"in {decided.delay_s:g} s"
            count = len(decided.history.unstable_at)
            reason = f"{count} unstable deaths; tried again {again}; the last: {death.text}"
            watcher.journal("errored", "critical", reason=reason)
            watcher.notify_event("errored", {"reason": reason})
            logger.critical("%s is errored: %s", watcher.name, reason)

    # -- what a process does -------------------------------------------------------------------------------------
    def _on_ready(self, process: Process, took_s: float) -> None:
        if not process.ready.done():
            process.ready.set_result(None)
            self._watcher.journal("ready", "info", process, took_s=round(took_s, 3))

    def _on_late(self, process: Process) -> None:
        policy = self._watcher.policy
        reason = f"not ready within {policy.listen_timeout_s:g} s ({filled_in(process, policy.wait_ready or '')})"
        self._watcher.journal("not ready", "warning", process, reason=reason)

    def _on_proved(self, process: Process) -> None:
        """It has been up for `min_uptime`: what was before is forgiven, but for the sliding window."""
        slot = self.slot_of(process)
        if slot is None or not slot.history.in_a_row:
            return
        if slot.history.errored:
            self._watcher.journal("recovered", "info", process)
            slot.history = History()
        else:
            slot.history = History(slot.history.unstable_at)

    def _now(self) -> float:
        return float(self._watcher.loop.time())
