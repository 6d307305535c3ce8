"""What this process counts, as Prometheus reads it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from flask import Flask, Response, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from bisnes_api.waiting import WaitingRoom
from bisnes_core.settings import Settings
from db.pool import Pool

#: Seconds; an accept takes a few milliseconds, a waiting caller up to 30 s.
BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 31.0)
#: Where the middleware notes the beginning of a request.
BEGAN = "bisnes.began"

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Metrics:
    """Counters and gauges of one API process."""

    def __init__(self, settings: Settings, pool: Pool, room: WaitingRoom) -> None:
        self.registry = CollectorRegistry()
        self.accepted = Counter("bisnes_messages_accepted", "Messages answered with 2xx.", registry=self.registry)
        self._latency = Histogram(
            "bisnes_http_request_seconds",
            "Time from the parsed request head to the answer.",
            ("route", "status"),
            registry=self.registry,
            buckets=BUCKETS,
        )
        self.child = lru_cache(maxsize=1000)(self._latency.labels)
        process = Gauge(
            "bisnes_process_info", "Which process answered.", ("process", "instance"), registry=self.registry
        )
        process.labels(settings.process, settings.instance).set(1)
        self._gauge("bisnes_pool_connections_size", "Database connections open.", lambda: pool.occupancy().size)
        self._gauge("bisnes_pool_connections_in_use", "Database connections in use.", lambda: pool.occupancy().in_use)
        self._gauge("bisnes_pool_requests_waiting", "Requests that wait for one.", lambda: pool.occupancy().waiting)
        self._gauge("bisnes_waiting_places_taken", "Callers that wait for the provider's answer.", room.taken)
        self._gauge("bisnes_waiting_places_max", "Places for such callers.", lambda: room.places)

    def _gauge(self, name: str, meaning: str, value: Callable[[], float]) -> None:
        Gauge(name, meaning, registry=self.registry).set_function(value)

    def observe(self, app: Flask) -> None:
        """Times every request of an application."""
        inner = app.wsgi_app

        def timed(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            environ[BEGAN] = time.perf_counter()
            return inner(environ, start_response)

        app.wsgi_app = timed  # type: ignore[method-assign]  # Flask's documented place for middleware

        @app.after_request
        def note(response: Response) -> Response:
            rule = request.url_rule
            route = f"{request.method} {rule.rule}" if rule else "none"
            self.child(route, response.status_code).observe(time.perf_counter() - request.environ[BEGAN])
            return response

    def text(self) -> bytes:
        """All of it in the text format."""
        return generate_latest(self.registry)
