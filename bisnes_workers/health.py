"""Each worker's own `/health/live`, `/health/ready` and `/metrics`, served from its event loop.

A loop that hangs does not answer: that is what `/health/live` is for. Instances of one watcher share the listening
socket that circusd holds; a lone process binds its port itself. Each also answers on a Unix socket of its own, where
the supervisor asks this process and no other.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from bisnes_core.settings import Settings

#: Answers what keeps the process from working, or None when it is ready.
Readiness = Callable[[], Awaitable[str | None]]


class HealthServer:
    """Serves health and metrics of one process.

    Args:
        settings: where to listen (`health_socket`, and `health_fd` or `health_port`).
        labels: who this is (`process`, `instance`, `pid`), part of every answer.
        ready: see `Readiness`.
        registry: what `/metrics` prints.
    """

    def __init__(
        self, settings: Settings, labels: Mapping[str, str | int], ready: Readiness, registry: CollectorRegistry
    ) -> None:
        self._settings = settings
        self._labels = dict(labels)
        self._ready = ready
        self._registry = registry
        self._runner: web.AppRunner | None = None
        self._own: PrivateSocket | None = None

    async def start(self) -> None:
        """Begins to listen."""
        app = web.Application()
        app.router.add_get("/health/live", self._live)
        app.router.add_get("/health/ready", self._readiness)
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        if self._settings.health_fd is not None:
            listening = socket.socket(fileno=self._settings.health_fd)
            listening.setblocking(False)
            await web.SockSite(self._runner, listening).start()
        elif self._settings.health_port is not None:
            await web.TCPSite(self._runner, self._settings.health_host, self._settings.health_port).start()
        self._own = PrivateSocket(self._settings.health_socket)
        await web.SockSite(self._runner, self._own.listening).start()

    async def stop(self) -> None:
        """Ends listening."""
        if self._own is not None:
            self._own.remove()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _live(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "live", **self._labels})

    async def _readiness(self, _request: web.Request) -> web.Response:
        trouble = await self._ready()
        if trouble is None:
            return web.json_response({"status": "ready", **self._labels})
        return web.json_response({"status": "not ready", "reason": trouble, **self._labels}, status=503)

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


class PrivateSocket:
    """A listening Unix socket for this user only, in the place of what a killed predecessor left there.

    Args:
        path: in a folder that is created, for this user only as well.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        self.listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listening.setblocking(False)
        self.listening.bind(os.fspath(fresh))
        fresh.chmod(0o600)
        self.listening.listen()
        self._file = fresh.stat()
        fresh.replace(path)  # at once: a predecessor that lives for a moment longer keeps its own

    def remove(self) -> None:
        """Takes the file away, unless a successor has put its own there."""
        try:
            if os.path.samestat(self._path.stat(), self._file):
                self._path.unlink()
        except FileNotFoundError:
            return
