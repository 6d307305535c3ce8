"""Circus as shipped, and ours; both are spoken to through Circus's own protocol."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from circus.client import CircusClient
from circus.exc import CallError

from benchmarks.supervision.contender import Contender, Refused, terminate
from benchmarks.supervision.workload import SOCKET, App

ANSWER_S = 10.0
RELOAD_S = 60.0

#: Everything not said here is Circus's default: `check_delay` is 5.
_MAIN = """\
[circus]
endpoint = ipc://{run}/circus.sock
pubsub_endpoint = ipc://{run}/circus-events.sock
multicast_endpoint =
pidfile = {run}/circusd.pid
logoutput = {run}/circusd.log
umask = 077
"""

#: Its rule at its quickest: each second, at the first excess, and for memory alone.
_RESOURCE_WATCHER = """
[plugin:{name}-memory]
use = circus.plugins.resource_watcher.ResourceWatcher
watcher = {name}
loop_rate = 1
max_count = 0
max_mem = {limit_mb}M
max_cpu = 0
health_threshold = 0
"""


class StockCircus(Contender):
    """`circusd`, default configuration.

    Args:
        resource_watcher: with Circus's plug-in for memory limits.
    """

    program: ClassVar[str] = "circus.circusd"
    stream: ClassVar[str] = "FileStream"

    def __init__(self, folder: Path, apps: Sequence[App], *, resource_watcher: bool = False) -> None:
        super().__init__(folder, apps)
        self._resource_watcher = resource_watcher
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Writes circus.ini and starts circusd."""
        run = self.folder / "run"
        run.mkdir(mode=0o700)
        text = _MAIN.format(run=run) + "\n".join(line for app in self.apps for line in self._section(app))
        if self._resource_watcher:
            text += "".join(
                _RESOURCE_WATCHER.format(name=app.name, limit_mb=app.rules.memory_limit_mb) for app in self.apps
            )
        (self.folder / "circus.ini").write_text(text + "\n")
        self._child = self.spawn([sys.executable, "-m", self.program, "circus.ini"])

    def stop(self) -> None:
        """SIGTERM."""
        if self._child is not None:
            terminate(self._child)

    def main_pid(self) -> int:
        """Of circusd, or of the process that looks after it."""
        assert self._child is not None
        return self._child.pid

    def state(self, app: App) -> str:
        """What `circusctl status` says."""
        return str(self._call("status", ANSWER_S, name=app.name)["status"])

    def reload(self, app: App) -> None:
        """`circusctl reload`."""
        self._call("reload", RELOAD_S, name=app.name, waiting=True)

    def _call(self, command: str, timeout_s: float, **properties: object) -> dict[str, Any]:
        client = CircusClient(endpoint=f"ipc://{self.folder}/run/circus.sock", timeout=timeout_s)
        try:
            answer: dict[str, Any] = client.call({"command": command, "properties": properties})
        except CallError as silence:
            raise Refused(f"circusd does not answer {command}: {silence}") from silence
        finally:
            client.stop()
        if answer.get("status") == "error":
            raise Refused(f"circusd refuses {command}: {answer.get('reason')}")
        return answer

    def _section(self, app: App) -> Iterator[str]:
        if app.port is not None:
            yield from (f"[socket:{app.name}]", "host = 127.0.0.1", f"port = {app.port}")
        yield f"[watcher:{app.name}]"
        yield f"cmd = {shlex.join(app.command).replace(SOCKET, f'$(circus.sockets.{app.name})')}"
        yield f"numprocesses = {app.processes}"
        yield from ("copy_env = True", "graceful_timeout = 10")
        if app.port is not None:
            yield "use_sockets = True"
        for name in ("stdout", "stderr"):
            yield f"{name}_stream.class = {self.stream}"
            yield f"{name}_stream.filename = {self.folder}/{app.name}-{name}.log"
        yield from self._rules(app)
        if app.environment:
            yield f"[env:{app.name}]"
            yield from (f"{name} = {value}" for name, value in app.environment.items())

    def _rules(self, app: App) -> Iterator[str]:
        """Circus has no such rules."""
        yield from ()


class OurCircus(StockCircus):
    """`bisnes-circusd`, with the rules in its words."""

    program = "bisnes_supervisor.circusd"
    stream = "bisnes_supervisor.streams.LineFile"

    def _rules(self, app: App) -> Iterator[str]:
        rules = app.rules
        if rules.restart_delay_s:
            yield f"restart_delay = {rules.restart_delay_s:g}s"
        if rules.max_restarts is not None:
            yield f"max_restarts = {rules.max_restarts}"
        if rules.min_uptime_s is not None:
            yield f"min_uptime = {rules.min_uptime_s:g}s"
        if rules.memory_limit_mb is not None:
            yield f"max_memory_restart = {rules.memory_limit_mb}M"
            if not rules.soft_limit:
                yield "soft_memory_restart = off"
        if app.ready is not None:
            yield f"wait_ready = unix:{app.ready}:/ready"
