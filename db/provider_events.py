"""What providers told us, raw: stored before anything else, parsed by the events worker, kept for a retention time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from bisnes_core.channel import Quarantined
from db.pool import AsyncConnection, Connection


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """One stored request of a provider; `body` is exactly what was signed."""

    id: int
    channel: str
    body: bytes


def store_event(conn: Connection, channel: str, body: bytes) -> None:
    """Keeps a raw event; durable when it returns on an autocommit connection."""
    conn.execute("INSERT INTO provider_events (channel, body) VALUES (%s, %s)", (channel, body))


async def store_events(conn: AsyncConnection, channel: str, bodies: Sequence[bytes]) -> None:
    """Keeps raw events in their order, all or none."""
    await conn.execute(
        "INSERT INTO provider_events (channel, body) "
        "SELECT %s, o.body FROM unnest(%s::bytea[]) WITH ORDINALITY o (body, n) ORDER BY o.n",
        (channel, list(bodies)),
    )


async def take_events(conn: AsyncConnection, limit: int) -> list[ProviderEvent]:
    """Locks up to `limit` events that nobody has parsed, the oldest first; they are ours until the transaction ends."""
    async with conn.cursor(row_factory=class_row(ProviderEvent)) as cursor:
        await cursor.execute(
            "SELECT id, channel, body FROM provider_events WHERE parsed_at IS NULL ORDER BY id LIMIT %s "
            "FOR UPDATE SKIP LOCKED",
            (limit,),
        )
        return await cursor.fetchall()


async def mark_parsed(conn: AsyncConnection, ids: Sequence[int]) -> None:
    """These events are done."""
    await conn.execute("UPDATE provider_events SET parsed_at = now() WHERE id = ANY(%s)", (list(ids),))


async def quarantine(conn: AsyncConnection, event: ProviderEvent, items: Sequence[Quarantined]) -> None:
    """Keeps what could not be understood, with its reason."""
    async with conn.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO quarantined_items (event_id, channel, reason, item) VALUES (%s, %s, %s, %s)",
            [(event.id, event.channel, _storable(item.reason), _storable(json.dumps(item.item))) for item in items],
        )


def _storable(text: str) -> str:
    """PostgreSQL keeps no NUL character, neither in text nor as an escape in jsonb."""
    return text.replace("\x00", "\ufffd").replace("\\u0000", "\\ufffd")


async def has_unparsed(conn: AsyncConnection) -> bool:
    """Whether events wait to be parsed."""
    cursor = await conn.execute("SELECT EXISTS (SELECT 1 FROM provider_events WHERE parsed_at IS NULL)")
    row = await cursor.fetchone()
    return bool(row and row[0])


async def forget_events(conn: AsyncConnection, older_than_s: float, limit: int = 10_000) -> int:
    """Deletes parsed events past their retention; a bounded number, so that it never locks for long."""
    cursor = await conn.execute(
        "DELETE FROM provider_events WHERE id IN (SELECT id FROM provider_events "
        "WHERE parsed_at < now() - make_interval(secs => %s) ORDER BY parsed_at LIMIT %s)",
        (older_than_s, limit),
    )
    return cursor.rowcount
