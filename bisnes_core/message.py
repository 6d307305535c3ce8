"""A message to be sent, as the core keeps it and a channel receives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID


class Kind(StrEnum):
    """What a message is; the payload's shape follows from it (see `PAYLOADS`)."""

    TEXT = "text"
    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    DOCUMENT = "document"
    STICKER = "sticker"
    LOCATION = "location"
    CONTACTS = "contacts"
    POLL = "poll"
    FORWARD = "forward"  # an existing message, sent again to another chat
    INTERACTIVE = "interactive"
    TEMPLATE = "template"
    # What follows is about an existing message or a chat: no receipt comes, and it may be repeated.
    REACTION = "reaction"
    EDIT = "edit"
    DELETE = "delete"
    READ = "read"  # marks an inbound message read; with `typing` also shows the typing sign
    TYPING = "typing"


#: Fields of every kind that carries a file.
_FILE = {
    "url": "address of the file, https or http",
    "caption?": "text below it",
    "name?": "file name shown",
    "mime_type?": "instead of what its source says",
    "reply_to?": "provider message id quoted",
}

#: Payload fields per kind built so far: name -> meaning. `?` marks optional ones.
PAYLOADS: Mapping[Kind, Mapping[str, str]] = {
    Kind.TEXT: {"text": "body", "reply_to?": "provider message id quoted", "preview_url?": "bool"},
    Kind.IMAGE: _FILE,
    Kind.VIDEO: _FILE,
    Kind.AUDIO: {**_FILE, "voice?": "bool: a voice note"},
    Kind.DOCUMENT: _FILE,
    Kind.STICKER: _FILE,
    Kind.LOCATION: {
        "latitude": "degrees",
        "longitude": "degrees",
        "name?": "of the place",
        "address?": "of the place",
        "reply_to?": "provider message id quoted",
    },
    Kind.CONTACTS: {"contacts": "list of {name, phone (digits), organisation?}", "reply_to?": "message id quoted"},
    Kind.POLL: {"question": "text", "options": "list of 2 to 12 texts", "choices_max?": "int; 0 for any, default 1"},
    Kind.FORWARD: {"message_id": "provider message id of what is forwarded"},
    Kind.REACTION: {"message_id": "provider message id reacted to", "emoji": "empty removes"},
    Kind.EDIT: {"message_id": "provider message id of our message", "text": "new body or caption"},
    Kind.DELETE: {"message_id": "provider message id", "for_everyone": "bool"},
    Kind.READ: {"message_id": "provider message id of an inbound message", "typing?": "bool"},
    Kind.TYPING: {"sign": "typing, recording or paused", "seconds?": "how long it is shown, at most 25"},
}


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """One message in a channel's hands.

    Attributes:
        id: ours; a channel whose provider lets a token come back sends `str(id)`.
        chat_id: normalised (see `bisnes_core.routing`).
        attempt: 1 for the first try.
        fence: grows with each claim; an outcome is written only by the claim that holds it.
    """

    id: UUID
    company_id: str
    phone_index: int
    chat_id: str
    kind: Kind
    payload: Mapping[str, Any]
    attempt: int = 1
    fence: int = 0
