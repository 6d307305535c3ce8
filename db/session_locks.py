"""The right to open a phone's session: one advisory lock per phone, all of a process on one connection (design §4).

A lock is gone with its connection, so a holder that lost it may go on for a grace time in which it tries to get it
back, and a newcomer waits longer than that before it opens the phone. `phone_sessions` says who held the lock last:
its fence grows with each holder, and whoever writes about a session carries it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg

from bisnes_core.phone import Lane
from bisnes_core.settings import Settings
from db.pool import AsyncConnection, DatabaseAway, shut_socket

#: Longest silence of the connection; past it the connection counts as lost.
ANSWER_S = 2.0
#: Time that a holder has, after its grace, to close what it opened; a newcomer waits for that too.
CLOSE_S = 5.0
#: The server ends a connection that is silent for so many grace times: a host that vanished leaves its phones.
IDLE_GRACES = 3
#: Two readings of one process's start may differ by so much (the clock was set).
SAME_START_S = 2.0


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that may hold sessions.

    Attributes:
        host: name, boot and process namespace: within one of these a pid is one process.
        pid_started: when the process started, since pids are used again.
    """

    host: str
    pid: int
    pid_started: float

    @classmethod
    def this_process(cls) -> Holder:
        """The holder that we are."""
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.stat("/proc/self/ns/pid").st_ino
        return cls(f"{socket.gethostname()} {boot} {namespace}", os.getpid(), psutil.Process().create_time())

    def is_same(self, other: Holder) -> bool:
        """Whether two readings mean one process."""
        near = abs(self.pid_started - other.pid_started) < SAME_START_S
        return (self.host, self.pid) == (other.host, other.pid) and near

    def is_alive(self) -> bool:
        """Whether this process of our own host still runs."""
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            ended = process.status() == psutil.STATUS_ZOMBIE
            return not ended and self.is_same(Holder(self.host, self.pid, process.create_time()))
        return False


@dataclass(frozen=True, slots=True)
class _Row:
    """What `phone_sessions` says of a phone."""

    fence: int
    regained: int
    holder: Holder
    released: bool


