"""Messages as the API sees them: accepted, looked up, listed. What workers do with them is in `outbox`, `receipts`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from bisnes_core.ids import parse_id
from bisnes_core.message import Kind
from db.pool import Connection


@dataclass(frozen=True, slots=True)
class NewMessage:
    """What the API accepts.

    Attributes:
        request_hash: hash of the request behind `idempotency_key`, to tell a repeat from another request.
        priority: 0 interactive, 5 bulk; lower leaves first within a lane.
    """

    id: UUID
    company_id: str
    phone_index: int
    chat_id: str
    channel: str
    kind: Kind
    payload: Mapping[str, Any]
    content: str | None = None
    author: str = ""
    priority: int = 0
    idempotency_key: str | None = None
    request_hash: bytes | None = None


@dataclass(frozen=True, slots=True)
class Earlier:
    """A message accepted before under the same idempotency key."""

    id: UUID
    request_hash: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """A stored message, as answered to its company."""

    id: UUID
    company_id: str
    phone_index: int
    chat_id: str
    direction: str
    kind: str
    channel: str
    content: str | None
    payload: Mapping[str, Any]
    status: str
    held: bool
    attempts: int
    external_id: str | None
    error_code: str | None
    error: str | None
    attempt_log: list[Mapping[str, Any]]
    created_at: datetime
    sent_at: datetime | None
    delivered_at: datetime | None
    read_at: datetime | None
    failed_at: datetime | None
    elsewhere: bool
    edited_at: datetime | None
    revoked_at: datetime | None
    reaction: str | None


_COLUMNS = """
    id, company_id, phone_index, chat_id, direction, message_type AS kind, provider AS channel, content,
    payload, status, held, attempts, external_id, error_code, error, attempt_log, created_at, sent_at, delivered_at,
    read_at, failed_at, elsewhere, edited_at, revoked_at, reaction"""

_FIND_OURS = f"SELECT {_COLUMNS} FROM messages WHERE id = %s AND company_id = %s"  # noqa: S608 - our own columns
_FIND_THEIRS = (
    f"SELECT {_COLUMNS} FROM messages WHERE company_id = %s AND external_id = %s "  # noqa: S608 - our own columns
    "ORDER BY seq LIMIT 1"
)
_LIST = f"""
SELECT seq, {_COLUMNS} FROM messages
WHERE company_id = %(company_id)s AND (%(before)s::bigint IS NULL OR seq < %(before)s)
  AND (%(status)s::text IS NULL OR status = %(status)s)
ORDER BY seq DESC LIMIT %(limit)s
"""  # noqa: S608 - our own columns

_ACCEPT = """
INSERT INTO messages (id, company_id, phone_index, chat_id, direction, message_type, provider, content, payload, author,
                      status, priority, idempotency_key, request_hash)
VALUES (%s, %s, %s, %s, 'outbound', %s, %s, %s, %s, %s, 'queued', %s, %s, %s)
ON CONFLICT (company_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
"""


def accept_message(conn: Connection, message: NewMessage) -> Earlier | None:
    """Stores a message as `queued`; one statement, so durable when it returns on an autocommit connection.

    Returns:
        None when it was stored, else the message that holds its idempotency key (nothing was stored).
    """
    values = (
        message.id,
        message.company_id,
        message.phone_index,
        message.chat_id,
        message.kind.value,
        message.channel,
        message.content,
        Jsonb(dict(message.payload), dumps=orjson.dumps),
        message.author,
        message.priority,
        message.idempotency_key,
        message.request_hash,
    )
    while conn.execute(_ACCEPT, values).rowcount == 0:
        # Between the two statements the holder of the key may have been deleted: then it is free, and ours.
        if message.idempotency_key and (earlier := find_earlier(conn, message.company_id, message.idempotency_key)):
            return earlier
    return None


def find_earlier(conn: Connection, company_id: str, idempotency_key: str) -> Earlier | None:
    """The message that a company's idempotency key belongs to."""
    cursor = conn.cursor(row_factory=class_row(Earlier))
    cursor.execute(
        "SELECT id, coalesce(request_hash, '') AS request_hash FROM messages "
        "WHERE company_id = %s AND idempotency_key = %s",
        (company_id, idempotency_key),
    )
    return cursor.fetchone()


def find_message(conn: Connection, company_id: str, message_id: str) -> Message | None:
    """A company's message by our id or by the provider's."""
    cursor = conn.cursor(row_factory=class_row(Message))
    if ours := parse_id(message_id):
        cursor.execute(_FIND_OURS, (ours, company_id))
    else:
        cursor.execute(
            _FIND_THEIRS,
            (company_id, message_id),
        )
    return cursor.fetchone()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a message is, for those who wait for it."""

    id: UUID
    status: str
    external_id: str | None
    error_code: str | None
    error: str | None


def progress_of(conn: Connection, ids: Iterable[UUID]) -> list[Progress]:
    """How far each of these messages is; one statement for all who wait."""
    cursor = conn.cursor(row_factory=class_row(Progress))
    cursor.execute("SELECT id, status, external_id, error_code, error FROM messages WHERE id = ANY(%s)", (list(ids),))
    return cursor.fetchall()


def list_messages(
    conn: Connection, company_id: str, *, limit: int, before_seq: int | None = None, status: str | None = None
) -> list[tuple[int, Message]]:
    """A page of a company's messages, newest first, each with its place in the order of acceptance."""
    cursor = conn.cursor()
    cursor.execute(
        _LIST,
        {"company_id": company_id, "before": before_seq, "status": status, "limit": limit},
    )
    return [(row[0], Message(*row[1:])) for row in cursor]


def retry_message(conn: Connection, message_id: UUID) -> bool:
    """Queues a message again that failed or is held; its attempts count from the start. False in any other state."""
    return (
        conn.execute(
            "UPDATE messages SET status = 'queued', held = false, due_at = now(), attempts = 0, throttles = 0, "
            "error_code = NULL, error = NULL, failed_at = NULL, "
            "attempt_log = attempt_log || jsonb_build_object('at', now(), 'outcome', 'retried_by_hand') "
            "WHERE id = %s AND direction = 'outbound' AND NOT elsewhere "
            "AND (status = 'failed' OR (status = 'unconfirmed' AND held))",
            (message_id,),
        ).rowcount
        == 1
    )


def cancel_message(conn: Connection, message_id: UUID) -> bool:
    """Ends a message that waits or is held. False in any other state: what is being sent cannot be called back."""
    return (
        conn.execute(
            "UPDATE messages SET status = 'cancelled', held = false, "
            "attempt_log = attempt_log || jsonb_build_object('at', now(), 'outcome', 'cancelled_by_hand') "
            "WHERE id = %s AND direction = 'outbound' "
            "AND (status IN ('scheduled', 'queued') OR (status = 'unconfirmed' AND held))",
            (message_id,),
        ).rowcount
        == 1
    )
