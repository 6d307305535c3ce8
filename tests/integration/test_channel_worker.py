"""A real channel worker and a real relay on the loopback channel: every way a send can end, from outside."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest

from bisnes_core.phone import OnUnconfirmed
from plugins.loopback.ledger import ledger_of
from tests.fixtures.eventually import eventually
from tests.fixtures.services import end, places_of, running
from tests.fixtures.stores import MakeSender, Sender, Stores

ANA = "60111111111@c.us"
#: Short times, so that what waits in production for seconds is seen here at once.
PACE = {"BISNES_LEASE_S": "1", "BISNES_TICKET_S": "1", "BISNES_CONFIRM_WAIT_S": "2", "BISNES_REDELIVERY_WAIT_S": "2"}

Worker = subprocess.Popen[bytes]


@pytest.fixture
def start(stores: Stores, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Starts worker processes; they end with the test."""
    with ExitStack() as stack:

        def run(*role: str, **environment: str) -> Worker:
            command = [sys.executable, "-m", "bisnes_workers", *role]
            settings = {**places_of(stores.settings), **PACE, **environment}
            return stack.enter_context(running(command, tmp_path / role[-1], settings))

        yield run


@pytest.fixture
def worker(start: Callable[..., Worker]) -> Worker:
    """A relay and the loopback worker, which is returned."""
    start("relay")
    return start("channel", "loopback")


@pytest.fixture
def phone(make_sender: MakeSender) -> Sender:
    return make_sender("loopback")


def accepted(sender: Sender) -> list[str]:
    """Ids of what the provider took, in its order."""
    return [line["message_id"] for line in ledger_of(sender.stores.settings.home, sender.lane).accepted()]


def has_taken_more_than(sender: Sender, count: int) -> bool:
    return len(accepted(sender)) > count


def until(sender: Sender, message: UUID, status: str, deadline_s: float = 20.0) -> None:
    eventually(lambda: sender.status(message) == status, deadline_s, f"{message} to be {status}")


#: Text -> where the message ends, and how often the provider took it.
ENDS = {
    "hello": ("sent", 1),
    "!refuse hello": ("failed", 0),
    "!retry hello": ("sent", 1),
    "!limit_pair:0.2*2 hello": ("sent", 1),
    "!limit_phone:0.2 hello": ("sent", 1),
    "!lose_answer hello": ("sent", 1),
    "!lose_request hello": ("sent", 1),
    "!raise hello": ("sent", 1),
    "!stall:1.5 hello": ("sent", 1),
}


def test_each_way_of_answering_leads_to_its_end(worker: Worker, make_sender: MakeSender) -> None:
    senders = {text: make_sender("loopback") for text in ENDS}
    messages = {text: sender.accept(ANA, text) for text, sender in senders.items()}
    for text, (status, times) in ENDS.items():
        until(senders[text], messages[text], status)
        assert accepted(senders[text]).count(str(messages[text])) == times, text
    assert worker.poll() is None, "an answer of the provider never ends the process"


@pytest.mark.parametrize("fault", ["crash_before", "crash_after", "fatal"])
def test_a_process_that_dies_with_a_message_neither_loses_nor_repeats_it(
    start: Callable[..., Worker], phone: Sender, fault: str
) -> None:
    start("relay")
    first = start("channel", "loopback")
    message = phone.accept(ANA, f"!{fault} hello")
    after = phone.accept(ANA, "the next one of the chat")
    assert eventually(lambda: first.poll(), 20, "the process to end") != 0
    start("channel", "loopback")
    until(phone, after, "sent")
    assert accepted(phone) == [str(message), str(after)]


def test_a_stalled_chat_holds_up_no_other(worker: Worker, phone: Sender) -> None:
    stalled = phone.accept(ANA, "!stall:6 hello")
    others = [phone.accept(f"6012{n:07d}@c.us") for n in range(30)]
    for message in others:
        until(phone, message, "sent", deadline_s=5)
    assert phone.status(stalled) == "sending"
    until(phone, stalled, "sent")


def test_a_stopped_phone_keeps_its_queue_and_says_so(worker: Worker, make_sender: MakeSender) -> None:
    phone = make_sender("loopback", config={"fault": "auth"})
    messages = [phone.accept(f"6012{n:07d}@c.us") for n in range(3)]
    select = "SELECT status FROM phone_configs WHERE company_id = %s"
    company = phone.lane.company_id
    eventually(lambda: phone.stores.sql(select, company) == [("auth_required",)], 20, "the phone to stop")
    assert {phone.status(message) for message in messages} <= {"queued", "sending"}
    phone.stores.sql(
        "UPDATE phone_configs SET config = '{}', paused_until = NULL, updated_at = now() WHERE company_id = %s", company
    )
    for message in messages:
        until(phone, message, "sent")
    assert phone.stores.sql(select, company) == [("ready",)]


@pytest.mark.parametrize("policy", list(OnUnconfirmed))
def test_the_evidence_of_the_channel_comes_before_the_policy(
    worker: Worker, make_sender: MakeSender, policy: OnUnconfirmed
) -> None:
    phone = make_sender("loopback", on_unconfirmed=policy)
    lost_answer = phone.accept(ANA, "!lose_answer hello")
    lost_request = phone.accept("60122222222@c.us", "!lose_request hello")
    for message in (lost_answer, lost_request):
        until(phone, message, "sent")
    assert sorted(accepted(phone)) == sorted([str(lost_answer), str(lost_request)])


def test_sigterm_finishes_what_is_in_flight_and_claims_no_more(worker: Worker, phone: Sender) -> None:
    message = phone.accept(ANA, "!stall:2 hello")
    until(phone, message, "sending")
    worker.terminate()
    queued = phone.accept(ANA, "later")
    assert worker.wait(15) == 0
    assert [phone.status(message), phone.status(queued)] == ["sent", "queued"]
    assert accepted(phone) == [str(message)]


def test_a_worker_says_how_it_is(start: Callable[..., Worker], stores: Stores) -> None:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
    process = start("channel", "loopback", BISNES_HEALTH_PORT=str(port), BISNES_INSTANCE="7")

    def ask(path: str) -> bytes | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
                return bytes(answer.read())
        except OSError:
            return None

    ready = json.loads(eventually(lambda: ask("/health/ready"), 20, "the worker to be ready") or b"")
    assert ready == {"status": "ready", "process": "loopback", "instance": "7", "pid": process.pid}
    assert b'"live"' in (ask("/health/live") or b"")
    assert b"bisnes_pool_in_use_connections" in (ask("/metrics") or b"")
    beat = "SELECT pid FROM process_health WHERE process_name = 'loopback' AND instance = '7'"
    eventually(lambda: stores.sql(beat) == [(process.pid,)], 20, "its heartbeat")
    end(process)
    assert stores.sql(beat) == [], "one that ends on purpose takes its row with it"


def test_a_message_of_any_state_survives_a_kill(start: Callable[..., Worker], phone: Sender) -> None:
    start("relay")
    messages = [phone.accept(f"6012{n % 20:07d}@c.us", "!stall:0.3 hello") for n in range(60)]
    for _ in range(3):
        process = start("channel", "loopback")
        sent = len(accepted(phone))
        eventually(partial(has_taken_more_than, phone, sent + 5), 30, "messages to flow")
        process.kill()
        process.wait(5)
    start("channel", "loopback")
    for message in messages:
        until(phone, message, "sent", deadline_s=60)
    assert sorted(accepted(phone)) == sorted(map(str, messages))
