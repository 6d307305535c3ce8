"""Brings the schema up to date: numbered SQL files, each once, under an advisory lock, forward only.

Every process calls `ensure_schema` before it works, so the order in which processes start does not matter.
"""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass
from importlib.resources import files

import psycopg
import structlog

#: Key of the advisory lock: one migrator at a time. Any constant will do; this is "bisnes" as bytes.
LOCK_KEY = int.from_bytes(b"bisnes")
#: `NNNN_{pre,post}_<verb>_<object>.sql`; `pre` is safe beside the running old code, `post` cleans up after it.
NAME = re.compile(r"(\d{4})_(pre|post)_\w+\.sql")

#: Pause between two looks for a database that is not there yet.
RETRY_S = 0.1

log = structlog.get_logger(__name__)


class SchemaNotReady(TimeoutError):
    """The database did not come up in time."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    number: int
    name: str
    sql: str


def migrations() -> list[Migration]:
    """All migrations of this installation, in order."""
    found = [
        Migration(int(match[1]), entry.name, entry.read_text("utf-8"))
        for entry in files("db").joinpath("migrations").iterdir()
        if (match := NAME.fullmatch(entry.name))
    ]
    return sorted(found, key=lambda migration: migration.number)


def migrate(conninfo: str, connect_timeout_s: int = 5) -> list[str]:
    """Applies what is missing and names it.

    Each file runs in a transaction of its own together with its entry in `schema_migrations`; a crash leaves either
    both or neither.
    """
    applied: list[str] = []
    with psycopg.connect(conninfo, autocommit=True, connect_timeout=connect_timeout_s) as conn:
        conn.execute("SELECT pg_advisory_lock(%s)", (LOCK_KEY,))
        conn.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations "
            "(number integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        done = {row[0] for row in conn.execute("SELECT number FROM schema_migrations")}
        for migration in migrations():
            if migration.number in done:
                continue
            with conn.transaction():
                conn.execute(migration.sql.encode())
                conn.execute(
                    "INSERT INTO schema_migrations (number, name) VALUES (%s, %s)", (migration.number, migration.name)
                )
            applied.append(migration.name)
    return applied


def ensure_schema(conninfo: str, deadline_s: float = 120.0, stop: threading.Event | None = None) -> None:
    """Waits for the database and brings its schema up to date.

    Args:
        conninfo: where the database is.
        deadline_s: longest wait; the process then exits and is respawned.
        stop: ends the wait early when set.

    Raises:
        SchemaNotReady: when the database does not answer in time.
    """
    end = time.monotonic() + deadline_s
    said = False
    stop = stop or threading.Event()
    while True:
        try:
            for name in migrate(conninfo):
                log.info("migration applied", migration=name)
            return
        except psycopg.OperationalError as error:
            if time.monotonic() > end or stop.is_set():
                raise SchemaNotReady(f"no database after {deadline_s:.0f} s: {error}") from error
            if not said:
                log.info("waiting for the database", error=str(error).strip())
                said = True
            stop.wait(RETRY_S)
