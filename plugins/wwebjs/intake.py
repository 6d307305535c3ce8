"""What a phone hears, on its way to storage: raw, in order, before anything else is done about it.

With each document and each (re)connect a phone falls behind: what the page got before the bridge listened is told by
nobody. Live events wait until everything since the newest stored message is fetched. What is fetched is stored in the
order of time over all chats. So a crash at any instant leaves no hole behind the newest stored message.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from bisnes_core.session import SessionHost
from plugins.wwebjs.page import Page

#: Catching up begins this long before the newest stored message: a message may come later than its time says, by its
#: sender's clock, by a wait for its content, or by a group's slow members. Doubles are told apart by their ids.
MARGIN: Final = timedelta(minutes=10)
#: Events stored with one statement.
BATCH: Final = 200
#: Events that wait for the database; past it the newest are dropped and fetched again later.
WAITING_MAX: Final = 20_000
#: Messages of one chat that are fetched at most; more than anybody writes in a chat during an outage.
CHAT_MAX: Final = 5000
#: One chat's history; 25 messages take milliseconds, thousands some seconds.
HISTORY_TIMEOUT_S: Final = 60.0

_log = logging.getLogger(__name__)


class Intake:
    """One phone's.

    Args:
        name: the phone's, written into each event.
        host: stores.
    """

    def __init__(self, name: str, host: SessionHost) -> None:
        self._name = name
        self._host = host
        self._waiting: deque[dict[str, Any]] = deque()
        self._some = asyncio.Event()
        self._caught_up = asyncio.Event()
        self._falls = 0
        self._turn = asyncio.Lock()
        #: Events were dropped; catch up again.
        self.overflowed = False

    def take(self, event: dict[str, Any]) -> None:
        """A live event; stored in its turn."""
        if len(self._waiting) >= WAITING_MAX:
            self.overflowed = True
            self.fall_behind()
            return
        self._waiting.append(event)
        self._some.set()

    def fall_behind(self) -> None:
        """From now on the page may hold what it told nothing of; live events wait for `catch_up`."""
        self._falls += 1
        self._caught_up.clear()

    async def run(self) -> None:
        """Stores until cancelled."""
        while True:
            await self._some.wait()
            await self._caught_up.wait()
            async with self._turn:
                if self._caught_up.is_set():
                    await self._store_some()

    async def finish(self, timeout_s: float) -> None:
        """Stores what is left, within a deadline.

        What does not fit is fetched again at the next start, as are messages that came after others that are missing.
        """
        if not self._caught_up.is_set():
            self._waiting = deque(event for event in self._waiting if event["type"] != "message")
        try:
            async with asyncio.timeout(timeout_s):
                while self._waiting:
                    await self._store_some()
        except TimeoutError:
            _log.warning("%d events of phone %s are fetched again later", len(self._waiting), self._name)

    async def _store_some(self) -> None:
        batch = [self._stored(self._waiting[at]) for at in range(min(BATCH, len(self._waiting)))]
        if batch:
            await self._host.keep(batch)
        for _ in batch:
            self._waiting.popleft()
        if not self._waiting:
            self._some.clear()

    async def catch_up(self, page: Page, first_since: datetime) -> int:
        """Stores what came since the newest stored message; live events go on, unless it fell behind once more.

        Args:
            page: ready.
            first_since: where to begin when nothing is stored yet.

        Returns:
            How many events that were.

        Raises:
            BrowserFailed: when the page did not go along; live events wait for the next try.
        """
        async with self._turn:
            falls = self._falls
            count = await self._fetch(page, await self._missing_since() or first_since)
            if falls == self._falls:
                self._caught_up.set()
        return count

    async def fetch_again(self, page: Page, since: datetime | None) -> None:
        """Stores what came since an instant, and what is missing before it; before any live event that waits."""
        async with self._turn:
            if since is not None and not self._caught_up.is_set():
                missing_since = await self._missing_since()
                since = missing_since and min(since, missing_since)
            await self._fetch(page, since)

    async def _missing_since(self) -> datetime | None:
        newest = await self._host.watermark()
        return newest - MARGIN if newest else None

    async def _fetch(self, page: Page, since: datetime | None) -> int:
        events = await self._history(page, since)
        for start in range(0, len(events), BATCH):
            await self._host.keep([self._stored(event) for event in events[start : start + BATCH]])
        return len(events)

    async def _history(self, page: Page, since: datetime | None) -> list[dict[str, Any]]:
        since_s = int(since.timestamp()) if since else 0
        events: list[dict[str, Any]] = []
        for chat in await page.ask("chatsSince", since_s):
            events += await page.ask("history", chat, since_s, CHAT_MAX, timeout_s=HISTORY_TIMEOUT_S)
        # Stable: the order within a chat stays where seconds are equal.
        return sorted(events, key=_at_s)

    def _stored(self, event: dict[str, Any]) -> bytes:
        return orjson.dumps({"phone": self._name, **event})


def _at_s(event: dict[str, Any]) -> float:
    return float(event["message"]["at_s"]) if event["type"] == "message" else event["at_ms"] / 1000


def now() -> datetime:
    """Aware UTC."""
    return datetime.now(UTC)
