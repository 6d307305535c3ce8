"""Sends: a ticket claims a batch of its lane, the batch goes out concurrently, its outcomes are written together.

A ticket waits only a moment for its batch. What takes longer (a hanging provider, a slow number) goes on by itself and
holds nothing but its own chat: the lane's next messages go out beside it, up to the lane's limit.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

import structlog

from bisnes_core.channel import ChannelAdapter, ChannelSpec, Sent
from bisnes_core.errors import FatalToProcess
from bisnes_core.message import PAYLOADS, OutboundMessage
from bisnes_core.phone import Lane, Phone
from bisnes_core.session import SENDING
from bisnes_core.settings import Settings
from bisnes_workers.attempt import outcome_of, try_send
from bisnes_workers.outcomes import OutcomeWriter, PhonePause
from bisnes_workers.pace import Pacer, held_outcome
from bisnes_workers.roster import Roster
from bisnes_workers.tickets import Turn
from db import outbox
from db.outbox import Claimed
from db.phones import PhoneRow
from db.pool import AsyncPool, DatabaseAway

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Deliverer:
    """The sending half of a channel's worker."""

    spec: ChannelSpec
    adapter: ChannelAdapter
    pool: AsyncPool
    outcomes: OutcomeWriter
    roster: Roster
    settings: Settings
    holder: str
    fatal: asyncio.Future[FatalToProcess]
    stopping: bool = False
    sent: int = 0
    outcomes_by_word: Counter[str] = field(default_factory=Counter)
    pacer: Pacer = field(init=False)
    _in_flight: dict[UUID, tuple[Lane, int, float]] = field(default_factory=dict)
    _per_lane: Counter[Lane] = field(default_factory=Counter)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.pacer = Pacer(self.spec.pace, self.pool)

    async def work_turn(self, lane: Lane, turn: Turn) -> None:
        """Handles one ticket of a lane."""
        await turn.work(lambda: self._send_batch(lane))

    async def _send_batch(self, lane: Lane) -> tuple[int, bool]:
        """Claims and starts a batch. Returns its size and whether there was no room for more."""
        found = await self.roster.find(lane)
        if found is None or self.stopping:
            return 0, False
        row, phone = found
        room = min(self.settings.deliver_batch, self.settings.deliver_lane_limit - self._per_lane[lane])
        if row.status != "ready":
            room = min(room, 1)  # a stopped phone is tried with a single message
        paced = self.pacer.rule_of(phone) is not None
        if paced:
            room = 0 if self.pacer.is_closed(row) else min(room, 1)
        if room <= 0:
            return 0, False
        async with self.pool.connection() as conn:
            batch = await outbox.claim_lane(conn, lane, limit=room, holder=self.holder, lease_s=self.settings.lease_s)
        free = [claimed for claimed in batch if not (paced and await self._is_held(lane, claimed))]
        tasks = [self._start(row, phone, claimed) for claimed in free]
        if tasks:
            await asyncio.wait(tasks, timeout=self.settings.deliver_patience_s)
        return len(batch), len(batch) == room

    async def _is_held(self, lane: Lane, claimed: Claimed) -> bool:
        """Whether a message of a phone with limits has to wait; it is back in its queue then."""
        hold = await self.pacer.weigh(claimed.message)
        if hold is None:
            return False
        await self.outcomes.write(lane, held_outcome(claimed, hold))
        self.outcomes_by_word[f"paced:{hold.reason}"] += 1
        return True

    def _start(self, row: PhoneRow, phone: Phone, claimed: Claimed) -> asyncio.Task[None]:
        lane = phone.lane
        self._in_flight[claimed.message.id] = (lane, claimed.message.fence, time.monotonic())
        self._per_lane[lane] += 1
        task = asyncio.create_task(self._attempt(row, phone, claimed))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _attempt(self, row: PhoneRow, phone: Phone, claimed: Claimed) -> None:
        lane, started = phone.lane, time.monotonic()
        try:
            end = await try_send(self.adapter, phone, claimed, self._deadline_s(claimed.message))
            outcome, pause = outcome_of(self.spec, claimed, end, started)
            await self.outcomes.write(lane, outcome, PhonePause(pause, row.configured_at) if pause else None)
            self.outcomes_by_word[type(end).__name__] += 1
            if isinstance(end, Sent):
                self.sent += 1
                if row.status != "ready" and not self._says_so_itself(row):
                    await self.roster.mark_ready(lane)
        except FatalToProcess as error:
            # The message stays `sending`; its lease lapses and `find_sent` decides.
            if not self.fatal.done():
                self.fatal.set_result(error)
        except DatabaseAway as error:
            log.warning("phone could not be marked ready", lane=str(lane), error=str(error))
        finally:
            del self._in_flight[claimed.message.id]
            self._per_lane[lane] -= 1
            if not self._per_lane[lane]:
                del self._per_lane[lane]

    def _deadline_s(self, message: OutboundMessage) -> float:
        """A message with a file may take as long as its file in addition."""
        media_s = self.settings.media_timeout_s if "url" in PAYLOADS.get(message.kind, {}) else 0.0
        return self.settings.deliver_timeout_s + media_s

    def _says_so_itself(self, row: PhoneRow) -> bool:
        """Whether a phone's session tells its state, and in this one messages leave: a restriction outlives them."""
        return self.spec.session is not None and row.status in SENDING

    async def renew_leases(self) -> None:
        """Keeps the leases of sends that take long; a task that runs for ever."""
        period_s = self.settings.lease_s / 3
        while True:
            await asyncio.sleep(period_s)
            old = time.monotonic() - period_s
            claims = [(key, fence) for key, (_, fence, since) in self._in_flight.items() if since < old]
            if not claims:
                continue
            try:
                async with self.pool.connection() as conn:
                    await outbox.renew_leases(conn, claims, self.settings.lease_s)
            except DatabaseAway as error:
                log.warning("leases could not be renewed", messages=len(claims), error=str(error))

    @property
    def in_flight(self) -> int:
        """Messages in this process's hands."""
        return len(self._in_flight)

    async def stop(self, deadline_s: float) -> None:
        """Claims nothing more and waits for what is in flight; what is still open then is left to its lease."""
        self.stopping = True
        if self._tasks:
            _, pending = await asyncio.wait(self._tasks, timeout=deadline_s)
            if pending:
                log.warning("stopped with messages in flight", messages=len(pending))
