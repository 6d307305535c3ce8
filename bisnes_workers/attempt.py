"""One attempt: a message in a channel's hands, and what its end means."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import structlog

from bisnes_core.channel import ChannelAdapter, ChannelSpec, Sent
from bisnes_core.errors import FatalToProcess, RateLimited, SendError, UnknownOutcome
from bisnes_core.phone import Phone
from bisnes_core.retry import Pause, judge
from bisnes_core.status import Status
from db.outbox import Claimed, Outcome

#: Longest error text kept with a message.
ERROR_MAX_CHARS = 500

log = structlog.get_logger(__name__)


async def try_send(adapter: ChannelAdapter, phone: Phone, claimed: Claimed, timeout_s: float) -> Sent | SendError:
    """Hands a message to the channel; every way this can end is a value.

    Raises:
        FatalToProcess: when the channel says that this process cannot go on.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await adapter.send(phone, claimed.message)
    except FatalToProcess:
        raise
    except SendError as error:
        return error
    except TimeoutError:
        return UnknownOutcome("timeout", f"no answer within {timeout_s:.0f} s")
    except Exception as error:  # the plug-in's boundary: whatever it raises, bytes may have left
        log.exception("channel raised an unclassified error", message_id=str(claimed.message.id))
        return UnknownOutcome("unclassified", f"{type(error).__name__}: {error}")


def outcome_of(
    spec: ChannelSpec, claimed: Claimed, end: Sent | SendError, started: float
) -> tuple[Outcome, Pause | None]:
    """What to write after an attempt that began at `started` (monotonic clock)."""
    message = claimed.message
    now = datetime.now(UTC)
    entry: dict[str, Any] = {
        "attempt": message.attempt,
        "at": now.isoformat(),
        "duration_ms": round((time.monotonic() - started) * 1000),
    }
    if isinstance(end, Sent):
        entry |= {"outcome": "sent", **({"trace": dict(end.trace)} if end.trace else {})}
        return Outcome(message.id, message.fence, Status.SENT, entry, external_id=end.provider_message_id), None
    throttled = isinstance(end, RateLimited)
    verdict = judge(end, attempts=message.attempt, throttles=claimed.throttles + 1, rule=spec.retry, now=now)
    entry |= {"outcome": type(end).__name__, "code": end.code, "detail": end.detail[:ERROR_MAX_CHARS]}
    if end.trace:
        entry["trace"] = end.trace
    log.info(
        "send attempt failed",
        message_id=str(message.id),
        lane=f"{message.company_id}-{message.phone_index}",
        attempt=message.attempt,
        code=end.code,
        becomes=verdict.status.value,
    )
    outcome = Outcome(
        message.id,
        message.fence,
        verdict.status,
        entry,
        due_at=verdict.due_at if verdict.status is Status.QUEUED else None,
        counted=verdict.counted,
        throttled=throttled,
        error_code=end.code,
        error=(end.detail or str(end))[:ERROR_MAX_CHARS],
    )
    return outcome, verdict.pause
