"""Ids of messages at WhatsApp Web: those that we choose, and the keys under which its page keeps every message.

A message's id is made from ours, so that after any crash the page can be asked whether it already has it. It carries a
check value: a stored event tells by the id alone whether a message is from our outbox or from the telephone.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final
from uuid import UUID

#: What ids of messages from WhatsApp Web begin with. Source: whatsmeow, send.go, GenerateMessageID, read 2026-11-23.
_PREFIX: Final = "3EB0"
#: Bytes of the id that come from our message's; 2^56 of them make a clash within one chat practically impossible.
_OWN_BYTES: Final = 7
#: Bytes that prove the id ours; one in 65,536 ids of other web clients looks like ours and would count as sent by us.
_PROOF_BYTES: Final = 2
_OURS: Final = re.compile(rf"{_PREFIX}([0-9A-F]{{{2 * _OWN_BYTES}}})([0-9A-F]{{{2 * _PROOF_BYTES}}})")

#: A message's key as the page writes it: whose, chat, id, and in groups who wrote it.
#: Source: wa-js 4.6.0, src/whatsapp/misc/MsgKey.ts, read 2026-11-25.
KEY: Final = re.compile(
    r"(true|false)_([0-9A-Za-z.:-]{1,64}@(?:c\.us|g\.us|lid))_([0-9A-Za-z.:-]{1,128})(?:_([0-9A-Za-z.:-]{1,64}@(?:c\.us|lid)))?"
)


def web_id(message_id: UUID) -> str:
    """The id under which a message of ours travels: `3EB0` and 18 upper-case hex digits, always the same."""
    own = hashlib.sha256(message_id.bytes).digest()[:_OWN_BYTES]
    return f"{_PREFIX}{(own + _proof(own)).hex().upper()}"


def is_ours(web_id: str) -> bool:
    """Whether an id was made by `web_id`."""
    match = _OURS.fullmatch(web_id)
    return match is not None and _proof(bytes.fromhex(match[1])) == bytes.fromhex(match[2])


def _proof(own: bytes) -> bytes:
    return hashlib.sha256(b"bisnes" + own).digest()[:_PROOF_BYTES]


@dataclass(frozen=True, slots=True)
class Key:
    """A message's key, taken apart.

    Attributes:
        from_me: sent by this phone, from whichever device.
        chat: `60123@c.us`, `…@g.us` or `…@lid`.
        id: shared by sender and receiver.
        participant: who wrote it, in a group.
    """

    from_me: bool
    chat: str
    id: str
    participant: str | None = None

    def __str__(self) -> str:
        """The provider message id: our own messages without the participant, who is always us."""
        parts = [str(self.from_me).lower(), self.chat, self.id]
        if self.participant and not self.from_me:
            parts.append(self.participant)
        return "_".join(parts)


def read_key(text: str) -> Key:
    """Takes a key apart.

    Raises:
        ValueError: when it is none.
    """
    match = KEY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:80]!r} is no key of a message")
    return Key(match[1] == "true", match[2], match[3], match[4])
