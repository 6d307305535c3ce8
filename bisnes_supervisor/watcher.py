"""A watcher that keeps its instances by policy, seen from Circus's protocol.

What takes time (stop, restart, reload, scale) takes turns within the watcher and keeps no other one waiting; a stop
interrupts a reload that waits for readiness.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import circus.watcher
from circus import logger

from bisnes_supervisor import tree
from bisnes_supervisor.attendance import filled_in
from bisnes_supervisor.death import Death, exit_code_of, explain
from bisnes_supervisor.ending import end, end_hung, kill_tree
from bisnes_supervisor.instances import Instances
from bisnes_supervisor.occasions import Occasions
from bisnes_supervisor.output import DrainingRedirector
from bisnes_supervisor.policy import KILL_TIMEOUT, duration_s, read_policy
from bisnes_supervisor.process import Process
from bisnes_supervisor.replacing import all_ready, replace, replace_all
from bisnes_supervisor.turns import Turns

#: A replacement for too much memory that did not get ready is not tried again before this.
REPLACE_AGAIN_S = 60.0

#: Last lines of its output that a death is journaled with.
LAST_LINES = 20


class Watcher(circus.watcher.Watcher):
    """Circus's watcher with policies.

    Attributes:
        policy: read from its options.
        instances: what is to run, and what runs.
        wish: what the operator said last, where it differs from what the configuration says.
        turns: of its commands.
    """

    stream_redirector: Any
    processes: dict[int, Process]

    def __init__(self, name: str, cmd: str, **options: Any) -> None:
        self.policy = read_policy(options)
        if options.get(KILL_TIMEOUT) is not None:
            options["graceful_timeout"] = duration_s(str(options[KILL_TIMEOUT]))
        self._stream_classes = {
            stream: options[stream]["class"]
            for stream in ("stdout_stream", "stderr_stream")
            if "class" in (options.get(stream) or {})
        }
        super().__init__(name, cmd, **options)
        self.instances = Instances(self)
        self.wish: Literal["start", "stop"] | None = None
        self.turns = Turns(self)
        self._occasions: Occasions | None = None
        self._replace_again_at = 0.0

    # -- commands: what Circus's protocol calls -------------------------------------------------------------------
    def start(self) -> Any:
        """Starts it, or forgives errored instances; done when all are ready."""
        self.wish = "start" if self.wanted() is False else None
        return self.turns.take(self._begin_until_ready)

    def stop(self) -> Any:
        """Stops it until somebody starts it."""
        self.wish = "stop"
        return self._stop(True)

    def restart(self) -> Any:
        """Stops and starts it; done when all instances are ready."""
        self.wish = "start" if self.wanted() is False else None
        return self._restart()

    def reload(self, graceful: bool = True, sequential: bool = False) -> Any:
        """Replaces its instances one after another, each when its successor is ready."""
        return self._reload(graceful, sequential)

    def incr(self, nb: int = 1) -> Any:
        """More instances; the answer is their number."""
        return self._scaled(lambda: self.numprocesses + nb)

    def decr(self, nb: int = 1) -> Any:
        """Fewer instances; the answer is their number."""
        return self._scaled(lambda: self.numprocesses - nb)

    def set_numprocesses(self, np: int) -> Any:
        """So many instances; the answer is their number."""
        return self._scaled(lambda: np)

    def set_opt(self, key: str, val: Any) -> Any:
        """Sets one option; the answer says what has to follow (see Circus)."""
        return circus.watcher.Watcher.set_opt.__wrapped__(self, key, val)

    def _reload_stream(self, key: str, val: Any) -> Any:
        """Sets an option of a log; Circus has forgotten its class by then and would take its own."""
        name = key.partition(".")[0]
        if name in self._stream_classes:
            getattr(self, f"{name}_conf").setdefault("class", self._stream_classes[name])
        return super()._reload_stream(key, val)

    def do_action(self, num: int) -> Any:
        """Does what has to follow."""
        return self.turns.take(self._fit) if num == 0 or self.is_stopped() else self._reload()

    def kill_process(self, process: Process, stop_signal: Any = None, graceful_timeout: Any = None) -> Any:
        """Ends one process; another takes its place."""
        return self.turns.begin(end(self, process, "killed by command", stop_signal, graceful_timeout))

    def reset(self) -> None:
        """Forgets all restarts; errored instances start now."""
        self.instances.forgive()
        self.tend()

    def release(self) -> None:
        """Lets its processes go on without it."""
        self._end_occasions()
        self.instances.clear()
        self._status = "stopped"

    # -- the same for the arbiter --------------------------------------------------------------------------------
    def _start(self) -> Any:
        return self.turns.take(self._begin)

    def _stop(self, close_output_streams: bool = False) -> Any:
        return self.turns.take(partial(self._finish, close_output_streams), interrupts=True)

    def _restart(self) -> Any:
        return self.turns.take(self._restart_until_ready, interrupts=True)

    def _reload(self, graceful: bool = True, sequential: bool = False) -> Any:
        return self.turns.take(self._roll) if graceful else self._restart()

    def wanted(self) -> bool | None:
        """Whether the configuration wants it to run now; None: it does not depend on anything."""
        if self.policy.start_while is None:
            return None
        return bool((self.arbiter.folder / self.policy.start_while).exists())

    def follow_wish(self) -> None:
        """Starts or stops what depends on a file (`start_while`), unless the operator said otherwise."""
        wanted = self.wanted()
        if wanted is None or self.turns.taken:
            return
        if wanted and self.is_stopped() and self.wish != "stop":
            self.wish = None
            self._start()
        elif not wanted and self.is_active() and self.wish != "start":
            self._stop(True)

    def _scaled(self, wanted: Callable[[], int]) -> Any:
        return self.turns.begin(self.turns.count(lambda: self._scale(wanted)))

    async def _scale(self, wanted: Callable[[], int]) -> int:
        count = max(0, wanted())
        if self.singleton and count > 1:
            raise ValueError("a singleton has one process at most")
        self.numprocesses = count
        await self._fit()
        return count

    # -- start and stop ------------------------------------------------------------------------------------------
    async def _begin(self) -> None:
        if self.pending_socket_event:
            return
        if not self.is_stopped():
            self.reset()
            return
        if not self.call_hook("before_start"):
            return
        self._status = "starting"
        self._each_stream("open")
        self._create_redirectors()
        self.instances.clear()
        await self._fit()
        if self.is_stopping() or not self.call_hook("after_start"):
            await self._finish(True)
            return
        self._status = "active"
        self._occasions = Occasions(self.name, self.policy, self._reload_because)
        self.notify_event("start", {"time": time.time()})
        logger.info("%s started", self.name)

    async def _finish(self, close_output_streams: bool = False) -> None:
        if self.is_stopped():
            return
        self._status = "stopping"
        self._end_occasions()
        self.call_hook("before_stop")
        await asyncio.gather(*(end(self, process, "stopped") for process in list(self.processes.values())))
        if self.stream_redirector:
            self.stream_redirector.stop()
            self.stream_redirector = None
        if close_output_streams:
            self._each_stream("close")
        self.instances.clear()
        self._status = "stopped"
        self.notify_event("stop", {"time": time.time()})
        self.call_hook("after_stop")
        logger.info("%s stopped", self.name)

    async def _begin_until_ready(self) -> None:
        await self._begin()
        await all_ready(self)

    async def _restart_until_ready(self) -> None:
        await self._finish()
        await self._begin_until_ready()

    async def _roll(self) -> None:
        if self.is_stopped():
            await self._begin_until_ready()
        elif self.send_hup:
            for process in self.processes.values():
                process.send_signal(signal.SIGHUP)
        else:
            await replace_all(self)
        self.notify_event("reload", {"time": time.time()})
        logger.info("%s reloaded", self.name)

    async def _reload_because(self, reason: str) -> None:
        self.journal("reload", "info", reason=reason)
        await self._reload()

    async def _replace_if_there(self, process: Process, detail: str) -> None:
        slot = self.instances.slot_of(process)
        if slot is not None and not process.stopping:
            await replace(self, slot, detail)

    async def _fit(self) -> None:
        if self.is_stopped():
            return
        homeless = self.instances.fit(self.numprocesses)
        self.tend()
        await asyncio.gather(*(end(self, process, "stopped") for process in homeless))

    def _each_stream(self, action: str) -> None:
        for stream in (self.stdout_stream, self.stderr_stream):
            if stream and hasattr(stream, action):
                getattr(stream, action)()

    def _end_occasions(self) -> None:
        if self._occasions is not None:
            self._occasions.end()
            self._occasions = None

    # -- processes -------------------------------------------------------------------------------------------------
    def tend(self) -> None:
        """Starts what is due, unless the watcher is not to run. Called whenever something may have changed."""
        if self._status not in ("starting", "active"):
            return
        if self.pending_socket_event:  # what runs on demand waits for the next connection
            if not self.processes:
                self.release()
        elif not self.instances.tend():  # a hook forbids it, and Circus then stops the watcher
            starting = self._status == "starting"
            self._status = "stopping"
            if not starting:
                self._stop(True)

    def manage_processes(self) -> Any:
        """Called by Circus where it changes things in its own way."""
        return self.turns.take(self._fit)

    def reap_processes(self) -> None:
        """Circus would wait here for processes that live; the arbiter reaps them when the kernel says so."""

    def reap_process(self, pid: int, status: int | None = None) -> None:
        """Called by the arbiter with what the kernel said of a process that has ended."""
        process = self.processes.get(pid)
        if process is None or status is None:
            return
        if self.stream_redirector is not None:
            self.stream_redirector.drain(process)
            self.stream_redirector.remove_redirections(process)
        uptime_s = process.age()
        super().reap_process(pid, status)
        tree.kill_group(pid)
        death = explain(exit_code_of(status), process.purpose, oom=self.arbiter.oom_killed(), detail=process.detail)
        self._journal_end(process, death, uptime_s)
        slot = self.instances.slot_of(process)
        if slot is not None:
            self.instances.after_end(slot, death, uptime_s)
        process.gone.set_result(death.exit_code)
        self.tend()

    def on_hung(self, process: Process, silence_s: float) -> None:
        """Called when a process has not answered for too long."""
        detail = f"no answer from {filled_in(process, self.policy.live or '')} for {silence_s:.1f} s"
        self.journal("hung", "error", process, reason=detail)
        self.turns.begin(end_hung(self, process, detail))

    def on_old(self, process: Process) -> None:
        """Called when a process has reached its age."""
        self.turns.take(lambda: self._replace_if_there(process, f"max_age of {self.max_age} s"))

    def on_memory(self, process: Process, used_bytes: int) -> None:
        """Called with the memory of a tree that has reached a limit of the policy."""
        hard, soft = self.policy.memory_hard_bytes, self.policy.memory_soft_bytes
        if hard is not None and used_bytes > hard:
            if process.purpose != "memory":
                detail = f"{_mb(used_bytes)}, max_memory_restart is {_mb(hard)}"
                process.to_be_ended("memory", detail)
                self.journal("over memory limit", "error", process, reason=detail)
            kill_tree(self, process)
        elif soft is not None and process.purpose is None and self.loop.time() >= self._replace_again_at:
            self._replace_again_at = self.loop.time() + REPLACE_AGAIN_S
            detail = f"memory {_mb(used_bytes)}, soft_memory_restart is {_mb(soft)}"
            self.journal("asked to recycle", "warning", process, reason=detail)
            self.turns.take(lambda: self._replace_if_there(process, detail))

    @property
    def _process_class(self) -> Callable[..., Process]:
        return self.instances.make

    @property
    def _nextwid(self) -> int:
        used = {process.wid for process in self.processes.values()}
        return next(wid for wid in range(1, len(used) + 2) if wid not in used)

    @property
    def _redirector_class(self) -> type[DrainingRedirector]:
        return DrainingRedirector

    # -- telling ---------------------------------------------------------------------------------------------------
    def status(self) -> str:
        """For `circusctl status`: Circus's words, and `errored` and `waiting restart`."""
        if self._status != "active":
            return str(self._status)
        states = {slot.state for slot in self.instances.slots}
        if states & {"online", "starting", "stopping"} or not states:
            return "active"
        return next(state for state in ("errored", "waiting restart", "stopped") if state in states)

    def journal(self, event: str, severity: Any, process: Process | None = None, **data: Any) -> None:
        """Records something about this watcher."""
        about = {} if process is None else {"instance": process.wid, "pid": process.pid}
        self.arbiter.journal.write(self.name, event, severity, data=data, **about)

    def _journal_end(self, process: Process, death: Death, uptime_s: float) -> None:
        lines: list[str] = []
        for stream in (self.stderr_stream, self.stdout_stream):
            if hasattr(stream, "tail"):
                lines = lines or stream.tail(process.pid, LAST_LINES)
                stream.forget(process.pid)
        self.journal(
            "ended",
            death.severity,
            process,
            cause=death.cause,
            reason=death.text,
            exit_code=death.exit_code,
            uptime_s=round(uptime_s, 3),
            last_lines=lines,
            memory=[[round(at, 1), used] for at, used in process.curve],
        )


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1024**2:.0f} MB"
