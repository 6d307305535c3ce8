"""The pool of connections of one process: sized per process, reconnecting by itself, its occupancy measured.

PostgreSQL may vanish (connection refused) or fall silent (stopped, network gone). The first raises at once; against the
second a watchdog shuts the socket of a connection that has been in use for longer than the pool's patience, which turns
the silence into an error in the waiting thread. A statement that takes longer than the patience is cut off likewise.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
import structlog
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, ConnectionPool, PoolTimeout

from bisnes_core.settings import Settings

Connection = psycopg.Connection[TupleRow]
AsyncConnection = psycopg.AsyncConnection[TupleRow]

#: How often the watchdog looks; adds at most this to the patience.
WATCH_EVERY_S = 0.1
#: Pause between two looks whether a database that is away is back.
PROBE_EVERY_S = 0.1
#: The pool tries to replace lost connections for this long before it reports failure; it starts anew on the next use.
RECONNECT_S = 5.0


#: PostgreSQL refused a value (a NUL character in a text, a number out of range): the data's fault, not the database's.
RefusedData = psycopg.DataError

log = structlog.get_logger(__name__)


class DatabaseAway(ConnectionError):
    """PostgreSQL does not answer; nothing is known to be stored."""


@dataclass(frozen=True, slots=True)
class Occupancy:
    """Use of a pool: connections open, in use, and requests that wait for one."""

    size: int
    in_use: int
    waiting: int


def _occupancy(stats: dict[str, int]) -> Occupancy:
    size = stats.get("pool_size", 0)
    return Occupancy(size, size - stats.get("pool_available", 0), stats.get("requests_waiting", 0))


def _connect_options(settings: Settings) -> dict[str, Any]:
    return {
        "autocommit": True,
        "prepare_threshold": 2,
        "connect_timeout": 2,
        "application_name": f"bisnes {settings.process} {settings.instance}",
    }


class Pool:
    """Synchronous pool for threads (the API).

    Once a connection is lost or silent, or none can be had, the database counts as away: every use fails at once, so
    that no thread queues up behind a dead database, until a probe in the background gets an answer. Use then goes on
    with fresh connections.
    """

    def __init__(self, settings: Settings, *, patience_s: float | None = None) -> None:
        self.patience_s = patience_s or settings.database_patience_s
        self._settings = settings
        self._in_use: dict[int, tuple[Connection, float]] = {}
        self._guard = threading.Condition()
        self._away: str | None = "the pool is not open"
        self._closed = threading.Event()
        self._pool = self._fresh_pool()

    def open(self) -> None:
        """Starts connecting in the background; does not wait."""
        self._pool.open(wait=False)
        self._away = None
        threading.Thread(target=self._watch, name="database-watchdog", daemon=True).start()
        threading.Thread(target=self._probe_when_away, name="database-probe", daemon=True).start()

    def close(self) -> None:
        """Ends all connections."""
        self._closed.set()
        with self._guard:
            self._guard.notify_all()
        self._pool.close()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection in autocommit mode; use `conn.transaction()` for more than one statement.

        Raises:
            DatabaseAway: at once while the database is known to be away; when there is no connection within the
                patience; or when it was lost or silent while in use: nothing is then known to be stored.
        """
        if self._away is not None:
            raise DatabaseAway(self._away)
        started = time.monotonic()
        conn: Connection | None = None
        pool = self._pool
        try:
            # Not `pool.connection()`: its commit at the end costs a round through psycopg for each request, and in
            # autocommit there is nothing to commit. A connection left within a transaction is discarded by putconn.
            conn = pool.getconn()
            token = id(conn)
            self._in_use[token] = (conn, started + self.patience_s)
            try:
                yield conn
            finally:
                self._in_use.pop(token, None)  # absent when the watchdog has taken it
                pool.putconn(conn)
        except (PoolTimeout, psycopg.OperationalError, psycopg.InterfaceError) as error:
            if not self._closed.is_set() and (conn is None or conn.broken):
                self._declare_away(str(error).strip() or type(error).__name__)
            raise DatabaseAway(str(error)) from error

    def occupancy(self) -> Occupancy:
        """How full the pool is."""
        return _occupancy(self._pool.get_stats())

    # -- away and back ------------------------------------------------------------------------------------------------
    def _fresh_pool(self) -> ConnectionPool[Connection]:
        return ConnectionPool(
            self._settings.database_conninfo,
            min_size=1,
            max_size=self._settings.pool_size,
            timeout=self.patience_s,
            reconnect_timeout=RECONNECT_S,
            kwargs=_connect_options(self._settings),
            open=False,
        )

    def _declare_away(self, why: str) -> None:
        with self._guard:
            if self._away is None:
                self._away = why
                log.warning("database away", error=why)
                self._guard.notify_all()

    def _probe_when_away(self) -> None:
        while not self._closed.is_set():
            with self._guard:
                self._guard.wait_for(lambda: self._away is not None or self._closed.is_set())
            while not self._closed.is_set() and not self._answers():
                self._closed.wait(PROBE_EVERY_S)
            if not self._closed.is_set():
                self._come_back()

    def _answers(self) -> bool:
        """Whether the database answers a new connection; a silent one is caught by the watchdog."""
        try:
            conn = psycopg.connect(self._settings.database_conninfo, **_connect_options(self._settings))
        except psycopg.Error:
            return False
        with suppress(psycopg.Error), closing(conn):
            self._in_use[id(conn)] = (conn, time.monotonic() + self.patience_s)
            try:
                conn.execute("SELECT 1")
                return True
            finally:
                self._in_use.pop(id(conn), None)
        return False

    def _come_back(self) -> None:
        """Goes on with fresh connections: those from before are dead, or would each have to be found dead."""
        old, self._pool = self._pool, self._fresh_pool()
        self._pool.open(wait=False)
        with self._guard:
            self._away = None
        log.info("database back")
        # Its threads may still be waiting for the old server.
        threading.Thread(target=old.close, name="database-old-pool", daemon=True).start()

    def _watch(self) -> None:
        while not self._closed.wait(WATCH_EVERY_S):
            now = time.monotonic()
            for token, use in list(self._in_use.items()):
                conn, deadline = use
                # `is`: the connection may have changed hands since the list was made; the new user has a new deadline.
                if now > deadline and self._in_use.get(token) is use:
                    del self._in_use[token]
                    shut_socket(conn)


