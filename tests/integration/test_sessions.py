"""Sessions of phones: each open in one process, opened again when it ends, honest about its state. From outside."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from bisnes_core.session import Ask, PhoneState, Request
from db import phone_sessions, phones
from db.session_locks import key_of
from tests.fixtures.eventually import eventually
from tests.fixtures.services import places_of, running
from tests.fixtures.session_channel import NAME, SessionFolder, install_session_channel
from tests.fixtures.stores import MakeSender, Pool_of, Sender, Stores

ANA, BEN = "60111111111@c.us", "60122222222@c.us"
GRACE_S = 2.0

Worker = subprocess.Popen[bytes]
Start = Callable[..., Worker]


@pytest.fixture
def start(stores: Stores, tmp_path: Path) -> Iterator[Start]:
    """Starts worker processes; they end with the test."""
    channel = install_session_channel(tmp_path / "plugin")
    pace = {"BISNES_LEASE_S": "1", "BISNES_TICKET_S": "1", "BISNES_SESSION_GRACE_S": str(GRACE_S)}
    with ExitStack() as stack:

        def run(*role: str, instance: str = "1") -> Worker:
            command = [sys.executable, "-m", "bisnes_workers", *(role or ("channel", NAME))]
            environment = {**places_of(stores.settings), **pace, **channel, "BISNES_INSTANCE": instance}
            return stack.enter_context(running(command, tmp_path / f"{(role or (NAME,))[-1]}{instance}", environment))

        yield run


class PhoneOfTest:
    """A phone, its folder, and what the product says of it."""

    def __init__(self, sender: Sender) -> None:
        self.sender = sender
        self.lane = sender.lane
        self.stores = sender.stores
        self.folder = SessionFolder(sender.stores.settings, sender.lane)
        self.stores.sql(
            "UPDATE phone_configs SET provider_phone_id = %s, status = 'initializing' WHERE company_id = %s",
            str(self.lane),
            self.lane.company_id,
        )

    def one(self, statement: str) -> Any:
        """The only value of a statement about the phone's company."""
        rows = self.stores.sql(statement, self.lane.company_id)
        return rows[0][0] if rows else None

    def state(self) -> str | None:
        """As shown."""
        return str(self.one("SELECT status FROM phone_configs WHERE company_id = %s"))

    def pause(self) -> str | None:
        """Why it is paused, if it is."""
        value = self.one("SELECT pause_reason FROM phone_configs WHERE company_id = %s AND paused_until > now()")
        return None if value is None else str(value)

    def until(self, state: PhoneState, deadline_s: float = 20.0) -> None:
        """Waits for a state."""
        eventually(lambda: self.state() == state, deadline_s, f"{self.lane} to be {state}")

    def messages(self, direction: str) -> list[tuple[object, ...]]:
        """Texts and statuses, in the order in which they were stored."""
        return self.stores.sql(
            "SELECT content, status FROM messages WHERE company_id = %s AND direction = %s ORDER BY seq",
            self.lane.company_id,
            direction,
        )

    def ask(self, request: Request) -> None:
        """Asks as the API does."""
        with Pool_of(self.stores) as pool, pool.connection() as conn:
            phone_sessions.ask(conn, self.lane, request)


MakePhone = Callable[[], PhoneOfTest]


@pytest.fixture
def make_phone(make_sender: MakeSender) -> Iterator[MakePhone]:
    """Adds phones; whatever happens to them, no session is ever open twice."""
    made: list[PhoneOfTest] = []

    def make() -> PhoneOfTest:
        made.append(PhoneOfTest(make_sender(NAME)))
        return made[-1]

    yield make
    for phone in made:
        phone.stores.sql("DELETE FROM phone_configs WHERE company_id = %s", phone.lane.company_id)
        assert phone.folder.diary("overlap") == [], "two had the session open at once"


@pytest.fixture
def phone(make_phone: MakePhone) -> PhoneOfTest:
    return make_phone()


@pytest.fixture
def worker(start: Start) -> Worker:
    return start()


def opened(phone: PhoneOfTest, times: int) -> None:
    eventually(lambda: len(phone.folder.diary("opened")) >= times, 30, f"the session to be opened {times} times")


