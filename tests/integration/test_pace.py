"""Limits of a phone, through a real relay and real workers: what is held shows it, costs no attempt, leaves in time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from bisnes_core.ids import new_id
from bisnes_core.message import Kind, OutboundMessage
from bisnes_core.pace import Caps, History, Hold, PaceRule, Reason
from bisnes_core.phone import Lane, Phone
from bisnes_workers.pace import Pacer
from db import pace, phones
from db.phones import NewPhone
from db.pool import AsyncPool
from plugins.loopback.ledger import ledger_of
from plugins.loopback.spec import SPEC as LOOPBACK
from plugins.meta.spec import SPEC as META
from tests.fixtures.eventually import eventually
from tests.fixtures.services import places_of, running
from tests.fixtures.stores import MakeSender, Pool_of, Sender, Stores

CHATS = [f"6012{n:07d}@c.us" for n in range(20)]
ANA, BEN, CAT = CHATS[:3]
GAP_S = 0.6

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(stores: Stores, tmp_path: Path) -> Iterator[Start]:
    """Starts worker processes; they end with the test."""
    with ExitStack() as stack:

        def run(*role: str, instance: str = "0") -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", "bisnes_workers", *role]
            settings = places_of(stores.settings) | {"BISNES_INSTANCE": instance}
            return stack.enter_context(running(command, tmp_path / f"{role[-1]}-{instance}", settings))

        yield run


@pytest.fixture
def workers(start: Start) -> None:
    """A relay and a loopback worker."""
    start("relay")
    start("channel", "loopback")


def paced(make_sender: MakeSender, **limits: Any) -> Sender:
    return make_sender("loopback", config={"pace": limits})


def hear(sender: Sender, chat: str, ago: timedelta) -> None:
    """Somebody wrote to the phone."""
    sender.stores.sql(
        "INSERT INTO messages (id, company_id, phone_index, chat_id, direction, message_type, provider, status, "
        "sent_at) VALUES (%s, %s, %s, %s, 'inbound', 'text', 'loopback', 'received', %s)",
        *(new_id(), sender.lane.company_id, sender.lane.phone_index, chat, datetime.now(UTC) - ago),
    )


def row(sender: Sender, message: UUID, *columns: str) -> tuple[Any, ...]:
    return sender.stores.sql(f"SELECT {', '.join(columns)} FROM messages WHERE id = %s", message)[0]


def until_sent(sender: Sender, *messages: UUID, deadline_s: float = 20) -> None:
    for message in messages:
        eventually(lambda one=message: sender.status(one) == "sent", deadline_s, "the message to be sent")  # type: ignore[misc]


def until_held(sender: Sender, message: UUID, reason: Reason) -> datetime:
    """Waits until a limit holds a message and shows it; answers until when."""
    code = f"paced:{reason}"
    eventually(lambda: row(sender, message, "error_code", "status") == (code, "queued"), 20, f"{code} to show")
    attempts, due_at, error, log = row(sender, message, "attempts", "due_at", "error", "attempt_log")
    assert isinstance(due_at, datetime)
    until = due_at.isoformat(timespec="seconds")
    assert (attempts, log[-1]["code"], log[-1]["until"][:19]) == (0, code, until[:19])
    assert until[:19] in error
    return due_at


# -- each limit -------------------------------------------------------------------------------------------------------
def begins(sender: Sender, messages: list[UUID]) -> list[datetime]:
    return sorted(row(sender, message, "attempt_at")[0] for message in messages)


def test_two_sends_of_a_phone_keep_the_gap_and_no_attempt_is_counted(workers: None, make_sender: MakeSender) -> None:
    sender = paced(make_sender, gap_s=GAP_S, gap_jitter=0.2)
    messages = [sender.accept(chat) for chat in CHATS[:5]]
    until_sent(sender, *messages)
    gaps = [(after - before).total_seconds() for before, after in pairwise(begins(sender, messages))]
    assert min(gaps) >= GAP_S - 0.05
    assert {row(sender, message, "attempts", "error_code") for message in messages} == {(1, None)}
    order = [line["message_id"] for line in ledger_of(sender.stores.settings.home, sender.lane).accepted()]
    assert order == [str(message) for message in messages]


def test_two_processes_keep_one_gap(start: Start, make_sender: MakeSender) -> None:
    start("relay")
    for instance in "12":
        start("channel", "loopback", instance=instance)
    sender = paced(make_sender, gap_s=GAP_S, gap_jitter=0)
    messages = [sender.accept(chat) for chat in CHATS[:5]]
    until_sent(sender, *messages)
    gaps = [(after - before).total_seconds() for before, after in pairwise(begins(sender, messages))]
    assert min(gaps) >= GAP_S - 0.05


def test_phones_without_limits_wait_for_nobody_and_leave_no_trace(workers: None, make_sender: MakeSender) -> None:
    slow, fast = paced(make_sender, gap_s=30), make_sender("loopback")
    held = [slow.accept(chat) for chat in CHATS[:2]]
    messages = [fast.accept(chat) for chat in CHATS]
    until_sent(fast, *messages, held[0])
    until_held(slow, held[1], Reason.GAP)
    count = "SELECT count(*) FROM paced_sends WHERE company_id = %s"
    assert slow.stores.sql(count, fast.lane.company_id) == [(0,)]
    assert slow.stores.sql(count, slow.lane.company_id) == [(1,)]


def test_a_daily_limit_holds_all_but_answers_until_a_send_leaves_the_window(
    workers: None, make_sender: MakeSender
) -> None:
    sender = paced(make_sender, daily_max=2)
    hear(sender, CAT, timedelta(hours=1))
    first = [sender.accept(chat) for chat in (ANA, BEN)]
    until_sent(sender, *first)
    third, fourth, answer = sender.accept(CHATS[3]), sender.accept(CHATS[4]), sender.accept(CAT)
    held = [until_held(sender, message, Reason.DAILY_MAX) for message in (third, fourth)]
    until_sent(sender, answer)
    # The answer was counted too or not, depending on who came first; either way each waits for a send to be a day old.
    ends = {at + timedelta(days=1) for at in begins(sender, [*first, answer])}
    assert all(min(abs(until - end) for end in ends) < timedelta(seconds=2) for until in held)
    assert held[0] <= held[1]


def test_a_raised_limit_lets_what_it_held_go(workers: None, make_sender: MakeSender) -> None:
    sender = paced(make_sender, daily_max=1)
    until_sent(sender, sender.accept(ANA))
    held = sender.accept(BEN)
    until_held(sender, held, Reason.DAILY_MAX)
    lane, config = sender.lane, {"pace": {"daily_max": 10}}
    changed = NewPhone(lane.company_id, lane.phone_index, "loopback", "loopback", config, {}, sender.provider_phone_id)
    with Pool_of(sender.stores) as pool, pool.connection() as conn:
        assert phones.update_phone(conn, changed, None)
    until_sent(sender, held)


def test_only_first_messages_to_strangers_count_as_new(workers: None, make_sender: MakeSender) -> None:
    sender = paced(make_sender, new_chats_daily_max=1)
    hear(sender, CAT, timedelta(days=40))
    until_sent(sender, sender.accept(ANA))
    stranger = sender.accept(BEN)
    until_held(sender, stranger, Reason.NEW_CHATS)
    until_sent(sender, sender.accept(ANA), sender.accept(CAT))
    assert row(sender, stranger, "status") == ("queued",)


def quiet_now() -> dict[str, str]:
    """Quiet hours that began an hour ago."""
    now = datetime.now(UTC)
    return {name: f"{now + timedelta(hours=hours):%H:00}" for name, hours in (("quiet_from", -1), ("quiet_until", 2))}


def test_in_quiet_hours_only_answers_leave(workers: None, make_sender: MakeSender) -> None:
    sender = paced(make_sender, **quiet_now())
    hear(sender, ANA, timedelta(hours=1))
    hear(sender, BEN, timedelta(days=3))
    for chat in (BEN, CAT):
        until = until_held(sender, sender.accept(chat), Reason.QUIET_HOURS)
        assert (until.minute, until.second) == (0, 0)
    until_sent(sender, sender.accept(ANA))


def test_a_restricted_phone_answers_but_writes_to_no_stranger(workers: None, make_sender: MakeSender) -> None:
    sender = paced(make_sender)
    hear(sender, ANA, timedelta(hours=1))
    sender.stores.sql("UPDATE phone_configs SET status = 'restricted' WHERE company_id = %s", sender.lane.company_id)
    until_held(sender, sender.accept(BEN), Reason.RESTRICTED)
    until_sent(sender, sender.accept(ANA))


def test_what_is_about_a_message_waits_for_no_limit(workers: None, make_sender: MakeSender) -> None:
    sender = paced(make_sender, daily_max=1, **quiet_now())
    message = sender.accept(ANA, kind=Kind.TYPING)
    until_sent(sender, message)
    assert sender.stores.sql("SELECT FROM paced_sends WHERE company_id = %s", sender.lane.company_id) == []


# -- the history ------------------------------------------------------------------------------------------------------
def weigh(sender: Sender, rule: PaceRule, *messages: OutboundMessage) -> list[Hold | None]:
    """Weighs messages one after the other, as a worker does with what it claims."""

    async def work(pool: AsyncPool) -> list[Hold | None]:
        pacer = Pacer(rule, pool)
        return [await pacer.weigh(message) for message in messages]

    return sender.stores.with_pool(work)


def to(sender: Sender, chat: str) -> OutboundMessage:
    return OutboundMessage(new_id(), *_lane(sender), chat, Kind.TEXT, {"text": "x"})


def _lane(sender: Sender) -> tuple[str, int]:
    return sender.lane.company_id, sender.lane.phone_index


def test_a_message_that_is_tried_again_does_not_stand_in_its_own_way(make_sender: MakeSender) -> None:
    sender = make_sender("loopback")
    rule = PaceRule(gap_s=60, daily_max=1, new_chats_daily_max=1)
    assert weigh(sender, rule, *[to(sender, ANA)] * 3) == [None, None, None]
    assert weigh(sender, rule, to(sender, BEN)) != [None]
    assert sender.stores.sql(
        "SELECT chat_id, first FROM paced_sends WHERE company_id = %s", sender.lane.company_id
    ) == [(ANA, True)]


def test_messages_that_wait_for_room_get_it_one_after_the_other(make_sender: MakeSender) -> None:
    sender = make_sender("loopback")
    rule = PaceRule(daily_max=3)
    starts = [datetime.now(UTC) - timedelta(hours=hours) for hours in (20, 10, 5)]
    for at in starts:
        sender.stores.sql(
            "INSERT INTO paced_sends VALUES (gen_random_uuid(), %s, %s, %s, %s, false)", *_lane(sender), ANA, at
        )

    held = weigh(sender, rule, *(to(sender, chat) for chat in CHATS[:4]))
    day = timedelta(days=1)
    assert held == [Hold(at + day, Reason.DAILY_MAX) for at in (*starts, starts[-1])]


def test_what_no_window_reaches_is_dropped_and_who_was_greeted_is_remembered(make_sender: MakeSender) -> None:
    sender = make_sender("loopback")
    old = datetime.now(UTC) - timedelta(days=2)
    for first in (True, False):
        sender.stores.sql(
            "INSERT INTO paced_sends VALUES (gen_random_uuid(), %s, %s, %s, %s, %s)", *_lane(sender), ANA, old, first
        )
    assert weigh(sender, PaceRule(daily_max=1, new_chats_daily_max=0), to(sender, ANA)) == [None]
    left = sender.stores.sql(
        "SELECT first, at = %s FROM paced_sends WHERE company_id = %s ORDER BY at", old, sender.lane.company_id
    )
    assert left == [(True, True), (False, False)]


def test_a_new_phone_begins_with_a_share(make_sender: MakeSender) -> None:
    sender = make_sender("loopback")
    rule = PaceRule(daily_max=2, warm_up_days=1)
    assert weigh(sender, rule, to(sender, ANA)) == [None]
    [held] = weigh(sender, rule, to(sender, BEN))
    assert held is not None
    assert held.reason is Reason.DAILY_MAX
    sender.stores.sql(
        "UPDATE phone_configs SET created_at = now() - interval '2 days' WHERE company_id = %s", sender.lane.company_id
    )
    assert weigh(sender, rule, to(sender, BEN)) == [None]


def test_phones_without_limits_cost_no_query() -> None:
    assert META.pace is None
    assert "pace" not in META.config_schema["properties"]
    assert LOOPBACK.pace is None
    pacer = Pacer(None, pool=None)  # type: ignore[arg-type]
    assert pacer.rule_of(Phone("c1", 0, "meta_direct", {"phone_number_id": "1"})) is None


def test_a_long_history_is_read_through_its_indexes(make_sender: MakeSender) -> None:
    sender = make_sender("loopback")
    for number in range(2):  # two phones, so that reading all of them would show
        lane = Lane(sender.lane.company_id, number)
        sender.stores.sql(
            "INSERT INTO paced_sends SELECT gen_random_uuid(), %s, %s, (n %% 900)::text || '@c.us', "
            "now() - n * interval '30 seconds', n %% 3 = 0 FROM generate_series(1, 20000) n",
            *(lane.company_id, lane.phone_index),
        )
        sender.stores.sql(
            "INSERT INTO messages (id, company_id, phone_index, chat_id, direction, message_type, provider, status, "
            "sent_at) SELECT gen_random_uuid(), %s, %s, (n %% 900)::text || '@c.us', 'inbound', 'text', 'loopback', "
            "'received', now() - n * interval '30 seconds' FROM generate_series(1, 20000) n",
            *(lane.company_id, lane.phone_index),
        )
    sender.stores.sql("ANALYZE paced_sends, messages")

    async def work(pool: AsyncPool) -> tuple[History, Any]:
        now = datetime.now(UTC)
        async with pool.connection() as conn, conn.transaction():
            history = await pace.load_history(
                conn, to(sender, "6@c.us"), Caps(1000, 500), begun_at=now, now=now, restricted=False
            )
            read = await conn.execute(
                "SELECT sum(seq_tup_read), sum(idx_tup_fetch) FROM pg_stat_xact_user_tables "
                "WHERE relname IN ('messages', 'paced_sends')"
            )
            return history, await read.fetchone()

    history, rows_read = sender.stores.with_pool(work)
    assert history.greeted
    assert history.daily_at is not None
    assert history.new_chat_at is not None
    assert history.wrote_at is not None
    assert rows_read[0] == 0
    assert rows_read[1] < 2000
