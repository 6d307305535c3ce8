"""What reloads a watcher without anybody's command: the clock (`cron_restart`) and changed files (`watch`)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

from circus import logger

from bisnes_supervisor.policy import Policy

#: The longest single sleep: a clock that was set is noticed within this.
SLEEP_MAX_S = 60.0


class Occasions:
    """Runs while the watcher runs.

    Args:
        name: of the watcher, for the log.
        policy: says when.
        reload: called on each occasion, with a word for it.
    """

    def __init__(self, name: str, policy: Policy, reload: Callable[[str], Awaitable[object]]) -> None:
        self._name = name
        self._policy = policy
        self._reload = reload
        self._tasks = []
        if policy.cron_restart is not None:
            self._tasks.append(asyncio.ensure_future(self._by_clock(policy.cron_restart)))
        if policy.watch:
            self._tasks.append(asyncio.ensure_future(self._by_files()))

    def end(self) -> None:
        """No more occasions."""
        for task in self._tasks:
            task.cancel()

    async def _by_clock(self, expression: str) -> None:
        from cronsim import CronSim

        while True:
            due_at = next(CronSim(expression, datetime.now().astimezone()))
            while (left_s := (due_at - datetime.now().astimezone()).total_seconds()) > 0:  # noqa: ASYNC110 - the wall clock
                await asyncio.sleep(min(left_s, SLEEP_MAX_S))
            await self._reload(f"cron_restart {expression}")

    async def _by_files(self) -> None:
        from watchfiles import DefaultFilter, awatch

        ignored = [*DefaultFilter.ignore_entity_patterns, *self._policy.ignore_watch]
        try:
            async for changes in awatch(
                *self._policy.watch, watch_filter=DefaultFilter(ignore_entity_patterns=ignored)
            ):
                _, path = next(iter(changes))
                await self._reload(f"changed: {path}")
        except (OSError, RuntimeError) as trouble:  # a path that is not there, or no more inotify watches
            logger.error("%s: files are not watched any more: %s", self._name, trouble)
