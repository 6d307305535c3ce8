"""What a phone hears, on its way to storage: raw, in order, before anything else is done about it.

After each (re)connect it catches up from the newest message that is stored; live events wait meanwhile. What is fetched
is stored in the order of time over all chats, so that a crash in between leaves no hole behind the watermark.
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
        self._waiting: deque[bytes] = deque()
        self._some = asyncio.Event()
        self._may_store = asyncio.Event()
        self._may_store.set()
        self._catching_up = asyncio.Lock()
        #: Events were dropped; catch up again.
        self.overflowed = False

    def take(self, event: dict[str, Any]) -> None:
        """A live event; stored in its turn."""
        if len(self._waiting) >= WAITING_MAX:
            self.overflowed = True
            return
        self._waiting.append(self._stored(event))
        self._some.set()

    async def run(self) -> None:
        """Stores until cancelled."""
        while True:
            await self._some.wait()
            await self._may_store.wait()
            await self._store_some()

    async def finish(self, timeout_s: float) -> None:
        """Stores what is left, within a deadline; what does not fit is fetched again at the next start."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._waiting:
                    await self._store_some()
        except TimeoutError:
            _log.warning("%d events of phone %s are fetched again later", len(self._waiting), self._name)

    async def _store_some(self) -> None:
        batch = [self._waiting[at] for at in range(min(BATCH, len(self._waiting)))]
        if batch:
            await self._host.keep(batch)
        for _ in batch:
            self._waiting.popleft()
        if not self._waiting:
            self._some.clear()

    async def catch_up(self, page: Page, first_since: datetime | None) -> int:
        """Stores what came since the newest stored message.

        Args:
            page: ready.
            first_since: where to begin when nothing is stored yet; None for everything.

        Returns:
            How many events that were.

        Raises:
            BrowserFailed: when the page did not go along; live events go on.
        """
        watermark = await self._host.watermark()
        since = watermark - MARGIN if watermark else first_since
        return await self.fetch_since(page, since)

    async def fetch_since(self, page: Page, since: datetime | None) -> int:
        """Stores what came since an instant, before any live event that is not stored yet."""
        async with self._catching_up:
            self._may_store.clear()
            try:
                events = await self._history(page, since)
                for start in range(0, len(events), BATCH):
                    await self._host.keep([self._stored(event) for event in events[start : start + BATCH]])
            finally:
                self._may_store.set()
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
