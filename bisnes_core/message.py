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
    REACTION = "reaction"
    READ = "read"  # marks an inbound message read, with `typing` also shows the typing sign; no receipt follows
    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    DOCUMENT = "document"
    STICKER = "sticker"
    LOCATION = "location"
    CONTACTS = "contacts"
    INTERACTIVE = "interactive"
    TEMPLATE = "template"


#: Payload fields per kind built so far: name -> meaning. `?` marks optional ones.
PAYLOADS: Mapping[Kind, Mapping[str, str]] = {
    Kind.TEXT: {"text": "body", "reply_to?": "provider message id quoted", "preview_url?": "bool"},
    Kind.REACTION: {"message_id": "provider message id reacted to", "emoji": "empty removes"},
    Kind.READ: {"message_id": "provider message id of an inbound message", "typing?": "bool"},
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
