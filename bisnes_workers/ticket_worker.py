"""Worker processes that live on tickets: a Dramatiq worker whose async actors run on the process's event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import dramatiq
import structlog
from prometheus_client import Gauge

from bisnes_core.channel import ChannelSpec, load_adapter, load_specs
from bisnes_core.errors import FatalToProcess
from bisnes_core.phone import Lane
from bisnes_core.session import SENDING
from bisnes_core.settings import Settings
from bisnes_workers.broker import TicketBroker, lend_loop
from bisnes_workers.confirm import Confirmer
from bisnes_workers.deliver import Deliverer
from bisnes_workers.media import MediaFiles
from bisnes_workers.outcomes import OutcomeWriter
from bisnes_workers.process import WorkerProcess
from bisnes_workers.record import Recorder
from bisnes_workers.roster import Roster
from bisnes_workers.sessions import SessionKeeper
from bisnes_workers.tickets import (
    CONFIRM,
    DELIVER,
    EVENTS_QUEUE,
    RECORD,
    Ticket,
    Tickets,
    TicketsAway,
    Turn,
    confirm_ticket,
    deliver_ticket,
    record_ticket,
)
from db.pool import DatabaseAway

#: Sessions have so much time to close, however long messages in flight took; with it less than circusd's patience.
CLOSE_MIN_S = 3.0

log = structlog.get_logger(__name__)


class TicketWorker(WorkerProcess):
    """A process with a Dramatiq worker; subclasses declare actors in `declare`."""

    def __init__(self, settings: Settings, threads: int) -> None:
        super().__init__(settings)
        self.broker = TicketBroker(settings)
        self.tickets = Tickets(self.broker, settings)
        self._worker = dramatiq.Worker(self.broker, worker_threads=threads, worker_timeout=1000)

    def actor(self, name: str, queue: str, ticket_of: Callable[..., Ticket], handle: Callable[..., Any]) -> None:
        """Declares an async actor. A ticket that fails is not repeated: the relay finds its work again."""

        async def work(*args: Any) -> None:
            *about, ticket_id = args
            turn = Turn(self.tickets, ticket_of(*about), ticket_id)
            try:
                if await turn.take():
                    await handle(turn, *about)
            except TicketsAway as error:
                log.warning("ticket dropped", ticket=turn.ticket.key, error=str(error))
            except DatabaseAway as error:
                log.warning("ticket put down", ticket=turn.ticket.key, error=str(error))
                with suppress(TicketsAway):  # then its mark expires
                    await turn.put_down()

        dramatiq.actor(actor_name=name, queue_name=queue, broker=self.broker)(work)

    async def begin(self) -> None:
        """Starts consuming; the actors are declared."""
        loop = asyncio.get_running_loop()
        # Every ticket calls Redis in a thread of the loop's executor; as many threads as tickets at a time.
        lend_loop(loop)
        await asyncio.to_thread(self._worker.start)

    async def end(self) -> None:
        """Stops consuming; tickets that were fetched but not begun go back to their queue."""
        await asyncio.to_thread(self._worker.stop, int(self.settings.graceful_stop_s * 1000))


class ChannelWorker(TicketWorker):
    """Sends the messages of one channel."""

    def __init__(self, settings: Settings, channel: str) -> None:
        super().__init__(settings, settings.deliver_tickets)
        self.spec: ChannelSpec = load_specs((channel,))[channel]
        self.files = MediaFiles(settings)
        self.adapter = load_adapter(self.spec, settings)
        self.adapter.files = self.files
        self.outcomes = OutcomeWriter(self.pool)
        self.deliverer: Deliverer | None = None
        self.sessions: SessionKeeper | None = None  # of a channel whose phones hold one
        self._events_arrived = asyncio.Event()

    async def start(self) -> None:
        """Starts the channel, then its queue."""
        fatal: asyncio.Future[FatalToProcess] = asyncio.get_running_loop().create_future()
        fatal.add_done_callback(self._channel_failed)
        roster = Roster(self.pool, self.settings)
        self.deliverer = Deliverer(
            self.spec,
            self.adapter,
            self.pool,
            self.outcomes,
            roster,
            self.settings,
            f"{self.settings.process}-{self.settings.instance}",
            fatal,
        )
        confirmer = Confirmer(self.spec, self.adapter, self.pool, self.outcomes, roster, self.settings)

        await self.files.start()
        await self.adapter.start()
        self.run_in_background(self.outcomes.run())
        self.run_in_background(self.deliverer.renew_leases())
        if self.spec.session:
            self._keep_sessions(fatal)
        self._lane_actor(DELIVER, deliver_ticket, self.deliverer.work_turn)
        self._lane_actor(CONFIRM, confirm_ticket, confirmer.work_turn)
        self._measure()
        await self.begin()

    def _keep_sessions(self, fatal: asyncio.Future[FatalToProcess]) -> None:
        announce = self._events_arrived.set
        self.sessions = SessionKeeper(self.spec, self.adapter, self.pool, self.settings, announce, fatal)
        self.run_in_background(self.sessions.guard_for_ever())
        self.run_in_background(self.sessions.look_for_ever())
        self.run_in_background(self._announce_events())

    async def _announce_events(self) -> None:
        """Tickets for the events that sessions stored; without one the relay's next look finds them."""
        while True:
            await self._events_arrived.wait()
            self._events_arrived.clear()
            with suppress(TicketsAway):
                await asyncio.to_thread(self.tickets.issue, [record_ticket()])

    def _lane_actor(
        self, name: str, ticket_of: Callable[[Lane, str], Ticket], work: Callable[[Lane, Turn], Awaitable[None]]
    ) -> None:
        def ticket(company_id: str, phone_index: int) -> Ticket:
            return ticket_of(Lane(company_id, phone_index), self.spec.name)

        async def handle(turn: Turn, company_id: str, phone_index: int) -> None:
            lane = Lane(company_id, phone_index)
            if self.sessions and not self.sessions.holds(lane):
                await turn.put_down()  # the relay announces it anew, until the process that holds the phone gets it
            else:
                await work(lane, turn)

        self.actor(name, self.spec.queue, ticket, handle)

    def _channel_failed(self, fatal: asyncio.Future[FatalToProcess]) -> None:
        if not fatal.cancelled() and self.failed is not None and not self.failed.done():
            self.failed.set_result(fatal.result())

    async def stop(self) -> None:
        """Stops claiming, waits for what is in flight, closes sessions and channel, all within one deadline."""
        stop_at = time.monotonic() + self.settings.graceful_stop_s
        if self.deliverer is not None:
            self.deliverer.stopping = True
            await self.end()
            await self.deliverer.stop(self.settings.graceful_stop_s)
        if self.sessions is not None:
            await self.sessions.stop(max(CLOSE_MIN_S, stop_at - time.monotonic()))
        await self.adapter.stop()
        await self.files.stop()

    async def ready(self) -> str | None:
        """The database and the channel's own probe; where phones hold sessions, each has a state of its own."""
        if trouble := await super().ready():
            return trouble
        if self.sessions is not None:
            return self.sessions.trouble()
        health = await self.adapter.health()
        return None if health.ok else f"{self.spec.name}: {health.detail}"

    def work_done(self) -> int:
        """Messages sent."""
        return self.deliverer.sent if self.deliverer else 0

    def _measure(self) -> None:
        sent = Gauge("bisnes_messages_sent", "Messages that the provider accepted", registry=self.registry)
        sent.set_function(self.work_done)
        flight = Gauge("bisnes_messages_in_flight", "Messages in this process's hands", registry=self.registry)
        flight.set_function(lambda: self.deliverer.in_flight if self.deliverer else 0)
        if keeper := self.sessions:
            held = Gauge("bisnes_sessions_held", "Phones whose session this process holds", registry=self.registry)
            held.set_function(keeper.count)
            ready = Gauge("bisnes_sessions_ready", "Sessions in which messages leave", registry=self.registry)
            ready.set_function(lambda: sum(keeper.count(state) for state in SENDING))


class EventsWorker(TicketWorker):
    """Parses provider events."""

    #: One batch at a time per process: batches are what makes this cheap.
    THREADS = 1

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, self.THREADS)
        self.recorder = Recorder(load_specs(settings.channels), self.pool)

    async def start(self) -> None:
        """Starts the queue `events`."""
        self.actor(RECORD, EVENTS_QUEUE, record_ticket, self.recorder.work_turn)
        for name, read in (
            ("events_parsed", lambda: self.recorder.events),
            ("items_quarantined", lambda: self.recorder.quarantined),
        ):
            gauge = Gauge(f"bisnes_{name}", name.replace("_", " "), registry=self.registry)
            gauge.set_function(read)
        await self.begin()

    async def stop(self) -> None:
        """Finishes the batch in hand."""
        self.recorder.stopping = True
        await self.end()

    def work_done(self) -> int:
        """Events parsed."""
        return self.recorder.events
