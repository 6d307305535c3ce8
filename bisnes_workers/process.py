"""The frame of every worker process: settings, loop, pool, health, heartbeat, signals, and an orderly end.

Exit codes: 0 after SIGTERM or SIGINT, 1 when the process cannot go on (circusd starts it again).
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

import psutil
import structlog
from prometheus_client import CollectorRegistry, Gauge

from bisnes_core.logs import configure_logging
from bisnes_core.settings import Settings
from bisnes_workers.health import HealthServer
from db import health
from db.health import Heartbeat
from db.migrate import ensure_schema
from db.pool import AsyncPool, DatabaseAway

log = structlog.get_logger(__name__)


class CannotGoOn(RuntimeError):
    """A part of the process has ended that must not; the process exits non-zero and is respawned."""


class WorkerProcess(ABC):
    """One worker process; subclasses fill in what it works on."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pool = AsyncPool(settings)
        self.registry = CollectorRegistry()
        self.started_at = datetime.now(UTC)
        self.failed: asyncio.Future[BaseException] | None = None
        self._at_work = False
        self._tasks: list[asyncio.Task[None]] = []
        self._self = psutil.Process()

    # -- what subclasses say ------------------------------------------------------------------------------------
    @abstractmethod
    async def start(self) -> None:
        """Begins to work; the pool is open."""

    @abstractmethod
    async def stop(self) -> None:
        """Stops taking work, finishes or hands back what is in flight."""

    @abstractmethod
    def work_done(self) -> int:
        """Items finished since the start."""

    async def ready(self) -> str | None:
        """What keeps the process from working, or None."""
        try:
            async with asyncio.timeout(2), self.pool.connection() as conn:
                await conn.execute("SELECT 1")
        except (DatabaseAway, TimeoutError) as error:
            return f"database: {str(error) or 'no answer'}"
        return None

    # -- life ----------------------------------------------------------------------------------------------------
    def run_in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs a task that must not end; when it does, so does the process."""
        task = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(self._background_ended)
        self._tasks.append(task)

    def _background_ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self.failed is None or self.failed.done():
            return
        self.failed.set_result(task.exception() or CannotGoOn("a background task ended"))

    async def main(self) -> int:
        """Runs until a signal or a failure. Returns the exit code."""
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        self.failed = loop.create_future()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await self.pool.open()
        # Before the work, which may hang: whoever asks then gets no answer, rather than finding nobody to ask.
        server = HealthServer(self.settings, self._labels(), self._readiness, self.registry)
        self._measure_pool()
        await server.start()
        await self.start()
        self._at_work = True
        self.run_in_background(self._beat())
        log.info("started", pid=os.getpid())
        told = loop.create_task(stop.wait())
        self.failed.add_done_callback(lambda _: stop.set())
        await told
        code = 0
        if self.failed.done():
            code = 1
            log.error("cannot go on", error=repr(self.failed.result()), exc_info=self.failed.result())
        await self._end(server)
        log.info("stopped", exit_code=code)
        return code

    async def _end(self, server: HealthServer) -> None:
        await self.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await server.stop()
        try:
            async with asyncio.timeout(2), self.pool.connection() as conn:
                await health.leave_async(conn, self.settings.process, self.settings.instance, os.getpid())
        except (DatabaseAway, TimeoutError) as error:
            log.warning("the heartbeat row stays", error=str(error))
        await self.pool.close()

    async def _readiness(self) -> str | None:
        return await self.ready() if self._at_work else "starting"

    # -- vital signs ----------------------------------------------------------------------------------------------
    def _labels(self) -> dict[str, str | int]:
        return {"process": self.settings.process, "instance": self.settings.instance, "pid": os.getpid()}

    def _measure_pool(self) -> None:
        for name, read in (
            ("size", lambda: self.pool.occupancy().size),
            ("in_use", lambda: self.pool.occupancy().in_use),
            ("waiting", lambda: self.pool.occupancy().waiting),
        ):
            gauge = Gauge(f"bisnes_pool_{name}_connections", f"Database pool: {name}", registry=self.registry)
            gauge.set_function(read)

    async def _beat(self) -> None:
        self._self.cpu_percent()
        while True:
            try:
                async with asyncio.timeout(self.settings.heartbeat_s), self.pool.connection() as conn:
                    await health.write_heartbeat_async(conn, self._vital_signs())
            except (DatabaseAway, TimeoutError) as error:
                log.warning("heartbeat not written", error=str(error))
            await asyncio.sleep(self.settings.heartbeat_s)

    def _vital_signs(self) -> Heartbeat:
        with self._self.oneshot():
            memory_mb = self._self.memory_info().rss // 2**20
            cpu_percent = self._self.cpu_percent()
        return Heartbeat(
            process_name=self.settings.process,
            instance=self.settings.instance,
            pid=os.getpid(),
            host=socket.gethostname(),
            started_at=self.started_at,
            memory_mb=memory_mb,
            cpu_percent=min(cpu_percent, 999.0),
            connections=self.pool.occupancy().size,
            messages_processed=self.work_done(),
        )


def wait_for_schema(settings: Settings) -> None:
    """Waits for the database before anything else is started; SIGTERM ends the wait at once."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    ensure_schema(settings.database_conninfo, stop=stop)


def prepare(settings: Settings) -> None:
    """What every entry does first."""
    configure_logging(settings.process, settings.instance)
    wait_for_schema(settings)
