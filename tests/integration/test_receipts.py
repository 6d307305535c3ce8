"""News from a provider: they move messages forward only, and only those of the phone that they name."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from bisnes_core.channel import Inbound, Receipt
from bisnes_core.status import Status
from db import receipts
from db.pool import AsyncPool
from tests.fixtures.stores import MakeSender, Sender
from tests.integration.test_outbox import ANA, claim, outcome, write

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def receipt(sender: Sender, status: Status, message: UUID | None = None, external_id: str = "wamid.1") -> Receipt:
    return Receipt(sender.provider_phone_id, external_id, str(message) if message else None, status, NOON)


def apply(sender: Sender, *news: Receipt) -> int:
    async def work(pool: AsyncPool) -> int:
        async with pool.connection() as conn, conn.transaction():
            return await receipts.apply_receipts(conn, sender.channel, news)

    return sender.stores.with_pool(work)


def match_again(sender: Sender) -> int:
    async def work(pool: AsyncPool) -> int:
        async with pool.connection() as conn, conn.transaction():
            return await receipts.match_again(conn)

    return sender.stores.with_pool(work)


@pytest.mark.parametrize("claimed", [True, False], ids=["sending", "queued"])
def test_a_receipt_that_overtakes_the_answer_proves_that_the_message_left(sender: Sender, claimed: bool) -> None:
    message = sender.accept(ANA)
    held = claim(sender) if claimed else []
    apply(sender, receipt(sender, Status.DELIVERED, message))
    assert sender.status(message) == "delivered"
    assert claim(sender) == []
    for one in held:
        write(sender.stores, outcome(one, external_id="wamid.1"))
    assert sender.status(message) == "delivered"


def test_late_news_are_recorded_but_not_applied(sender: Sender) -> None:
    message = sender.accept(ANA)
    apply(sender, receipt(sender, Status.READ, message))
    apply(sender, receipt(sender, Status.DELIVERED, message), receipt(sender, Status.SENT, message))
    row = sender.stores.sql("SELECT status, delivered_at, read_at FROM messages WHERE id = %s", message)[0]
    assert row == ("read", NOON, NOON)


def test_a_failure_after_delivery_is_noted_only(sender: Sender) -> None:
    message = sender.accept(ANA)
    apply(sender, receipt(sender, Status.DELIVERED, message))
    apply(sender, receipt(sender, Status.FAILED, message))
    assert sender.stores.sql("SELECT status, failed_at FROM messages WHERE id = %s", message) == [("delivered", NOON)]


def test_a_failure_before_delivery_ends_the_message(sender: Sender) -> None:
    message = sender.accept(ANA)
    write(sender.stores, outcome(claim(sender)[0], external_id="wamid.1"))
    apply(sender, receipt(sender, Status.FAILED, message))
    assert sender.status(message) == "failed"


def test_no_company_can_move_anothers_message(make_sender: MakeSender) -> None:
    victim, stranger = make_sender(), make_sender()
    message = victim.accept(ANA)
    assert apply(stranger, receipt(stranger, Status.FAILED, message)) == 0
    assert victim.status(message) == "queued"


def test_a_receipt_known_by_the_providers_id_only_waits_for_the_answer_of_its_send(sender: Sender) -> None:
    message = sender.accept(ANA)
    claimed = claim(sender)[0]
    assert apply(sender, receipt(sender, Status.DELIVERED, external_id="wamid.later")) == 0
    write(sender.stores, outcome(claimed, external_id="wamid.later"))
    assert match_again(sender) == 1
    assert sender.status(message) == "delivered"


def test_many_receipts_of_one_message_in_one_batch_give_the_furthest(sender: Sender) -> None:
    message = sender.accept(ANA)
    apply(sender, *(receipt(sender, status, message) for status in (Status.READ, Status.SENT, Status.DELIVERED)))
    assert sender.status(message) == "read"


def test_an_inbound_message_is_kept_once_however_often_it_comes(sender: Sender) -> None:
    inbound = Inbound(sender.provider_phone_id, "wamid.in", ANA, "text", "hi", {"body": "hi"}, NOON, {"name": "Ana"})

    async def store(pool: AsyncPool) -> int:
        async with pool.connection() as conn, conn.transaction():
            return await receipts.store_inbound(conn, sender.channel, [inbound, inbound])

    assert [sender.stores.with_pool(store) for _ in range(2)] == [1, 0]
    rows = sender.stores.sql(
        "SELECT status, content, identities FROM messages WHERE company_id = %s", sender.lane.company_id
    )
    assert rows == [("received", "hi", {"name": "Ana"})]
