"""circusd as a peer: its protocol over the control socket, with the patience that it needs.

Circus refuses every command while another runs ("arbiter is already running …"); such a command is tried again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from circus.client import CircusClient
from circus.exc import CallError

from bisnes_cli.errors import NOT_RUNNING, Refused

#: An answer that does not wait for a process comes within milliseconds.
ANSWER_S = 5.0
#: A graceful stop takes as long as the slowest process may (`graceful_timeout` of `api`); a restart starts after it.
ACTION_S = 90.0
#: Between two tries of a refused command.
RETRY_S = 0.1


class Supervisor:
    """The circusd of one installation.

    Args:
        run_dir: folder of its sockets.
    """

    def __init__(self, run_dir: Path) -> None:
        self._socket = run_dir / "circus.sock"
        self._pid_file = run_dir / "circusd.pid"

    @property
    def endpoint(self) -> str:
        """For `circusctl --endpoint`."""
        return f"ipc://{self._socket}"

    def process(self) -> psutil.Process | None:
        """The running circusd, if there is one."""
        try:
            process = psutil.Process(int(self._pid_file.read_text()))
            started_first = process.create_time() <= self._pid_file.stat().st_mtime + 1
            return process if started_first and process.status() != psutil.STATUS_ZOMBIE else None
        except (OSError, ValueError, psutil.Error):
            return None

    def statuses(self) -> dict[str, str]:
        """Watcher names with `active`, `stopped`, …."""
        statuses: dict[str, str] = self.call("status")["statuses"]
        return statuses

    def pids(self, name: str) -> list[int]:
        """Main processes of one watcher."""
        pids: list[int] = self.call("list", name=name)["pids"]
        return pids

    def stats(self) -> dict[str, dict[str, Any]]:
        """Watcher names with their processes' figures by pid."""
        infos: dict[str, dict[str, Any]] = self.call("stats")["infos"]
        return infos

    def act(self, command: str, name: str, **properties: Any) -> dict[str, Any]:
        """Gives a command that changes something and waits until it is done."""
        return self.call(command, ACTION_S, name=name, match="simple", waiting=True, **properties)

    def call(self, command: str, timeout_s: float = ANSWER_S, **properties: Any) -> dict[str, Any]:
        """Gives one command and returns its answer.

        Raises:
            Refused: when nothing runs here or Circus refuses the command.
        """
        if self.process() is None:
            raise Refused(f"No gateway runs here (no live pid in {self._pid_file}). Start it: bisnes up", NOT_RUNNING)
        give_up_at = time.monotonic() + timeout_s
        with self._client(timeout_s) as client:
            while True:
                try:
                    answer: dict[str, Any] = client.call({"command": command, "properties": properties})
                except CallError as silence:
                    raise Refused(
                        f"circusd gave no answer to `{command}` within {timeout_s:g} s: {silence}"
                    ) from silence
                if answer.get("status") != "error":
                    return answer
                reason = str(answer.get("reason"))
                if "already running" not in reason or time.monotonic() > give_up_at:
                    raise Refused(f"circusd refuses `{command}`: {reason}")
                time.sleep(RETRY_S)  # noqa: TID251 - Circus does not announce that it is free again

    @contextmanager
    def _client(self, timeout_s: float) -> Iterator[CircusClient]:
        client = CircusClient(endpoint=self.endpoint, timeout=timeout_s)
        try:
            yield client
        finally:
            client.stop()
