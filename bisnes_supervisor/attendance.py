"""Watches over one process from its start to its end: is it ready, does it still answer?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from circus.util import replace_gnu_args

from bisnes_supervisor.policy import Policy
from bisnes_supervisor.probe import UNANSWERED, Address, ask, parse_address

if TYPE_CHECKING:
    from bisnes_supervisor.process import Process

#: Between two questions to a process that is not ready: soon at first, since most are ready within a second.
READY_EVERY_S = (0.05, 0.1, 0.1, 0.25, 0.25, 0.5)
#: An answer to one of them is given within milliseconds by a process that can give it.
READY_ANSWER_S = 2.0

#: So many questions in a row stay unanswered before a silence counts: one lost answer is none, nor is the time during
#: which this machine slept.
SILENT_TIMES = 3


class Attendance:
    """One process's readiness and liveness.

    Args:
        process: asked through the addresses of the policy.
        policy: of its watcher.
        folder: of relative sockets.
        on_ready: called once it is ready, with the seconds that it took.
        on_late: called once when `listen_timeout` has passed and it is not.
        on_hung: called once when it has been silent for too long, with the seconds of silence.
    """

    def __init__(
        self,
        process: Process,
        policy: Policy,
        folder: Path,
        *,
        on_ready: Callable[[float], None],
        on_late: Callable[[], None],
        on_hung: Callable[[float], None],
    ) -> None:
        self._process = process
        self._policy = policy
        self._folder = folder
        self._on_ready = on_ready
        self._on_late = on_late
        self._on_hung = on_hung
        self._task = asyncio.ensure_future(self._attend())
        process.gone.add_done_callback(lambda _: self.end())

    def end(self) -> None:
        """Asks no more."""
        self._task.cancel()

    def _address(self, text: str) -> Address:
        return parse_address(filled_in(self._process, text))

    async def _attend(self) -> None:
        asking = []
        if self._policy.wait_ready is not None:
            asking.append(self._until_ready(self._address(self._policy.wait_ready)))
        if self._policy.live is not None:  # also before it is ready: what begins to hang early is hung as well
            asking.append(self._until_hung(self._address(self._policy.live)))
        await asyncio.gather(*asking)

    async def _until_hung(self, address: Address) -> None:
        self._on_hung(await self._until_silent(address))

    async def _until_ready(self, address: Address) -> None:
        began_at, late, pauses = time.monotonic(), False, iter(READY_EVERY_S)
        while True:
            status = await ask(address, READY_ANSWER_S, self._folder)
            took_s = time.monotonic() - began_at
            if status is not None and 200 <= status < 300:
                self._on_ready(took_s)
                return
            if took_s > self._policy.listen_timeout_s and not late:
                late = True
                self._on_late()
            await asyncio.sleep(next(pauses, READY_EVERY_S[-1]))

    async def _until_silent(self, address: Address) -> float:
        """Seconds of silence once they are too many.

        A process that does not listen yet is not silent: it may wait for what it needs. One that has taken connections
        on a Unix socket, which is its own, has begun to listen; on a port it may be circusd that does.
        """
        every_s = self._policy.hang_timeout_s / (SILENT_TIMES + 1)
        answered_at: float | None = None
        silent_times = 0
        while True:
            asked_at = time.monotonic()
            answer = await ask(address, every_s, self._folder)
            if answer:
                answered_at, silent_times = time.monotonic(), 0
            elif answer == UNANSWERED and answered_at is None and address.host is None:
                answered_at, silent_times = asked_at, 1
            elif answered_at is not None:
                silent_times += 1
                silence_s = time.monotonic() - answered_at
                if silent_times >= SILENT_TIMES and silence_s >= self._policy.hang_timeout_s:
                    return silence_s
            await asyncio.sleep(max(0.0, asked_at + every_s - time.monotonic()))


def filled_in(process: Process, text: str) -> str:
    """An address of the policy as it is for one process."""
    return str(replace_gnu_args(text, wid=process.wid, env=process.env))
