"""What a worker may claim, hold and end: the rules behind "nothing lost, nothing twice, in order"."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bisnes_core.status import Status
from db import outbox
from db.outbox import Claimed, Outcome
from db.pool import AsyncPool
from tests.fixtures.stores import MakeSender, Sender, Stores

ANA, BEN, CAT = "60111111111@c.us", "60122222222@c.us", "60133333333@c.us"


def claim(sender: Sender, limit: int = 10, lease_s: float = 30.0) -> list[Claimed]:
    async def work(pool: AsyncPool) -> list[Claimed]:
        async with pool.connection() as conn:
            return await outbox.claim_lane(conn, sender.lane, limit=limit, holder="test-1", lease_s=lease_s)

    return sender.stores.with_pool(work)


def write(stores: Stores, *outcomes: Outcome) -> set[UUID]:
    async def work(pool: AsyncPool) -> set[UUID]:
        async with pool.connection() as conn:
            return await outbox.write_outcomes(conn, outcomes)

    return stores.with_pool(work)


def outcome(claimed: Claimed, status: Status = Status.SENT, external_id: str | None = None) -> Outcome:
    message = claimed.message
    return Outcome(message.id, message.fence, status, {"outcome": status.value}, external_id=external_id)


def ids(claimed: Sequence[Claimed]) -> list[UUID]:
    return [one.message.id for one in claimed]


def test_a_claim_takes_the_oldest_message_of_each_chat(sender: Sender) -> None:
    first_ana, _, first_ben = sender.accept(ANA), sender.accept(ANA), sender.accept(BEN)
    assert ids(claim(sender)) == [first_ana, first_ben]
    assert claim(sender) == []


def test_the_next_message_of_a_chat_follows_when_the_first_is_sent(sender: Sender) -> None:
    _, second = sender.accept(ANA), sender.accept(ANA)
    write(sender.stores, outcome(claim(sender)[0], external_id="wamid.first"))
    assert ids(claim(sender)) == [second]


def test_a_retrying_message_holds_its_chat_and_no_other(sender: Sender) -> None:
    sender.accept(ANA), sender.accept(ANA)
    retried = replace(outcome(claim(sender)[0], Status.QUEUED), due_at=far_future())
    write(sender.stores, retried)
    ben = sender.accept(BEN)
    assert ids(claim(sender)) == [ben]


def far_future() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


def test_an_unconfirmed_message_holds_its_chat_until_it_is_held_for_a_person(sender: Sender) -> None:
    _, second = sender.accept(ANA), sender.accept(ANA)
    first = claim(sender)[0]
    write(sender.stores, outcome(first, Status.UNCONFIRMED))
    assert claim(sender) == []
    write(sender.stores, replace(outcome(first, Status.UNCONFIRMED), held=True))
    assert ids(claim(sender)) == [second]


def test_interactive_messages_leave_before_bulk(sender: Sender) -> None:
    bulk, interactive = sender.accept(ANA), sender.accept(BEN)
    sender.stores.sql("UPDATE messages SET priority = 5 WHERE id = %s", bulk)
    assert set(ids(claim(sender, limit=1))) == {interactive}


def test_a_paused_phone_gives_nothing_to_claim(sender: Sender) -> None:
    sender.accept(ANA)
    sender.stores.sql(
        "UPDATE phone_configs SET paused_until = now() + interval '1 hour' WHERE company_id = %s",
        sender.lane.company_id,
    )
    assert claim(sender) == []


def test_claims_beside_each_other_never_share_a_message(sender: Sender) -> None:
    accepted = {sender.accept(f"601{n:09d}@c.us") for n in range(60)}

    async def work(pool: AsyncPool) -> list[list[Claimed]]:
        async def one() -> list[Claimed]:
            async with pool.connection() as conn:
                return await outbox.claim_lane(conn, sender.lane, limit=9, holder="t", lease_s=30)

        return await asyncio.gather(*(one() for _ in range(8)))

    taken = [message for claims in sender.stores.with_pool(work) for message in ids(claims)]
    assert len(taken) == len(set(taken))
    assert set(taken) <= accepted
    assert set(taken) | set(ids(claim(sender, limit=100))) == accepted


def test_an_outcome_without_its_fence_is_not_taken(sender: Sender) -> None:
    message = sender.accept(ANA)
    first = claim(sender, lease_s=0.0)[0]
    lapse(sender.stores)
    write(sender.stores, outcome(first, Status.QUEUED))
    second = claim(sender)[0]
    assert second.message.fence > first.message.fence
    assert write(sender.stores, outcome(first, Status.FAILED)) == set()
    assert sender.status(message) == "sending"
    assert write(sender.stores, outcome(second, external_id="wamid.x")) == {message}


def lapse(stores: Stores) -> None:
    async def work(pool: AsyncPool) -> int:
        async with pool.connection() as conn:
            return await outbox.lapse_leases(conn)

    stores.with_pool(work)


def test_a_late_answer_ends_a_message_whose_lease_has_lapsed(sender: Sender) -> None:
    message = sender.accept(ANA)
    claimed = claim(sender, lease_s=0.0)[0]
    lapse(sender.stores)
    assert sender.status(message) == "unconfirmed"
    assert write(sender.stores, outcome(claimed, external_id="wamid.late")) == {message}
    assert sender.status(message) == "sent"


def test_a_renewed_lease_does_not_lapse(sender: Sender) -> None:
    message = sender.accept(ANA)
    claimed = claim(sender, lease_s=0.0)[0]

    async def renew(pool: AsyncPool) -> None:
        async with pool.connection() as conn:
            await outbox.renew_leases(conn, [(message, claimed.message.fence)], 30.0)

    sender.stores.with_pool(renew)
    lapse(sender.stores)
    assert sender.status(message) == "sending"


def test_an_uncounted_attempt_does_not_bring_a_message_nearer_to_its_end(sender: Sender) -> None:
    sender.accept(ANA)
    for _ in range(5):
        throttled = claim(sender)[0]
        assert throttled.message.attempt == 1
        write(sender.stores, replace(outcome(throttled, Status.QUEUED), counted=False, throttled=True))
    assert claim(sender)[0].throttles == 5


def test_one_provider_id_for_two_messages_costs_neither_its_outcome(sender: Sender) -> None:
    messages = [sender.accept(ANA), sender.accept(BEN)]
    first, second = claim(sender)
    taken = write(sender.stores, outcome(first, external_id="wamid.same"), outcome(second, external_id="wamid.same"))
    assert taken == set(messages)
    assert [sender.status(message) for message in messages] == ["sent", "sent"]


def test_messages_of_a_removed_phone_end_with_a_reason(sender: Sender) -> None:
    message = sender.accept(ANA)
    sender.stores.sql("DELETE FROM phone_configs WHERE company_id = %s", sender.lane.company_id)

    async def work(pool: AsyncPool) -> int:
        async with pool.connection() as conn:
            return await outbox.fail_orphans(conn, sender.lane)

    assert sender.stores.with_pool(work) == 1
    assert sender.status(message) == "failed"


@pytest.mark.parametrize("other_queue", [0, 300])
def test_only_lanes_with_due_work_are_found(make_sender: MakeSender, other_queue: int) -> None:
    idle, busy = make_sender(), make_sender()
    for n in range(other_queue):
        busy.accept(f"601{n:09d}@c.us")
    busy.accept(ANA)
    later = idle.accept(ANA)
    idle.stores.sql("UPDATE messages SET due_at = now() + interval '1 hour' WHERE id = %s", later)

    async def work(pool: AsyncPool) -> set[str]:
        async with pool.connection() as conn:
            return {work.company_id for work in await outbox.due_lanes(conn)}

    found = busy.stores.with_pool(work)
    assert busy.lane.company_id in found
    assert idle.lane.company_id not in found


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    chats=st.lists(st.sampled_from([ANA, BEN, CAT]), min_size=1, max_size=12),
    ends=st.lists(st.sampled_from([Status.SENT, Status.QUEUED, Status.UNCONFIRMED, Status.FAILED]), max_size=40),
    limit=st.integers(1, 5),
)
def test_whatever_happens_a_chat_leaves_in_the_order_of_acceptance(
    make_sender: MakeSender, chats: list[str], ends: list[Status], limit: int
) -> None:
    sender = make_sender()
    accepted = [(chat, sender.accept(chat)) for chat in chats]
    left: list[UUID] = []
    fates = iter(ends)
    while batch := claim(sender, limit):
        for claimed in batch:
            fate = next(fates, Status.SENT)
            write(sender.stores, outcome(claimed, fate, external_id=f"wamid.{claimed.message.id}"))
            if fate is Status.UNCONFIRMED:  # nobody knew; then it turns out that it had left
                write(sender.stores, outcome(claimed, external_id=f"wamid.{claimed.message.id}"))
            if fate in (Status.SENT, Status.UNCONFIRMED):
                left.append(claimed.message.id)
    for chat in {chat for chat, _ in accepted}:
        expected = [message for each, message in accepted if each == chat and message in left]
        assert [message for message in left if message in expected] == expected
    assert {sender.status(message) for _, message in accepted} <= {"sent", "failed"}
