"""Circus hooks named in ini files."""

from __future__ import annotations

from typing import Any

from bisnes_supervisor.environment import look_up


def unless_set(watcher: Any, **_: Any) -> bool:
    """`hooks.before_start`: starts the watcher only while no variable of its `start_unless_set` has a value."""
    return look_up(watcher._options.get("start_unless_set", "").split()) is None
