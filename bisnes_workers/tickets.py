"""Tickets: at most one outstanding per lane, each saying no more than "this lane has due work".

A mark in Redis (`bisnes:ticket:<key>`) says that a ticket is queued or taken. It expires by itself, so a worker that
dies with a ticket delays its lane by `ticket_s` and loses nothing; everything here may vanish at any time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

import redis
from dramatiq import Message

from bisnes_core.phone import Lane
from bisnes_core.settings import Settings
from bisnes_workers.broker import TicketBroker

#: Queue and actor of the events worker.
EVENTS_QUEUE = "events"
#: Actors, by the work that their tickets announce.
DELIVER, CONFIRM, RECORD = "deliver_lane", "confirm_lane", "record_events"


class TicketsAway(ConnectionError):
    """Redis does not answer; work is found again by the relay's next look."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """One announcement of work.

    Attributes:
        key: what it stands for; one ticket per key is outstanding.
        queue: where it is queued.
        actor: who handles it.
        args: arguments of the actor, before the ticket's own id.
    """

    key: str
    queue: str
    actor: str
    args: tuple[str | int, ...] = ()


def deliver_ticket(lane: Lane, channel: str) -> Ticket:
    """This lane has messages to send."""
    return Ticket(str(lane), f"{channel}-messages", DELIVER, (lane.company_id, lane.phone_index))


def confirm_ticket(lane: Lane, channel: str) -> Ticket:
    """This lane has unconfirmed messages to look at."""
    return Ticket(f"confirm:{lane}", f"{channel}-messages", CONFIRM, (lane.company_id, lane.phone_index))


def record_ticket() -> Ticket:
    """There are provider events to parse."""
    return Ticket("events", EVENTS_QUEUE, RECORD)


# A queued mark may be taken by any ticket of its key (the first one may have expired and been issued anew), a taken one
# only by its owner: the others are dropped.
_TAKE = """
local mark = redis.call('GET', KEYS[1])
if mark and string.sub(mark, 1, 6) == 'taken:' and mark ~= 'taken:' .. ARGV[1] then return 0 end
redis.call('SET', KEYS[1], 'taken:' .. ARGV[1], 'PX', ARGV[2])
return 1
"""
_PUT_DOWN = """
if redis.call('GET', KEYS[1]) == 'taken:' .. ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
"""


class Tickets:
    """Issues and handles tickets; synchronous, each call one or two round trips.

    All methods raise `TicketsAway` when Redis does not answer.
    """

    def __init__(self, broker: TicketBroker, settings: Settings) -> None:
        self._broker = broker
        self._redis = broker.client
        self._ticket_ms = int(settings.ticket_s * 1000)
        self._take = self._redis.register_script(_TAKE)
        self._put_down = self._redis.register_script(_PUT_DOWN)

    def issue(self, tickets: Iterable[Ticket]) -> int:
        """Queues those of the tickets that are not outstanding already. Returns how many."""
        wanted = [(ticket, uuid4().hex) for ticket in tickets]
        if not wanted:
            return 0
        with _redis_answers():
            with self._redis.pipeline(transaction=False) as pipe:
                for ticket, ticket_id in wanted:
                    pipe.set(_mark(ticket.key), f"queued:{ticket_id}", nx=True, px=self._ticket_ms)
                free = pipe.execute()
            issued = [pair for pair, done in zip(wanted, free, strict=True) if done]
            for ticket, ticket_id in issued:
                self._enqueue(ticket, ticket_id)
        return len(issued)

    def take(self, ticket: Ticket, ticket_id: str) -> bool:
        """Begins to work on a ticket; False when another one of its key is being worked on."""
        with _redis_answers():
            return bool(self._take(keys=[_mark(ticket.key)], args=[ticket_id, self._ticket_ms]))

    def put_back(self, ticket: Ticket, ticket_id: str) -> None:
        """Puts the ticket at the end of its queue: work remains, and it is the others' turn."""
        with _redis_answers():
            self._redis.set(_mark(ticket.key), f"queued:{ticket_id}", px=self._ticket_ms)
            self._enqueue(ticket, ticket_id)

    def put_down(self, ticket: Ticket, ticket_id: str) -> None:
        """Ends the ticket. Look for work once more afterwards: its nudge may have met the mark."""
        with _redis_answers():
            self._put_down(keys=[_mark(ticket.key)], args=[ticket_id])

    def _enqueue(self, ticket: Ticket, ticket_id: str) -> None:
        self._broker.enqueue(
            Message(
                queue_name=ticket.queue,
                actor_name=ticket.actor,
                args=(*ticket.args, ticket_id),
                kwargs={},
                options={},
            )
        )


#: Pause after a batch of several items, in which the next batch gathers: a claim and a write cost nearly the same for
#: two messages as for twenty. A batch of one is not followed by it: single messages and a chat's next do not wait.
GATHER_S = 0.02

#: Works on one batch; answers how many items it had, and whether there may be more that found no room in it.
WorkBatch = Callable[[], Awaitable[tuple[int, bool]]]


@dataclass(frozen=True, slots=True)
class Turn:
    """A ticket in the hands of an actor."""

    tickets: Tickets
    ticket: Ticket
    ticket_id: str

    async def take(self) -> bool:
        """Begins; False when another ticket of this key is being worked on."""
        return await asyncio.to_thread(self.tickets.take, self.ticket, self.ticket_id)

    async def put_down(self) -> None:
        """Ends."""
        await asyncio.to_thread(self.tickets.put_down, self.ticket, self.ticket_id)

    async def work(self, work_batch: WorkBatch) -> None:
        """One batch, then the others' turn; or, when little was there, the end of the ticket and one more look."""
        items, full = await work_batch()
        if items > 1 or (items and full):  # more will have come meanwhile
            if not full:
                await asyncio.sleep(GATHER_S)
            await asyncio.to_thread(self.tickets.put_back, self.ticket, self.ticket_id)
            return
        await self.put_down()
        # What came since the batch was read found its nudge stopped by the mark: look once more without it.
        items, _ = await work_batch()
        if items:
            await asyncio.to_thread(self.tickets.issue, [self.ticket])


def _mark(key: str) -> str:
    return f"bisnes:ticket:{key}"


@contextmanager
def _redis_answers() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        # Refused, timed out, loading its file, out of memory: in each case there are no tickets for now.
        raise TicketsAway(str(error)) from error
