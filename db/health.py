"""Heartbeats of every process instance (`process_health`) and what they add up to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from db.pool import AsyncConnection, Connection

#: Age of the last heartbeat up to which an instance is healthy, then degraded, then down (design §6).
HEALTHY_S = 30
DEGRADED_S = 60
#: Rows of instances that have been silent for this long are of a scale that no longer exists.
FORGET_S = 3600


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Vital signs of one process instance."""

    process_name: str
    instance: str
    pid: int
    host: str
    started_at: datetime
    memory_mb: int
    cpu_percent: float
    connections: int
    messages_processed: int
    status: str = "healthy"
    error_count: int = 0
    last_error: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)


_BEAT = """
INSERT INTO process_health (process_name, instance, status, pid, host, started_at, last_heartbeat, error_count,
    last_error, uptime_seconds, memory_usage_mb, cpu_usage_percent, active_connections, messages_processed, detail)
VALUES (%(process_name)s, %(instance)s, %(status)s, %(pid)s, %(host)s, %(started_at)s, now(), %(error_count)s,
    %(last_error)s, extract(epoch FROM now() - %(started_at)s)::integer, %(memory_mb)s, %(cpu_percent)s,
    %(connections)s, %(messages_processed)s, %(detail)s)
ON CONFLICT (process_name, instance) DO UPDATE SET status = excluded.status, pid = excluded.pid, host = excluded.host,
    started_at = excluded.started_at, last_heartbeat = now(), error_count = excluded.error_count,
    last_error = excluded.last_error, uptime_seconds = excluded.uptime_seconds,
    memory_usage_mb = excluded.memory_usage_mb, cpu_usage_percent = excluded.cpu_usage_percent,
    active_connections = excluded.active_connections, messages_processed = excluded.messages_processed,
    detail = excluded.detail, updated_at = now()
"""


def _values(beat: Heartbeat) -> dict[str, Any]:
    values = {name: getattr(beat, name) for name in beat.__slots__}
    return {**values, "detail": Jsonb(beat.detail)}


def write_heartbeat(conn: Connection, beat: Heartbeat) -> None:
    """Writes an instance's vital signs (API)."""
    conn.execute(_BEAT, _values(beat))


async def write_heartbeat_async(conn: AsyncConnection, beat: Heartbeat) -> None:
    """Writes an instance's vital signs (workers)."""
    await conn.execute(_BEAT, _values(beat))


_LEAVE = "DELETE FROM process_health WHERE process_name = %s AND instance = %s AND pid = %s"


def leave(conn: Connection, process_name: str, instance: str, pid: int) -> None:
    """An instance that ends on purpose takes its row with it; a killed one leaves it to grow old."""
    conn.execute(_LEAVE, (process_name, instance, pid))


async def leave_async(conn: AsyncConnection, process_name: str, instance: str, pid: int) -> None:
    """As `leave`, for workers."""
    await conn.execute(_LEAVE, (process_name, instance, pid))


async def forget_silent(conn: AsyncConnection) -> None:
    """Drops rows of instances that are long gone."""
    await conn.execute(
        "DELETE FROM process_health WHERE last_heartbeat < now() - make_interval(secs => %s)", (FORGET_S,)
    )


def ping(conn: Connection) -> None:
    """Asks for nothing; raises when the database does not answer."""
    conn.execute("SELECT 1")


@dataclass(frozen=True, slots=True)
class InstanceHealth:
    """One row of the overview; `health` is `healthy`, `degraded` or `down` by the age of the heartbeat."""

    process_name: str
    instance: str
    health: str
    pid: int
    age_s: float
    uptime_seconds: int
    memory_usage_mb: int
    cpu_usage_percent: float
    active_connections: int
    messages_processed: int
    last_error: str | None
    detail: dict[str, Any]


def overview(conn: Connection) -> list[InstanceHealth]:
    """Health of every instance that is or was there."""
    cursor = conn.cursor(row_factory=class_row(InstanceHealth))
    cursor.execute(
        """
        SELECT process_name, instance,
               CASE WHEN status <> 'healthy' AND age_s < %(degraded)s THEN 'degraded'
                    WHEN age_s < %(healthy)s THEN 'healthy' WHEN age_s < %(degraded)s THEN 'degraded'
                    ELSE 'down' END AS health,
               pid, age_s, uptime_seconds, memory_usage_mb, cpu_usage_percent::float8, active_connections,
               messages_processed, last_error, detail
        FROM (SELECT *, extract(epoch FROM now() - last_heartbeat)::float8 AS age_s FROM process_health) h
        ORDER BY process_name, instance
        """,
        {"healthy": HEALTHY_S, "degraded": DEGRADED_S},
    )
    return cursor.fetchall()
