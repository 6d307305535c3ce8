"""The core as a session sees it, in memory: keeps what it is told, and waits for it without looking again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from bisnes_core.channel import Inbound, Parsed, SentElsewhere
from bisnes_core.session import PhoneState, Request, SessionNews

T = TypeVar("T")


class MemoryHost:
    """A `SessionHost` for one phone; lives in one event loop, may be read from anywhere.

    Args:
        parse: of the channel; messages that it finds move the watermark.

    Attributes:
        kept: events, in the order in which they were stored.
        told: news, in order.
        storing: cleared while the database is away: `keep` waits.
        somebody_watches: what `watched` answers.
    """

    def __init__(self, parse: Callable[[bytes], list[Parsed]]) -> None:
        self.kept: list[bytes] = []
        self.told: list[SessionNews] = []
        self.storing = asyncio.Event()
        self.storing.set()
        self.somebody_watches = False
        self._parse = parse
        self._newest: datetime | None = None
        self._requests: asyncio.Queue[Request] = asyncio.Queue()
        self._changed = asyncio.Event()

    # -- what a session may call --------------------------------------------------------------------------------------
    async def keep(self, events: Sequence[bytes]) -> None:
        """Stores; waits while the database is away."""
        await self.storing.wait()
        self.kept.extend(events)
        for message in messages_in(item for event in events for item in self._parse(event)):
            self._newest = max(message.at, self._newest or message.at)
        self.change()

    async def report(self, news: SessionNews) -> None:
        """Notes how the session stands."""
        self.told.append(news)
        self.change()

    async def watermark(self) -> datetime | None:
        """Instant of the newest message that was stored."""
        return self._newest

    def watched(self) -> bool:
        """Whether somebody looks at the QR."""
        return self.somebody_watches

    async def next_request(self) -> Request:
        """The next thing that was asked for."""
        request = await self._requests.get()
        self.change()
        return request

    # -- what a test may call -----------------------------------------------------------------------------------------
    def ask(self, request: Request) -> None:
        """A person asks for something."""
        self._requests.put_nowait(request)
        self.change()

    @property
    def asked(self) -> bool:
        """Whether somebody asks or watches, for which a session is opened that had returned."""
        return self.somebody_watches or not self._requests.empty()

    @property
    def states(self) -> list[PhoneState]:
        """States that were told, in order."""
        return [news.state for news in self.told]

    @property
    def items(self) -> list[Parsed]:
        """What the stored events say."""
        return [item for event in list(self.kept) for item in self._parse(event)]

    def change(self) -> None:
        """Something is new: who waits looks again."""
        self._changed.set()

    async def until(self, condition: Callable[[], T | None]) -> T:
        """Waits until something is so; asked again whenever something is new."""
        while not (value := condition()):
            self._changed.clear()
            await self._changed.wait()
        return value


def messages_in(items: Iterable[Parsed]) -> list[Inbound]:
    """Messages among parsed items, received or sent elsewhere."""
    found = (item.message if isinstance(item, SentElsewhere) else item for item in items)
    return [item for item in found if isinstance(item, Inbound)]