class SessionLocks:
    """The locks of one process.

    Everything here raises `DatabaseAway` when the connection is lost; `check` or `connect` then come first.

    Args:
        settings: where the database is, and the grace time.
        me: default: this process.
    """

    def __init__(self, settings: Settings, me: Holder | None = None) -> None:
        self._settings = settings
        self._me = me or Holder.this_process()
        self._conn: AsyncConnection | None = None
        self._backend = 0
        # Free phones of holders that may still be in their grace: as they were seen, and since when.
        self._seen: dict[Lane, tuple[_Row, float]] = {}
        #: Monotonic instant at which the connection, and with it every lock, was surely there.
        self.sure_at = time.monotonic()

    # -- the connection -----------------------------------------------------------------------------------------------
    async def check(self) -> bool:
        """Whether the connection lives, and with it every lock that it holds."""
        began = time.monotonic()
        if (conn := self._conn) is None:
            return False
        try:
            await _ask(conn, "SELECT 1")
        except DatabaseAway:
            return False
        if conn is self._conn:
            self.sure_at = began
        return True

    async def connect(self) -> None:
        """Makes a fresh connection, without any lock, and ends what the server keeps of the one before."""
        await self._drop()
        settings = self._settings
        name = f"bisnes {settings.process} {settings.instance} sessions"
        try:
            conn = await psycopg.AsyncConnection.connect(
                settings.database_conninfo, autocommit=True, connect_timeout=2, application_name=name
            )
        except psycopg.OperationalError as error:
            raise DatabaseAway(str(error)) from error
        idle_ms = int(IDLE_GRACES * settings.session_grace_s * 1000)
        await _ask(conn, "SELECT set_config('idle_session_timeout', %s, false)", (str(idle_ms),))
        if self._backend:
            await _ask(
                conn,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s AND application_name = %s",
                (self._backend, name),
            )
        self._conn, self._backend = conn, conn.info.backend_pid
        self._seen.clear()

    async def close(self) -> None:
        """Gives every lock up; a phone that was not released keeps newcomers waiting."""
        await self._drop()

    async def _drop(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            await conn.close()

    def _open(self) -> AsyncConnection:
        if self._conn is None:
            raise DatabaseAway("no connection for session locks")
        return self._conn

    # -- one phone ----------------------------------------------------------------------------------------------------
    async def take(self, lane: Lane) -> int | None:
        """Tries to become the phone's holder.

        Returns:
            the fence, or None while another holds it or may still have it open.
        """
        conn = self._open()
        if not await _try_lock(conn, lane):
            self._seen.pop(lane, None)
            return None
        row = await _read(conn, lane)
        if not self._is_free(lane, row):
            await _unlock(conn, lane)
            return None
        fence = await _enter(conn, lane, row, self._me)
        if conn is not self._conn:  # lost and replaced meanwhile: the lock went with it
            return None
        if fence is None:
            await _unlock(conn, lane)
        self._seen.pop(lane, None)
        return fence

    def _is_free(self, lane: Lane, row: _Row) -> bool:
        """Whether nobody can have the phone open although its lock was to be had."""
        if row.released or row.holder.is_same(self._me):
            return True
        if row.holder.host == self._me.host:
            return not row.holder.is_alive()  # one that lives takes its phone back itself, or is killed
        # On another host its holder may be getting the lock back: `regained` tells, and each time begins the wait anew.
        seen, since = self._seen.get(lane, (None, 0.0))
        if seen != row:
            self._seen[lane] = (row, time.monotonic())
            return False
        return time.monotonic() - since > self._settings.session_grace_s + CLOSE_S

    async def regain(self, lane: Lane, fence: int) -> bool | None:
        """Tries to get a phone's lock back on a new connection.

        Returns:
            True when nobody had it in between, False when somebody took the phone over, None when it is not to be had
            at this moment.
        """
        conn = self._open()
        if not await _try_lock(conn, lane):
            return None if (await _read(conn, lane)).fence == fence else False
        found = await _ask(
            conn,
            "UPDATE phone_sessions SET regained = regained + 1 "
            "WHERE company_id = %s AND phone_index = %s AND fence = %s AND NOT released RETURNING fence",
            (lane.company_id, lane.phone_index, fence),
        )
        if not found:
            await _unlock(conn, lane)
        return bool(found)

    async def release(self, lane: Lane, fence: int) -> None:
        """Gives a phone up whose session is closed: the next holder need not wait."""
        conn = self._open()
        await _ask(
            conn,
            "UPDATE phone_sessions SET released = true WHERE company_id = %s AND phone_index = %s AND fence = %s "
            "RETURNING fence",
            (lane.company_id, lane.phone_index, fence),
        )
        await _unlock(conn, lane)


# -- statements -------------------------------------------------------------------------------------------------------
def key_of(lane: Lane) -> int:
    """Key of a phone's lock; 63 bits of a hash, so that it meets neither another phone's nor the constants of ours."""
    return int.from_bytes(hashlib.sha256(f"session {lane}".encode()).digest()[:8]) >> 1


async def _ask(
    conn: AsyncConnection, statement: str, values: Sequence[Any] | Mapping[str, Any] = ()
) -> list[tuple[Any, ...]]:
    """Rows of a statement.

    Raises:
        DatabaseAway: when the connection is lost, or silent for too long: it is then lost as well.
    """

    async def run() -> list[tuple[Any, ...]]:
        cursor = await conn.execute(statement.encode(), values)
        return await cursor.fetchall()

    task = asyncio.ensure_future(run())
    # Not a timeout around it: a cancelled statement waits for the server to say that it was cancelled.
    if not (await asyncio.wait({task}, timeout=ANSWER_S))[0]:
        shut_socket(conn)
    try:
        return await task
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise DatabaseAway(str(error)) from error


async def _try_lock(conn: AsyncConnection, lane: Lane) -> bool:
    return bool((await _ask(conn, "SELECT pg_try_advisory_lock(%s)", (key_of(lane),)))[0][0])


async def _unlock(conn: AsyncConnection, lane: Lane) -> None:
    await _ask(conn, "SELECT pg_advisory_unlock(%s)", (key_of(lane),))


async def _read(conn: AsyncConnection, lane: Lane) -> _Row:
    rows = await _ask(
        conn,
        "SELECT fence, regained, host, pid, pid_started, released FROM phone_sessions "
        "WHERE company_id = %s AND phone_index = %s",
        (lane.company_id, lane.phone_index),
    )
    if not rows:
        return _Row(0, 0, Holder("", 0, 0.0), released=True)
    fence, regained, host, pid, started, released = rows[0]
    return _Row(fence, regained, Holder(host, pid, started), released)


async def _enter(conn: AsyncConnection, lane: Lane, row: _Row, me: Holder) -> int | None:
    """Writes a new holder down, if the row still says what was read."""
    rows = await _ask(
        conn,
        """
        INSERT INTO phone_sessions AS s (company_id, phone_index, fence, host, pid, pid_started, released, held_at)
        VALUES (%(company_id)s, %(phone_index)s, 1, %(host)s, %(pid)s, %(started)s, false, now())
        ON CONFLICT (company_id, phone_index) DO UPDATE
        SET fence = s.fence + 1, regained = 0, host = excluded.host, pid = excluded.pid,
            pid_started = excluded.pid_started, released = false, held_at = now()
        WHERE s.fence = %(fence)s AND s.regained = %(regained)s
        RETURNING fence
        """,
        {
            "company_id": lane.company_id,
            "phone_index": lane.phone_index,
            "host": me.host,
            "pid": me.pid,
            "started": me.pid_started,
            "fence": row.fence,
            "regained": row.regained,
        },
    )
    return int(rows[0][0]) if rows else None
