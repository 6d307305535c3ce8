"""What happens after a failed attempt: a pure decision, so that it can be tested as a table."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from bisnes_core.errors import (
    AuthRequired,
    Permanent,
    RateLimited,
    Restricted,
    Retryable,
    Scope,
    SendError,
    SessionLost,
)
from bisnes_core.status import Status

#: Longest wait between two attempts; a message that waits longer helps nobody and hides the trouble.
BACKOFF_MAX_S = 900.0
#: Longest pause of a throttled scope.
PAUSE_MAX_S = 3600.0
#: Past this many steps every growing wait has met its maximum, and its power would soon be no float any more.
GROWTH_STEPS_MAX = 64
#: A phone whose credentials were refused is tried again after this, with one message, in case a person mended it.
AUTH_RECHECK_S = 60.0
#: A phone whose provider cannot be reached tries again after this: soon enough to go on at once when it is back.
UNREACHABLE_RECHECK_S = 3.0


@dataclass(frozen=True, slots=True)
class RetryRule:
    """Backoff of a channel: `first_s · factor^(n-1)`, give or take `jitter`, at most `attempts` attempts."""

    attempts: int = 3
    first_s: float = 1.0
    factor: float = 2.0
    jitter: float = 0.2

    def backoff_s(self, attempts: int) -> float:
        """Wait after the `attempts`-th attempt, in seconds, with jitter."""
        plain = min(self.first_s * self.factor ** min(attempts - 1, GROWTH_STEPS_MAX), BACKOFF_MAX_S)
        return plain * random.uniform(1 - self.jitter, 1 + self.jitter)  # noqa: S311 - spreads load, hides nothing


@dataclass(frozen=True, slots=True)
class Pause:
    """A scope that sends nothing until an instant."""

    scope: Scope
    until: datetime
    reason: str
    phone_status: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to write after a failed attempt.

    Attributes:
        status: `queued` (again), `unconfirmed` or `failed`.
        due_at: when a queued message may be claimed again.
        counted: whether the attempt counts against the limit.
        pause: scope to pause, if any.
    """

    status: Status
    due_at: datetime
    counted: bool = True
    pause: Pause | None = None


def judge(error: SendError, *, attempts: int, throttles: int, rule: RetryRule, now: datetime) -> Verdict:
    """Decides what follows from a failed attempt.

    Where a phone is paused its messages stay due: whoever lifts the pause need not touch them.

    Args:
        error: what the channel said.
        attempts: attempts counted so far, this one included.
        throttles: how often in a row the provider throttled this message, this time included.
        rule: the channel's backoff.
        now: aware UTC.
    """
    if isinstance(error, RateLimited):
        return _throttled(error, throttles, now)
    if isinstance(error, AuthRequired | SessionLost):
        status = "session_lost" if isinstance(error, SessionLost) else "auth_required"
        until = now + timedelta(seconds=AUTH_RECHECK_S)
        return Verdict(Status.QUEUED, now, False, Pause(Scope.PHONE, until, error.code, status))
    if isinstance(error, Restricted):
        return Verdict(Status.QUEUED, now, False, Pause(Scope.PHONE, error.until, error.code, "restricted"))
    if isinstance(error, Permanent):
        return Verdict(Status.FAILED, now)
    if isinstance(error, Retryable) and error.unreachable:
        until = now + timedelta(seconds=error.retry_after_s or UNREACHABLE_RECHECK_S)
        return Verdict(Status.QUEUED, now, False, Pause(Scope.PHONE, until, error.code))
    if isinstance(error, Retryable):
        if attempts >= min(rule.attempts, error.attempts_max or rule.attempts):
            return Verdict(Status.FAILED, now)
        wait_s = max(rule.backoff_s(attempts), error.retry_after_s or 0.0)
        return Verdict(Status.QUEUED, now + timedelta(seconds=wait_s))
    return Verdict(Status.UNCONFIRMED, now)


def _throttled(error: RateLimited, throttles: int, now: datetime) -> Verdict:
    """Pauses the named scope. A pair needs no pause of its own: order holds the chat behind its first message."""
    wait_s = min(error.retry_after_s * error.growth ** min(throttles - 1, GROWTH_STEPS_MAX), PAUSE_MAX_S)
    until = now + timedelta(seconds=wait_s)
    if error.scope is Scope.PAIR:
        return Verdict(Status.QUEUED, until, False)
    return Verdict(Status.QUEUED, now, False, Pause(error.scope, until, error.code))
