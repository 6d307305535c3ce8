"""What is refused before it is queued: payloads that WhatsApp Web could never send. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bisnes_core.errors import Permanent, Unsupported
from bisnes_core.message import PAYLOADS, Kind
from bisnes_core.payload import check_payload
from bisnes_core.routing import GROUP, HIDDEN, PERSON, chat_kind
from plugins.wwebjs.ids import KEY

#: What can be sent: every kind that has a shape.
KINDS: Final = frozenset(PAYLOADS)
#: Longest text, in characters. WhatsApp publishes none; its page cuts there.
TEXT_MAX_CHARACTERS: Final = 65_536
#: Fields that name a message, in whatever kind they stand.
_NAMING: Final = ("message_id", "reply_to")


def check(kind: Kind, chat_id: str, payload: Mapping[str, Any]) -> None:
    """Refuses what WhatsApp Web would refuse.

    Raises:
        Unsupported: when it has no such kind or chat.
        Permanent: when a field is missing, has the wrong type, or is too long.
    """
    if kind not in KINDS:
        raise Unsupported("unsupported_kind", f"{kind} cannot be sent through WhatsApp Web")
    if chat_kind(chat_id) not in (PERSON, GROUP, HIDDEN):
        raise Unsupported("unsupported_chat", "WhatsApp Web reaches phone numbers, groups and hidden identities (@lid)")
    check_payload(kind, payload)
    for name in _NAMING:
        if payload.get(name) is not None and not KEY.fullmatch(payload[name]):
            raise Permanent(
                "invalid_field", f"{name} must be WhatsApp Web's id of a message, such as true_60123@c.us_3EB0…"
            )
    if len(payload.get("text") or "") > TEXT_MAX_CHARACTERS:
        raise Permanent("over_limit", f"text must have at most {TEXT_MAX_CHARACTERS} characters")
    if kind is Kind.EDIT and not payload["message_id"].startswith("true_"):
        raise Permanent("invalid_field", "message_id must begin with true_: only one's own messages can be edited")
