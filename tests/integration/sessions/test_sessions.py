"""Sessions of phones: opened again when they end, honest about their state. From outside."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import httpx

from bisnes_core.session import Ask, PhoneState, Request
from db import phone_sessions, phones
from tests.fixtures.eventually import eventually
from tests.fixtures.session_channel import NAME
from tests.fixtures.session_phone import MakePhone, PhoneOfTest, Start, Worker, opened
from tests.fixtures.stores import Pool_of


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


def test_a_session_that_takes_its_time_to_close_is_let_alone(worker: Worker, phone: PhoneOfTest) -> None:
    phone.until(PhoneState.READY)
    phone.folder.order("dawdle")
    eventually(lambda: not (phone.folder.path / "order").exists(), 10, "the order to be followed")
    with Pool_of(phone.stores) as pool, pool.connection() as conn, conn.transaction():
        phones.delete_phone(conn, phone.lane)
    eventually(lambda: phone.folder.diary("closed"), 10, "the removed phone's session to end")
    assert len(phone.folder.diary("dawdled")) == 1
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
