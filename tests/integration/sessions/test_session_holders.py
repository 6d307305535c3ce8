"""A session is open in one process and in no other, whatever happens to processes, connections and locks."""

from __future__ import annotations

import random
import signal
from functools import partial

import psutil
import psycopg
import pytest

from bisnes_core.session import PhoneState
from db.session_locks import key_of
from tests.fixtures.eventually import eventually
from tests.fixtures.session_phone import (
    CUT,
    GRACE_S,
    MakePhone,
    PhoneOfTest,
    Start,
    connections_cut_again_and_again,
    opened,
)


def has_regained(phone: PhoneOfTest, times: int) -> bool:
    return bool(phone.one("SELECT regained FROM phone_sessions WHERE company_id = %s") >= times)


def test_sessions_outlive_the_loss_of_their_locks_although_another_waits_for_them(
    start: Start, make_phone: MakePhone
) -> None:
    phones_ = [make_phone() for _ in range(3)]
    workers = [start(instance="1"), start(instance="2")]
    for phone in phones_:
        phone.until(PhoneState.READY)
    with connections_cut_again_and_again(phones_[0].stores):
        for phone in phones_:
            eventually(partial(has_regained, phone, 3), 60, "the lock to be lost and regained")
            phone.folder.show(PhoneState.AUTHENTICATED)
            phone.until(PhoneState.AUTHENTICATED)
    for phone in phones_:
        assert len(phone.folder.diary("opened")) == 1
        assert phone.folder.diary("closed") == []
    assert [worker.poll() for worker in workers] == [None, None]


def test_messages_leave_through_the_process_that_holds_the_phone(start: Start, phone: PhoneOfTest) -> None:
    start("relay")
    start(instance="1")
    start(instance="2")
    phone.until(PhoneState.READY)
    for n in range(20):
        phone.sender.accept(f"601200000{n:02}@c.us", f"message {n}")
    sent = "SELECT count(*) FROM messages WHERE company_id = %s AND status = 'sent'"
    eventually(lambda: phone.one(sent) == 20, 30, "all to be sent")
    assert {line["pid"] for line in phone.folder.diary("sent")} == {phone.folder.holder()}
    assert len(phone.folder.diary("sent")) == 20


def test_a_killed_process_is_followed_at_once_by_one_of_its_host(start: Start, phone: PhoneOfTest) -> None:
    by_pid = {worker.pid: worker for worker in (start(instance="1"), start(instance="2"))}
    phone.until(PhoneState.READY)
    for round_ in range(3):
        victim = by_pid.pop(eventually(phone.folder.holder, 10, "a holder") or 0)
        victim.kill()
        victim.wait(5)
        eventually(lambda: phone.folder.holder() in by_pid, 10, "the other to open the session")
        opened(phone, round_ + 2)
        fresh = start(instance=str(round_ + 3))
        by_pid[fresh.pid] = fresh
    phone.until(PhoneState.READY)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_to_processes_and_connections_a_phone_is_open_once_and_comes_back(
    start: Start, make_phone: MakePhone, seed: int
) -> None:
    chance = random.Random(seed)
    phones_ = [make_phone() for _ in range(2)]
    workers = [start(instance=f"{seed}a"), start(instance=f"{seed}b")]
    for phone in phones_:
        phone.until(PhoneState.READY)
    for step in range(6):
        match chance.choice(["kill", "end", "cut", "cut and kill", "stand still"]):
            case "cut":
                phones_[0].stores.sql(CUT)
            case "stand still":
                victim = psutil.Process(chance.choice(workers).pid)
                victim.suspend()
                phones_[0].stores.sql(CUT)
                victim.resume()
            case how:
                if how == "cut and kill":
                    phones_[0].stores.sql(CUT)
                victim_ = workers.pop(chance.randrange(2))
                victim_.send_signal(signal.SIGTERM if how == "end" else signal.SIGKILL)
                workers.append(start(instance=f"{seed}{step}"))
        pids = {worker.pid for worker in workers}
        for phone in phones_:
            eventually(partial(is_held_by, phone, pids), 30, "the session to be open again")
    for phone in phones_:
        phone.until(PhoneState.READY)


def is_held_by(phone: PhoneOfTest, pids: set[int]) -> bool:
    return phone.folder.holder() in pids


def test_a_session_ends_when_its_lock_does_not_come_back(start: Start, phone: PhoneOfTest) -> None:
    worker = start()
    phone.until(PhoneState.READY)
    with psycopg.connect(phone.stores.settings.database_conninfo, autocommit=True) as rival:

        def steal() -> bool:
            phone.stores.sql(CUT)
            row = rival.execute("SELECT pg_try_advisory_lock(%s)", (key_of(phone.lane),)).fetchone()
            return bool(row and row[0])

        eventually(steal, 20, "the lock, while its holder has none")
        eventually(lambda: phone.folder.diary("closed"), GRACE_S + 5, "the session to end")
        assert phone.folder.holder() is None
        assert len(phone.folder.diary("opened")) == 1
    opened(phone, 2)
    phone.until(PhoneState.READY)
    assert worker.poll() is None


def test_a_session_ends_at_once_when_another_process_has_become_its_holder(start: Start, phone: PhoneOfTest) -> None:
    start()
    phone.until(PhoneState.READY)
    phone.stores.sql(
        "UPDATE phone_sessions SET fence = fence + 1, host = 'elsewhere' WHERE company_id = %s", phone.lane.company_id
    )
    phone.stores.sql(CUT)
    eventually(lambda: phone.folder.diary("closed"), GRACE_S, "the session to end")
    opened(phone, 2)  # after the wait for the holder elsewhere, which does not exist
    phone.until(PhoneState.READY)


def test_a_process_that_stood_still_does_not_go_on_with_a_phone_that_it_lost(start: Start, phone: PhoneOfTest) -> None:
    worker = start()
    phone.until(PhoneState.READY)
    psutil.Process(worker.pid).suspend()
    phone.stores.sql(CUT)
    fence = phone.one("UPDATE phone_sessions SET fence = fence + 1, host = 'x' WHERE company_id = %s RETURNING fence")
    psutil.Process(worker.pid).resume()
    eventually(lambda: phone.folder.diary("closed"), 10, "the session to end")
    phone.folder.show(PhoneState.NEEDS_QR)
    opened(phone, 2)
    assert phone.one("SELECT fence FROM phone_sessions WHERE company_id = %s") > fence
