"""Webhooks: how they are written and signed, statuses and their disorder, redelivery, inbound messages."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from tests.simulators.support import PHONE, SECRET, USER, Receiver, Simulator, eventually, many


def status_names(receiver: Receiver) -> list[str]:
    return [status["status"] for status in receiver.statuses()]


def test_sent_and_delivered_follow_with_our_id(simulator: Simulator, receiver: Receiver) -> None:
    wamid = simulator.send(biz_opaque_callback_data="our-id").json()["messages"][0]["id"]
    eventually(lambda: status_names(receiver) == ["sent", "delivered"])
    for webhook in receiver.posts():
        body = webhook.json
        (value,) = webhook.values()
        (status,) = webhook.statuses()
        assert body["object"] == "whatsapp_business_account"
        assert value["metadata"]["phone_number_id"] == PHONE
        assert value["contacts"][0]["wa_id"] == USER
        assert status["id"] == wamid
        assert status["biz_opaque_callback_data"] == "our-id"
        assert status["recipient_id"] == USER
        assert re.fullmatch(r"\d{10}", status["timestamp"])
        assert status["recipient_user_id"] == value["contacts"][0]["user_id"]
        assert status["pricing"]["category"] == "service"
        assert "conversation" not in status
        assert webhook.is_signed()
        assert webhook.headers["content-type"] == "application/json"


def test_conversation_is_there_below_v24_only(simulator: Simulator, receiver: Receiver) -> None:
    body = {"messaging_product": "whatsapp", "to": USER, "text": {"body": "hi"}}
    simulator.call("POST", f"/v23.0/{PHONE}/messages", json=body)
    eventually(lambda: status_names(receiver) == ["sent", "delivered"])
    sent, delivered = receiver.statuses()
    assert sent["conversation"]["origin"] == {"type": "service"}
    assert "expiration_timestamp" in sent["conversation"]
    assert "expiration_timestamp" not in delivered["conversation"]


def test_the_body_is_ascii_with_escaped_slashes_and_signed_as_sent(simulator: Simulator, receiver: Receiver) -> None:
    simulator.admin("POST", "inbound", {"phone": PHONE, "from": USER, "text": "é/😀\x7f\n"})
    (webhook,) = eventually(receiver.posts)
    assert webhook.raw.isascii()
    assert rb'"body":"\u00e9\/\ud83d\ude00' in webhook.raw
    assert b"/" not in webhook.raw.replace(rb"\/", b"")
    assert receiver.messages()[0]["text"]["body"] == "é/😀\x7f\n"
    assert webhook.is_signed(SECRET)
    assert not webhook.is_signed("another secret")


def test_a_recipient_without_a_phone_number_has_none_in_its_statuses(simulator: Simulator, receiver: Receiver) -> None:
    bsuid = "US.13491208655302741918"
    simulator.send(to=None, recipient=bsuid)
    eventually(lambda: status_names(receiver) == ["sent", "delivered"])
    for status in receiver.statuses():
        assert status["recipient_user_id"] == bsuid
        assert "recipient_id" not in status


def test_read_and_played_follow_when_asked_for(start: Callable[..., Simulator], receiver: Receiver) -> None:
    simulator = start("--read", "on")
    simulator.send(type="audio", audio={"link": "https://a/b.ogg", "voice": True})
    eventually(lambda: status_names(receiver) == ["sent", "delivered", "read", "played"])
    simulator.send(type="reaction", reaction={"message_id": simulator.ledger()[0]["wamid"], "emoji": "x"})
    eventually(lambda: status_names(receiver)[4:] == ["sent"])


def test_receipts_can_be_switched_off_and_on(start: Callable[..., Simulator], receiver: Receiver) -> None:
    simulator = start("--receipts", "off")
    simulator.send(biz_opaque_callback_data="silent")
    simulator.set(receipts=True)
    simulator.send(biz_opaque_callback_data="told")
    eventually(lambda: len(receiver.statuses()) == 2)
    assert {status["biz_opaque_callback_data"] for status in receiver.statuses()} == {"told"}


def test_statuses_due_together_share_a_body(start: Callable[..., Simulator], receiver: Receiver) -> None:
    simulator = start("--receipt-delay-s", "0.3")
    simulator.set(batch_window_s=0.4)
    for number in range(30):
        simulator.send(str(1001 + number % 2))
    eventually(lambda: len(receiver.statuses()) == 60)
    assert len(receiver.posts()) < 30
    assert any(len(webhook.json["entry"]) == 2 for webhook in receiver.posts())
    simulator.set(statuses_per_body=1, receipt_delay_s=0.02)
    receiver.webhooks.clear()
    for _ in range(5):
        simulator.send()
    eventually(lambda: len(receiver.statuses()) == 10)
    assert all(len(webhook.statuses()) == 1 for webhook in receiver.posts())


@pytest.mark.parametrize("kind", ["duplicates", "reorder", "loss", "late"])
def test_disorder_on_demand(simulator: Simulator, receiver: Receiver, kind: str) -> None:
    simulator.set(**{kind: 1.0}, late_s=0.4)
    simulator.send(biz_opaque_callback_data="a")
    if kind == "duplicates":
        eventually(lambda: sorted(status_names(receiver)) == ["delivered", "delivered", "sent", "sent"])
    elif kind == "reorder":
        eventually(lambda: status_names(receiver) == ["delivered", "sent"])
    elif kind == "late":
        accepted_at = simulator.ledger()[0]["at"]
        eventually(lambda: status_names(receiver) == ["sent", "delivered"])
        assert int(receiver.statuses()[0]["timestamp"]) >= int(accepted_at)
        assert simulator.admin("GET", "stats")["statuses_emitted"] == 2
    else:
        simulator.set(loss=0.0)
        simulator.send(biz_opaque_callback_data="b")
        eventually(lambda: len(receiver.statuses()) == 2)
        assert {status["biz_opaque_callback_data"] for status in receiver.statuses()} == {"b"}


def test_refused_webhooks_come_again_with_growing_gaps(start: Callable[..., Simulator], receiver: Receiver) -> None:
    simulator = start("--redeliver-scale", "0.0002")
    receiver.answers = [500, 404, 302, 204]
    simulator.admin("POST", "inbound", {"phone": PHONE, "from": USER})
    eventually(lambda: len(receiver.posts()) == 5)
    posts = receiver.posts()
    assert len({webhook.raw for webhook in posts}) == 1
    gaps_s = [later.at - earlier.at for earlier, later in pairwise(posts)]
    for gap_s, wanted_s in zip(gaps_s, (0.1, 0.2, 0.4, 0.8), strict=True):
        assert wanted_s * 0.8 <= gap_s < wanted_s * 1.2 + 1.0
    # The last one has arrived before the simulator has heard its answer.
    stats = eventually(lambda: (now := simulator.admin("GET", "stats"))["webhooks_delivered"] and now)
    assert (stats["webhooks_delivered"], stats["webhooks_refused"], stats["webhooks_pending_redelivery"]) == (1, 4, 0)


def test_a_receiver_that_is_away_gets_everything_when_it_is_back(start: Callable[..., Simulator]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    simulator = start("--redeliver-scale", "0.0002", webhook_url=f"http://127.0.0.1:{port}/webhooks/meta")
    for number in range(10):
        simulator.send(biz_opaque_callback_data=str(number))
    eventually(lambda: simulator.admin("GET", "stats")["webhooks_pending_redelivery"] > 0)
    back = Receiver(port)
    try:
        eventually(lambda: len(back.statuses()) == 20)
        eventually(lambda: simulator.admin("GET", "stats")["webhooks_pending_redelivery"] == 0)
    finally:
        back.close()


def test_a_receiver_that_does_not_answer_counts_as_refusing(start: Callable[..., Simulator]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        simulator = start(webhook_url=f"http://127.0.0.1:{silent.getsockname()[1]}/")
        simulator.set(webhook_timeout_s=0.1)
        simulator.admin("POST", "inbound", {"phone": PHONE, "from": USER})
        stats = eventually(lambda: found if (found := simulator.admin("GET", "stats"))["webhooks_refused"] else None)
        assert stats["last_refusal"] == "no answer within 0.1 s"


def test_the_handshake_is_made_on_demand(simulator: Simulator, receiver: Receiver) -> None:
    assert simulator.admin("POST", "verify")["verified"] is True
    (webhook,) = receiver.webhooks
    assert webhook.method == "GET"
    assert "hub.mode=subscribe&hub.challenge=" in webhook.path
    refused = simulator.admin("POST", "verify", {"token": "wrong"})
    assert (refused["verified"], refused["status"]) == (False, 403)
    assert simulator.admin("POST", "verify", {"mode": "unsubscribe"})["verified"] is False


def test_both_identity_shapes_come_in(simulator: Simulator, receiver: Receiver) -> None:
    simulator.admin("POST", "inbound", {"phone": PHONE, "from": f"+{USER}", "name": "Ann", "username": "ann"})
    simulator.admin("POST", "inbound", {"phone": PHONE, "from": USER, "identity": "user_id"})
    eventually(lambda: len(receiver.messages()) == 2)
    values = [value for webhook in receiver.posts() for value in webhook.values()]
    known, unknown = sorted(values, key=lambda value: "from" not in value["messages"][0])
    assert known["messages"][0]["from"] == known["contacts"][0]["wa_id"] == USER
    assert known["contacts"][0]["profile"] == {"name": "Ann", "username": "ann"}
    assert "wa_id" not in unknown["contacts"][0]
    same = {value["messages"][0]["from_user_id"] for value in values} | {
        value["contacts"][0]["user_id"] for value in values
    }
    assert len(same) == 1


def test_inbound_media_can_be_fetched(simulator: Simulator, receiver: Receiver) -> None:
    wish = {"phone": PHONE, "from": USER, "type": "document", "data": "aGVsbG8=", "mime_type": "text/plain"}
    simulator.admin("POST", "inbound", {**wish, "filename": "a.txt", "caption": "c"})
    (message,) = eventually(receiver.messages)
    document = message["document"]
    assert (document["filename"], document["caption"], document["mime_type"]) == ("a.txt", "c", "text/plain")
    found = simulator.call("GET", f"/v25.0/{document['id']}").json()
    assert simulator.call("GET", found["url"]).content == b"hello"


def test_replies_and_any_kind_come_in(simulator: Simulator, receiver: Receiver) -> None:
    wamid = simulator.send().json()["messages"][0]["id"]
    wishes: list[dict[str, Any]] = [
        {"reply_to": wamid},
        {"type": "reaction", "content": {"message_id": wamid, "emoji": "👍"}},
        {"type": "button", "content": {"payload": "p", "text": "t"}},
        {"type": "unsupported"},
    ]
    for wish in wishes:
        simulator.admin("POST", "inbound", {"phone": PHONE, "from": USER, **wish})
    messages = {message["type"]: message for message in many(receiver.messages, 4)}
    assert messages["text"]["context"]["id"] == wamid
    assert messages["reaction"]["reaction"]["emoji"] == "👍"
    assert messages["button"]["button"]["payload"] == "p"
    assert messages["unsupported"]["errors"][0]["code"] == 131051
    response = simulator.http.post("/_sim/inbound", json={"phone": PHONE, "from": USER, "type": "order"})
    assert response.status_code == 400


def test_raw_bytes_are_signed_and_sent_as_they_are(simulator: Simulator, receiver: Receiver) -> None:
    simulator.admin("POST", "raw?bytes=1", content=b'{"truncated":')
    (webhook,) = eventually(receiver.posts)
    assert webhook.raw == b'{"truncated":'
    assert webhook.is_signed()
    simulator.send()
    event = {"phone": PHONE, "field": "account_update", "value": {"event": "PARTNER_REMOVED"}}
    simulator.admin("POST", "event", event)
    eventually(lambda: any(b"PARTNER_REMOVED" in webhook.raw for webhook in receiver.posts()))


def test_the_service_window_opens_with_an_inbound_message(start: Callable[..., Simulator], receiver: Receiver) -> None:
    simulator = start("--window", "on")
    simulator.send(biz_opaque_callback_data="closed")
    (status,) = eventually(receiver.statuses)
    assert (status["status"], status["errors"][0]["code"]) == ("failed", 131047)
    simulator.admin("POST", "inbound", {"phone": PHONE, "from": USER})
    simulator.send(biz_opaque_callback_data="open")
    simulator.send(to="+16505559999", type="template", template={"name": "hello_world", "language": {"code": "en_US"}})
    eventually(lambda: len(receiver.statuses()) == 5)
    assert status_names(receiver).count("failed") == 1


def test_a_body_that_is_no_json_is_not_written(simulator: Simulator) -> None:
    assert simulator.http.post("/_sim/raw", content=b"{").status_code == 400
    assert json.loads(simulator.http.get("/_sim/stats").content)["webhooks_in_flight"] == 0
