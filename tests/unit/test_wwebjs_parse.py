"""Stored events of a page: what each becomes, and that none breaks its siblings."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bisnes_core.channel import Change, Changed, Ignored, Inbound, Parsed, Quarantined, Receipt, SentElsewhere
from bisnes_core.status import Status
from plugins.wwebjs.ids import web_id
from plugins.wwebjs.parse import parse

AT_S = 1_795_000_000
AT = datetime.fromtimestamp(AT_S, UTC)
OURS = web_id(UUID(int=7))
NAMES = {"phone": "60123", "lid": "9876@lid", "name": "Ann"}


def one(event_type: str, **members: Any) -> Parsed:
    (item,) = parse(event(event_type, **members))
    return item


def event(event_type: str, **members: Any) -> bytes:
    return orjson.dumps({"phone": "42-0", "epoch": "e", "seq": 1, "type": event_type, "at_ms": AT_S * 1000, **members})


def message(**members: Any) -> dict[str, Any]:
    base = {"key": "false_60123@c.us_AC12", "type": "chat", "at_s": AT_S, "ack": 1, "body": "hi", "names": NAMES}
    return {**base, **members}


def test_a_text_is_an_inbound_message() -> None:
    assert one("message", message=message(quoted=f"true_60123@c.us_{OURS}")) == Inbound(
        provider_phone_id="42-0",
        provider_message_id="false_60123@c.us_AC12",
        chat_id="60123@c.us",
        kind="text",
        text="hi",
        content={"body": "hi"},
        at=AT,
        identities=NAMES,
        reply_to=f"true_60123@c.us_{OURS}",
    )


@pytest.mark.parametrize(
    ("members", "kind", "text"),
    [
        ({"type": "image", "body": None, "caption": "look", "file": {"mime_type": "image/png"}}, "image", "look"),
        ({"type": "ptt", "body": None, "file": {"mime_type": "audio/ogg"}}, "audio", None),
        ({"type": "location", "location": {"latitude": 1, "longitude": 2, "name": "Shop"}}, "location", "Shop"),
        ({"type": "vcard", "contacts": [{"name": "Ann", "phone": "60"}]}, "contacts", "Ann"),
        ({"type": "poll_creation", "poll": {"question": "Tea?", "options": ["yes"]}}, "poll", "Tea?"),
        ({"type": "buttons_response", "body": "yes", "selected": "b1"}, "interactive", "yes"),
        ({"type": "ciphertext", "body": None}, "unsupported", None),
        ({"type": "order", "body": None}, "order", None),
        ({"type": "a_type_of_next_year"}, "a_type_of_next_year", None),
    ],
)
def test_every_kind_has_its_word(members: dict[str, Any], kind: str, text: str | None) -> None:
    item = one("message", message=message(**members))
    assert isinstance(item, Inbound)
    assert (item.kind, item.text) == (kind, text)


def test_a_file_is_named_by_its_message() -> None:
    item = one("message", message=message(type="ptt", file={"mime_type": "audio/ogg", "seconds": 3}))
    assert isinstance(item, Inbound)
    assert item.content == {
        "file": {"media_id": "false_60123@c.us_AC12", "mime_type": "audio/ogg", "seconds": 3},
        "voice": True,
    }


@pytest.mark.parametrize(
    ("key", "names", "chat_id"),
    [
        ("false_9876@lid_AC12", {"phone": "60123", "lid": "9876@lid"}, "60123@c.us"),
        ("false_987654@lid_AC12", {"lid": "987654@lid"}, "987654@lid"),
        ("false_120363000@g.us_AC12_9876@lid", {"phone": "60123"}, "120363000@g.us"),
    ],
)
def test_the_chat_is_named_by_number_where_the_page_knows_it(key: str, names: dict[str, str], chat_id: str) -> None:
    names = {name: value + "00" if name == "phone" else value for name, value in names.items()}
    item = one("message", message=message(key=key, names=names))
    assert isinstance(item, Inbound)
    assert item.chat_id == chat_id.replace("60123@", "6012300@")
    assert item.identities == names


def test_what_the_telephone_sent_is_sent_elsewhere_and_what_we_sent_is_a_receipt() -> None:
    elsewhere = one("message", message=message(key="true_60123@c.us_3A12"))
    assert isinstance(elsewhere, SentElsewhere)
    assert elsewhere.message.provider_message_id == "true_60123@c.us_3A12"
    ours = one("message", message=message(key=f"true_60123@c.us_{OURS}", ack=2))
    assert isinstance(ours, Receipt)
    assert ours.status is Status.DELIVERED
    assert isinstance(one("message", message=message(key=f"true_60123@c.us_{OURS}", ack=0)), Ignored)


@pytest.mark.parametrize(
    ("ack", "status"),
    [(1, Status.SENT), (2, Status.DELIVERED), (3, Status.READ), (4, Status.PLAYED), (-1, Status.FAILED)],
)
def test_acknowledgements_are_receipts(ack: int, status: Status) -> None:
    item = one("ack", key=f"true_120363000@g.us_{OURS}_9876@lid", ack=ack)
    assert isinstance(item, Receipt)
    assert (item.status, item.provider_message_id) == (status, f"true_120363000@g.us_{OURS}")
    assert (item.error_code is not None) == (status is Status.FAILED)


@pytest.mark.parametrize("ack", [0, 5, 99])
def test_other_acknowledgements_say_nothing(ack: int) -> None:
    assert isinstance(one("ack", key=f"true_60123@c.us_{OURS}", ack=ack), Ignored)


@pytest.mark.parametrize(
    ("kind", "members", "change", "text"),
    [
        ("edited", {"text": "new"}, Change.EDITED, "new"),
        ("revoked", {}, Change.REVOKED, ""),
        ("reaction", {"text": "👍"}, Change.REACTION, "👍"),
        ("reaction", {"text": ""}, Change.REACTION, ""),
    ],
)
def test_changes(kind: str, members: dict[str, Any], change: Change, text: str) -> None:
    by_them = one(kind, key="false_60123@c.us_AC12", by="9876@lid", names={"phone": "60123"}, **members)
    by_us = one(kind, key="false_60123@c.us_AC12", by="", **members)
    assert by_them == Changed("42-0", "false_60123@c.us_AC12", change, text, "60123@c.us", AT)
    assert by_us == Changed("42-0", "false_60123@c.us_AC12", change, text, "", AT)


def test_a_message_that_was_changed_before_we_saw_it_is_both() -> None:
    edited = parse(event("message", message=message(edited=True)))
    revoked = parse(event("message", message=message(type="revoked", body=None)))
    assert [type(item) for item in (*edited, *revoked)] == [Inbound, Changed, Inbound, Changed]
    assert isinstance(edited[1], Changed)
    assert edited[1].change is Change.EDITED


def test_a_vote_is_a_message_about_its_poll() -> None:
    item = one("vote", key=f"true_60123@c.us_{OURS}", by="60123@c.us", names=NAMES, options=["yes"])
    assert isinstance(item, Inbound)
    assert (item.kind, item.text, item.reply_to) == ("poll_vote", "yes", f"true_60123@c.us_{OURS}")


@pytest.mark.parametrize("kind", ["e2e_notification", "protocol", "gp2", "notification_template"])
def test_lines_of_whatsapp_itself_are_ignored(kind: str) -> None:
    assert one("message", message=message(type=kind)) == Ignored(kind)


@pytest.mark.parametrize("key", ["false_status@broadcast_AC12_60123@c.us", "false_1@newsletter_AC12"])
def test_statuses_and_newsletters_are_ignored(key: str) -> None:
    assert isinstance(one("message", message=message(key=key)), Ignored)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b"{}",
        b'{"type": "message"}',
        event("message", message={}),
        event("message", message=message(key="what?")),
        event("message", message=message(at_s=None)),
        event("message", message=message(at_s=10**18)),
        event("message", message=message(names=7)),
        event("ack", key=7, ack="x"),
    ],
)
def test_what_cannot_be_understood_is_quarantined(body: bytes) -> None:
    (item,) = parse(body)
    assert isinstance(item, Quarantined)
    assert item.reason


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.sampled_from(["message", "ack", "edited", "revoked", "reaction", "vote", "other"]),
    st.dictionaries(st.sampled_from(["key", "ack", "text", "by", "names", "options", "at_ms"]), _json),
    st.dictionaries(st.sampled_from(["key", "type", "at_s", "body", "names", "file", "poll", "contacts"]), _json),
)
def test_nothing_makes_it_raise(kind: str, members: dict[str, Any], said: dict[str, Any]) -> None:
    try:
        body = event(kind, **{**members, "message": message(**said)})
    except TypeError:
        return  # an integer that JSON's readers do not take
    assert parse(body)
