"""Meta's webhooks: what a receipt and a message say, and what is set aside."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from bisnes_core.channel import Ignored, Inbound, Quarantined
from bisnes_core.ids import new_id
from bisnes_core.status import Status
from plugins.meta.webhook import parse
from tests.fixtures.meta import PHONE_NUMBER_ID, TEXT, WAMID, parse_status, parse_text, webhook_body, webhook_value


# -- receipts ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("word", ["sent", "delivered", "read", "played", "failed"])
def test_receipt(word: str) -> None:
    receipt = parse_status(status=word)
    assert receipt.status is Status(word)
    assert receipt.provider_phone_id == PHONE_NUMBER_ID
    assert receipt.provider_message_id == WAMID
    assert receipt.at == datetime(2025, 6, 15, 23, 27, 53, tzinfo=UTC)
    assert (receipt.error_code is None) == (word != "failed")


@pytest.mark.parametrize("word", ["deleted", "warning", "made_up"])
def test_other_status_words_are_ignored(word: str) -> None:
    assert parse_status(status=word) == Ignored("unknown_status")


def test_our_id_comes_back_and_other_senders_tokens_do_not_pass_for_one() -> None:
    ours = str(new_id())
    assert parse_status(biz_opaque_callback_data=ours).message_id == ours
    for foreign in ("campaign-7", "", None, 7):
        assert parse_status(biz_opaque_callback_data=foreign).message_id is None


@pytest.mark.parametrize(
    ("errors", "code", "text"),
    [
        (
            [
                {
                    "code": 131047,
                    "title": "Re-engagement",
                    "message": "Re-engagement",
                    "error_data": {"details": "24 hours"},
                }
            ],
            "meta:131047",
            "Re-engagement: 24 hours",
        ),
        ([{"code": 131026, "title": "Undeliverable", "error_data": "plain"}], "meta:131026", "Undeliverable: plain"),
        ([{"code": 131053}], "meta:131053", "Meta gave no reason"),
        ([], "meta:failed", "Meta gave no reason"),
        (None, "meta:failed", "Meta gave no reason"),
        ("odd", "meta:failed", "Meta gave no reason"),
    ],
)
def test_failed_receipt_says_why(errors: Any, code: str, text: str) -> None:
    receipt = parse_status(status="failed", errors=errors)
    assert (receipt.error_code, receipt.error) == (code, text)


@pytest.mark.parametrize(
    "changes", [{"id": None}, {"status": None}, {"timestamp": None}, {"timestamp": "99999999999999"}]
)
def test_broken_receipt_is_quarantined(changes: dict[str, Any]) -> None:
    assert isinstance(parse_status(**changes), Quarantined)


# -- inbound -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "content", "text"),
    [
        ("text", {"body": "hi"}, "hi"),
        ("image", {"id": "1", "caption": "look"}, "look"),
        ("image", {"id": "1"}, None),
        ("video", {"id": "1", "caption": "look"}, "look"),
        ("document", {"id": "1", "filename": "a.pdf", "caption": "read"}, "read"),
        ("audio", {"id": "1", "voice": True}, None),
        ("sticker", {"id": "1", "animated": False}, None),
        ("location", {"latitude": 0, "longitude": 0}, None),
        ("location", {"latitude": 1.5, "longitude": 2, "name": "Café", "address": "Here 1"}, "Café, Here 1"),
        (
            "contacts",
            [{"name": {"formatted_name": "A B"}}, {"vcard": "x"}, {"name": {"formatted_name": "C"}}],
            "A B, C",
        ),
        ("button", {"payload": "p", "text": "Stop"}, "Stop"),
        ("interactive", {"type": "button_reply", "button_reply": {"id": "1", "title": "Yes"}}, "Yes"),
        ("interactive", {"type": "list_reply", "list_reply": {"id": "1", "title": "Row"}}, "Row"),
        ("interactive", {"type": "nfm_reply", "nfm_reply": {"response_json": "{}", "body": "Sent"}}, "Sent"),
        ("interactive", {"type": "call_permission_reply", "call_permission_reply": {}}, None),
        ("reaction", {"message_id": WAMID, "emoji": "😀"}, "😀"),
        ("reaction", {"message_id": WAMID}, None),
        ("order", {"catalog_id": "1", "text": "two", "product_items": []}, "two"),
        ("system", {"type": "user_changed_number", "body": "changed", "wa_id": "2"}, "changed"),
        ("edit", {"original_message_id": WAMID, "message": {"type": "text", "text": {"body": "new"}}}, "new"),
        ("edit", {"original_message_id": WAMID, "message": {"type": "edit", "edit": {}}}, None),
        ("revoke", {"original_message_id": WAMID}, None),
        ("unsupported", {"type": "poll"}, None),
        ("request_welcome", None, None),
        ("made_up_in_2028", {"a": 1}, None),
    ],
)
def test_every_kind_comes_in_with_its_text(kind: str, content: Any, text: str | None) -> None:
    item = parse_text(**{"text": None, "type": kind, kind: content})
    assert isinstance(item, Inbound), item
    assert (item.kind, item.text) == (kind, text)
    expected = {"contacts": content} if kind == "contacts" else content or {}
    assert item.content == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"text": None},
        {"text": {}},
        {"text": {"body": 7}},
        {"type": None},
        {"id": None},
        {"from": None},
        {"from": "somebody"},
        {"timestamp": None},
        {"timestamp": "-1"},
        {"timestamp": "١٢٣"},
        {"timestamp": "99999999999999"},
        {"timestamp": True},
        {"type": "image", "image": None},
    ],
)
def test_broken_message_is_quarantined(changes: dict[str, Any]) -> None:
    assert isinstance(parse_text(**changes), Quarantined)


def test_item_of_nobody_is_quarantined() -> None:
    for metadata in (None, 7, {}, {"phone_number_id": ""}):
        body = webhook_body({**webhook_value(messages=[TEXT]), "metadata": metadata})
        assert isinstance(parse(body)[0], Quarantined)


def test_sender_with_a_number_is_known_by_it() -> None:
    contact = {"wa_id": "16505551234", "user_id": "US.1349120865", "profile": {"name": "Sheena", "username": "sheena"}}
    other = {"wa_id": "999999999", "profile": {"name": "Other"}}
    item = {**TEXT, "from_user_id": "US.1349120865"}
    [parsed] = parse(webhook_body(webhook_value(contacts=[other, contact], messages=[item])))
    assert isinstance(parsed, Inbound)
    assert parsed.chat_id == "16505551234@c.us"
    assert parsed.identities == {
        "phone": "16505551234",
        "user_id": "US.1349120865",
        "username": "sheena",
        "name": "Sheena",
    }


def test_sender_without_a_number_is_known_by_the_scoped_user_id() -> None:
    contact = {"user_id": "US.1349120865", "profile": {"name": "Sheena", "username": "sheena"}}
    item = {**TEXT, "from": None, "from_user_id": "US.1349120865"}
    [parsed] = parse(webhook_body(webhook_value(contacts=[contact], messages=[item])))
    assert isinstance(parsed, Inbound)
    assert parsed.chat_id == "US.1349120865"
    assert parsed.identities == {"user_id": "US.1349120865", "username": "sheena", "name": "Sheena"}


def test_two_senders_are_never_mixed_up() -> None:
    contacts = [{"wa_id": "111111", "profile": {"name": "One"}}, {"wa_id": "222222", "profile": {"name": "Two"}}]
    messages = [{**TEXT, "from": number} for number in ("222222", "111111", "333333")]
    items = parse(webhook_body(webhook_value(contacts=contacts, messages=messages)))
    assert [item.identities.get("name") for item in items if isinstance(item, Inbound)] == ["Two", "One", None]


def test_group_message_belongs_to_the_group() -> None:
    item = parse_text(group_id="120363419")
    assert item.chat_id == "120363419@g.us"
    assert item.identities["phone"] == "16505551234"


def test_quote_advertisement_and_errors_are_kept() -> None:
    context = {"from": "1555", "id": "wamid.quoted", "forwarded": True}
    item = parse_text(context=context, referral={"source_id": "1"}, errors=[{"code": 131051}])
    assert item.reply_to == "wamid.quoted"
    assert item.content == {
        "body": "hi",
        "context": context,
        "referral": {"source_id": "1"},
        "errors": [{"code": 131051}],
    }
