"""PM2, with a home of its own; the one of the user is not touched."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from benchmarks.supervision import installation
from benchmarks.supervision.contender import STOP_S, Contender, Refused
from benchmarks.supervision.workload import App

COMMAND_S = 60.0


class Pm2(Contender):
    """`pm2 start ecosystem.json`.

    Args:
        look_every_s: how often it looks at memory; None: its default of 30 s.
    """

    def __init__(self, folder: Path, apps: Sequence[App], *, look_every_s: float | None = None) -> None:
        super().__init__(folder, apps)
        self._home = folder / "pm2"
        self.environment |= {
            "PM2_HOME": str(self._home),
            # It asks a server for its newest version at the first start and daily; both off.
            # Source: lib/Client.js and lib/Worker.js, 7.0.4.
            "PM2_DISCRETE_MODE": "true",
            "PM2_DISABLE_VERSION_CHECK": "true",
        }
        if look_every_s is not None:
            self.environment["PM2_WORKER_INTERVAL"] = str(int(look_every_s * 1000))

    def start(self) -> None:
        """Starts the daemon, and with it the apps."""
        self._home.mkdir()
        ecosystem = self.folder / "ecosystem.json"
        ecosystem.write_bytes(orjson.dumps({"apps": [self._entry(app) for app in self.apps]}))
        self._command("start", str(ecosystem))

    def stop(self) -> None:
        """`pm2 kill`."""
        with suppress(subprocess.SubprocessError):
            self._command("kill", timeout_s=STOP_S)

    def main_pid(self) -> int:
        """Of the daemon."""
        return int((self._home / "pm2.pid").read_text())

    def state(self, app: App) -> str:
        """What `pm2 list` says."""
        processes = orjson.loads(self._command("jlist"))
        return next(str(one["pm2_env"]["status"]) for one in processes if one["name"] == app.name)

    def reload(self, app: App) -> None:
        """`pm2 reload`."""
        self._command("reload", app.name)

    def _command(self, *arguments: str, timeout_s: float = COMMAND_S) -> bytes:
        done = subprocess.run(
            [*installation.pm2(), *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
        )
        if done.returncode:
            raise Refused(f"pm2 {' '.join(arguments)} failed: {done.stderr.decode(errors='replace')}")
        return done.stdout

    def _entry(self, app: App) -> dict[str, Any]:
        rules = app.rules
        entry: dict[str, Any] = {
            "name": app.name,
            "script": app.command[0],
            "args": list(app.command[1:]),
            "cwd": str(self.folder),
            "env": dict(app.environment),
            "instances": app.processes,
            "exec_mode": "cluster" if app.node_cluster else "fork",
        }
        if not app.node_cluster:
            entry["interpreter"] = "none"
        if rules.restart_delay_s:
            entry["restart_delay"] = int(rules.restart_delay_s * 1000)
        if rules.max_restarts is not None:
            entry["max_restarts"] = rules.max_restarts
        if rules.min_uptime_s is not None:
            entry["min_uptime"] = int(rules.min_uptime_s * 1000)
        if rules.memory_limit_mb is not None:
            entry["max_memory_restart"] = f"{rules.memory_limit_mb}M"
        return entry
