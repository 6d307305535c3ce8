"""When an instance that died is started again. Pure: no clock, no process.

Deaths count within a sliding window, so a crash loop that begins after a month of quiet ends like one that begins at
once, and a delay between restarts does not let it run for ever (PM2 counts from the first start and forgets when the
delays are long. Source: pm2 7.0.4, lib/God.js, handleExit, read 2026-11-23).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bisnes_supervisor.policy import Policy

#: PM2's factor. Source: pm2 7.0.4, lib/God.js, handleExit, read 2026-11-23.
BACKOFF_FACTOR = 1.5

#: A process that dies as soon as it starts is not started more often than this even without any delay of its own.
UNSTABLE_DELAY_MIN_S = 0.1


@dataclass(frozen=True)
class History:
    """What is remembered of one instance's deaths.

    Attributes:
        unstable_at: instants of its unstable deaths within the window, oldest first.
        in_a_row: unstable deaths since it last was up for `min_uptime`.
        errored: it was given up, or is only tried now and then.
    """

    unstable_at: tuple[float, ...] = ()
    in_a_row: int = 0
    errored: bool = False


@dataclass(frozen=True)
class Next:
    """What becomes of the instance.

    Attributes:
        history: to remember.
        delay_s: until its next start; None: it is not started again by itself.
        done: it ended with an exit code that means so.
    """

    history: History
    delay_s: float | None
    done: bool = False


def after_death(policy: Policy, history: History, *, uptime_s: float, at: float, exit_code: int) -> Next:
    """Decides about an instance that ended without a command.

    Args:
        policy: of its watcher.
        history: of the instance.
        uptime_s: how long it lived.
        at: now, on any steady clock.
        exit_code: 0 to 255, or minus the signal's number.
    """
    if exit_code in policy.stop_exit_codes:
        return Next(History(), None, done=True)
    if uptime_s >= policy.min_uptime_s:
        kept = () if history.errored else _within(policy, history, at)
        return Next(History(unstable_at=kept), policy.restart_delay_s)
    unstable_at = (*_within(policy, history, at), at)
    in_a_row = history.in_a_row + 1
    if history.errored or len(unstable_at) >= policy.max_restarts:
        return Next(History(unstable_at, in_a_row, errored=True), policy.errored_retry_s)
    delay_s = max(policy.restart_delay_s, backoff_s(policy, in_a_row), UNSTABLE_DELAY_MIN_S)
    return Next(replace(history, unstable_at=unstable_at, in_a_row=in_a_row), delay_s)


def backoff_s(policy: Policy, in_a_row: int) -> float:
    """Delay after so many unstable deaths in a row: 1.5 times the one before, up to the cap."""
    if not policy.backoff_first_s:
        return 0.0
    # The exponent is bounded as well: a float does not hold 1.5 ** 2000.
    return min(policy.backoff_max_s, policy.backoff_first_s * BACKOFF_FACTOR ** min(in_a_row - 1, 100))


def _within(policy: Policy, history: History, at: float) -> tuple[float, ...]:
    return tuple(instant for instant in history.unstable_at if instant > at - policy.restart_window_s)


class Budget:
    """How many starts of unstable instances the whole machine affords: a bucket of tokens.

    Several crash loops together cannot eat the processors; an instance that was stable never waits for a token.

    Args:
        per_s: tokens that flow in each second.
        burst: how many the bucket holds.
        at: now, on the clock of `take`.
    """

    def __init__(self, per_s: float, burst: float, at: float) -> None:
        self.per_s = per_s
        self.burst = burst
        self._tokens = burst
        self._at = at

    def take(self, at: float) -> float:
        """Takes a token and answers 0, or leaves it and answers how many seconds to wait."""
        self._tokens = min(self.burst, self._tokens + (at - self._at) * self.per_s)
        self._at = at
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self.per_s
