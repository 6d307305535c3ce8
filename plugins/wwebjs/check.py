"""What is refused before it is queued: payloads that WhatsApp Web could never send. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from bisnes_core.errors import Permanent, Unsupported
from bisnes_core.message import Kind
from bisnes_core.routing import GROUP, HIDDEN, PERSON, chat_kind
from plugins.wwebjs.ids import KEY

#: Longest text or caption, in characters. WhatsApp publishes none; its page cuts there.
TEXT_MAX_CHARACTERS: Final = 65_536
#: Longest question and option of a poll, in characters; the telephone's form takes no more.
POLL_QUESTION_MAX_CHARACTERS: Final = 255
POLL_OPTION_MAX_CHARACTERS: Final = 100
POLL_OPTIONS: Final = range(2, 13)
#: Longest reaction, in code points: the longest emoji that Unicode recommends has 10.
EMOJI_MAX_CODE_POINTS: Final = 32
#: Longest file name, place name and address, in characters.
NAME_MAX_CHARACTERS: Final = 255
#: Cards in one message; the page shows its "and 256 others" up to that.
CONTACTS_MAX: Final = 257
#: Longest typing sign; WhatsApp takes it back after about that by itself.
TYPING_MAX_S: Final = 25
SIGNS: Final = frozenset({"typing", "recording", "paused"})


def check(kind: Kind, chat_id: str, payload: Mapping[str, Any]) -> None:
    """Refuses what WhatsApp Web would refuse.

    Raises:
        Unsupported: when it has no such kind or chat.
        Permanent: when a field is missing, has the wrong type, or is too long.
    """
    check_payload = _CHECKS.get(kind)
    if check_payload is None:
        raise Unsupported("unsupported_kind", f"{kind} cannot be sent through WhatsApp Web")
    if chat_kind(chat_id) not in (PERSON, GROUP, HIDDEN):
        raise Unsupported("unsupported_chat", "WhatsApp Web reaches phone numbers, groups and hidden identities (@lid)")
    check_payload(payload)


# -- kinds -------------------------------------------------------------------------------------------------------------
def _check_text(payload: Mapping[str, Any]) -> None:
    _text(payload, "text", TEXT_MAX_CHARACTERS)
    _key(payload, "reply_to", needed=False)
    _flag(payload, "preview_url")


def _check_file(payload: Mapping[str, Any]) -> None:
    if not _text(payload, "url", 8192).startswith(("https://", "http://")):
        raise Permanent("invalid_field", "url must begin with https:// or http://")
    _text(payload, "caption", TEXT_MAX_CHARACTERS, needed=False)
    _text(payload, "name", NAME_MAX_CHARACTERS, needed=False)
    _text(payload, "mime_type", NAME_MAX_CHARACTERS, needed=False)
    _key(payload, "reply_to", needed=False)


def _check_audio(payload: Mapping[str, Any]) -> None:
    _check_file(payload)
    _flag(payload, "voice")


def _check_location(payload: Mapping[str, Any]) -> None:
    _number(payload, "latitude", -90, 90)
    _number(payload, "longitude", -180, 180)
    _text(payload, "name", NAME_MAX_CHARACTERS, needed=False)
    _text(payload, "address", NAME_MAX_CHARACTERS, needed=False)
    _key(payload, "reply_to", needed=False)


def _check_contacts(payload: Mapping[str, Any]) -> None:
    contacts = payload.get("contacts")
    if not isinstance(contacts, list) or not 1 <= len(contacts) <= CONTACTS_MAX:
        raise Permanent("invalid_field", f"contacts must be a list of 1 to {CONTACTS_MAX} contacts")
    for contact in contacts:
        if not isinstance(contact, Mapping):
            raise Permanent("invalid_field", "each contact must be an object with name and phone")
        _text(contact, "name", NAME_MAX_CHARACTERS)
        phone = _text(contact, "phone", 32).removeprefix("+")
        if not (phone.isascii() and phone.isdigit() and 5 <= len(phone) <= 20):
            raise Permanent("invalid_field", "a contact's phone must be 5 to 20 digits")
        _text(contact, "organisation", NAME_MAX_CHARACTERS, needed=False)
    _key(payload, "reply_to", needed=False)


def _check_poll(payload: Mapping[str, Any]) -> None:
    _text(payload, "question", POLL_QUESTION_MAX_CHARACTERS)
    options = payload.get("options")
    if not isinstance(options, list) or len(options) not in POLL_OPTIONS:
        raise Permanent("invalid_field", f"options must be a list of {POLL_OPTIONS[0]} to {POLL_OPTIONS[-1]} texts")
    for option in options:
        _text({"option": option}, "option", POLL_OPTION_MAX_CHARACTERS)
    if len(set(options)) != len(options):
        raise Permanent("invalid_field", "options must differ from each other")
    if payload.get("choices_max") is not None:
        choices = _number(payload, "choices_max", 0, len(options))
        if int(choices) != choices:
            raise Permanent("invalid_field", "choices_max must be a whole number")


def _check_forward(payload: Mapping[str, Any]) -> None:
    _key(payload, "message_id")


def _check_reaction(payload: Mapping[str, Any]) -> None:
    _key(payload, "message_id")
    if len(_string(payload, "emoji")) > EMOJI_MAX_CODE_POINTS:
        raise Permanent("over_limit", "emoji must be one emoji, or empty to remove the reaction")


def _check_edit(payload: Mapping[str, Any]) -> None:
    _text(payload, "text", TEXT_MAX_CHARACTERS)
    if not _key(payload, "message_id").startswith("true_"):
        raise Permanent("invalid_field", "only messages of one's own can be edited: message_id must begin with true_")


def _check_delete(payload: Mapping[str, Any]) -> None:
    _key(payload, "message_id")
    if not isinstance(payload.get("for_everyone"), bool):
        raise Permanent("invalid_field", "for_everyone must be true or false")


def _check_read(payload: Mapping[str, Any]) -> None:
    _key(payload, "message_id")
    _flag(payload, "typing")


def _check_typing(payload: Mapping[str, Any]) -> None:
    if _string(payload, "sign") not in SIGNS:
        raise Permanent("invalid_field", f"sign must be one of {', '.join(sorted(SIGNS))}")
    if payload.get("seconds") is not None:
        _number(payload, "seconds", 0, TYPING_MAX_S)


# -- fields ------------------------------------------------------------------------------------------------------------
def _string(payload: Mapping[str, Any], name: str) -> str:
    value = payload.get(name)
    if not isinstance(value, str):
        raise Permanent("invalid_field", f"{name} must be a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Permanent("invalid_field", f"{name} holds half of a surrogate pair, which is no character") from None
    return value


def _text(payload: Mapping[str, Any], name: str, longest: int, *, needed: bool = True) -> str:
    if not needed and payload.get(name) is None:
        return ""
    value = _string(payload, name)
    if needed and not value.strip():
        raise Permanent("invalid_field", f"{name} must not be empty")
    if len(value) > longest:
        raise Permanent("over_limit", f"{name} has {len(value)} characters; WhatsApp Web takes {longest}")
    return value


def _key(payload: Mapping[str, Any], name: str, *, needed: bool = True) -> str:
    if not needed and payload.get(name) is None:
        return ""
    value = _string(payload, name)
    if not KEY.fullmatch(value):
        raise Permanent(
            "invalid_field", f"{name} must be WhatsApp Web's id of a message, such as true_60123@c.us_3EB0…"
        )
    return value


def _flag(payload: Mapping[str, Any], name: str) -> None:
    if not isinstance(payload.get(name, False), bool | None):
        raise Permanent("invalid_field", f"{name} must be true or false")


def _number(payload: Mapping[str, Any], name: str, least: float, most: float) -> float:
    value = payload.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise Permanent("invalid_field", f"{name} must be a number from {least:g} to {most:g}")
    return value


_CHECKS: Final[Mapping[Kind, Callable[[Mapping[str, Any]], None]]] = MappingProxyType(
    {
        Kind.TEXT: _check_text,
        Kind.IMAGE: _check_file,
        Kind.VIDEO: _check_file,
        Kind.AUDIO: _check_audio,
        Kind.DOCUMENT: _check_file,
        Kind.STICKER: _check_file,
        Kind.LOCATION: _check_location,
        Kind.CONTACTS: _check_contacts,
        Kind.POLL: _check_poll,
        Kind.FORWARD: _check_forward,
        Kind.REACTION: _check_reaction,
        Kind.EDIT: _check_edit,
        Kind.DELETE: _check_delete,
        Kind.READ: _check_read,
        Kind.TYPING: _check_typing,
    }
)

#: Kinds that this channel sends.
KINDS: Final = frozenset(_CHECKS)
