"""Writes what became of the attempts: while one write is under way the next ones gather, and go together.

Idle, an outcome is written at once; under load one statement carries many. An outcome stays in memory until PostgreSQL
has it: a database that is away delays it, and a process that dies with it leaves the message to `find_sent`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import structlog

from bisnes_core.phone import Lane
from bisnes_core.retry import Pause
from db import outbox, phones
from db.outbox import Outcome
from db.pool import AsyncPool, DatabaseAway, RefusedData

#: Pause before a write is tried again while the database is away.
RETRY_S = 0.2
#: Outcomes per statement; more would only make a single statement long.
BATCH_MAX = 500
#: Longest provider message id that has a place (`messages.external_id`).
EXTERNAL_ID_MAX_CHARS = 255

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PhonePause:
    """A pause of a phone, as configured when it met the trouble."""

    pause: Pause
    configured_at: datetime


@dataclass(slots=True)
class _Entry:
    lane: Lane
    outcome: Outcome
    pause: PhonePause | None
    written: asyncio.Future[bool]


class OutcomeWriter:
    """One per process; `run` is its task."""

    def __init__(self, pool: AsyncPool) -> None:
        self._pool = pool
        self._waiting: list[_Entry] = []
        self._arrived = asyncio.Event()

    async def write(self, lane: Lane, outcome: Outcome, pause: PhonePause | None = None) -> bool:
        """Returns when the outcome is durable; False when its claim had been lost (see `db.outbox`)."""
        entry = _Entry(lane, outcome, pause, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        self._arrived.set()
        return await entry.written

    async def run(self) -> None:
        """Writes for ever."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
                await self._write_until_done(batch)

    async def _write_until_done(self, batch: list[_Entry]) -> None:
        taken = await self._until_database_answers(batch)
        for entry in batch:
            if entry.outcome.id not in taken:
                log.warning(
                    "outcome came too late",
                    message_id=str(entry.outcome.id),
                    lane=str(entry.lane),
                    status=entry.outcome.status.value,
                    fence=entry.outcome.fence,
                )
            if not entry.written.done():
                entry.written.set_result(entry.outcome.id in taken)

    async def _until_database_answers(self, batch: list[_Entry]) -> set[UUID]:
        while True:
            try:
                return await self._write_batch(batch)
            except RefusedData as error:
                log.error("outcomes are written without the provider's words", outcomes=len(batch), error=str(error))
                batch = [replace(entry, outcome=_bare(entry.outcome)) for entry in batch]
            except DatabaseAway as error:
                log.warning("outcomes wait for the database", outcomes=len(batch), error=str(error))
                await asyncio.sleep(RETRY_S)

    async def _write_batch(self, batch: list[_Entry]) -> set[UUID]:
        pauses = {(entry.lane, entry.pause.pause.scope): entry.pause for entry in batch if entry.pause}
        async with self._pool.connection() as conn:
            for (lane, scope), found in pauses.items():
                await phones.pause_phone(conn, lane, found.pause, found.configured_at)
                log.warning("phone paused", lane=str(lane), scope=scope.value, reason=found.pause.reason)
            return await outbox.write_outcomes(conn, [entry.outcome for entry in batch])


def _bare(outcome: Outcome) -> Outcome:
    """The outcome without what the provider said: its texts held something that PostgreSQL does not store."""
    fits = outcome.external_id if outcome.external_id and len(outcome.external_id) <= EXTERNAL_ID_MAX_CHARS else None
    return replace(outcome, entry={"outcome": outcome.status.value}, error=None, external_id=fits)
