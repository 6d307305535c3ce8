"""The states of a message and the only ways between them (design §3)."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """State of a message; inbound messages are `received` and stay so."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    SENDING = "sending"
    UNCONFIRMED = "unconfirmed"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    PLAYED = "played"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    RECEIVED = "received"


#: States on the way to the reader, in order; a later one is never replaced by an earlier one.
PROGRESS = (
    Status.SCHEDULED,
    Status.QUEUED,
    Status.SENDING,
    Status.UNCONFIRMED,
    Status.SENT,
    Status.DELIVERED,
    Status.READ,
    Status.PLAYED,
)

#: States in which a message still has to leave, or may have left without our knowing.
OPEN = frozenset({Status.SCHEDULED, Status.QUEUED, Status.SENDING, Status.UNCONFIRMED})

#: Ends; nothing changes them but a person's replay.
ENDS = frozenset({Status.FAILED, Status.EXPIRED, Status.CANCELLED})


def rank(status: Status) -> int:
    """Position on the way to the reader; ends rank above everything."""
    return PROGRESS.index(status) if status in PROGRESS else len(PROGRESS)


def after_receipt(current: Status, news: Status) -> Status:
    """The state after a receipt said `news`: receipts move a message forward only.

    A receipt proves that the message left, so it also resolves `unconfirmed` and stops a planned repeat (`queued`).
    `failed` counts only while nobody has the message: after `delivered` or `read` it is noted, not applied.
    """
    if current in ENDS or current is Status.RECEIVED:
        return current
    if news is Status.FAILED:
        return Status.FAILED if rank(current) <= rank(Status.SENT) else current
    return news if rank(news) > rank(current) else current
