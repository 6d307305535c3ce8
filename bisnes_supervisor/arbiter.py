"""An arbiter that never waits: it respawns at once, stops in order, and never forgets that it was told to stop.

-   Circus looks for dead processes every `check_delay`, and not at all while any command runs. Here SIGCHLD makes it
    look at once, and no command of one watcher keeps another waiting.
-   Circus drops a SIGTERM that arrives while a command runs. Here it is obeyed.
-   Circus stops all watchers together. Here lower priorities stop first, so that the database is there until the last
    process that writes to it has ended.
-   What a dead process leaves behind becomes circusd's child, and is killed.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
from itertools import groupby
from pathlib import Path
from typing import Any

import circus.arbiter
from tornado import gen

from bisnes_supervisor import notify, saved_state, streams, tree
from bisnes_supervisor.death import exit_code_of
from bisnes_supervisor.environment import read_supervisor_section
from bisnes_supervisor.journal import Journal
from bisnes_supervisor.process import Process
from bisnes_supervisor.restarts import Budget
from bisnes_supervisor.sampler import Sampler
from bisnes_supervisor.settings import Settings, read_settings
from bisnes_supervisor.watcher import Watcher

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)

#: Source: linux/prctl.h, read 2026-11-23.
_PR_SET_CHILD_SUBREAPER = 36


class Arbiter(circus.arbiter.Arbiter):
    """Circus's arbiter with the changes above.

    Attributes:
        folder: of the control socket, where relative sockets and files of policies are.
        started: every process that was started and has not been waited for, by pid.
        journal: what happened.
        budget: starts that unstable instances may take.
    """

    #: Of the configuration that was loaded last.
    settings = Settings()

    def __init__(self, watchers: Any, endpoint: str, *args: Any, **options: Any) -> None:
        super().__init__(watchers, endpoint, *args, **options)
        scheme, _, place = endpoint.partition("://")
        self.folder = Path(place).absolute().parent if scheme == "ipc" else Path.cwd()
        self.journal = Journal(self.settings.journal)
        self.budget = Budget(self.settings.restarts_per_s, self.settings.burst, self.loop.time())
        self._sampler: Sampler | None = None
        self._oom_kills = tree.oom_kills()
        self.started: dict[int, Process] = {}
        self._look_wanted = False
        for number in STOP_SIGNALS:
            signal.signal(number, lambda *_: self.loop.add_callback_from_signal(self._stop_soon))
        signal.signal(signal.SIGCHLD, lambda *_: self._look_soon())
        signal.signal(signal.SIGUSR1, lambda *_: self.loop.add_callback_from_signal(streams.reopen_all))

    @classmethod
    def load_from_config(cls, config_file: str, loop: Any = None) -> Any:
        """Called by circusd, at its start and when it starts anew (`circusctl restart`)."""
        cls.settings = read_settings(read_supervisor_section(config_file))
        return super().load_from_config(config_file, loop)

    def initialize(self) -> None:
        """Called by Circus before it starts the watchers."""
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        super().initialize()
        saved_state.apply(self)

    # -- start ----------------------------------------------------------------------------------------------------
    @gen.coroutine
    def start_watchers(self, watcher_iter_func: Any = None) -> Any:
        """Starts all watchers, or those that an operator's pattern names."""
        if self._sampler is not None:  # an operator's command
            chosen = watcher_iter_func() if watcher_iter_func else filter(_autostarts, self.iter_watchers())
            yield [watcher.start() for watcher in chosen]
            return
        yield gen.sleep(0)  # Circus calls this before its loop runs
        self._sampler = Sampler(self.settings.sample_every_s, os.getpid(), self._processes, self._on_memory)
        yield self._start_watchers()
        notify.ready(f"{len(self.watchers)} watchers")
        period_s = notify.watchdog_period_s()
        if period_s:
            self._ping(period_s)

    @gen.coroutine
    def _start_watchers(self, watcher_iter_func: Any = None) -> Any:
        for watcher in (watcher_iter_func or self.iter_watchers)():
            if watcher.autostart and watcher.wish != "stop" and watcher.wanted() is not False:
                yield watcher._start()
                yield gen.sleep(self.warmup_delay)

    def _ping(self, period_s: float) -> None:
        notify.ping()
        self.loop.call_later(period_s, self._ping, period_s)

    # -- respawn -------------------------------------------------------------------------------------------------
    def _look_soon(self) -> None:
        if not self._look_wanted:
            self._look_wanted = True
            self.loop.add_callback_from_signal(self._look)

    def _look(self) -> None:
        self._look_wanted = False
        self.reap_processes()
        self._kill_strays()

    def manage_watchers(self) -> None:
        """Called by Circus every `check_delay`: what no signal tells."""
        if self._stopping:
            return
        self._look()
        for watcher in self.iter_watchers():
            watcher.follow_wish()
            watcher.tend()
        self._serve_on_demand()

    def _serve_on_demand(self) -> None:
        if not any(watcher.on_demand and watcher.is_stopped() for watcher in self.watchers):
            return
        readable, _, _ = select.select([socket.fileno() for socket in self.sockets.values()], [], [], 0)
        if readable:
            self.socket_event = True
            waiting = [watcher._start() for watcher in self.iter_watchers() if watcher.on_demand]
            self.loop.add_future(gen.multi(waiting), self._demand_served)

    def _demand_served(self, _: object) -> None:
        self.socket_event = False

    def reap_processes(self) -> None:
        """Waits for every child that has ended, ours or adopted."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            process = self.started.pop(pid, None)
            if process is not None:
                process.watcher.reap_process(pid, status)
                if not process.gone.done():  # a hook refused it right after its start: its watcher knows it no more
                    process.gone.set_result(exit_code_of(status))

    def oom_killed(self) -> bool:
        """Whether the kernel has killed somebody for want of memory since this was asked last."""
        before, self._oom_kills = self._oom_kills, tree.oom_kills()
        return self._oom_kills > before

    # -- trees ----------------------------------------------------------------------------------------------------
    def _processes(self) -> list[tuple[Process, int]]:
        return [
            (process, process.watcher.policy.memory_soft_bytes or process.watcher.policy.memory_hard_bytes or 0)
            for process in self.started.values()
        ]

    def _on_memory(self, process: Process, used_bytes: int) -> None:
        if not process.gone.done():
            process.watcher.on_memory(process, used_bytes)

    def members_of(self, process: Process) -> list[int]:
        """Pids of a process's tree now, itself first, orphans among its descendants included."""
        children = tree.forest(tree.look())
        orphans = [pid for pid in self._unknown(children) if tree.owner_of(pid) == process.mark]
        return [pid for top in (process.pid, *orphans) for pid in tree.below(top, children)]

    def _unknown(self, children: dict[int, list[int]]) -> list[int]:
        """Children that no watcher started; in circusd's own session are those of hooks."""
        own_session = os.getsid(0)
        pids = children.get(os.getpid(), ())
        return [pid for pid in pids if pid not in self.started and _session_of(pid) != own_session]

    def _kill_strays(self) -> None:
        """Kills what dead processes left behind; an orphan whose owner lives stays."""
        children = _own_children()
        if not children:
            return
        strays = self._unknown({os.getpid(): children})
        if not strays:
            return
        living = {process.mark for process in self.started.values()}
        children_of = tree.forest(tree.look())
        for pid in strays:
            if tree.owner_of(pid) not in living:
                tree.kill(tree.below(pid, children_of))

    # -- stop ----------------------------------------------------------------------------------------------------
    def _stop_soon(self) -> None:
        if not self._stopping:
            self.stop()

    def stop(self) -> Any:
        """Stops everything; no running command refuses it."""
        notify.stopping()
        stopped = circus.arbiter.Arbiter.stop.__wrapped__(self)
        self.loop.add_future(stopped, lambda _: self._close())
        return stopped

    def restart(self, inside_circusd: bool = False, watcher_iter_func: Any = None) -> Any:
        """Restarts some watchers, or (`inside_circusd`) everything with a configuration that is read anew."""
        restarted = super().restart(inside_circusd, watcher_iter_func)
        if inside_circusd:
            self.loop.add_future(restarted, lambda _: self._close())
        return restarted

    def _close(self) -> None:
        if self._sampler is not None:
            self._sampler.end()
        self.journal.close()

    @gen.coroutine
    def stop_watchers(self, watcher_iter_func: Any = None) -> Any:
        """Stops all watchers, or those that an operator's pattern names, until they are started."""
        yield self._in_order(list((watcher_iter_func or self.iter_watchers)()), Watcher.stop)

    @gen.coroutine
    def _stop_watchers(self, close_output_streams: bool = False, watcher_iter_func: Any = None) -> Any:
        chosen = list((watcher_iter_func or self.iter_watchers)())
        yield self._in_order(chosen, lambda watcher: watcher._stop(close_output_streams))

    @gen.coroutine
    def _in_order(self, watchers: list[Any], stop: Any) -> Any:
        ordered = sorted(watchers, key=lambda watcher: watcher.priority)
        for _, same in groupby(ordered, key=lambda watcher: watcher.priority):
            yield [stop(watcher) for watcher in same]

    # -- configuration --------------------------------------------------------------------------------------------
    def add_watcher(self, name: str, cmd: str, **options: Any) -> Any:
        """Adds a watcher; no running command refuses it."""
        return circus.arbiter.Arbiter.add_watcher.__wrapped__(self, name, cmd, **options)

    def rm_watcher(self, name: str, nostop: bool = False) -> Any:
        """Removes a watcher; no running command refuses it."""
        if nostop:
            self.get_watcher(name).release()
        return circus.arbiter.Arbiter.rm_watcher.__wrapped__(self, name, nostop)


def _autostarts(watcher: Watcher) -> bool:
    return bool(watcher.autostart) and watcher.wanted() is not False


def _own_children() -> list[int]:
    """Pids of our children, adopted ones included; one small file per thread."""
    pids: list[int] = []
    try:
        for thread in os.listdir("/proc/self/task"):
            pids += map(int, Path(f"/proc/self/task/{thread}/children").read_text().split())
    except OSError:  # a kernel without it, or a thread that ended meanwhile
        return tree.forest(tree.look()).get(os.getpid(), [])
    return pids


def _session_of(pid: int) -> int:
    member = tree.member_of(pid)
    return os.getsid(0) if member is None or member.zombie else member.session
