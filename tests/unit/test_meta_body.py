"""Bodies of the Graph API, compared member by member."""

from __future__ import annotations

from typing import Any

import pytest

from bisnes_core.errors import Unsupported
from bisnes_core.message import Kind
from plugins.meta.body import graph_body
from tests.fixtures.meta import WAMID, outbound, vector

ENVELOPE = {"messaging_product": "whatsapp", "recipient_type": "individual", "to": "+60123456789"}
QUOTED = {"message_id": WAMID}


@pytest.mark.parametrize(
    ("kind", "payload", "members"),
    [
        (Kind.TEXT, {"text": "hi"}, {"type": "text", "text": {"body": "hi"}}),
        (Kind.TEXT, {"text": "hi", "preview_url": False, "reply_to": None}, {"type": "text", "text": {"body": "hi"}}),
        (
            Kind.TEXT,
            {"text": "https://x.example", "preview_url": True, "reply_to": WAMID},
            {"type": "text", "text": {"body": "https://x.example", "preview_url": True}, "context": QUOTED},
        ),
        (
            Kind.REACTION,
            {"message_id": WAMID, "emoji": "😀"},
            {"type": "reaction", "reaction": {**QUOTED, "emoji": "😀"}},
        ),
        (Kind.REACTION, {"message_id": WAMID, "emoji": ""}, {"type": "reaction", "reaction": {**QUOTED, "emoji": ""}}),
    ],
)
def test_message_bodies(kind: Kind, payload: dict[str, Any], members: dict[str, Any]) -> None:
    message = outbound(kind, **payload)
    assert graph_body(message) == {**ENVELOPE, **members, "biz_opaque_callback_data": str(message.id)}


def test_read_mark_has_neither_recipient_nor_token() -> None:
    plain = {"messaging_product": "whatsapp", "status": "read", "message_id": WAMID}
    assert graph_body(outbound(Kind.READ, message_id=WAMID)) == plain
    typing = graph_body(outbound(Kind.READ, message_id=WAMID, typing=True))
    assert typing == {**plain, "typing_indicator": {"type": "text"}}


def test_person_without_a_number_is_addressed_by_the_scoped_user_id() -> None:
    body = graph_body(outbound(chat_id="US.13491208655302741918"))
    assert body["recipient"] == "US.13491208655302741918"
    assert "to" not in body


def test_other_kinds_are_unsupported() -> None:
    with pytest.raises(Unsupported):
        graph_body(outbound(Kind.TEMPLATE, name="x"))


def test_bodies_have_the_members_that_meta_published() -> None:
    """Apart from the token and the recipient, which its examples leave to the reader."""
    examples = vector("send_messages.json")
    ours = {
        "text": outbound(text="x", preview_url=True),
        "reaction": outbound(Kind.REACTION, message_id="x", emoji="x"),
    }
    for kind, message in ours.items():
        body = graph_body(message)
        published = [
            example for example in examples.values() if example.get("type") == kind and "context" not in example
        ]
        assert published
        assert any(example.keys() | {"biz_opaque_callback_data"} == body.keys() for example in published)
        assert any(example[kind].keys() == body[kind].keys() for example in published)
