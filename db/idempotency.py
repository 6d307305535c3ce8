"""Answers kept under their idempotency key, for requests other than messages (which carry the key themselves)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from db.pool import Connection


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What was answered the first time."""

    request_hash: bytes
    status: int
    body: Mapping[str, Any]
    location: str | None


def find_answer(conn: Connection, company_id: str, key: str) -> KeptAnswer | None:
    """The answer kept under a key; takes a lock on the key, so call within the transaction that does the work.

    The lock makes a second request with the same key wait for the first instead of working beside it.
    """
    conn.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"{company_id}\x1f{key}",))
    cursor = conn.cursor(row_factory=class_row(KeptAnswer))
    cursor.execute(
        "SELECT request_hash, status, body, location FROM idempotent_answers "
        "WHERE company_id = %s AND idempotency_key = %s",
        (company_id, key),
    )
    return cursor.fetchone()


def keep_answer(conn: Connection, company_id: str, key: str, answer: KeptAnswer) -> None:
    """Keeps an answer, in the transaction of the work that it reports."""
    conn.execute(
        "INSERT INTO idempotent_answers (company_id, idempotency_key, request_hash, status, body, location) "
        "VALUES (%s, %s, %s, %s, %s, %s)",
        (company_id, key, answer.request_hash, answer.status, Jsonb(dict(answer.body)), answer.location),
    )
