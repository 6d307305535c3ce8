"""What takes time takes turns: the commands of one watcher, one after another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from circus import logger

from bisnes_supervisor.replacing import Failed

if TYPE_CHECKING:
    from bisnes_supervisor.watcher import Watcher

T = TypeVar("T")


class Turns:
    """See above.

    Args:
        watcher: whose commands they are.

    Attributes:
        interrupt: set while a command waits that makes the one before it give up waiting for readiness.
    """

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._interrupters = 0
        self.interrupt = asyncio.Event()

    @property
    def taken(self) -> bool:
        """Whether a command is at work."""
        return self._turn.locked()

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Work that needs no turn, and goes on whether or not its caller waits; the loop itself would not keep it."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def take(self, work: Callable[[], Awaitable[None]], *, interrupts: bool = False) -> asyncio.Task[dict[str, Any]]:
        """Work that begins when all before it is done.

        Args:
            work: to be done.
            interrupts: whether what is at work stops waiting for readiness.

        Returns:
            A task whose result tells pids by what became of them, and under `failed` why the work failed.
        """
        return self.begin(self._take(work, interrupts))

    async def _take(self, work: Callable[[], Awaitable[None]], interrupts: bool) -> dict[str, Any]:
        self._interrupters += interrupts
        if interrupts:
            self.interrupt.set()
        async with self._turn:
            self._interrupters -= interrupts
            if not self._interrupters:
                self.interrupt.clear()
            before = set(self._watcher.processes)
            failed = await self._failure_of(work)
            after = set(self._watcher.processes)
        pids = {"started": sorted(after - before), "stopped": sorted(before - after), "kept": sorted(before & after)}
        return pids if failed is None else {**pids, "failed": failed}

    async def count(self, work: Callable[[], Awaitable[int]]) -> int:
        """Work in its turn that answers a number.

        Raises:
            ValueError: when the work refuses.
        """
        async with self._turn:
            return await work()

    async def _failure_of(self, work: Callable[[], Awaitable[None]]) -> str | None:
        name = self._watcher.name
        try:
            await work()
        except Failed as failure:
            logger.error("%s: %s", name, failure)
            return f"{name}: {failure}"
        except Exception as error:  # noqa: BLE001 - a process boundary: the command failed, circusd goes on
            logger.exception("%s: a command failed", name)
            return f"{name}: {error!r}"
        return None
