"""Leadership by an advisory lock: held by a connection and gone with it: nobody has to declare a leader dead."""

from __future__ import annotations

import psycopg

from bisnes_core.settings import Settings
from db.pool import DatabaseAway

#: Key of the relay's lock; another constant than the migrations' (`db.migrate.LOCK_KEY`).
RELAY_KEY = int.from_bytes(b"relay")


class Leadership:
    """One candidate for a lock.

    Args:
        settings: where the database is.
        key: which lock.
    """

    def __init__(self, settings: Settings, key: int = RELAY_KEY) -> None:
        self._conninfo = settings.database_conninfo
        self._name = f"bisnes {settings.process} {settings.instance} leader"
        self._key = key
        self._conn: psycopg.AsyncConnection[tuple[bool]] | None = None

    async def acquire(self) -> bool:
        """Tries to become the leader; False when another is.

        Raises:
            DatabaseAway: when the database does not answer.
        """
        await self.release()
        try:
            conn = await psycopg.AsyncConnection.connect(
                self._conninfo, autocommit=True, connect_timeout=2, application_name=self._name
            )
            self._conn = conn
            row = await (await conn.execute("SELECT pg_try_advisory_lock(%s)", (self._key,))).fetchone()
        except psycopg.OperationalError as error:
            raise DatabaseAway(str(error)) from error
        return bool(row and row[0])

    async def held(self) -> bool:
        """Whether the lock's connection still lives."""
        if self._conn is None:
            return False
        try:
            await self._conn.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    async def release(self) -> None:
        """Gives the lock up."""
        conn, self._conn = self._conn, None
        if conn is not None:
            await conn.close()
