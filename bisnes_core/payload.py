"""The shape of a payload: what every channel may rely on, whatever its own limits are (see `message.PAYLOADS`). Pure.

A channel's check calls `check_payload` first and then looks at what only its provider knows: its ids, its lengths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from bisnes_core.errors import Permanent, Unsupported
from bisnes_core.message import PAYLOADS, Kind

#: Longest id of a message, name of a file, place or person, and address, in characters: the columns' width.
NAME_MAX_CHARACTERS: Final = 255
#: Longest address of a file, in characters: past this, servers and proxies refuse it.
URL_MAX_CHARACTERS: Final = 8192
#: Longest reaction, in code points: the longest emoji that Unicode recommends has 10.
EMOJI_MAX_CODE_POINTS: Final = 32
#: Longest caption, in characters: no channel takes more.
CAPTION_MAX_CHARACTERS: Final = 65_536
#: Cards in one message: WhatsApp's page shows its "and 256 others" up to that.
CONTACTS_MAX: Final = 257
#: Digits of a telephone number: E.164 has at most 15; hidden identities have more.
PHONE_DIGITS: Final = range(5, 21)
#: Options of a poll, and the longest question and option in characters: the telephone's form takes no more.
POLL_OPTIONS: Final = range(2, 13)
POLL_QUESTION_MAX_CHARACTERS: Final = 255
POLL_OPTION_MAX_CHARACTERS: Final = 100
#: Longest typing sign, in seconds: WhatsApp takes it back after about that by itself.
TYPING_MAX_S: Final = 25
#: What a typing sign can say.
SIGNS: Final = ("typing", "recording", "paused")

#: Looks at a field's value; raises `Permanent` with a sentence that begins with the field's name.
Check = Callable[[str, Any], None]


def check_payload(kind: Kind, payload: Mapping[str, Any]) -> None:
    """Refuses a payload that does not have the shape of its kind; lengths of texts are the channel's.

    Raises:
        Unsupported: when nobody sends this kind yet.
        Permanent: `invalid_field` or `over_limit`; its sentence begins with the payload field, of a list with its
            place too, such as `contacts.0.phone must be 5 to 20 digits`.
    """
    shape = _SHAPES.get(kind)
    if shape is None:
        raise Unsupported("unsupported_kind", f"{kind} has no shape yet")
    for name, needed in shape.items():
        if needed or payload.get(name) is not None:
            _FIELDS[name](name, payload.get(name))
    for name in payload.keys() - shape.keys():
        raise Permanent("invalid_field", f"{name} must be absent: {kind} has no such field")
    if kind is Kind.POLL and (payload.get("choices_max") or 0) > len(payload["options"]):
        raise Permanent("invalid_field", "choices_max must be at most the number of options")


# -- values ------------------------------------------------------------------------------------------------------------
def check_text(name: str, value: object) -> None:
    """Some text; blanks alone are none.

    Raises:
        Permanent: when it is none.
    """
    if not _string(name, value).strip():
        raise Permanent("invalid_field", f"{name} must not be empty")


def _text_up_to(most: int) -> Check:
    def check(name: str, value: object) -> None:
        check_text(name, value)
        _check_length(name, value, most)

    return check


def _any_text_up_to(most: int) -> Check:
    def check(name: str, value: object) -> None:
        _string(name, value)
        _check_length(name, value, most)

    return check


def _check_length(name: str, value: Any, most: int) -> None:
    if len(value) > most:
        raise Permanent("over_limit", f"{name} must have at most {most} characters")


def _string(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise Permanent("invalid_field", f"{name} must be a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Permanent(
            "invalid_field", f"{name} must not hold half of a surrogate pair, which is no character"
        ) from None
    return value


def _check_flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise Permanent("invalid_field", f"{name} must be true or false")


def _number(least: float, most: float, *, whole: bool = False) -> Check:
    types = int if whole else (int, float)
    words = "a whole number" if whole else "a number"

    def check(name: str, value: Any) -> None:
        # NaN fails the comparison too.
        if isinstance(value, bool) or not isinstance(value, types) or not least <= value <= most:
            raise Permanent("invalid_field", f"{name} must be {words} from {least:g} to {most:g}")

    return check


def _check_url(name: str, value: object) -> None:
    text = _string(name, value)
    if not text.lower().startswith(("https://", "http://")) or not text.isprintable() or " " in text:
        raise Permanent("invalid_field", f"{name} must be an address that begins with https:// or http://")
    _check_length(name, text, URL_MAX_CHARACTERS)


def _check_sign(name: str, value: object) -> None:
    if _string(name, value) not in SIGNS:
        raise Permanent("invalid_field", f"{name} must be one of {', '.join(SIGNS)}")


def _check_contacts(name: str, value: object) -> None:
    if not isinstance(value, list) or not value:
        raise Permanent("invalid_field", f"{name} must be a list of contacts, at least one")
    if len(value) > CONTACTS_MAX:
        raise Permanent("over_limit", f"{name} must be at most {CONTACTS_MAX} contacts")
    for place, contact in enumerate(value):
        if not isinstance(contact, Mapping):
            raise Permanent("invalid_field", f"{name}.{place} must be an object with name and phone")
        _check_name(f"{name}.{place}.name", contact.get("name"))
        _check_phone(f"{name}.{place}.phone", contact.get("phone"))
        if contact.get("organisation") is not None:
            _check_name(f"{name}.{place}.organisation", contact["organisation"])


def _check_phone(name: str, value: object) -> None:
    digits = _string(name, value)
    if not (digits.isascii() and digits.isdigit() and len(digits) in PHONE_DIGITS):
        raise Permanent("invalid_field", f"{name} must be {PHONE_DIGITS[0]} to {PHONE_DIGITS[-1]} digits")


def _check_options(name: str, value: object) -> None:
    if not isinstance(value, list) or len(value) not in POLL_OPTIONS:
        raise Permanent("invalid_field", f"{name} must be a list of {POLL_OPTIONS[0]} to {POLL_OPTIONS[-1]} texts")
    for place, option in enumerate(value):
        _check_option(f"{name}.{place}", option)
    if len(set(value)) != len(value):
        raise Permanent("invalid_field", f"{name} must differ from each other")


_check_name: Final = _text_up_to(NAME_MAX_CHARACTERS)
_check_option: Final = _text_up_to(POLL_OPTION_MAX_CHARACTERS)

#: A field means the same in every kind that has it.
_FIELDS: Final[Mapping[str, Check]] = MappingProxyType(
    {
        "text": check_text,
        "reply_to": _check_name,
        "preview_url": _check_flag,
        "url": _check_url,
        "caption": _any_text_up_to(CAPTION_MAX_CHARACTERS),
        "name": _check_name,
        "mime_type": _check_name,
        "voice": _check_flag,
        "latitude": _number(-90, 90),
        "longitude": _number(-180, 180),
        "address": _check_name,
        "contacts": _check_contacts,
        "question": _text_up_to(POLL_QUESTION_MAX_CHARACTERS),
        "options": _check_options,
        "choices_max": _number(0, POLL_OPTIONS[-1], whole=True),
        "message_id": _check_name,
        "emoji": _any_text_up_to(EMOJI_MAX_CODE_POINTS),
        "for_everyone": _check_flag,
        "typing": _check_flag,
        "sign": _check_sign,
        "seconds": _number(0, TYPING_MAX_S),
    }
)

#: Per kind: field -> whether it is needed.
_SHAPES: Final[Mapping[Kind, Mapping[str, bool]]] = MappingProxyType(
    {kind: {name.rstrip("?"): not name.endswith("?") for name in fields} for kind, fields in PAYLOADS.items()}
)
