"""Stored events of a phone's page -> messages, receipts and changes. Pure; `bridge.js` writes what is read here.

An event is a JSON object with the phone's name under `phone` and what happened under `type`. Whether a message sent by
this phone is from our outbox is told by its id alone (`ids.is_ours`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

import orjson

from bisnes_core.channel import Change, Changed, Ignored, Inbound, Parsed, Quarantined, Receipt, SentElsewhere
from bisnes_core.routing import InvalidChat, normalise_chat
from bisnes_core.status import Status
from plugins.wwebjs.ids import Key, is_ours, read_key

Event = dict[str, Any]

#: WhatsApp's words for kinds of messages that have a word of ours.
#: Source: wa-js 4.6.0, src/whatsapp/enums/MSG_TYPE.ts, read 2026-11-25.
_KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "chat": "text",
        "ptt": "audio",
        "ptv": "video",
        "vcard": "contacts",
        "multi_vcard": "contacts",
        "poll_creation": "poll",
        "ciphertext": "unsupported",
        "unknown": "unsupported",
        "list_response": "interactive",
        "buttons_response": "interactive",
        "template_button_reply": "interactive",
    }
)
#: Lines that WhatsApp itself writes into a chat ("security code changed"), and what is told by events of its own.
_NO_MESSAGES: Final = frozenset(
    {
        "notification",
        "notification_template",
        "group_notification",
        "gp2",
        "broadcast_notification",
        "e2e_notification",
        "protocol",
        "reaction",
        "pinned_message",
        "debug",
    }
)
#: What an acknowledgement says. Source: wa-js 4.6.0, src/whatsapp/enums/ACK.ts, read 2026-11-25.
_ACKS: Final[Mapping[int, Status]] = MappingProxyType(
    {1: Status.SENT, 2: Status.DELIVERED, 3: Status.READ, 4: Status.PLAYED}
)
#: Members of the page's message that are content, under the same name.
_CONTENT: Final = (
    *(
        "caption",
        "file",
        "location",
        "contacts",
        "poll",
        "mentions",
        "forwarded",
        "view_once",
        "invite",
        "link",
        "subtype",
    ),
    *("selected", "participant"),
)


def parse(body: bytes) -> list[Parsed]:
    """Items of one stored event; never raises: what is not understood is `Quarantined`."""
    try:
        event = orjson.loads(body)
        read = _EVENTS.get(event["type"])
        return [Ignored(str(event["type"])[:64])] if read is None else read(str(event["phone"]), event)
    except (
        orjson.JSONDecodeError,
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
        OverflowError,
        OSError,
    ) as error:
        return [Quarantined(f"{type(error).__name__}: {error}"[:200], body.decode(errors="replace")[:4000])]


# -- messages ----------------------------------------------------------------------------------------------------------
def _message(phone: str, event: Event) -> list[Parsed]:
    item: Event = event["message"]
    kind, key = str(item["type"]), str(item["key"])
    if kind in _NO_MESSAGES:
        return [Ignored(kind)]
    try:
        read = read_key(key)
    except ValueError:
        if "@broadcast" in key or "@newsletter" in key:
            return [Ignored("status or newsletter")]
        raise
    if read.from_me and is_ours(read.id):
        return _receipt(phone, {"key": key, "ack": item.get("ack", 0), "at_ms": event["at_ms"]})
    message = _read(phone, read, kind, item)
    first: Parsed = SentElsewhere(message) if read.from_me else message
    return [first, *_what_became_of_it(message, read, kind, item, event)]


def _read(phone: str, key: Key, kind: str, item: Event) -> Inbound:
    names = {name: str(value) for name, value in item.get("names", {}).items() if value}
    content = {name: item[name] for name in _CONTENT if item.get(name)}
    if kind == "ptt":
        content["voice"] = True
    if "file" in content:
        content["file"] = {"media_id": str(key), **content["file"]}
    word = _KINDS.get(kind, kind)[:64]
    text = _TEXTS.get(word, _caption)(item)
    if text and word == "text":
        content["body"] = text
    return Inbound(
        provider_phone_id=phone,
        provider_message_id=str(key),
        chat_id=_chat(key.chat, names if not key.chat.endswith("@g.us") else {}),
        kind=word,
        text=text,
        content=content,
        at=_instant(item["at_s"]),
        identities=names,
        reply_to=_quoted(item),
    )


def _what_became_of_it(message: Inbound, key: Key, kind: str, item: Event, event: Event) -> list[Parsed]:
    """A message that was changed before we first saw it: the change too, in case an earlier form is stored."""
    by = "" if key.from_me else _chat(key.participant or message.chat_id, message.identities)
    at = _instant(event["at_ms"] / 1000)
    if kind == "revoked":
        return [_changed(message.provider_phone_id, key, Change.REVOKED, "", by, at)]
    if item.get("edited") and message.text is not None:
        return [_changed(message.provider_phone_id, key, Change.EDITED, message.text, by, at)]
    return []


def _quoted(item: Event) -> str | None:
    """Provider message id of the quoted message; what cannot be named is not worth losing the message for."""
    try:
        return str(read_key(item["quoted"]))
    except (KeyError, TypeError, ValueError):
        return None


def _chat(chat: str, names: Mapping[str, str]) -> str:
    """The chat by number where the page knows it, else as it is named."""
    if chat.endswith("@lid") and "phone" in names:
        chat = names["phone"]
    try:
        return normalise_chat(chat)
    except InvalidChat as error:
        raise ValueError(str(error)) from error


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


# -- what they say -----------------------------------------------------------------------------------------------------
def _body(item: Event) -> str | None:
    return _string(item.get("body"))


def _caption(item: Event) -> str | None:
    return _string(item.get("caption")) or None


def _place(item: Event) -> str | None:
    place = item.get("location") or {}
    return ", ".join(filter(None, (_string(place.get("name")), _string(place.get("address"))))) or None


def _names(item: Event) -> str | None:
    return ", ".join(str(card["name"]) for card in item.get("contacts", []) if card.get("name")) or None


def _question(item: Event) -> str | None:
    return _string((item.get("poll") or {}).get("question"))


def _string(value: object) -> str | None:
    return value if isinstance(value, str) else None


_TEXTS: Final[Mapping[str, Callable[[Event], str | None]]] = MappingProxyType(
    {
        "text": _body,
        "interactive": _body,
        "location": _place,
        "contacts": _names,
        "poll": _question,
    }
)


# -- what happened to them ---------------------------------------------------------------------------------------------
def _receipt(phone: str, event: Event) -> list[Parsed]:
    key, ack = read_key(event["key"]), int(event["ack"])
    if not key.from_me:
        return [Ignored("ack of an inbound message")]
    status = Status.FAILED if ack < 0 else _ACKS.get(ack)
    if status is None:
        return [Ignored(f"ack {ack}")]
    failed = status is Status.FAILED
    return [
        Receipt(
            provider_phone_id=phone,
            provider_message_id=str(key),
            message_id=None,
            status=status,
            at=_instant(event["at_ms"] / 1000),
            error_code=f"wwebjs:ack_{ack}" if failed else None,
            error="WhatsApp refused the message" if failed else None,
        )
    ]


def _change(change: Change) -> Callable[[str, Event], list[Parsed]]:
    def read(phone: str, event: Event) -> list[Parsed]:
        by, names = str(event.get("by") or ""), event.get("names") or {}
        by = _chat(by, {name: str(value) for name, value in names.items() if value}) if by else ""
        text = str(event.get("text") or "")
        return [_changed(phone, read_key(event["key"]), change, text, by, _instant(event["at_ms"] / 1000))]

    return read


def _changed(phone: str, key: Key, change: Change, text: str, by: str, at: datetime) -> Changed:
    return Changed(phone, str(key), change, text, by, at)


def _vote(phone: str, event: Event) -> list[Parsed]:
    """A vote in a poll: a message of its own, since it says more than a text; the last one of a voter counts."""
    key, by = read_key(event["key"]), str(event.get("by") or "")
    if not by:
        return [Ignored("own vote")]
    names = {name: str(value) for name, value in (event.get("names") or {}).items() if value}
    options = [str(option) for option in event["options"]]
    return [
        Inbound(
            provider_phone_id=phone,
            provider_message_id=f"{key}/vote/{by}/{int(event['at_ms'])}",
            chat_id=_chat(key.chat, names if not key.chat.endswith("@g.us") else {}),
            kind="poll_vote",
            text=", ".join(options) or None,
            content={"options": options},
            at=_instant(event["at_ms"] / 1000),
            identities=names,
            reply_to=str(key),
        )
    ]


_EVENTS: Final[Mapping[str, Callable[[str, Event], list[Parsed]]]] = MappingProxyType(
    {
        "message": _message,
        "ack": _receipt,
        "edited": _change(Change.EDITED),
        "revoked": _change(Change.REVOKED),
        "reaction": _change(Change.REACTION),
        "vote": _vote,
    }
)
