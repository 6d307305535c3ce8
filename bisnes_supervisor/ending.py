"""The end of a process, asked for or forced, with all that it started."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from circus import logger
from psutil import NoSuchProcess

from bisnes_supervisor import tree
from bisnes_supervisor.death import Cause
from bisnes_supervisor.process import Process

if TYPE_CHECKING:
    from bisnes_supervisor.watcher import Watcher

#: After SIGKILL a process is gone within milliseconds, unless the kernel itself waits for a disk.
KILL_S = 10.0

#: Time for stack dumps of a hung tree to reach its log before it is killed.
DUMP_S = 1.0


async def end(
    watcher: Watcher,
    process: Process,
    purpose: Cause,
    stop_signal: Any = None,
    graceful_timeout: Any = None,
    *,
    detail: str = "",
) -> bool:
    """Asks a process to end, and kills its tree when it does not in time.

    Args:
        watcher: whose process it is.
        process: to be ended.
        purpose: why; the first reason stands.
        stop_signal: instead of the watcher's.
        graceful_timeout: seconds, instead of the watcher's.
        detail: what is to be said of it.

    Returns:
        False when it was being ended already.
    """
    process.to_be_ended(purpose, detail)
    grace_s = watcher.graceful_timeout if graceful_timeout is None else float(graceful_timeout)
    if process.stopping:
        await gone_within(process, grace_s + KILL_S)
        return False
    process.stopping = True
    process.stop_attending()
    number = watcher.stop_signal if stop_signal is None else stop_signal
    with suppress(NoSuchProcess):
        if watcher.stop_children:
            watcher.send_signal_process(process, number)
        else:
            watcher.send_signal(process.pid, number)
            watcher.notify_event("kill", {"process_pid": process.pid, "time": time.time()})
    if not await gone_within(process, grace_s):
        kill_tree(watcher, process)
        if not await gone_within(process, KILL_S):
            logger.error("%s: pid %s does not end, even killed", watcher.name, process.pid)
    return True


async def end_hung(watcher: Watcher, process: Process, detail: str) -> None:
    """Ends a process that no longer answers, after it has shown where it hangs."""
    process.to_be_ended("hung", detail)
    # Python's faulthandler, where enabled, writes every thread's stack on SIGABRT, whatever the interpreter does. What
    # was stopped (SIGSTOP) takes it only once it goes on.
    members = watcher.arbiter.members_of(process)
    tree.kill(members, signal.SIGABRT)
    tree.kill(members, signal.SIGCONT)
    await gone_within(process, DUMP_S)
    kill_tree(watcher, process)


def kill_tree(watcher: Watcher, process: Process) -> None:
    """Kills a process and all that it started."""
    if not process.gone.done():
        tree.kill(watcher.arbiter.members_of(process))


async def gone_within(process: Process, patience_s: float) -> bool:
    """Whether a process has ended and been waited for, within this time."""
    await asyncio.wait({process.gone}, timeout=patience_s)
    return process.gone.done()
