"""Commands of ours in Circus's protocol, beside its own. Imported before circusd reads its list of commands.

table       every instance: state, pid, restarts, memory and processor time of its tree
describe    one watcher: policy, instances, last events with reasons, last lines and memory curve
reset       forget restarts; errored instances start
save        keep scale and stopped states for the next start; `forget` drops them
resurrect   apply what was saved
"""

from __future__ import annotations

import asyncio
from typing import Any

import psutil
from circus.commands.base import Command
from circus.exc import MessageError

from bisnes_supervisor import saved_state
from bisnes_supervisor.policy import described
from bisnes_supervisor.saved_state import NothingToSaveIn
from bisnes_supervisor.slot import Slot
from bisnes_supervisor.watcher import Watcher

#: Events that `describe` answers when nobody says how many.
EVENTS = 20


class Table(Command):
    """Every instance of every watcher.

    The answer's `instances` is a list of objects, see `_instance`.
    """

    name = "table"

    def execute(self, arbiter: Any, props: dict[str, Any]) -> dict[str, Any]:
        """The list, by name and number."""
        watchers = sorted(arbiter.watchers, key=lambda watcher: str(watcher.name))
        return {"instances": [row for watcher in watchers for row in rows_of(watcher)]}


def rows_of(watcher: Watcher) -> list[dict[str, Any]]:
    """One row for each instance, or one for a watcher without any."""
    rows = [_instance(watcher, slot) for slot in watcher.instances.slots]
    return rows or [_instance(watcher, Slot(due_at=None)) | {"state": watcher.status()}]


def _instance(watcher: Watcher, slot: Slot) -> dict[str, Any]:
    process = slot.process
    row = {
        "process": watcher.name,
        "instance": None,
        "state": slot.state,
        "pid": None,
        "uptime_s": None,
        "restarts": slot.restarts,
        "unstable": len(slot.history.unstable_at),
        "cpu_percent": None,
        "memory_bytes": None,
        "memory_max_bytes": watcher.policy.memory_hard_bytes,
        "starts_in_s": None,
        "last_end": slot.last_end or None,
    }
    if process is not None:
        row |= {
            "instance": process.wid,
            "pid": process.pid,
            "uptime_s": round(process.age(), 1),
            "cpu_percent": round(process.cpu_percent, 1),
            "memory_bytes": process.memory_bytes or _resident_bytes(process.pid),
        }
    elif slot.due_at is not None and watcher.instances.slots:
        row["starts_in_s"] = round(max(0.0, slot.due_at - watcher.loop.time()), 1)
    return row


def _resident_bytes(pid: int) -> int:
    """Of a process that nobody has looked at yet."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


class Describe(Command):
    """All about one watcher.

    Properties: `name`, and `events` for their number.
    """

    name = "describe"
    properties = ("name",)

    def execute(self, arbiter: Any, props: dict[str, Any]) -> dict[str, Any]:
        """Its command, policy, instances and last events."""
        watcher = self._get_watcher(arbiter, props["name"])
        return {
            "process": watcher.name,
            "state": watcher.status(),
            "cmd": watcher.cmd,
            "working_dir": str(watcher.working_dir),
            "numprocesses": watcher.numprocesses,
            "singleton": bool(watcher.singleton),
            "graceful_timeout_s": watcher.graceful_timeout,
            "policy": described(watcher.policy),
            "instances": rows_of(watcher),
            "events": arbiter.journal.of(watcher.name, int(props.get("events", EVENTS))),
        }


class Reset(Command):
    """Forgets the restarts of one watcher, or of all; errored instances start.

    Properties: `name`, optional.
    """

    name = "reset"

    def execute(self, arbiter: Any, props: dict[str, Any]) -> None:
        """Does it."""
        chosen = [self._get_watcher(arbiter, props["name"])] if props.get("name") else arbiter.watchers
        for watcher in chosen:
            watcher.reset()


class Save(Command):
    """Keeps scale and stopped states for the next start.

    Properties: `forget`, to drop what was kept.
    """

    name = "save"

    def execute(self, arbiter: Any, props: dict[str, Any]) -> dict[str, Any]:
        """What was kept, by watcher."""
        try:
            if props.get("forget"):
                saved_state.forget(arbiter)
                return {"saved": {}}
            return {"saved": saved_state.save(arbiter)}
        except (NothingToSaveIn, OSError) as refused:
            raise MessageError(str(refused)) from refused


class Resurrect(Command):
    """Applies what was kept to what runs."""

    name = "resurrect"

    def execute(self, arbiter: Any, props: dict[str, Any]) -> Any:
        """What was applied, once it is."""
        return asyncio.ensure_future(_resurrect(arbiter))


async def _resurrect(arbiter: Any) -> dict[str, Any]:
    saved = saved_state.load(arbiter)
    known = {watcher.name: watcher for watcher in arbiter.iter_watchers() if watcher.name in saved}
    for name, watcher in known.items():
        if not watcher.singleton:
            await watcher.set_numprocesses(int(saved[name].get("numprocesses", watcher.numprocesses)))
        if saved[name].get("stopped"):
            await watcher.stop()
        elif watcher.is_stopped() and watcher.wanted() is not False:
            await watcher.start()
    return {"resurrected": sorted(known)}
