"""What a session says of itself, on its way to the core: in order, and never in the way of the session."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import Any, Final

from bisnes_core.session import PhoneState, SessionHost, SessionNews

#: News that wait for a database that is away; older ones are dropped, the newest is what counts.
WAITING_MAX: Final = 64


class Telling:
    """One phone's.

    Attributes:
        news: what was said last.
    """

    def __init__(self, host: SessionHost) -> None:
        self.news = SessionNews(PhoneState.INITIALIZING)
        self._host = host
        self._said = False
        self._waiting: deque[SessionNews] = deque(maxlen=WAITING_MAX)
        self._some = asyncio.Event()

    def show(self, state: PhoneState, detail: str = "", **more: Any) -> None:
        """Says how the session stands, if that is new; `more` are members of `SessionNews`."""
        news = SessionNews(state, detail, **more)
        if news == self.news and self._said:
            return
        self.news, self._said = news, True
        self._waiting.append(news)
        self._some.set()

    async def run(self) -> None:
        """Tells the core until cancelled."""
        while True:
            await self._some.wait()
            await self._tell()

    async def finish(self, timeout_s: float) -> None:
        """Tells what is left, within a deadline."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._tell()

    async def _tell(self) -> None:
        while self._waiting:
            news = self._waiting[0]
            await self._host.report(news)
            # Meanwhile it may have been dropped for newer ones.
            if self._waiting and self._waiting[0] is news:
                self._waiting.popleft()
        self._some.clear()
