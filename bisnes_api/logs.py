"""One JSON line per event on stdout; never a secret, never the text of a message."""

from __future__ import annotations

import sys
from typing import Any

import orjson
import structlog


def _to_text(event: dict[str, Any], **_: Any) -> str:
    return orjson.dumps(event, default=str).decode()


def configure_logs(process: str, instance: str) -> None:
    """Sets structlog up for this process; once, by whoever starts it."""
    who = {"process": process, "instance": instance}
    structlog.configure(
        processors=[
            lambda _logger, _method, event: {**event, **who},
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_to_text),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stdout),
        cache_logger_on_first_use=True,
    )
