"""What happened to processes (`process_events`): a copy of the supervisors' journals, kept for a retention time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import DataError, IntegrityError
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from db.pool import AsyncConnection, Connection

#: As the legacy server: errors and worse are kept for good.
RETENTION_S = 30 * 86400


@dataclass(frozen=True, slots=True)
class ProcessEvent:
    """One event; `event_data` holds what depends on its type, a sentence called `reason` where there is one."""

    event_id: UUID
    process_name: str
    event_type: str
    event_data: dict[str, Any]
    severity: str
    host: str
    timestamp: datetime


_ADD = """
INSERT INTO process_events (event_id, process_name, event_type, event_data, severity, host, "timestamp")
VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT DO NOTHING
"""


async def add_events(conn: AsyncConnection, events: Sequence[ProcessEvent]) -> list[ProcessEvent]:
    """Adds those that are not there yet; call within a transaction.

    Returns:
        What PostgreSQL cannot hold, such as a number without end; the others are added.
    """
    if await _add(conn, events):
        return []
    return [event for event in events if not await _add(conn, [event])]


async def _add(conn: AsyncConnection, events: Sequence[ProcessEvent]) -> bool:
    rows = [
        (one.event_id, one.process_name, one.event_type, Jsonb(one.event_data), one.severity, one.host, one.timestamp)
        for one in events
    ]
    try:
        async with conn.transaction(), conn.cursor() as cursor:
            await cursor.executemany(_ADD, rows)
    except (DataError, IntegrityError):
        return False
    return True


def recent(conn: Connection, process_name: str, limit: int) -> list[ProcessEvent]:
    """The last events of a process, the newest first."""
    cursor = conn.cursor(row_factory=class_row(ProcessEvent))
    cursor.execute(
        """
        SELECT event_id, process_name, event_type, event_data, severity, host, "timestamp" FROM process_events
        WHERE process_name = %s ORDER BY "timestamp" DESC, id DESC LIMIT %s
        """,
        (process_name, limit),
    )
    return cursor.fetchall()


async def forget_events(conn: AsyncConnection, limit: int = 10_000) -> int:
    """Deletes events past their retention; a bounded number, so that it never locks for long."""
    cursor = await conn.execute(
        """
        DELETE FROM process_events WHERE id IN (
            SELECT id FROM process_events WHERE severity IN ('info', 'warning')
              AND "timestamp" < now() - make_interval(secs => %s) ORDER BY "timestamp" LIMIT %s)
        """,
        (RETENTION_S, limit),
    )
    return cursor.rowcount
