"""An arbiter that respawns promptly, stops in order and never forgets that it was told to stop.

-   Circus looks for dead processes every `check_delay`. Here SIGCHLD makes it look at once, at most every
    `LOOK_EVERY_S`, so that a process that dies as soon as it starts costs little.
-   Circus drops a SIGTERM that arrives while any command runs. Here it is kept until it can be obeyed.
-   Circus stops all watchers together. Here lower priorities stop first, so that the database is there until the last
    process that writes to it has ended.
"""

from __future__ import annotations

import signal
from itertools import groupby
from typing import Any

import circus.arbiter
from circus.exc import ConflictError
from tornado import gen

#: Least time between two looks: bounds a crash loop to four starts a second per process until policies limit it.
LOOK_EVERY_S = 0.25

#: How soon to try again what a running command forbids.
RETRY_S = 0.1

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class Arbiter(circus.arbiter.Arbiter):
    """Circus's arbiter with the three changes above."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._look_timer: object | None = None
        self._looked_at = 0.0
        self._stop_wanted = False
        for number in STOP_SIGNALS:
            signal.signal(number, lambda *_: self.loop.add_callback_from_signal(self._stop_soon))
        signal.signal(signal.SIGCHLD, lambda *_: self.loop.add_callback_from_signal(self._look_soon))

    # -- respawn -------------------------------------------------------------------------------------------------

    def manage_watchers(self) -> Any:
        """Reaps and respawns; when a command runs, as soon as it has ended."""
        self._looked_at = self.loop.time()
        try:
            return super().manage_watchers()
        except ConflictError:
            self._look_soon()
            return None

    def _look_soon(self) -> None:
        if self._look_timer is None and not self._stopping:
            due_at = max(self.loop.time(), self._looked_at + LOOK_EVERY_S)
            self._look_timer = self.loop.call_at(due_at, self._look)

    def _look(self) -> Any:
        self._look_timer = None
        return self.manage_watchers()

    # -- stop ----------------------------------------------------------------------------------------------------

    def _stop_soon(self) -> None:
        if not self._stop_wanted:
            self._stop_wanted = True
            self.loop.add_callback(self._stop_when_free)

    async def _stop_when_free(self) -> None:
        while not self._stopping:
            try:
                await self.stop()
            except ConflictError:
                await gen.sleep(RETRY_S)

    @gen.coroutine
    def _stop_watchers(self, close_output_streams: bool = False, watcher_iter_func: Any = None) -> Any:
        chosen = (watcher_iter_func or self.iter_watchers)(reverse=False)
        ordered = sorted(chosen, key=lambda watcher: watcher.priority)
        for _, same in groupby(ordered, key=lambda watcher: watcher.priority):
            yield [watcher._stop(close_output_streams) for watcher in same]
