"""What a session hears becomes messages: each once, in order, however often connections are cut."""

from __future__ import annotations

import pytest

from bisnes_core.session import PhoneState
from tests.fixtures.eventually import eventually
from tests.fixtures.session_phone import PhoneOfTest, Start, Worker, connections_cut_again_and_again

ANA, BEN = "60111111111@c.us", "60122222222@c.us"


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