# -- one session --------------------------------------------------------------------------------------------------
def test_what_a_session_says_is_on_show(worker: Worker, phone: PhoneOfTest) -> None:
    phone.folder.show(PhoneState.QR, qr="2@secret", detail="Scan it.")
    phone.until(PhoneState.QR)
    metadata = "SELECT metadata FROM phone_status WHERE company_id = %s"
    assert phone.one(metadata) == {"qrCode": "2@secret", "detail": "Scan it."}
    phone.folder.show(PhoneState.READY, phone_number="60123456789", build="2.3000.1")
    phone.until(PhoneState.READY)
    assert phone.one(metadata) == {}, "the QR is gone with its state"
    row = phone.stores.sql(
        "SELECT s.phone_number, s.phone_index, s.build, s.process_name, p.display_phone_number "
        "FROM phone_status s JOIN phone_configs p USING (company_id) WHERE company_id = %s",
        phone.lane.company_id,
    )
    assert row == [("60123456789", "0", "2.3000.1", NAME, "60123456789")]
    assert b"2@secret" not in log_of(worker)


def log_of(worker: Worker) -> bytes:
    """What a worker wrote so far."""
    return Path(os.readlink(f"/proc/{worker.pid}/fd/1")).read_bytes()


def test_a_state_in_which_nothing_leaves_pauses_the_phone_until_it_passes(worker: Worker, phone: PhoneOfTest) -> None:
    phone.folder.show(PhoneState.NEEDS_QR)
    phone.until(PhoneState.NEEDS_QR)
    assert phone.pause() == "needs_qr"
    phone.folder.show(PhoneState.RESTRICTED)
    phone.until(PhoneState.RESTRICTED)
    assert phone.pause() is None
    phone.folder.show(PhoneState.INITIALIZING)
    phone.until(PhoneState.INITIALIZING)
    assert phone.pause() is None, "what passes by itself pauses nothing at first"
    eventually(lambda: phone.pause() == "initializing", 20, "a pause when it lasts")
    phone.folder.show(PhoneState.READY)
    phone.until(PhoneState.READY)
    assert phone.pause() is None


def test_a_pause_of_another_reason_stays(worker: Worker, phone: PhoneOfTest) -> None:
    phone.until(PhoneState.READY)
    phone.stores.sql(
        "UPDATE phone_configs SET paused_until = now() + interval '1 hour', pause_reason = 'too_fast' "
        "WHERE company_id = %s",
        phone.lane.company_id,
    )
    phone.folder.show(PhoneState.DISCONNECTED)
    phone.until(PhoneState.DISCONNECTED)
    phone.folder.show(PhoneState.READY)
    phone.until(PhoneState.READY)
    assert phone.pause() == "too_fast"


def test_what_a_failed_send_said_of_the_phone_is_mended_by_its_session(worker: Worker, phone: PhoneOfTest) -> None:
    phone.until(PhoneState.READY)
    phone.stores.sql("UPDATE phone_configs SET status = 'session_lost' WHERE company_id = %s", phone.lane.company_id)
    phone.until(PhoneState.READY)


def test_a_crashed_session_is_opened_again_and_hurts_no_other(
    worker: Worker, phone: PhoneOfTest, make_phone: MakePhone
) -> None:
    other = make_phone()
    other.until(PhoneState.READY)
    phone.until(PhoneState.READY)
    phone.folder.order("crash")
    eventually(lambda: phone.folder.diary("closed"), 10, "the crash")
    opened(phone, 2)
    phone.until(PhoneState.READY)
    assert len(other.folder.diary("opened")) == 1
    assert worker.poll() is None


def test_a_session_that_gave_up_is_opened_at_the_next_request(worker: Worker, phone: PhoneOfTest) -> None:
    phone.until(PhoneState.READY)
    phone.folder.order("return")
    eventually(lambda: phone.folder.diary("closed"), 10, "its end")
    assert phone.folder.holder() is None
    phone.ask(Request(Ask.QR))
    opened(phone, 2)
    eventually(lambda: phone.folder.diary("asked"), 10, "the request to reach the session")
    assert phone.folder.diary("asked")[0]["ask"] == "qr"


