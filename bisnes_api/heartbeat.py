"""The API's own vital signs in `process_health`, written by a thread, removed at a graceful stop."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime

import psutil
import structlog

from bisnes_core.settings import Settings
from db import health
from db.health import Heartbeat
from db.pool import DatabaseAway, Pool

#: While the database is away the next try comes sooner than the next regular beat, to be healthy again at once.
RETRY_S = 1.0

log = structlog.get_logger(__name__)


class HeartbeatWriter:
    """Writes the row of this process instance.

    Args:
        accepted: number of messages accepted by this process so far.
    """

    def __init__(self, settings: Settings, pool: Pool, accepted: Callable[[], int]) -> None:
        self._settings = settings
        self._pool = pool
        self._accepted = accepted
        self._started_at = datetime.now(UTC)
        self._process = psutil.Process()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Starts beating; the first beat comes at once."""
        self._thread.start()

    def stop(self) -> None:
        """Stops and takes the row away."""
        self._stop.set()
        self._thread.join(timeout=RETRY_S)
        try:
            with self._pool.connection() as conn:
                health.leave(conn, self._settings.process, self._settings.instance, os.getpid())
        except DatabaseAway as error:
            log.warning("cannot take the heartbeat away; it will grow old", error=str(error))

    def _run(self) -> None:
        pause_s = 0.0
        while not self._stop.wait(pause_s):
            try:
                with self._pool.connection() as conn:
                    health.write_heartbeat(conn, self._beat())
                pause_s = self._settings.heartbeat_s
            except DatabaseAway:
                pause_s = RETRY_S

    def _beat(self) -> Heartbeat:
        with self._process.oneshot():
            memory_mb = self._process.memory_info().rss >> 20
            cpu_percent = self._process.cpu_percent()
        return Heartbeat(
            process_name=self._settings.process,
            instance=self._settings.instance,
            pid=os.getpid(),
            host=socket.gethostname(),
            started_at=self._started_at,
            memory_mb=memory_mb,
            cpu_percent=min(cpu_percent, 999.0),
            connections=self._pool.occupancy().in_use,
            messages_processed=self._accepted(),
        )
