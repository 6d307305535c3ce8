"""One entry of `messages`: something that a person sent to one of our numbers.

Since 2026 a sender may have no phone number, only a business-scoped user id; either names the chat.
Source: Meta, business-scoped-user-ids (June 2026) and webhooks/reference/messages, read 2026-09-11.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from bisnes_core.channel import Inbound
from bisnes_core.routing import GROUP, InvalidChat, normalise_chat
from plugins.meta.fields import optional_text, provider_phone_id, required_instant, required_text

#: Members beside the content object that say more about it; kept with the content.
_BESIDE: Final = ("context", "referral", "errors", "identity", "group_id")
#: Longest type word that is kept; Meta's longest is 24.
_TYPE_MAX_CHARACTERS: Final = 64


def read_message(value: dict[str, Any], item: dict[str, Any]) -> Inbound:
    """The inbound message in an item; a type that nobody knows yet is kept as it is.

    Raises:
        ValueError: when the item has not the promised form.
    """
    kind = required_text(item, "type")[:_TYPE_MAX_CHARACTERS]
    content = _content(item, kind)
    identities = _identities(value, item)
    context = item.get("context")
    return Inbound(
        provider_phone_id=provider_phone_id(value),
        provider_message_id=required_text(item, "id"),
        chat_id=_chat_id(item, identities),
        kind=kind,
        text=_TEXTS[kind](content) if kind in _TEXTS else None,
        content=content,
        at=required_instant(item),
        identities=identities,
        reply_to=optional_text(context, "id") if isinstance(context, dict) else None,
    )


def _content(item: dict[str, Any], kind: str) -> dict[str, Any]:
    """The content object of that kind, with what Meta puts beside it."""
    content = item.get(kind)
    if isinstance(content, list):
        content = {kind: content}
    if not isinstance(content, dict):
        if kind in _TEXTS:
            raise ValueError(f"{kind} message without its content")
        content = {}
    return {**content, **{name: item[name] for name in _BESIDE if name in item and name not in content}}


# -- who wrote ---------------------------------------------------------------------------------------------------------
def _identities(value: dict[str, Any], item: dict[str, Any]) -> dict[str, str]:
    """Every name by which the sender can be known."""
    contact = _contact(value, item)
    profile = contact.get("profile")
    profile = profile if isinstance(profile, dict) else {}
    found = {
        "phone": optional_text(item, "from") or optional_text(contact, "wa_id"),
        "user_id": optional_text(item, "from_user_id") or optional_text(contact, "user_id"),
        "parent_user_id": optional_text(item, "from_parent_user_id") or optional_text(contact, "parent_user_id"),
        "username": optional_text(profile, "username") or optional_text(contact, "username"),
        "name": optional_text(profile, "name"),
    }
    return {name: text for name, text in found.items() if text}


def _contact(value: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
    """The sender's entry among `contacts`; a lone one is the sender's even when the ids differ (changed number)."""
    contacts = value.get("contacts")
    known = [contact for contact in contacts if isinstance(contact, dict)] if isinstance(contacts, list) else []
    for mine, theirs in (("from", "wa_id"), ("from_user_id", "user_id")):
        wanted = optional_text(item, mine)
        for contact in known:
            if wanted and optional_text(contact, theirs) == wanted:
                return contact
    messages = value.get("messages")
    alone = len(known) == 1 and isinstance(messages, list) and len(messages) == 1
    return known[0] if alone else {}


def _chat_id(item: dict[str, Any], identities: Mapping[str, str]) -> str:
    """The chat: a group, else the person by number, else by business-scoped user id."""
    group = optional_text(item, "group_id")
    if group:
        return f"{group}@{GROUP}"
    for name in ("phone", "user_id"):
        try:
            return normalise_chat(identities[name])
        except (InvalidChat, KeyError):
            continue
    raise ValueError("neither a phone number nor a business-scoped user id names the sender")


# -- what they wrote -------------------------------------------------------------------------------------------------
def _body(content: dict[str, Any]) -> str:
    body = content.get("body")
    if not isinstance(body, str):
        raise ValueError("text message without a body")
    return body


def _nothing(content: dict[str, Any]) -> None:
    return None


def _member(name: str) -> Callable[[dict[str, Any]], str | None]:
    return lambda content: optional_text(content, name) or None


def _place(content: dict[str, Any]) -> str | None:
    return ", ".join(filter(None, (optional_text(content, "name"), optional_text(content, "address")))) or None


def _names(content: dict[str, Any]) -> str | None:
    """Names of the contacts in a contact card."""
    cards = [card.get("name") for card in content["contacts"] if isinstance(card, dict)]
    names = [optional_text(name, "formatted_name") for name in cards if isinstance(name, dict)]
    return ", ".join(filter(None, names)) or None


def _choice(content: dict[str, Any]) -> str | None:
    """What was tapped in an interactive message."""
    for name, member in (("button_reply", "title"), ("list_reply", "title"), ("nfm_reply", "body")):
        reply = content.get(name)
        if isinstance(reply, dict):
            return optional_text(reply, member)
    return None


def _edited(content: dict[str, Any]) -> str | None:
    """The new text of an edited message."""
    message = content.get("message")
    kind = (optional_text(message, "type") or "") if isinstance(message, dict) else ""
    inner = message.get(kind) if isinstance(message, dict) else None
    return _TEXTS[kind](inner) if kind in _TEXTS and kind != "edit" and isinstance(inner, dict) else None


#: Readable text per type. A type listed here must bring its content object.
_TEXTS: Final[Mapping[str, Callable[[dict[str, Any]], str | None]]] = MappingProxyType(
    {
        "text": _body,
        "image": _member("caption"),
        "video": _member("caption"),
        "document": _member("caption"),
        "audio": _nothing,
        "sticker": _nothing,
        "location": _place,
        "contacts": _names,
        "button": _member("text"),
        "interactive": _choice,
        "reaction": _member("emoji"),
        "order": _member("text"),
        "system": _member("body"),
        "edit": _edited,
    }
)
