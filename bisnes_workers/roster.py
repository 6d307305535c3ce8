"""The phones that a worker serves, as read a few seconds ago."""

from __future__ import annotations

import time

from bisnes_core.phone import Lane, Phone
from bisnes_core.sealing import Sealer
from bisnes_core.settings import Settings
from db import phones
from db.phones import PhoneRow
from db.pool import AsyncPool

#: Age after which a phone is read again: a changed token takes at most this long to be used.
FRESH_S = 3.0


class Roster:
    """Reads phones and opens their secrets, once per `FRESH_S` and lane."""

    def __init__(self, pool: AsyncPool, settings: Settings) -> None:
        self._pool = pool
        key = settings.encryption_key
        self._sealer = Sealer(key.get_secret_value()) if key else None
        self._known: dict[Lane, tuple[float, PhoneRow, Phone]] = {}

    async def find(self, lane: Lane) -> tuple[PhoneRow, Phone] | None:
        """The phone of a lane, or None when it was removed."""
        known = self._known.get(lane)
        if known and time.monotonic() - known[0] < FRESH_S:
            return known[1], known[2]
        async with self._pool.connection() as conn:
            row = await phones.load_phone(conn, lane)
        if row is None:
            self._known.pop(lane, None)
            return None
        phone = row.opened(self._sealer)
        if row.status == "ready":  # a stopped phone is about to be mended: read it each time
            self._known[lane] = (time.monotonic(), row, phone)
        return row, phone

    async def mark_ready(self, lane: Lane) -> None:
        """A phone that had stopped sends again."""
        async with self._pool.connection() as conn:
            await phones.phone_ready(conn, lane)
        self._known.pop(lane, None)
