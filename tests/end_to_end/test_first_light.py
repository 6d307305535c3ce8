"""A text posted to the API arrives at the simulated Graph API, and its receipts come back."""

from __future__ import annotations

import time

from tests.fixtures.gateway import COMPANY, PHONE_NUMBER_ID, Gateway


def test_a_text_is_delivered_within_two_seconds(gateway: Gateway) -> None:
    answer = gateway.request(
        "POST", f"/api/v2/messages/text/{COMPANY}/60111111111", json={"message": "first light äöü 🌅"}
    )
    accepted_at = time.monotonic()
    assert answer.status_code == 202
    message_id = answer.json()["messageId"]
    assert answer.headers["Location"] == f"/api/v2/messages/{COMPANY}/{message_id}"
    gateway.wait_for_status(message_id, "delivered", deadline_s=10)
    assert time.monotonic() - accepted_at < 2.0
    entries = gateway.simulator("GET", f"ledger?phone={PHONE_NUMBER_ID}&bodies=true")["entries"]
    ours = [entry for entry in entries if message_id in str(entry)]
    assert len(ours) == 1, "accepted by the simulator once"


def test_a_loopback_phone_delivers_too(gateway: Gateway) -> None:
    gateway.wait_for_status(gateway.send("to nobody", phone=1), "sent", "delivered", "read")
