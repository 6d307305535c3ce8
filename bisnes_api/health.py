"""Health of this process and of the whole gateway, and metrics."""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import Any

import orjson
from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST

from bisnes_api.documents import documented
from bisnes_api.runtime import runtime
from db import health, phones
from db.health import InstanceHealth

blueprint = Blueprint("health", __name__)

_TAG = "Health"
_STARTED = time.monotonic()

#: Processes that every installation runs; channels with phones come on top.
ALWAYS = ("api", "relay", "events")


@blueprint.get("/")
def index() -> Response:
    """What this is."""
    return Response(f"Bisnes {version('bisnes')} is running. See /docs and /health.\n", content_type="text/plain")


@blueprint.get("/health/live")
@documented("live", _TAG, {200: (None, "This process answers.")}, by_key=False)
def live() -> Response:
    """Whether this process answers."""
    return _json({"status": "ok", "process": "api", "uptime": round(time.monotonic() - _STARTED, 1)})


@blueprint.get("/health/ready")
@documented(
    "ready", _TAG, {200: (None, "This process can accept messages.")}, problems=("database_away",), by_key=False
)
def ready() -> Response:
    """Whether this process can accept messages: the database answers and has its schema."""
    run = runtime()
    with run.pool.connection() as conn:
        health.ping(conn)
    return _json({"status": "ready"})


@blueprint.get("/health")
@documented("health", _TAG, {200: (None, "Healthy or degraded."), 503: (None, "Something is down.")}, by_key=False)
def overview() -> Response:
    """Health of all processes, by the age of their heartbeats."""
    run = runtime()
    with run.pool.connection() as conn:
        instances = health.overview(conn)
        channels = phones.configured_channels(conn)
    expected = [*ALWAYS, *(name for name in channels if name in run.specs)]
    processes = summarise(instances, expected)
    status = worst([process["status"] for name, process in processes.items() if name in expected])
    return _json({"status": status, "processes": processes}, 503 if status == "down" else 200)


@blueprint.get("/metrics")
@documented("metrics", _TAG, {200: (None, "Prometheus' text format.")}, by_key=False)
def metrics() -> Response:
    """Metrics of the process that answers; see `bisnes_process_info`."""
    return Response(runtime().metrics.text(), content_type=CONTENT_TYPE_LATEST)


def summarise(instances: list[InstanceHealth], expected: list[str]) -> dict[str, Any]:
    """Health by process: down when no instance lives, degraded when some do not. Pure."""
    by_process: dict[str, list[InstanceHealth]] = {name: [] for name in expected}
    for instance in instances:
        by_process.setdefault(instance.process_name, []).append(instance)
    return {name: _summary(of_process) for name, of_process in sorted(by_process.items())}


def _summary(instances: list[InstanceHealth]) -> dict[str, Any]:
    states = {instance.health for instance in instances}
    status = "down" if states <= {"down"} else "healthy" if states == {"healthy"} else "degraded"
    return {
        "status": status,
        "instances": [
            {
                "instance": instance.instance,
                "status": instance.health,
                "pid": instance.pid,
                "heartbeatAgeS": round(instance.age_s, 1),
                "uptimeS": instance.uptime_seconds,
                "memoryMb": instance.memory_usage_mb,
                "cpuPercent": instance.cpu_usage_percent,
                "messagesProcessed": instance.messages_processed,
                "lastError": instance.last_error,
                "detail": instance.detail,
            }
            for instance in instances
        ],
    }


def worst(states: list[str]) -> str:
    """The worst of several states."""
    return next((state for state in ("down", "degraded") if state in states), "healthy")


def _json(data: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(data), status, content_type="application/json")
