"""Tickets: at most one outstanding, prompt to arrive, gone by themselves."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from uuid import uuid4

import dramatiq
import pytest

from bisnes_core.phone import Lane
from bisnes_workers.broker import TicketBroker
from bisnes_workers.tickets import Ticket, Tickets, TicketsAway, deliver_ticket
from tests.fixtures.eventually import eventually
from tests.fixtures.stores import Stores


@pytest.fixture
def broker(stores: Stores) -> Iterator[TicketBroker]:
    broker = TicketBroker(stores.settings)
    yield broker
    broker.client.close()


@pytest.fixture
def ticket() -> Ticket:
    channel = f"t{uuid4().hex[:8]}"
    return deliver_ticket(Lane("acme", 0), channel)


def tickets_of(broker: TicketBroker, stores: Stores, ticket_s: float = 30.0) -> Tickets:
    return Tickets(broker, stores.settings.model_copy(update={"ticket_s": ticket_s}))


def other(ticket: Ticket) -> Ticket:
    return Ticket(f"{ticket.key}-{uuid4().hex}", ticket.queue, ticket.actor, ticket.args)


def test_a_ticket_is_outstanding_once(broker: TicketBroker, stores: Stores, ticket: Ticket) -> None:
    tickets, key = tickets_of(broker, stores), other(ticket)
    assert [tickets.issue([key]), tickets.issue([key])] == [1, 0]


def test_a_taken_ticket_is_not_taken_twice(broker: TicketBroker, stores: Stores, ticket: Ticket) -> None:
    tickets, key = tickets_of(broker, stores), other(ticket)
    assert tickets.take(key, "first")
    assert not tickets.take(key, "second")
    tickets.put_down(key, "second")
    assert not tickets.take(key, "second"), "only its owner puts a ticket down"
    tickets.put_down(key, "first")
    assert tickets.take(key, "second")


def test_a_ticket_put_back_may_be_taken_by_anybody(broker: TicketBroker, stores: Stores, ticket: Ticket) -> None:
    tickets, key = tickets_of(broker, stores), other(ticket)
    tickets.take(key, "first")
    tickets.put_back(key, "first")
    assert tickets.take(key, "first")


def test_a_ticket_whose_holder_died_is_issued_anew(broker: TicketBroker, stores: Stores, ticket: Ticket) -> None:
    tickets, key = tickets_of(broker, stores, ticket_s=0.2), other(ticket)
    tickets.take(key, "dead")
    eventually(lambda: tickets.issue([key]) == 1, 5, "the mark to expire")


def test_losing_everything_in_redis_only_frees_the_tickets(
    broker: TicketBroker, stores: Stores, ticket: Ticket
) -> None:
    tickets, key = tickets_of(broker, stores), other(ticket)
    tickets.issue([key])
    broker.client.flushall()
    assert tickets.issue([key]) == 1


def test_without_redis_there_are_no_tickets_and_no_waiting(stores: Stores, ticket: Ticket) -> None:
    nowhere = stores.settings.model_copy(update={"redis_url": "unix:///nowhere/valkey.sock"})
    tickets = Tickets(TicketBroker(nowhere), nowhere)
    began = time.monotonic()
    with pytest.raises(TicketsAway):
        tickets.issue([ticket])
    assert time.monotonic() - began < 2


def test_an_idle_consumer_hears_the_bell(broker: TicketBroker, stores: Stores, ticket: Ticket) -> None:
    heard: list[float] = []
    arrived = threading.Event()

    def listen(*_: object) -> None:
        heard.append(time.monotonic())
        arrived.set()

    dramatiq.actor(actor_name=ticket.actor, queue_name=ticket.queue, broker=broker)(listen)
    worker = dramatiq.Worker(broker, worker_threads=1)
    worker.start()
    try:
        waits: list[float] = []
        for _ in range(9):
            eventually(lambda: _waits_for_bell(broker), 5, "the consumer to wait for its bell")
            arrived.clear()
            rung = time.monotonic()
            assert tickets_of(broker, stores).issue([other(ticket)]) == 1
            assert arrived.wait(5)
            waits.append(heard[-1] - rung)
    finally:
        worker.stop()
    assert sorted(waits)[4] < 0.1, "a polling consumer takes a quarter of a second and more"


def _waits_for_bell(broker: TicketBroker) -> bool:
    clients = broker.client.client_list()
    return any(isinstance(client, dict) and client.get("cmd") == "blpop" for client in clients)