def test_requests_reach_the_session_once_and_in_order(worker: Worker, phone: PhoneOfTest) -> None:
    phone.until(PhoneState.READY)
    for request in (Request(Ask.LOGOUT), Request(Ask.PAIRING_CODE, "60123"), Request(Ask.RESTART), Request(Ask.LOGOUT)):
        phone.ask(request)
    eventually(lambda: len(phone.folder.diary("asked")) >= 3, 10, "the requests")
    eventually(
        lambda: phone.one("SELECT count(*) FROM session_requests WHERE company_id = %s AND taken_at IS NULL") == 0,
        10,
        "nothing to be open",
    )
    asked = [line["ask"] for line in phone.folder.diary("asked")]
    assert sorted(set(asked)) == ["logout", "pairing_code", "restart"]
    assert asked.count("pairing_code") == asked.count("restart") == 1


def test_a_request_that_nobody_waits_for_any_more_is_not_done(start: Start, phone: PhoneOfTest) -> None:
    phone.ask(Request(Ask.RESTART))
    phone.ask(Request(Ask.LOGOUT))
    phone.stores.sql(
        "UPDATE session_requests SET asked_at = now() - interval '1 day' WHERE company_id = %s", phone.lane.company_id
    )
    start()
    eventually(lambda: phone.folder.diary("asked"), 20, "the logout, which is done whenever it can be")
    phone.ask(Request(Ask.QR))
    eventually(lambda: len(phone.folder.diary("asked")) > 1, 10, "the next request")
    assert [line["ask"] for line in phone.folder.diary("asked")] == ["logout", "qr"]


def test_a_session_knows_whether_somebody_looks(worker: Worker, phone: PhoneOfTest) -> None:
    phone.until(PhoneState.READY)

    def watched() -> bool:
        phone.folder.order("watched")
        eventually(lambda: not (phone.folder.path / "order").exists(), 10, "the order to be taken")
        notes = eventually(lambda: phone.folder.diary("watched"), 10, "an answer")
        return bool(notes[-1]["watched"])

    assert not watched()
    with Pool_of(phone.stores) as pool, pool.connection() as conn:
        phone_sessions.watch(conn, phone.lane)
    eventually(watched, 10, "the watcher to be seen")


def test_a_removed_phone_is_closed_and_a_changed_one_opened_anew(worker: Worker, phone: PhoneOfTest) -> None:
    phone.until(PhoneState.READY)
    phone.stores.sql("UPDATE phone_configs SET updated_at = now() WHERE company_id = %s", phone.lane.company_id)
    opened(phone, 2)
    phone.until(PhoneState.READY)
    with Pool_of(phone.stores) as pool, pool.connection() as conn, conn.transaction():
        phones.delete_phone(conn, phone.lane)
    eventually(lambda: len(phone.folder.diary("closed")) == 2, 10, "the removed phone's session to end")
    eventually(
        lambda: phone.one("SELECT released FROM phone_sessions WHERE company_id = %s"), 10, "the phone to be released"
    )
    assert phone.one("SELECT count(*) FROM phone_status WHERE company_id = %s") == 0
    assert worker.poll() is None


def test_what_the_process_cannot_survive_ends_it(worker: Worker, phone: PhoneOfTest) -> None:
    phone.until(PhoneState.READY)
    phone.folder.order("fatal")
    assert eventually(worker.poll, 20, "the process to end") == 1


def test_an_orderly_end_says_so_and_leaves_the_phone_to_the_next(start: Start, phone: PhoneOfTest) -> None:
    first = start()
    phone.until(PhoneState.READY)
    second = start(instance="2")
    first.send_signal(signal.SIGTERM)
    assert first.wait(15) == 0
    opened(phone, 2)
    phone.until(PhoneState.READY)
    second.send_signal(signal.SIGTERM)
    assert second.wait(15) == 0
    assert phone.state() == "disconnected"
    assert phone.one("SELECT metadata->>'reason' FROM phone_status WHERE company_id = %s")
    assert phone.one("SELECT released FROM phone_sessions WHERE company_id = %s")


def test_a_phone_without_a_browser_does_not_make_its_process_unready(worker: Worker, phone: PhoneOfTest) -> None:
    phone.folder.show(PhoneState.NO_BROWSER, detail="Install one.")
    phone.until(PhoneState.NO_BROWSER)
    socket = phone.stores.settings.run_dir / f"health-{NAME}-1.sock"
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket))) as client:
        assert client.get("http://worker/health/ready").json()["status"] == "ready"
        assert "bisnes_sessions_held" in client.get("http://worker/metrics").text


