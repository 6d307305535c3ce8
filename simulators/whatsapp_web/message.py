"""One message of an account, as its phone and its linked devices know it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Message:
    """``key`` parts, state, and in ``fields`` everything else that the page shows (body, caption, media, quote).

    Attributes:
        id: The id that sender and receiver share.
        chat: Address of the chat.
        participant: Who wrote it, in a group.
        t: Unix time in seconds.
        seq: Place in the account's order; a device gets what is above its own mark.
        ciphertext: Not decrypted yet: pages see the type ``ciphertext``.
        reactions: Text and time (milliseconds) by sender.
        votes: Local ids of the options and time (milliseconds) by voter.
        receipts: Unix time by "ack:participant".
    """

    id: str
    chat: str
    from_me: bool
    sender: str
    t: int
    type: str
    seq: int
    ack: int = 0
    participant: str | None = None
    ciphertext: bool = False
    fields: dict[str, Any] = field(default_factory=dict)
    reactions: dict[str, dict[str, Any]] = field(default_factory=dict)
    votes: dict[str, dict[str, Any]] = field(default_factory=dict)
    receipts: dict[str, float] = field(default_factory=dict)

    def wire(self) -> dict[str, Any]:
        """Return what a page gets."""
        shown = asdict(self)
        fields = shown.pop("fields")
        if shown.pop("ciphertext"):
            return {**shown, "type": "ciphertext"}
        return {**fields, **shown}

    def as_dict(self) -> dict[str, Any]:
        """Return what the store keeps."""
        return asdict(self)


#: Fields that are columns of Message, not content: they are taken from a page's message by name.
OWN = frozenset({*Message.__dataclass_fields__, "own", "remote"})
