"""Identifiers in the shapes that Meta issues: wamids, media ids, business-scoped user ids."""

from __future__ import annotations

import os
from base64 import b64encode
from functools import lru_cache
from hashlib import sha256
from itertools import count

#: Odd, so that multiples of it modulo 2**72 do not repeat within a run.
_STEP = 0x9E3779B97F4A7C15F3
_MASK = (1 << 72) - 1
_start = int.from_bytes(os.urandom(9))
_numbers = count(1)

#: Field bytes inside a wamid of a message that the business sent, and of one that the user sent.
#: Source: decoded examples of github.com/facebook/openapi business-messaging-api_v23.0.yaml, read 2026-09.
_OUT = (b"\x15\x02\x00\x11\x18\x12", 18)
_IN = (b"\x15\x02\x00\x12\x18\x14", 20)

_digits = count(int.from_bytes(os.urandom(4)) + 1_000_000_000_000_000)


def new_wamid(wa_id: str, *, inbound: bool = False) -> str:
    """Return a message id that is unique in all runs; it holds the user's id as the real ones do."""
    marker, width = _IN if inbound else _OUT
    unique = (_start + next(_numbers) * _STEP) & _MASK
    user = wa_id.encode()[:64]
    blob = b"\x1c\x18" + bytes((len(user),)) + user + marker + b"%0*X" % (width, unique) + b"\x00"
    return "wamid." + b64encode(blob).decode()


def looks_like_wamid(value: str) -> bool:
    """Tell whether ``value`` has the outer shape of a message id."""
    return value.startswith("wamid.") and len(value) > len("wamid.")


def new_node_id() -> str:
    """Return a 16-digit id for a medium or a template."""
    return str(next(_digits))


def wa_id_of(digits: str) -> str:
    """Return the canonical id of a number, which differs from the number in two countries.

    Mexican mobiles carry a 1 after 52; Brazilian ones of area codes from 31 on lack the ninth digit.
    Source: field evidence (replies come from the other form), common knowledge of client libraries, read 2026-09.
    """
    if len(digits) == 12 and digits.startswith("52"):
        return f"521{digits[2:]}"
    if len(digits) == 13 and digits.startswith("55") and digits[4] == "9" and digits[2:4] >= "31":
        return digits[:4] + digits[5:]
    return digits


@lru_cache(maxsize=65_536)
def user_id_of(wa_id: str) -> str:
    """Return the business-scoped user id of a phone number: stable, so both identity shapes name one user."""
    number = int.from_bytes(sha256(wa_id.encode()).digest()[:8]) % 10**20
    return f"US.{number:020d}"


def phone_id_of_key(api_key: str) -> str:
    """Return the phone number id that an unregistered 360dialog key gets: stable for the key."""
    return str(10**14 + int.from_bytes(sha256(api_key.encode()).digest()[:6]) % 10**14)
