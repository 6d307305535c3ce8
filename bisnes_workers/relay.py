"""Finds lanes with due work and puts tickets on the queues; looks after leases, unconfirmed messages and retention.

Work is announced by nudges (ZeroMQ, from the API after its commit) and found by looking every `relay_poll_s`: a lost
nudge costs one look. One relay leads, by an advisory lock; a second one stands by.

For its host, leader or not, it also tells circusd which channels to run and copies circusd's journal.
"""

from __future__ import annotations

import asyncio
import time

import structlog
import zmq
import zmq.asyncio

from bisnes_core.phone import Lane
from bisnes_core.settings import Settings
from bisnes_workers.broker import TicketBroker
from bisnes_workers.process import WorkerProcess
from bisnes_workers.process_events import JournalCopier
from bisnes_workers.tickets import Ticket, Tickets, TicketsAway, confirm_ticket, deliver_ticket, record_ticket
from bisnes_workers.wanted import keep_wanted_files
from db import health, outbox, process_events, provider_events, receipts
from db.leadership import Leadership
from db.pool import DatabaseAway

#: Candidates ask for the lock this often.
STANDBY_S = 1.0
#: Leases and unconfirmed messages are looked at this often; small against `lease_s`.
SWEEP_S = 0.5
#: Unmatched receipts, phones that are gone: seldom and never urgent.
TIDY_S = 5.0
#: Retention.
FORGET_S = 60.0
#: Pause after nudges were handled, in which the next ones gather: the first is served at once.
GATHER_S = 0.005
#: The pause under load, where a round that serves many costs as much as one that serves a single one: several times
#: what a round takes, small beside what a message waits for its turn.
GATHER_LOADED_S = 0.02
#: Nudges of one round from which on it counts as load: 150 a second hold it, 600 begin it.
LOADED_NUDGES = 3
#: Nudges read in one go; more than a burst of accepts can leave behind.
NUDGES_MAX = 5000

log = structlog.get_logger(__name__)


class Relay(WorkerProcess):
    """The relay process."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.tickets = Tickets(TicketBroker(settings), settings)
        self.issued = 0
        self.leading = False
        self._redis_away = False

    async def start(self) -> None:
        """Starts the race for the lead, and what every relay does for its host."""
        self.run_in_background(self._lead_for_ever())
        self.run_in_background(keep_wanted_files(self.pool, self.settings))
        self.run_in_background(JournalCopier(self.pool, self.settings.process_events_file).run())

    async def stop(self) -> None:
        """Nothing to hand back: what was not announced is found by the next relay."""

    def work_done(self) -> int:
        """Tickets issued."""
        return self.issued

    # -- leading -----------------------------------------------------------------------------------------------------
    async def _lead_for_ever(self) -> None:
        leadership = Leadership(self.settings)
        try:
            while True:
                try:
                    if await leadership.acquire():
                        log.info("leading")
                        await self._lead(leadership)
                except DatabaseAway as error:
                    log.warning("the database is away", error=str(error))
                self.leading = False
                await asyncio.sleep(STANDBY_S)
        finally:
            await leadership.release()

    async def _lead(self, leadership: Leadership) -> None:
        """Leads until the lock's connection or the database is lost."""
        self.leading = True
        context = zmq.asyncio.Context.instance()
        with context.socket(zmq.PULL) as nudges:
            nudges.bind(self.settings.nudge_address)
            listening = asyncio.create_task(self._listen(nudges))
            try:
                await self._look_for_ever(leadership)
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)

    async def _look_for_ever(self, leadership: Leadership) -> None:
        swept = tidied = forgot = 0.0
        while await leadership.held():
            now = time.monotonic()
            await self._look()
            if now - swept >= SWEEP_S:
                swept = now
                await self._sweep()
            if now - tidied >= TIDY_S:
                tidied = now
                await self._tidy()
            if now - forgot >= FORGET_S:
                forgot = now
                await self._forget()
            await asyncio.sleep(self.settings.relay_poll_s)

    # -- announcing ----------------------------------------------------------------------------------------------------
    async def _listen(self, nudges: zmq.asyncio.Socket) -> None:
        while True:
            wanted, heard = set(_ticket_of(await nudges.recv_multipart())), 1
            while heard < NUDGES_MAX:
                try:
                    wanted.update(_ticket_of(await nudges.recv_multipart(zmq.NOBLOCK)))
                except zmq.Again:
                    break
                heard += 1
            await self._issue(wanted)
            await asyncio.sleep(GATHER_LOADED_S if heard >= LOADED_NUDGES else GATHER_S)

    async def _issue(self, wanted: set[Ticket]) -> None:
        try:
            self.issued += await asyncio.to_thread(self.tickets.issue, wanted)
        except TicketsAway as error:
            if not self._redis_away:
                log.warning("no tickets: Redis is away", error=str(error))
            self._redis_away = True
        else:
            if self._redis_away:
                log.info("Redis is back")
            self._redis_away = False

    async def _look(self) -> None:
        async with self.pool.connection() as conn:
            lanes = await outbox.due_lanes(conn)
            events = await provider_events.has_unparsed(conn)
        wanted = {deliver_ticket(work.lane, work.channel) for work in lanes if work.channel}
        if events:
            wanted.add(record_ticket())
        await self._issue(wanted)

    # -- looking after -------------------------------------------------------------------------------------------------
    async def _sweep(self) -> None:
        async with self.pool.connection() as conn:
            if lapsed := await outbox.lapse_leases(conn):
                log.warning("leases lapsed", messages=lapsed)
            lanes = await outbox.unconfirmed_lanes(conn)
        await self._issue({confirm_ticket(work.lane, work.channel) for work in lanes if work.channel})

    async def _tidy(self) -> None:
        async with self.pool.connection() as conn:
            async with conn.transaction():
                await receipts.match_again(conn)
            for work in [*await outbox.due_lanes(conn), *await outbox.unconfirmed_lanes(conn)]:
                if work.channel is None and (failed := await outbox.fail_orphans(conn, work.lane)):
                    log.warning("messages of a removed phone failed", lane=str(work.lane), messages=failed)

    async def _forget(self) -> None:
        async with self.pool.connection() as conn:
            await provider_events.forget_events(conn, self.settings.raw_event_retention_s)
            await process_events.forget_events(conn)
            await health.forget_silent(conn)


def _ticket_of(frames: list[bytes]) -> list[Ticket]:
    """The ticket that a nudge asks for; a nudge of no known form asks for none."""
    match frames:
        case [b"lane", company_id, phone_index, channel] if phone_index.isdigit():
            lane = Lane(company_id.decode("utf-8", "replace"), int(phone_index))
            return [deliver_ticket(lane, channel.decode("utf-8", "replace"))]
        case [b"events"]:
            return [record_ticket()]
        case _:
            log.warning("nudge of no known form", frames=len(frames))
            return []
