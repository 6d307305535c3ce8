"""Meta's webhooks: who is let in, and what comes out of a body."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bisnes_core.channel import Ignored, Inbound, Quarantined, Receipt, WebhookRequest
from bisnes_core.ids import new_id
from bisnes_core.status import Status
from plugins.meta.webhook import FIELDS_IGNORED, LEVELS_MAX, challenge, parse, verify
from tests.fixtures.meta import PHONE_NUMBER_ID, SECRET, VECTORS, WAMID, signed, vector, webhook_body, webhook_value

TEXT = {"from": "16505551234", "id": WAMID, "timestamp": "1749416383", "type": "text", "text": {"body": "hi"}}
STATUS = {"id": WAMID, "status": "delivered", "timestamp": "1750030073", "recipient_id": "16505551234"}


def parse_text(**changes: Any) -> Any:
    """The one item of a body with one text message, some members changed; None removes one."""
    item = {name: value for name, value in {**TEXT, **changes}.items() if value is not None}
    [parsed] = parse(webhook_body(webhook_value(messages=[item])))
    return parsed


def parse_status(**changes: Any) -> Any:
    item = {name: value for name, value in {**STATUS, **changes}.items() if value is not None}
    [parsed] = parse(webhook_body(webhook_value(statuses=[item])))
    return parsed


# -- verification request ----------------------------------------------------------------------------------------------
def ask(**query: str) -> str | None:
    asked = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": "right"} | {
        f"hub.{name}": value for name, value in query.items()
    }
    return challenge(WebhookRequest("GET", asked, {}), ["other", "right"])


def test_challenge_is_echoed_to_who_knows_one_of_the_tokens() -> None:
    assert ask() == "1158201444"


@pytest.mark.parametrize(
    "query",
    [
        {"verify_token": "wrong"},
        {"verify_token": ""},
        {"verify_token": "rightt"},
        {"verify_token": "ünicode"},
        {"verify_token": "\ud800"},
        {"mode": "unsubscribe"},
        {"challenge": ""},
        {"challenge": "1" * 201},
    ],
)
def test_challenge_refuses(query: dict[str, str]) -> None:
    assert ask(**query) is None


@pytest.mark.parametrize("tokens", [[], [""]])
def test_challenge_refuses_everything_without_a_token(tokens: list[str]) -> None:
    query = {"hub.mode": "subscribe", "hub.challenge": "1", "hub.verify_token": ""}
    assert challenge(WebhookRequest("GET", query, {}), tokens) is None
    assert challenge(WebhookRequest("GET", {}, {}), ["right"]) is None


# -- signature ---------------------------------------------------------------------------------------------------------
BODY = webhook_body(webhook_value(messages=[TEXT]))


@pytest.mark.parametrize("header", ["x-hub-signature-256", "x-360dialog-signature"])
def test_signature_by_any_of_the_secrets_is_authentic(header: str) -> None:
    request = signed(BODY, header=header)
    assert verify(request, [SECRET])
    assert verify(request, ["another app's", "", SECRET])


def test_360dialog_may_leave_the_prefix_out_and_meta_may_not() -> None:
    digest = signed(BODY).headers["x-hub-signature-256"].removeprefix("sha256=")
    assert verify(WebhookRequest("POST", {}, {"x-360dialog-signature": digest}, BODY), [SECRET])
    assert not verify(WebhookRequest("POST", {}, {"x-hub-signature-256": digest}, BODY), [SECRET])


@pytest.mark.parametrize("secrets", [[], [""], ["wrong"]])
def test_signature_is_refused_without_the_secret(secrets: list[str]) -> None:
    assert not verify(signed(BODY), secrets)


def test_signature_with_the_empty_key_is_refused() -> None:
    assert not verify(signed(BODY, secret=""), ["", SECRET])


def test_signature_covers_the_raw_bytes() -> None:
    request = signed(BODY)
    rewritten = json.dumps(json.loads(BODY)).encode()
    assert not verify(WebhookRequest("POST", {}, request.headers, rewritten), [SECRET])


@pytest.mark.parametrize(
    "value",
    [
        "",
        "sha256=",
        "sha256=0",
        "sha1=" + "0" * 40,
        "sha256=" + "g" * 64,
        "sha256=" + "é" * 64,
        "sha256=" + "٣" * 64,
        "\udcff",
    ],
)
def test_malformed_signature_is_refused(value: str) -> None:
    assert not verify(WebhookRequest("POST", {}, {"x-hub-signature-256": value}, BODY), [SECRET])


def test_upper_case_and_trailing_line_feed_are_refused() -> None:
    right = signed(BODY).headers["x-hub-signature-256"]
    for value in (right.upper(), right + "\n", " " + right):
        assert not verify(WebhookRequest("POST", {}, {"x-hub-signature-256": value}, BODY), [SECRET])


@given(st.binary(max_size=300), st.text(max_size=90), st.lists(st.text(max_size=20), max_size=3))
def test_verify_never_raises_and_never_accepts_noise(body: bytes, value: str, secrets: list[str]) -> None:
    assert not verify(WebhookRequest("POST", {}, {"x-hub-signature-256": value}, body), secrets)


# -- the body as a whole -----------------------------------------------------------------------------------------------
def test_all_items_of_all_entries_come_out() -> None:
    value = webhook_value(messages=[TEXT, TEXT])
    body = json.loads(webhook_body(value, webhook_value(statuses=[STATUS])))
    body["entry"] *= 2
    kinds = [type(item) for item in parse(json.dumps(body).encode())]
    assert kinds == [Inbound, Inbound, Receipt] * 2


def test_one_bad_item_costs_none_of_its_siblings() -> None:
    bad: list[Any] = [7, None, {}, {**TEXT, "timestamp": "soon"}, {**TEXT, "text": None}]
    items = parse(webhook_body(webhook_value(messages=[TEXT, *bad, TEXT], statuses=[STATUS, {"id": 1}, STATUS])))
    kinds = [type(item) for item in items]
    assert kinds == [Inbound, *[Quarantined] * 5, Inbound, Receipt, Quarantined, Receipt]


def test_quarantined_item_keeps_what_is_needed_to_read_it_again() -> None:
    parsed = parse_text(timestamp="soon")
    assert parsed.item["item"]["id"] == WAMID
    assert parsed.item["metadata"]["phone_number_id"] == PHONE_NUMBER_ID
    assert "soon" in parsed.reason


def test_360dialogs_form_has_the_value_at_the_top() -> None:
    messages, statuses = webhook_value(messages=[TEXT]), webhook_value(statuses=[STATUS])
    assert isinstance(parse(json.dumps(messages).encode())[0], Inbound)
    assert isinstance(parse(json.dumps(statuses).encode())[0], Receipt)
    event = {"event": "channel_created", "data": {"channel_id": "x"}}
    assert parse(json.dumps(event).encode()) == [Ignored("dialog360_channel_event")]


@pytest.mark.parametrize("field", sorted(FIELDS_IGNORED))
def test_other_fields_are_ignored_by_name(field: str) -> None:
    assert parse(webhook_body({"event": "whatever"}, field=field)) == [Ignored(field)]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (webhook_body({}, field="made_up"), "unknown_field"),
        (webhook_body(webhook_value(errors=[{"code": 130429}])), "account_errors"),
        (webhook_body(webhook_value(messages=[])), "empty"),
        (b'{"entry":[]}', "empty"),
    ],
)
def test_ignored_words(body: bytes, word: str) -> None:
    assert parse(body) == [Ignored(word)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe\x00",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        BODY[:-3],
        b'{"entry":7}',
        b'{"entry":[7]}',
        b'{"entry":[{"id":"1"}]}',
        b'{"entry":[{"changes":{}}]}',
        b'{"entry":[{"changes":[{"field":"messages","value":7}]}]}',
        b'{"messages":{}}',
        b'{"a":NaN}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":"\\ud800","b":' + b"9" * 30 + b"}",
        b'{"a":"\\ud800","b":Infinity}',
        b"[" * 100_000,
        b"[" * 300 + b"]" * 300,
    ],
)
def test_what_is_not_understood_is_quarantined_once(body: bytes) -> None:
    [item] = parse(body)
    assert isinstance(item, Quarantined)
    json.dumps(item.item)


def test_deep_nesting_is_told_from_many_items() -> None:
    value = webhook_value(messages=[TEXT] * (LEVELS_MAX + 1))
    assert {type(item) for item in parse(webhook_body(value))} == {Inbound}


def test_half_a_surrogate_pair_and_nul_are_made_storable() -> None:
    for broken in ("cut \\ud83d", "nul \\u0000"):
        body = webhook_body(webhook_value(messages=[TEXT])).replace(b'"hi"', f'"{broken}"'.encode())
        [item] = parse(body)
        assert isinstance(item, Inbound)
        assert item.text
        assert "\0" not in item.text
        item.text.encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["entry", "changes", "field", "value", "messages", "statuses", "errors", "metadata", "id", "type"]
            )
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)
#: Values that differ from a good item in some members only: the depth where most readers break.
NEARLY = st.fixed_dictionaries(
    {},
    optional={
        name: JSON | st.just(value)
        for name, value in {
            **TEXT,
            **STATUS,
            "type": "interactive",
            "contacts": [{"wa_id": "1", "profile": {}}],
            "context": {"id": WAMID},
            "interactive": {"button_reply": {"title": "x"}},
            "errors": [{"code": 1}],
        }.items()
    },
)


@given(JSON)
def test_parse_never_raises_for_any_json_value(value: Any) -> None:
    items = parse(json.dumps(value).encode())
    assert items
    assert all(isinstance(item, Quarantined | Ignored) for item in items)


@given(st.lists(NEARLY, min_size=1, max_size=3), st.lists(NEARLY, max_size=3), JSON)
def test_parse_answers_one_item_per_item(messages: list[Any], statuses: list[Any], contacts: Any) -> None:
    value = webhook_value(messages=messages, statuses=statuses, contacts=contacts)
    assert len(parse(json.dumps({"entry": [{"changes": [{"value": value}]}]}).encode())) == len(messages) + len(
        statuses
    )


@given(st.binary(max_size=200))
def test_parse_never_raises_for_random_bytes(body: bytes) -> None:
    items = parse(body)
    assert items
    assert all(isinstance(item, Quarantined | Ignored) for item in items)


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


# -- what Meta published -----------------------------------------------------------------------------------------------
def published() -> list[str]:
    return sorted(path.name for path in (VECTORS / "webhooks").glob("*.json")) or ["text_message.json"]


@pytest.mark.parametrize("name", published())
def test_published_webhooks_are_understood(name: str) -> None:
    body = json.dumps(vector(f"webhooks/{name}")).encode()
    [item] = parse(body)
    if name.startswith("group_"):
        assert isinstance(item, Ignored)
        assert item.word in FIELDS_IGNORED
    else:
        assert isinstance(item, Inbound), item
        assert item.chat_id == "16505551234@c.us"
        assert item.at.year == 2025
