"""Turns raw provider events into receipts, messages and their changes (queue `events`).

A batch of events is locked, parsed and written in one transaction: a worker that dies leaves it as it was. An item that
cannot be understood or stored is quarantined, its siblings go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from bisnes_core.channel import Changed, ChannelSpec, Inbound, Parsed, Quarantined, Receipt, SentElsewhere
from bisnes_workers.tickets import Turn
from db import provider_events, receipts
from db.pool import AsyncConnection, AsyncPool, RefusedData
from db.provider_events import ProviderEvent

#: Events per transaction; each may hold several items.
BATCH = 200

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Recorder:
    """The events worker's work."""

    specs: Mapping[str, ChannelSpec]
    pool: AsyncPool
    events: int = 0
    quarantined: int = 0
    stopping: bool = field(default=False)

    async def work_turn(self, turn: Turn) -> None:
        """Handles one ticket."""
        await turn.work(self._record_batch)

    async def _record_batch(self) -> tuple[int, bool]:
        if self.stopping:
            return 0, False
        async with self.pool.connection() as conn, conn.transaction():
            events = await provider_events.take_events(conn, BATCH)
            if not events:
                return 0, False
            parsed = [(event, self._parse(event)) for event in events]
            try:
                async with conn.transaction():
                    await self._write(conn, parsed)
            except RefusedData as error:
                log.warning("a batch of events is stored item by item", events=len(events), error=str(error))
                await self._write_singly(conn, parsed)
            await provider_events.mark_parsed(conn, [event.id for event in events])
        self.events += len(events)
        return len(events), len(events) == BATCH

    def _parse(self, event: ProviderEvent) -> list[Parsed]:
        spec = self.specs.get(event.channel)
        if spec is None or spec.parse is None:
            return [Quarantined("channel not enabled", None)]
        try:
            return spec.parse(event.body)
        except Exception as error:  # the plug-in's boundary: a parser's bug costs this event only
            log.exception("parser raised", channel=event.channel, event_id=event.id)
            return [Quarantined(f"parser raised {type(error).__name__}: {error}", None)]

    async def _write(self, conn: AsyncConnection, parsed: list[tuple[ProviderEvent, list[Parsed]]]) -> None:
        by_channel: dict[str, list[Parsed]] = {}
        for event, items in parsed:
            by_channel.setdefault(event.channel, []).extend(items)
            if odd := [item for item in items if isinstance(item, Quarantined)]:
                self.quarantined += len(odd)
                await provider_events.quarantine(conn, event, odd)
        for channel, items in by_channel.items():
            await receipts.store_inbound(conn, channel, [item for item in items if isinstance(item, Inbound)])
            elsewhere = [item for item in items if isinstance(item, SentElsewhere)]
            await receipts.store_sent_elsewhere(conn, channel, elsewhere)
            await receipts.apply_receipts(conn, channel, [item for item in items if isinstance(item, Receipt)])
            await receipts.apply_changes(conn, channel, [item for item in items if isinstance(item, Changed)])

    async def _write_singly(self, conn: AsyncConnection, parsed: list[tuple[ProviderEvent, list[Parsed]]]) -> None:
        for event, items in parsed:
            for item in items:
                try:
                    async with conn.transaction():
                        await self._write(conn, [(event, [item])])
                except RefusedData as error:
                    self.quarantined += 1
                    async with conn.transaction():
                        await provider_events.quarantine(conn, event, [Quarantined(str(error), repr(item))])
