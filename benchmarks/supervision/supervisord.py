"""Supervisor, with superlance's memmon for memory limits; it is spoken to through its XML-RPC on the loopback."""

from __future__ import annotations

import secrets
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from benchmarks.supervision import installation
from benchmarks.supervision.contender import Contender, Refused, terminate
from benchmarks.supervision.workload import SOCKET, App
from tests.fixtures.services import free_port

_MAIN = """\
[supervisord]
nodaemon = true
pidfile = {folder}/supervisord.pid
logfile = {folder}/supervisord.log
childlogdir = {folder}

[inet_http_server]
port = 127.0.0.1:{port}
username = benchmark
password = {password}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""

#: TICK_5 is the quickest that it has.
_MEMMON = """
[eventlistener:memmon]
command = {python} -m superlance.memmon -c {limits}
events = TICK_5
environment = SUPERVISOR_USERNAME="benchmark",SUPERVISOR_PASSWORD="{password}"
"""


class Supervisord(Contender):
    """`supervisord`.

    Args:
        whole_groups: signals go to an app's process group (`stopasgroup`, `killasgroup`; off by default).
        by_hangup: a reload is a SIGHUP to the apps rather than their restart.
    """

    def __init__(
        self, folder: Path, apps: Sequence[App], *, whole_groups: bool = False, by_hangup: bool = False
    ) -> None:
        super().__init__(folder, apps)
        self._whole_groups = whole_groups
        self._by_hangup = by_hangup
        self._port = free_port()
        self._password = secrets.token_hex(16)
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Writes supervisord.conf and starts supervisord."""
        python = installation.supervisor()
        text = _MAIN.format(folder=self.folder, port=self._port, password=self._password)
        text += "\n".join(line for app in self.apps for line in self._section(app))
        limits = [f"-p {app.name}={app.rules.memory_limit_mb}MB" for app in self.apps if app.rules.memory_limit_mb]
        if limits:
            text += _MEMMON.format(python=python, limits=" ".join(limits), password=self._password)
        configuration = self.folder / "supervisord.conf"
        configuration.write_text(text + "\n")
        configuration.chmod(0o600)
        self._child = self.spawn([python, "-m", "supervisor.supervisord", "-c", str(configuration)])

    def stop(self) -> None:
        """SIGTERM."""
        if self._child is not None:
            terminate(self._child)

    def main_pid(self) -> int:
        """Of supervisord."""
        assert self._child is not None
        return self._child.pid

    def state(self, app: App) -> str:
        """What `supervisorctl status` says."""
        return str(self._rpc.getProcessInfo(app.name)["statename"]).lower()

    def reload(self, app: App) -> None:
        """`supervisorctl signal HUP` or `supervisorctl restart`."""
        try:
            if self._by_hangup:
                self._rpc.signalProcessGroup(app.name, "HUP")
            else:
                self._rpc.stopProcessGroup(app.name)
                self._rpc.startProcessGroup(app.name)
        except Fault as fault:
            raise Refused(f"supervisord refuses: {fault.faultString}") from fault

    @property
    def _rpc(self) -> Any:
        return ServerProxy(f"http://benchmark:{self._password}@127.0.0.1:{self._port}/RPC2").supervisor

    def _section(self, app: App) -> Iterator[str]:
        held = app.port is not None and any(SOCKET in word for word in app.command)
        yield f"\n[{'fcgi-program' if held else 'program'}:{app.name}]"
        if held:
            yield f"socket = tcp://127.0.0.1:{app.port}"
        command = shlex.join(app.command).replace(SOCKET, "0")  # it hands a socket over as standard input
        yield f"command = {command.replace('%', '%%')}"
        if app.processes > 1:
            yield from (f"numprocs = {app.processes}", "process_name = %(program_name)s_%(process_num)d")
        if app.environment:
            yield "environment = " + ",".join(f'{name}="{value}"' for name, value in app.environment.items())
        if self._whole_groups:
            yield from ("stopasgroup = true", "killasgroup = true")
        if app.rules.min_uptime_s is not None:
            yield f"startsecs = {app.rules.min_uptime_s:g}"
        if app.rules.max_restarts is not None:
            yield f"startretries = {app.rules.max_restarts}"
