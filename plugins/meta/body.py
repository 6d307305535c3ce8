"""Bodies of `POST …/messages`: pure, so that every kind is a row of a table test.

Source: Meta, messages/send-messages, messages/reaction-messages, typing-indicators, read 2026-09-11.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from bisnes_core.errors import Unsupported
from bisnes_core.message import Kind, OutboundMessage
from bisnes_core.routing import PERSON


def graph_body(message: OutboundMessage) -> dict[str, Any]:
    """The JSON object for one message.

    Raises:
        Unsupported: when this channel has no such kind.
    """
    build = _BUILDERS.get(message.kind)
    if build is None:
        raise Unsupported("unsupported_kind", f"{message.kind} cannot be sent through Meta's Cloud API yet")
    return build(message)


def _text(message: OutboundMessage) -> dict[str, Any]:
    payload = message.payload
    body = _envelope(message, "text", {"body": payload["text"]})
    if payload.get("preview_url"):
        body["text"]["preview_url"] = True
    if payload.get("reply_to"):
        body["context"] = {"message_id": payload["reply_to"]}
    return body


def _reaction(message: OutboundMessage) -> dict[str, Any]:
    payload = message.payload
    return _envelope(message, "reaction", {"message_id": payload["message_id"], "emoji": payload["emoji"]})


def _read(message: OutboundMessage) -> dict[str, Any]:
    """Not a message to Meta: no recipient, no token, safe to repeat."""
    body = {"messaging_product": "whatsapp", "status": "read", "message_id": message.payload["message_id"]}
    return {**body, "typing_indicator": {"type": "text"}} if message.payload.get("typing") else body


def _envelope(message: OutboundMessage, kind: str, content: dict[str, Any]) -> dict[str, Any]:
    """What all messages share. The token is our id: status webhooks bring it back, which is how `find_sent` knows."""
    return {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        **_recipient(message.chat_id),
        "type": kind,
        kind: content,
        "biz_opaque_callback_data": str(message.id),
    }


def _recipient(chat_id: str) -> dict[str, str]:
    """A phone number as E.164 with `+` (without it Meta may prepend our own country code), or a scoped user id."""
    name, _, kind = chat_id.partition("@")
    return {"to": f"+{name}"} if kind == PERSON else {"recipient": name}


_BUILDERS: Final[Mapping[Kind, Callable[[OutboundMessage], dict[str, Any]]]] = MappingProxyType(
    {Kind.TEXT: _text, Kind.REACTION: _reaction, Kind.READ: _read}
)
