"""Circus hooks named in ini files."""

from __future__ import annotations

from typing import Any

from bisnes_supervisor.environment import look_up


def unless_set(watcher: Any, **_: Any) -> bool:
    """`hooks.before_start`: starts the watcher only while no variable of its `start_unless_set` has a value."""
    return look_up(watcher._options.get("start_unless_set", "").split()) is None


def say_if_policies_are_off(watcher: Any, **_: Any) -> bool:
    """`hooks.before_start`, on one watcher: says so when a plain circusd runs it, which obeys none of our options."""
    from circus import logger

    from bisnes_supervisor.watcher import Watcher

    if not isinstance(watcher, Watcher):
        logger.warning(
            "policies are off: this circusd knows no limits, delays, readiness or hangs; start `bisnes-circusd` instead"
        )
    return True
