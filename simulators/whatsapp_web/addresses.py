"""Addresses of WhatsApp: numbers, chats, hidden identities (LID) and message ids."""

from __future__ import annotations

import hashlib
import re
import secrets

from simulators.whatsapp_web.problems import Problem

_NUMBER = re.compile(r"\d{5,20}")
_ADDRESS = re.compile(r"([\d-]{3,40})@(c\.us|lid|g\.us)")
_MESSAGE_ID = re.compile(r"[0-9A-Za-z.:-]{1,64}")


def number(text: object) -> str:
    """Return the digits of an account's number.

    Raises:
        Problem: When ``text`` is not 5 to 20 digits, with or without ``+`` or ``@c.us``.
    """
    digits = str(text).removesuffix("@c.us").removeprefix("+") if isinstance(text, str | int) else ""
    if not _NUMBER.fullmatch(digits):
        raise Problem(422, "bad_number", f"not a number of 5 to 20 digits: {text!r}")
    return digits


def address(text: object) -> str:
    """Return ``DIGITS@c.us``, ``DIGITS@lid`` or ``ID@g.us``; plain digits are a number.

    Raises:
        Problem: When ``text`` is none of them.
    """
    if isinstance(text, str) and _ADDRESS.fullmatch(text):
        return text
    if isinstance(text, str) and "@" in text:
        raise Problem(422, "bad_address", f"not an address: {text!r}")
    return f"{number(text)}@c.us"


def lid_of(phone: str) -> str:
    """Return the hidden identity of a number: 15 digits, always the same."""
    digest = hashlib.sha256(f"lid:{phone}".encode()).digest()
    return f"{10**14 + int.from_bytes(digest[:8]) % (9 * 10**14)}@lid"


def message_id(text: object) -> str:
    """Return ``text`` if it can be a message's id.

    Raises:
        Problem: When it cannot.
    """
    if not isinstance(text, str) or not _MESSAGE_ID.fullmatch(text):
        raise Problem(422, "bad_id", f"not a message id: {text!r}")
    return text


def new_message_id() -> str:
    """Return an id as a telephone makes it: 32 upper-case hexadecimal digits."""
    return secrets.token_hex(16).upper()


def is_group(chat: str) -> bool:
    """Return whether a chat is a group."""
    return chat.endswith("@g.us")
