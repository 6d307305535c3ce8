"""What follows from a failed attempt, as a table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bisnes_core.errors import (
    AuthRequired,
    FatalToProcess,
    Permanent,
    RateLimited,
    Restricted,
    Retryable,
    Scope,
    SendError,
    SessionLost,
    UnknownOutcome,
    Unsupported,
)
from bisnes_core.retry import (
    AUTH_RECHECK_S,
    BACKOFF_MAX_S,
    PAUSE_MAX_S,
    UNREACHABLE_RECHECK_S,
    RetryRule,
    Verdict,
    judge,
)
from bisnes_core.status import Status

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
RULE = RetryRule(attempts=3, first_s=1.0, jitter=0.0)


def verdict(error: SendError, attempts: int = 1, throttles: int = 1) -> Verdict:
    return judge(error, attempts=attempts, throttles=throttles, rule=RULE, now=NOW)


def wait_s(found: Verdict) -> float:
    return (found.due_at - NOW).total_seconds()


@pytest.mark.parametrize(
    ("error", "attempts", "status", "waited_s"),
    [
        (Retryable("x"), 1, Status.QUEUED, 1.0),
        (Retryable("x"), 2, Status.QUEUED, 2.0),
        (Retryable("x"), 3, Status.FAILED, 0.0),
        (Retryable("x", retry_after_s=30), 1, Status.QUEUED, 30.0),
        (Retryable("x", retry_after_s=0.1), 1, Status.QUEUED, 1.0),
        (Retryable("x", attempts_max=2), 1, Status.QUEUED, 1.0),
        (Retryable("x", attempts_max=2), 2, Status.FAILED, 0.0),
        (Retryable("x", attempts_max=9), 3, Status.FAILED, 0.0),
        (Permanent("x"), 1, Status.FAILED, 0.0),
        (Unsupported("x"), 1, Status.FAILED, 0.0),
        (UnknownOutcome("x"), 1, Status.UNCONFIRMED, 0.0),
        (UnknownOutcome("x"), 3, Status.UNCONFIRMED, 0.0),
        (FatalToProcess("x"), 1, Status.UNCONFIRMED, 0.0),
    ],
)
def test_errors_of_the_message(error: SendError, attempts: int, status: Status, waited_s: float) -> None:
    found = verdict(error, attempts)
    assert (found.status, wait_s(found), found.counted, found.pause) == (status, waited_s, True, None)


@pytest.mark.parametrize(
    ("error", "scope", "waited_s", "phone_status"),
    [
        (RateLimited("x", retry_after_s=5, scope=Scope.PHONE), Scope.PHONE, 5.0, None),
        (RateLimited("x", retry_after_s=60, scope=Scope.APP), Scope.APP, 60.0, None),
        (RateLimited("x", retry_after_s=90_000, scope=Scope.APP), Scope.APP, PAUSE_MAX_S, None),
        (AuthRequired("x"), Scope.PHONE, AUTH_RECHECK_S, "auth_required"),
        (SessionLost("x"), Scope.PHONE, AUTH_RECHECK_S, "session_lost"),
        (Restricted("x", until=NOW + timedelta(hours=9)), Scope.PHONE, 9 * 3600.0, "restricted"),
    ],
)
def test_errors_of_a_scope_pause_it_and_cost_no_attempt(
    error: SendError, scope: Scope, waited_s: float, phone_status: str | None
) -> None:
    found = verdict(error, attempts=99)
    assert found.status is Status.QUEUED
    assert not found.counted
    assert found.due_at == NOW, "whoever lifts the pause need not touch the messages"
    assert found.pause is not None
    until = NOW + timedelta(seconds=waited_s)
    assert (found.pause.scope, found.pause.until, found.pause.reason) == (scope, until, "x")
    assert found.pause.phone_status == phone_status


@pytest.mark.parametrize(
    ("throttles", "waited_s"), [(1, 4.0), (2, 16.0), (3, 64.0), (9, PAUSE_MAX_S), (9_999, PAUSE_MAX_S)]
)
def test_a_pairs_pause_grows_and_touches_nobody_else(throttles: int, waited_s: float) -> None:
    found = verdict(RateLimited("x", retry_after_s=4, scope=Scope.PAIR, growth=4.0), throttles=throttles)
    assert (wait_s(found), found.pause) == (waited_s, None)


@given(st.integers(1, 2_000), st.floats(0, 0.9), st.floats(0.1, 60))
def test_backoff_stays_within_its_jitter_and_its_maximum(attempts: int, jitter: float, first_s: float) -> None:
    rule = RetryRule(first_s=first_s, jitter=jitter)
    plain = min(first_s * 2.0 ** min(attempts - 1, 60), BACKOFF_MAX_S)
    assert plain * (1 - jitter) <= rule.backoff_s(attempts) <= plain * (1 + jitter) + 1e-9


@pytest.mark.parametrize(("retry_after_s", "pause_s"), [(None, UNREACHABLE_RECHECK_S), (20.0, 20.0)])
def test_an_outage_of_the_provider_fails_no_message_however_long(retry_after_s: float | None, pause_s: float) -> None:
    found = verdict(Retryable("away", unreachable=True, retry_after_s=retry_after_s), attempts=99)
    assert (found.status, found.counted, wait_s(found)) == (Status.QUEUED, False, 0.0)
    assert found.pause is not None
    assert (found.pause.scope, (found.pause.until - NOW).total_seconds()) == (Scope.PHONE, pause_s)
