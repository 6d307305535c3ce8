"""News from a provider: they move messages forward only, and only those of the phone that they name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from bisnes_core.channel import Change, Changed, Inbound, Receipt, SentElsewhere
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


# -- changes ------------------------------------------------------------------------------------------------------
def hear(sender: Sender, *items: Inbound | SentElsewhere | Changed) -> None:
    """Stores what was heard, as the events worker does."""

    async def work(pool: AsyncPool) -> None:
        async with pool.connection() as conn, conn.transaction():
            await receipts.store_inbound(conn, sender.channel, [item for item in items if isinstance(item, Inbound)])
            elsewhere = [item for item in items if isinstance(item, SentElsewhere)]
            await receipts.store_sent_elsewhere(conn, sender.channel, elsewhere)
            await receipts.apply_changes(conn, sender.channel, [item for item in items if isinstance(item, Changed)])

    sender.stores.with_pool(work)


def inbound(sender: Sender, text: str = "hi", message_id: str = "in.1") -> Inbound:
    return Inbound(sender.provider_phone_id, message_id, ANA, "text", text, {"body": text}, NOON)


def changed(
    sender: Sender, change: Change, text: str = "", *, message_id: str = "in.1", by: str = ANA, after_s: float = 0.0
) -> Changed:
    return Changed(sender.provider_phone_id, message_id, change, text, by, NOON + timedelta(seconds=after_s))


def row(sender: Sender, columns: str) -> tuple[object, ...]:
    return sender.stores.sql(f"SELECT {columns} FROM messages WHERE company_id = %s", sender.lane.company_id)[0]


def test_the_newest_edit_stays_in_whatever_order_edits_come(sender: Sender) -> None:
    edits = [changed(sender, Change.EDITED, f"edit {n}", after_s=n) for n in (2, 3, 1)]
    hear(sender, inbound(sender), edits[0])
    hear(sender, *edits[1:])
    hear(sender, edits[0])  # told again
    found = row(sender, "content, edited, edited_at, status, payload")
    assert found == ("edit 3", True, NOON + timedelta(seconds=3), "received", {"body": "hi"})


def test_a_change_that_comes_before_its_message_is_not_lost(sender: Sender) -> None:
    hear(sender, changed(sender, Change.EDITED, "mended"), changed(sender, Change.REACTION, "👍"))
    assert match_again(sender) == 0
    hear(sender, inbound(sender, "broken"))
    assert match_again(sender) == 2
    assert row(sender, "content, reaction") == ("mended", "👍")
    assert match_again(sender) == 0


def test_a_revoked_message_keeps_its_row_its_status_and_what_it_said(sender: Sender) -> None:
    hear(sender, inbound(sender), changed(sender, Change.REVOKED, after_s=5))
    hear(sender, changed(sender, Change.REVOKED, after_s=9))
    assert row(sender, "content, status, revoked_at") == ("hi", "received", NOON + timedelta(seconds=5))


def test_our_own_messages_are_changed_as_well(sender: Sender) -> None:
    sender.accept(ANA, "hello")
    write(sender.stores, outcome(claim(sender)[0], external_id="out.1"))
    hear(sender, changed(sender, Change.REACTION, "❤️", message_id="out.1"))
    assert row(sender, "reaction, reaction_timestamp, reaction_by, status") == ("❤️", NOON, ANA, "sent")


#: Reactions as (who, emoji), and what is left of them.
REACTIONS: list[tuple[Sequence[tuple[str, str]], str | None]] = [
    ([(ANA, "👍"), (ANA, "🎉")], "🎉"),
    ([(ANA, "👍"), (ANA, "")], None),
    ([(ANA, "👍"), ("", "🎉"), (ANA, "")], "🎉"),
    ([(ANA, "")], None),
]


@pytest.mark.parametrize(("told", "left"), REACTIONS)
def test_a_reaction_replaces_the_one_before_and_is_taken_back_by_its_owner(
    sender: Sender, told: Sequence[tuple[str, str]], left: str | None
) -> None:
    hear(sender, inbound(sender))
    hear(
        sender,
        *(changed(sender, Change.REACTION, emoji, by=by, after_s=n) for n, (by, emoji) in enumerate(told)),
    )
    assert row(sender, "reaction") == (left,)


def test_no_company_can_change_anothers_message(make_sender: MakeSender) -> None:
    victim, stranger = make_sender(), make_sender()
    hear(victim, inbound(victim))
    hear(stranger, changed(stranger, Change.EDITED, "forged"), changed(stranger, Change.REVOKED))
    assert row(victim, "content, revoked_at") == ("hi", None)


# -- sent elsewhere -----------------------------------------------------------------------------------------------
def elsewhere(sender: Sender, message_id: str = "out.1", text: str = "from the telephone") -> SentElsewhere:
    return SentElsewhere(inbound(sender, text, message_id))


def stored(sender: Sender) -> list[tuple[object, ...]]:
    return sender.stores.sql(
        "SELECT content, status, external_id, elsewhere FROM messages WHERE company_id = %s ORDER BY seq",
        sender.lane.company_id,
    )


def test_a_message_sent_elsewhere_is_kept_once_and_never_sent(sender: Sender) -> None:
    for _ in range(2):
        hear(sender, elsewhere(sender), elsewhere(sender))
    assert stored(sender) == [("from the telephone", "sent", "out.1", True)]
    assert claim(sender) == []
    apply(sender, receipt(sender, Status.READ, external_id="out.1"))
    assert stored(sender)[0][1] == "read"


def test_news_of_our_own_send_before_its_outcome_is_no_second_message(sender: Sender) -> None:
    sender.accept(ANA, "ours")
    claimed = claim(sender)[0]
    hear(sender, elsewhere(sender, "out.ours", "ours"), elsewhere(sender, "out.other"))
    assert len(stored(sender)) == 1, "nobody can tell yet whose they are"
    match_again(sender)
    assert len(stored(sender)) == 1
    write(sender.stores, outcome(claimed, external_id="out.ours"))
    match_again(sender)
    assert stored(sender) == [("ours", "sent", "out.ours", False), ("from the telephone", "sent", "out.other", True)]


def test_a_later_attempt_holds_up_nothing_that_was_sent_before(sender: Sender) -> None:
    sender.accept(ANA, "ours")
    first = claim(sender)[0]
    hear(sender, elsewhere(sender))
    sender.accept("60122222222@c.us", "ours too")
    claim(sender)
    write(sender.stores, outcome(first, external_id="out.ours"))
    match_again(sender)
    assert ("from the telephone", "sent", "out.1", True) in stored(sender)


def test_what_turns_out_to_be_ours_after_all_becomes_one_message(sender: Sender) -> None:
    message = sender.accept(ANA, "ours")
    claimed = claim(sender)[0]
    hear(sender, elsewhere(sender, "out.ours", "ours"))
    sender.stores.sql(
        "UPDATE unsettled_sent SET created_at = now() - interval '2 minutes' WHERE provider_phone_id = %s",
        sender.provider_phone_id,
    )
    match_again(sender)
    assert len(stored(sender)) == 2, "after a minute it is shown"
    apply(sender, receipt(sender, Status.DELIVERED, external_id="out.ours"))
    assert write(sender.stores, outcome(claimed, external_id="out.ours")) == {message}
    assert stored(sender) == [("ours", "delivered", "out.ours", False)]
    assert row(sender, "delivered_at") == (NOON,)
