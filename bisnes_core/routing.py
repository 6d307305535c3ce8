"""Which chat and which channel a request means (legacy-compat §1)."""

from __future__ import annotations

import re

#: What follows the `@` of a WhatsApp chat id, with what it means.
PERSON, GROUP, HIDDEN = "c.us", "g.us", "lid"

_DIGITS = re.compile(r"\+?[0-9]{5,20}")
_GROUP = re.compile(r"[0-9]{5,40}(-[0-9]{1,20})?")
#: Business-scoped user id, such as `US.13491208655302741918` or `US.ENT.1349…`.
#: Source: Meta, business-scoped-user-ids (June 2026), read 2026-11-23.
_SCOPED_USER = re.compile(r"[A-Z]{2}\.(ENT\.)?[0-9A-Za-z]{5,64}")


class InvalidChat(ValueError):
    """A chat id of no known form."""


def normalise_chat(raw: str) -> str:
    """The one form under which a chat is kept.

    Accepts `60123@c.us`, `+60123@c.us`, `+60123`, `60123`, group ids (`…@g.us`), hidden identities (`…@lid`) and
    business-scoped user ids (`US.1349…`). People come out as `<digits>@c.us`.

    Raises:
        InvalidChat: when the form is none of these.
    """
    text = raw.strip()
    name, at, kind = text.partition("@")
    if not at and _SCOPED_USER.fullmatch(text):
        return text
    if (not at or kind in (PERSON, "s.whatsapp.net")) and _DIGITS.fullmatch(name):
        return f"{name.removeprefix('+')}@{PERSON}"
    if kind == GROUP and _GROUP.fullmatch(name):
        return text
    if kind == HIDDEN and _DIGITS.fullmatch(name):
        return f"{name.removeprefix('+')}@{HIDDEN}"
    raise InvalidChat(f"{raw!r} is no chat id; expected for example 60123456789@c.us")


def chat_kind(chat_id: str) -> str:
    """`c.us`, `g.us`, `lid`, or `user` for a business-scoped user id, of a normalised chat id."""
    _, at, kind = chat_id.partition("@")
    return kind if at else "user"


def chat_number(chat_id: str) -> str:
    """The part before `@` of a normalised chat id."""
    return chat_id.partition("@")[0]
