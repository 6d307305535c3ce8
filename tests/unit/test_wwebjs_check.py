"""What is refused before it is queued."""

from __future__ import annotations

from typing import Any

import pytest

from bisnes_core.errors import Permanent, Unsupported
from bisnes_core.message import Kind
from plugins.wwebjs.check import check

PERSON = "60123456789@c.us"
OURS = "true_60123456789@c.us_3EB0AABB"
THEIRS = "false_60123456789@c.us_AC12"
URL = "https://files.example/cat.png"


@pytest.mark.parametrize("chat_id", [PERSON, "120363000000000001@g.us", "9876543210@lid"])
def test_people_groups_and_hidden_identities_can_be_reached(chat_id: str) -> None:
    check(Kind.TEXT, chat_id, {"text": "x"})


def test_a_business_scoped_user_cannot() -> None:
    with pytest.raises(Unsupported):
        check(Kind.TEXT, "US.13491208655302741918", {"text": "x"})


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (Kind.TEXT, {"text": "x" * 65_536, "reply_to": THEIRS, "preview_url": True}),
        (Kind.TEXT, {"text": "x", "reply_to": None, "preview_url": None}),
        (Kind.IMAGE, {"url": URL, "caption": "", "name": "a.png", "mime_type": "image/png"}),
        (Kind.VIDEO, {"url": "http://files.example/a"}),
        (Kind.AUDIO, {"url": URL, "voice": True}),
        (Kind.DOCUMENT, {"url": URL, "reply_to": OURS}),
        (Kind.STICKER, {"url": URL}),
        (Kind.LOCATION, {"latitude": -90, "longitude": 180.0, "name": "Pole"}),
        (Kind.CONTACTS, {"contacts": [{"name": "Ann", "phone": "60123", "organisation": "Shop"}]}),
        (Kind.POLL, {"question": "Tea?", "options": ["yes", "no"], "choices_max": 0}),
        (Kind.FORWARD, {"message_id": THEIRS}),
        (Kind.REACTION, {"message_id": THEIRS, "emoji": ""}),
        (Kind.EDIT, {"message_id": OURS, "text": "x"}),
        (Kind.DELETE, {"message_id": THEIRS, "for_everyone": False}),
        (Kind.READ, {"message_id": THEIRS, "typing": True}),
        (Kind.TYPING, {"sign": "recording", "seconds": 25}),
    ],
)
def test_what_whatsapp_web_takes_passes(kind: Kind, payload: dict[str, Any]) -> None:
    check(kind, PERSON, payload)


@pytest.mark.parametrize(
    ("kind", "payload", "code"),
    [
        (Kind.TEXT, {"text": " \n"}, "invalid_field"),
        (Kind.TEXT, {"text": "x" * 65_537}, "over_limit"),
        (Kind.TEXT, {"text": "\ud83d"}, "invalid_field"),
        (Kind.TEXT, {"text": "x", "reply_to": "wamid.HBgL"}, "invalid_field"),
        (Kind.IMAGE, {"url": "ftp://files.example/a"}, "invalid_field"),
        (Kind.IMAGE, {"url": "file:///etc/passwd"}, "invalid_field"),
        (Kind.AUDIO, {"url": URL, "voice": "yes"}, "invalid_field"),
        (Kind.LOCATION, {"latitude": 91, "longitude": 0}, "invalid_field"),
        (Kind.LOCATION, {"latitude": True, "longitude": 0}, "invalid_field"),
        (Kind.CONTACTS, {"contacts": []}, "invalid_field"),
        (Kind.CONTACTS, {"contacts": [{"name": "Ann", "phone": "none"}]}, "invalid_field"),
        (Kind.POLL, {"question": "Tea?", "options": ["yes"]}, "invalid_field"),
        (Kind.POLL, {"question": "Tea?", "options": ["yes", "yes"]}, "invalid_field"),
        (Kind.POLL, {"question": "Tea?", "options": [str(n) for n in range(13)]}, "invalid_field"),
        (Kind.POLL, {"question": "Tea?", "options": ["yes", "no"], "choices_max": 3}, "invalid_field"),
        (Kind.POLL, {"question": "Tea?", "options": ["yes", "no"], "choices_max": 1.5}, "invalid_field"),
        (Kind.EDIT, {"message_id": THEIRS, "text": "x"}, "invalid_field"),
        (Kind.DELETE, {"message_id": OURS}, "invalid_field"),
        (Kind.REACTION, {"message_id": THEIRS, "emoji": "x" * 33}, "over_limit"),
        (Kind.TYPING, {"sign": "sleeping"}, "invalid_field"),
        (Kind.TYPING, {"sign": "typing", "seconds": 26}, "invalid_field"),
    ],
)
def test_what_it_would_refuse_is_refused(kind: Kind, payload: dict[str, Any], code: str) -> None:
    with pytest.raises(Permanent) as info:
        check(kind, PERSON, payload)
    assert info.value.code == code


@pytest.mark.parametrize("kind", [Kind.TEMPLATE, Kind.INTERACTIVE])
def test_kinds_of_the_cloud_api_are_unsupported(kind: Kind) -> None:
    with pytest.raises(Unsupported):
        check(kind, PERSON, {})