# -- what it hears ----------------------------------------------------------------------------------------------------
@pytest.fixture
def pipeline(start: Start, worker: Worker) -> None:
    """Relay and events beside the channel."""
    start("relay")
    start("events")


@pytest.mark.usefixtures("pipeline")
def test_what_a_session_hears_becomes_messages_and_their_changes(phone: PhoneOfTest) -> None:
    hello = phone.folder.put("message", ANA, "hello")
    note = phone.folder.put("elsewhere", ANA, "from the telephone")
    phone.folder.put("edited", ANA, "hello!", message_id=hello)
    phone.folder.put("reaction", ANA, "👍", message_id=note)
    phone.folder.put("delivered", ANA, message_id=note)
    eventually(lambda: phone.messages("inbound") == [("hello!", "received")], 20, "the edited message")
    eventually(lambda: phone.messages("outbound") == [("from the telephone", "delivered")], 20, "the telephone's")
    reaction = "SELECT reaction FROM messages WHERE company_id = %s AND elsewhere"
    eventually(lambda: phone.one(reaction) == "👍", 20, "its reaction")


@pytest.mark.usefixtures("pipeline")
def test_our_own_messages_are_no_messages_sent_elsewhere(phone: PhoneOfTest) -> None:
    phone.until(PhoneState.READY)
    for n in range(10):
        phone.sender.accept(f"6012000000{n}@c.us", f"!slow {n}" if n % 2 else f"quick {n}")
    elsewhere = phone.folder.put("elsewhere", ANA, "from the telephone")
    own = "SELECT count(*) FROM messages WHERE company_id = %s AND status = 'sent' AND NOT elsewhere"
    eventually(lambda: phone.one(own) == 10, 20, "ours to be sent")
    found = "SELECT external_id FROM messages WHERE company_id = %s AND elsewhere"
    eventually(lambda: phone.one(found) == elsewhere, 20, "the telephone's message")
    waiting = "SELECT count(*) FROM unsettled_sent WHERE provider_phone_id LIKE %s || '-%%'"
    eventually(lambda: phone.one(waiting) == 0, 20, "nothing to be unsettled")
    assert phone.one("SELECT count(*) FROM messages WHERE company_id = %s") == 11
    assert phone.one("SELECT count(*) FROM messages WHERE company_id = %s AND external_id LIKE 'ours-%%'") == 10


@pytest.mark.usefixtures("pipeline")
def test_events_are_stored_in_order_however_often_connections_are_cut(phone: PhoneOfTest) -> None:
    phone.until(PhoneState.READY)
    with connections_cut_again_and_again(phone.stores):
        for n in range(200):
            phone.folder.put("message", ANA, f"{n:03}")
            if n % 20 == 0:
                eventually(lambda: not any((phone.folder.path / "in").iterdir()), 30, "the events to be kept")
    eventually(lambda: len(phone.messages("inbound")) == 200, 30, "all messages")
    assert [text for text, _ in phone.messages("inbound")] == [f"{n:03}" for n in range(200)]


@pytest.mark.usefixtures("pipeline")
def test_a_session_can_ask_how_far_it_got(phone: PhoneOfTest) -> None:
    at = 1_700_000_000.0
    phone.folder.put("message", ANA, "older", at=at - 60)
    phone.folder.put("elsewhere", BEN, "newer", at=at)
    eventually(lambda: phone.messages("inbound") and phone.messages("outbound"), 20, "both")
    phone.sender.accept(ANA, "ours, much later")
    eventually(lambda: phone.folder.diary("sent"), 20, "it to be sent")
    phone.folder.order("watermark")
    assert eventually(lambda: phone.folder.diary("watermark"), 10, "the watermark")[0]["at"] == at


# -- one process, and no other ------------------------------------------------------------------------------------
CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'bisnes folder %%'"


@contextmanager
def connections_cut_again_and_again(stores: Stores) -> Iterator[None]:
    """Cuts every connection of the channel's processes, each second or so."""
    over = threading.Event()

    def cut() -> None:
        while not over.wait(0.9):
            stores.sql(CUT)

    thread = threading.Thread(target=cut)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


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
