"""Decisions about instances that died: pure, for any history."""

from __future__ import annotations

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bisnes_supervisor.death import explain
from bisnes_supervisor.policy import Policy, read_policy
from bisnes_supervisor.restarts import UNSTABLE_DELAY_MIN_S, Budget, History, after_death

WWEBJS = read_policy({"restart_delay": "5s", "max_restarts": "10", "min_uptime": "10s"})


def lives(policy: Policy, uptimes_s: list[float], pause_s: float = 0.0) -> list[tuple[float | None, bool]]:
    """Delay and `errored` after each of these lives, one after another."""
    history, at, outcomes = History(), 0.0, []
    for uptime_s in uptimes_s:
        at += uptime_s
        decided = after_death(policy, history, uptime_s=uptime_s, at=at, exit_code=1)
        history = decided.history
        outcomes.append((decided.delay_s, history.errored))
        at += (decided.delay_s or 0) + pause_s
    return outcomes


def test_a_crash_loop_of_the_designs_wwebjs_is_errored_after_ten_starts() -> None:
    outcomes = lives(WWEBJS, [0.1] * 12)
    assert outcomes[:9] == [(5, False)] * 9
    assert outcomes[9:] == [(300, True)] * 3


def test_lives_just_below_min_uptime_count_although_their_delays_stretch_the_loop() -> None:
    assert lives(WWEBJS, [9.9] * 10)[-1] == (300, True)


def test_a_stable_life_is_no_part_of_a_loop_but_does_not_wipe_it_out() -> None:
    policy = read_policy({"max_restarts": "4", "min_uptime": "10s"})
    # Three of four lives are short: within the window there are soon four.
    assert any(errored for _, errored in lives(policy, [1, 1, 1, 11] * 4))
    assert not any(errored for _, errored in lives(policy, [1, 40] * 20))


def test_after_errored_one_stable_life_begins_a_new_count() -> None:
    policy = read_policy({"max_restarts": "3"})
    outcomes = lives(policy, [0.1, 0.1, 0.1, 5, 0.1, 0.1, 0.1])
    assert [errored for _, errored in outcomes] == [False, False, True, False, False, False, True]


def test_backoff_grows_by_half_and_is_capped() -> None:
    policy = read_policy({"exp_backoff_restart_delay": "100ms", "exp_backoff_max": "15s", "max_restarts": "100"})
    delays = [delay_s for delay_s, _ in lives(policy, [0.1] * 20)]
    assert delays[:4] == pytest.approx([0.1, 0.15, 0.225, 0.3375])
    assert delays[-1] == 15
    assert lives(policy, [0.1] * 4 + [2, 0.1])[-2:] == [(0, False), (0.1, False)]


def test_a_done_exit_code_ends_it() -> None:
    policy = read_policy({"stop_exit_codes": "0 4"})
    decided = after_death(policy, History(), uptime_s=0.1, at=0, exit_code=4)
    assert decided.done
    assert decided.delay_s is None


@given(
    uptimes_s=st.lists(st.floats(0, 100), min_size=1, max_size=60),
    max_restarts=st.integers(1, 8),
    min_uptime_s=st.floats(0.01, 20),
    restart_delay_s=st.floats(0, 30),
    retry_s=st.none() | st.floats(0.1, 600),
)
def test_whatever_happens(
    uptimes_s: list[float], max_restarts: int, min_uptime_s: float, restart_delay_s: float, retry_s: float | None
) -> None:
    """No restart before its delay, never more unstable starts in a row than allowed, and no history without bound."""
    window_s = max_restarts * (min_uptime_s + restart_delay_s)
    policy = Policy(
        max_restarts=max_restarts,
        min_uptime_s=min_uptime_s,
        restart_delay_s=restart_delay_s,
        restart_window_s=window_s,
        errored_retry_s=retry_s,
    )
    history, at, in_a_row = History(), 0.0, 0
    for uptime_s in uptimes_s:
        at += uptime_s
        unstable = uptime_s < min_uptime_s
        in_a_row = in_a_row + 1 if unstable else 0
        decided = after_death(policy, history, uptime_s=uptime_s, at=at, exit_code=1)
        history = decided.history
        if history.errored:
            assert decided.delay_s == retry_s
            assert unstable
        else:
            assert decided.delay_s is not None
            assert decided.delay_s >= restart_delay_s
            assert not unstable or decided.delay_s >= UNSTABLE_DELAY_MIN_S
            assert len(history.unstable_at) < max_restarts
        at += decided.delay_s or 0.0


def test_the_budget_bounds_starts_over_any_time() -> None:
    budget = Budget(per_s=0.5, burst=4, at=0.0)
    at, taken = 0.0, 0
    while at < 100:
        wait_s = budget.take(at)
        taken += wait_s == 0
        at += max(wait_s, 0.01)
    assert 50 <= taken <= 4 + 50 + 1


@pytest.mark.parametrize(
    ("exit_code", "purpose", "oom", "cause", "severity"),
    [
        (0, None, False, "clean exit", "warning"),
        (3, None, False, "crash", "error"),
        (-signal.SIGSEGV, None, True, "crash", "error"),
        (-signal.SIGKILL, None, False, "killed from outside", "error"),
        (-signal.SIGKILL, None, True, "out of memory", "error"),
        (-signal.SIGKILL, "memory", True, "memory", "error"),
        (0, "stopped", False, "stopped", "info"),
        (-signal.SIGTERM, "replaced", False, "replaced", "info"),
        (-signal.SIGABRT, "hung", False, "hung", "error"),
    ],
)
def test_ends_have_one_cause_each(exit_code: int, purpose: None, oom: bool, cause: str, severity: str) -> None:
    death = explain(exit_code, purpose, oom=oom)
    assert (death.cause, death.severity) == (cause, severity)
    assert death.commanded == (severity == "info")
    assert ("SIG" in death.text) or exit_code >= 0 or cause in ("out of memory", "killed from outside")
