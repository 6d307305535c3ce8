"""New processes for old ones without a gap: the successor starts, gets ready, and only then the old one is ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from bisnes_supervisor.attendance import filled_in
from bisnes_supervisor.ending import end
from bisnes_supervisor.process import Process
from bisnes_supervisor.restarts import History
from bisnes_supervisor.slot import Slot

if TYPE_CHECKING:
    from bisnes_supervisor.watcher import Watcher

#: A new process without an address of its own is taken for ready when it has lived so long.
SETTLE_S = 1.0

#: What makes an address a process's own.
OWN = "$(circus.wid)"


class Failed(Exception):
    """A command that could not be done; the text says why."""


async def replace_all(watcher: Watcher) -> None:
    """Replaces a watcher's processes one after another; the first that does not get ready stops the roll.

    Raises:
        Failed: then; the old ones that are left go on.
    """
    try:
        for slot in list(watcher.instances.slots):
            await replace(watcher, slot)
    except Failed as failure:
        watcher.journal("reload failed", "error", reason=str(failure))
        raise


async def replace(watcher: Watcher, slot: Slot, detail: str = "") -> None:
    """Puts a new process into a slot. A singleton's old one ends first: there are never two of it.

    Raises:
        Failed: when the new one does not get ready.
    """
    if slot.process is None or watcher.singleton:
        if slot.process is not None:
            await end(watcher, slot.process, "replaced", detail=detail)
        slot.forgive(watcher.loop.time())
        watcher.tend()
        if slot.process is not None:
            await until_ready(watcher, slot.process)
        return
    new = watcher.instances.spawn()
    if new is None:
        raise Failed(f"the old processes go on: {watcher.instances.spawn_error or 'a hook forbids new ones'}")
    try:
        await until_ready(watcher, new)
    except Failed as failure:
        await end(watcher, new, "stopped", detail=str(failure))
        raise Failed(f"the old processes go on: {failure}") from failure
    old, slot.process, slot.due_at, slot.history = slot.process, new, None, History()
    slot.restarts += 1
    if old is not None:
        await end(watcher, old, "replaced", detail=detail)


async def all_ready(watcher: Watcher) -> None:
    """Waits until every process of a watcher is ready.

    Raises:
        Failed: when one of them is not.
    """
    starting = [slot.process for slot in watcher.instances.slots if slot.process is not None]
    outcomes = await asyncio.gather(*(until_ready(watcher, process) for process in starting), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


async def until_ready(watcher: Watcher, process: Process) -> None:
    """Waits until a process is ready.

    Raises:
        Failed: when it ended, took too long, or another command wants the watcher to stop.
    """
    interrupted = asyncio.ensure_future(watcher.turns.interrupt.wait())
    signs: set[asyncio.Future[Any]] = {process.gone, interrupted}
    policy, patience_s = watcher.policy, max(SETTLE_S, float(watcher.warmup_delay))
    if policy.wait_ready is not None:
        signs.add(process.ready)
        patience_s = policy.listen_timeout_s
    if policy.wait_ready is not None and OWN not in policy.wait_ready:
        # Whoever answers there may be another process: this one must at least have survived its start.
        await asyncio.wait(signs - {process.ready}, timeout=SETTLE_S, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.wait(signs, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
    interrupted.cancel()
    if process.gone.done() and process.gone.result() in policy.stop_exit_codes:
        return  # it had something to do once, and has done it
    if process.gone.done():
        raise Failed(f"pid {process.pid} ended before it was ready (exit code {process.gone.result()})")
    if watcher.turns.interrupt.is_set():
        raise Failed("interrupted by another command")
    if not process.ready.done():
        where = "" if policy.wait_ready is None else f" ({filled_in(process, policy.wait_ready)})"
        raise Failed(f"pid {process.pid} was not ready within {patience_s:g} s{where}")
