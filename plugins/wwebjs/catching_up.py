"""Whether a page is caught up with what came before it was heard, and the tries to get there."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from plugins.wwebjs.browser_failed import BrowserFailed
from plugins.wwebjs.intake import Intake
from plugins.wwebjs.page import Page

#: Tries in one page, with this pause, before another page is tried.
TRIES: Final = 3
PAUSE_S: Final = 5.0

_log = logging.getLogger(__name__)


class CatchingUp:
    """One browser's.

    Args:
        name: the phone's, for the log.
        intake: stores; messages wait there until they are caught up with.
        first_since: tells where to begin when nothing is stored yet.
        pause_s: between two tries, `PAUSE_S` at most.
        ended: called after each try.

    Attributes:
        missed: why the last try failed; empty when it did not.
    """

    def __init__(
        self,
        name: str,
        intake: Intake,
        first_since: Callable[[], datetime],
        pause_s: float,
        ended: Callable[[], None],
    ) -> None:
        self.missed = ""
        self._name, self._intake, self._first_since, self._ended = name, intake, first_since, ended
        self._pause_s = min(PAUSE_S, pause_s)
        self._task: asyncio.Task[None] | None = None
        self._done = False
        self._misses = 0
        self._due_at = 0.0
        self.fall_behind()

    @property
    def is_hopeless(self) -> bool:
        """Whether this page has been tried often enough."""
        return self._misses >= TRIES

    def fall_behind(self) -> None:
        """There is another page, or its connection was lost."""
        self.missed, self._misses, self._done = "", 0, False
        self._intake.fall_behind()

    def go_on(self, page: Page) -> None:
        """Begins a try when one is due; the page is ready."""
        if self._intake.overflowed:
            self._intake.overflowed = self._done = False
        idle = self._task is None or self._task.done()
        if not self._done and idle and time.monotonic() >= self._due_at:
            self._done = True
            self._task = asyncio.create_task(self._try(page), name=f"catch up {self._name}")

    async def close(self) -> None:
        """Breaks off what is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _try(self, page: Page) -> None:
        try:
            count = await self._intake.catch_up(page, self._first_since())
        except BrowserFailed as failure:
            self._done = False
            self._misses, self.missed = self._misses + 1, str(failure)
            self._due_at = time.monotonic() + self._pause_s
            _log.warning("phone %s could not catch up: %s", self._name, failure)
        else:
            self._misses, self.missed = 0, ""
            _log.info("phone %s caught up with %d events", self._name, count)
            await page.browser.collect_garbage()
        self._ended()  # what has come back meanwhile is caught up with at once
