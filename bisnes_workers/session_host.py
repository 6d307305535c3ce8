"""What the core offers to the session of one phone: a place for its events, its state on show, people's requests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeVar

import structlog

from bisnes_core.phone import Lane
from bisnes_core.session import SENDING, PhoneState, Request, SessionNews
from db import phone_sessions, provider_events
from db.phone_sessions import OpenRequest
from db.pool import AsyncConnection, AsyncPool, DatabaseAway

#: Pause before a write is tried again while the database is away.
RETRY_S = 0.2
#: States that pass by themselves pause nothing for this long: a reload or a reconnect is over by then.
BRIEF_S = 10.0
#: The states meant.
PASSING = frozenset({PhoneState.INITIALIZING, PhoneState.DISCONNECTED, PhoneState.AUTHENTICATED})

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Host:
    """The host of one phone's session, as long as this process holds the phone.

    Args:
        lane: whose session.
        channel: the phone's.
        fence: of this process as the holder.
        pool: of this process.
        announce: says that there are events to parse; returns at once.
    """

    def __init__(self, lane: Lane, channel: str, fence: int, pool: AsyncPool, announce: Callable[[], None]) -> None:
        self.lane = lane
        self._channel = channel
        self._fence = fence
        self._pool = pool
        self._announce = announce
        self._keeping = asyncio.Lock()
        self._showing = asyncio.Lock()
        self._news: SessionNews | None = None
        self._paused = False
        self._silent_since = time.monotonic()  # since when no message leaves
        self._watched_until = 0.0
        self._requests: dict[int, OpenRequest] = {}
        self._asked = asyncio.Event()

    # -- for the channel ----------------------------------------------------------------------------------------------
    async def keep(self, events: Sequence[bytes]) -> None:
        """See `bisnes_core.session.SessionHost`.

        Events whose commit nobody confirmed are stored again: reading them twice changes nothing.
        """
        if not events:
            return
        async with self._keeping:
            await self._until_done(lambda conn: provider_events.store_events(conn, self._channel, events))
        self._announce()

    async def report(self, news: SessionNews) -> None:
        """See `bisnes_core.session.SessionHost`."""
        async with self._showing:
            if news == self._news:
                return
            if news.state in SENDING or self._news is None or self._news.state in SENDING:
                self._silent_since = time.monotonic()
            await self._show(news, pauses=self._pauses(news.state))
        log.info("session state", lane=str(self.lane), state=news.state.value, detail=news.detail, build=news.build)

    async def watermark(self) -> datetime | None:
        """See `bisnes_core.session.SessionHost`."""
        return await self._until_done(lambda conn: phone_sessions.newest_heard(conn, self.lane))

    def watched(self) -> bool:
        """See `bisnes_core.session.SessionHost`."""
        return time.monotonic() < self._watched_until

    async def next_request(self) -> Request:
        """See `bisnes_core.session.SessionHost`."""
        while True:
            await self.asked()
            if request := await self._take(next(iter(self._requests))):
                log.info("session request", lane=str(self.lane), ask=request.ask.value)
                return request

    # -- for the keeper -----------------------------------------------------------------------------------------------
    async def asked(self) -> None:
        """Returns as soon as somebody asks for something; leaves the request where it is."""
        await self._asked.wait()

    def offer(self, requests: Sequence[OpenRequest]) -> None:
        """Brings the requests that are open now, in their order."""
        self._requests = {request.id: request for request in requests}
        if self._requests:
            self._asked.set()
        else:
            self._asked.clear()

    def watch(self, for_s: float) -> None:
        """Somebody looks at the QR for so many seconds more; 0 for nobody."""
        self._watched_until = time.monotonic() + for_s

    @property
    def state(self) -> PhoneState | None:
        """What is on show."""
        return self._news.state if self._news else None

    async def settle(self, stored_status: str, *, sends: bool) -> None:
        """Brings what is on show in line with what holds: a state that lasts pauses, a status that is not ours goes.

        Args:
            stored_status: the phone's, as stored.
            sends: whether the phone may send, as stored: it is not paused.
        """
        news = self._news
        if news is None or self._showing.locked():
            return
        async with self._showing:
            lasts = not self._paused and self._pauses(news.state)
            # What a failed send said stays until its pause is over.
            foreign = stored_status != news.state.value and sends
            if lasts or foreign:
                await self._show(news, pauses=self._pauses(news.state))

    # -- parts --------------------------------------------------------------------------------------------------------
    async def _take(self, request_id: int) -> Request | None:
        taken = await self._until_done(lambda conn: phone_sessions.take_request(conn, request_id))
        self.offer([request for request in self._requests.values() if request.id != request_id])
        return taken

    def _pauses(self, state: PhoneState) -> bool:
        if state in SENDING:
            return False
        return state not in PASSING or time.monotonic() - self._silent_since > BRIEF_S

    async def _show(self, news: SessionNews, *, pauses: bool) -> None:
        async def show(conn: AsyncConnection) -> bool:
            async with conn.transaction():
                return await phone_sessions.show_state(conn, self.lane, self._fence, news, pauses=pauses)

        if not await self._until_done(show):
            log.info("session state not shown: the phone is gone or held elsewhere", lane=str(self.lane))
        self._news, self._paused = news, pauses

    async def _until_done(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Does something with the database, however long it is away."""
        said = False
        while True:
            try:
                async with self._pool.connection() as conn:
                    return await work(conn)
            except DatabaseAway as error:
                if not said:
                    log.warning("session waits for the database", lane=str(self.lane), error=str(error))
                said = True
                await asyncio.sleep(RETRY_S)