def shut_socket(conn: Connection | AsyncConnection) -> None:
    """Makes a silent connection fail where it is waited for, without touching libpq from here."""
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(conn.fileno())) as twin:
        twin.shutdown(socket.SHUT_RDWR)


def _cancellations() -> int:
    """How often the running task was asked to end."""
    task = asyncio.current_task()
    return task.cancelling() if task else 0


class AsyncPool:
    """Asynchronous pool for the workers' event loops; away and back as in `Pool`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._away: str | None = None
        self._probe: asyncio.Task[None] | None = None
        self._pool = self._fresh_pool()

    async def open(self) -> None:
        """Starts connecting in the background; does not wait."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Ends all connections."""
        if self._probe is not None:
            self._probe.cancel()
            await asyncio.gather(self._probe, return_exceptions=True)
        await self._pool.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """A connection in autocommit mode.

        Raises:
            DatabaseAway: at once while the database is known to be away; when there is no connection in time; or when
                it was lost while in use.
        """
        if self._away is not None:
            raise DatabaseAway(self._away)
        conn: AsyncConnection | None = None
        cancellations = _cancellations()
        try:
            async with self._pool.connection() as conn:
                if _cancellations() > cancellations:
                    # Python 3.11's `wait_for`, which psycopg_pool 3.3 waits with, forgets one that comes in the instant
                    # in which the connection does (python/cpython#86296, mended in 3.12): the task would live on.
                    raise asyncio.CancelledError
                yield conn
        except (PoolTimeout, psycopg.OperationalError, psycopg.InterfaceError) as error:
            if conn is None or conn.broken:
                self._declare_away(str(error).strip() or type(error).__name__)
            raise DatabaseAway(str(error)) from error

    def occupancy(self) -> Occupancy:
        """How full the pool is."""
        return _occupancy(self._pool.get_stats())

    def _fresh_pool(self) -> AsyncConnectionPool[AsyncConnection]:
        return AsyncConnectionPool(
            self._settings.database_conninfo,
            min_size=1,
            max_size=self._settings.pool_size,
            timeout=RECONNECT_S,
            reconnect_timeout=RECONNECT_S,
            kwargs=_connect_options(self._settings),
            open=False,
        )

    def _declare_away(self, why: str) -> None:
        if self._away is None:
            self._away = why
            log.warning("database away", error=why)
            self._probe = asyncio.create_task(self._come_back())

    async def _come_back(self) -> None:
        """Goes on with fresh connections as soon as the database answers; see `Pool`."""
        while not await self._answers():  # noqa: ASYNC110 - a database sends no event when it is back
            await asyncio.sleep(PROBE_EVERY_S)
        old, self._pool = self._pool, self._fresh_pool()
        await self._pool.open(wait=False)
        self._away = None
        log.info("database back")
        await old.close(timeout=0)

    async def _answers(self) -> bool:
        try:
            async with (
                asyncio.timeout(RECONNECT_S),
                await psycopg.AsyncConnection.connect(
                    self._settings.database_conninfo, **_connect_options(self._settings)
                ) as conn,
            ):
                await conn.execute("SELECT 1")
        except (psycopg.Error, TimeoutError):
            return False
        return True
