"""What an operator has changed since the configuration was written: how many instances, and what is stopped.

`save` writes it, every start of circusd applies it, `resurrect` applies it again. The configuration stays what it is.
"""

from __future__ import annotations

import json
import os
from typing import Any

from circus import logger


class NothingToSaveIn(Exception):
    """The configuration names no `state_file`."""


def current(arbiter: Any) -> dict[str, dict[str, Any]]:
    """Scale and stopped state of each watcher by name."""
    return {
        watcher.name: {"numprocesses": watcher.numprocesses, "stopped": watcher.wish == "stop"}
        for watcher in arbiter.watchers
    }


def save(arbiter: Any) -> dict[str, dict[str, Any]]:
    """Writes the current state, whole or not at all.

    Raises:
        NothingToSaveIn: when there is no place for it.
    """
    path = _path(arbiter)
    state = current(arbiter)
    fresh = path.with_name(f"{path.name}.new")
    path.parent.mkdir(parents=True, exist_ok=True)
    with fresh.open("w") as file:
        json.dump(state, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    return state


def load(arbiter: Any) -> dict[str, dict[str, Any]]:
    """The saved state; empty when nothing was saved."""
    path = arbiter.settings.state_file
    if path is None or not path.exists():
        return {}
    try:
        state = json.loads(path.read_text())
        return {str(name): dict(one) for name, one in state.items()}
    except (ValueError, AttributeError, TypeError) as damaged:
        logger.error("%s cannot be read and is left alone: %s", path, damaged)
        return {}


def apply(arbiter: Any) -> None:
    """Before the start: watchers take the saved scale, stopped ones are not started."""
    for name, saved in load(arbiter).items():
        watcher = arbiter._watchers_names.get(name.lower())
        if watcher is None:
            logger.warning("saved state of %s: there is no such watcher any more", name)
            continue
        if not watcher.singleton:
            watcher.numprocesses = int(saved.get("numprocesses", watcher.numprocesses))
        if saved.get("stopped"):
            watcher.wish = "stop"


def forget(arbiter: Any) -> None:
    """The next start goes by the configuration alone."""
    _path(arbiter).unlink(missing_ok=True)


def _path(arbiter: Any) -> Any:
    path = arbiter.settings.state_file
    if path is None:
        raise NothingToSaveIn("the configuration names no file for it: [supervisor] state_file = var/supervisor.json")
    return path
