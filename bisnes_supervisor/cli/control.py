"""circusd as a peer: a command of Circus's protocol is given and waited for.

The protocol is a JSON object each way over ZeroMQ. Circus's own client waits its time whatever happens; this one
notices at once that nobody listens, and that circusd ended while it was waited for.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import zmq
from zmq.utils.monitor import recv_monitor_message

from bisnes_supervisor.cli.errors import NOT_RUNNING, USAGE, Refused

#: An answer that does not wait for a process comes within milliseconds.
ANSWER_S = 5.0
#: Longer than a reload takes whose every process needs its whole `listen_timeout` and `graceful_timeout`; a circusd
#: that ends meanwhile is noticed at once.
ACTION_S = 600.0
#: Between two tries of a refused command.
RETRY_S = 0.1

#: How Circus refuses a command while another runs. Source: circus/util.py, `synchronized`, 0.19.0, read 2026-11-24.
_BUSY = "arbiter is already running"
#: How it refuses one that it does not have. Source: circus/controller.py, `dispatch`, 0.19.0, read 2026-11-24.
_UNKNOWN = "unknown command"


class Supervisor:
    """A circusd, running or not.

    Args:
        endpoint: of its control socket, such as `ipc:///srv/shop/var/run/circus.sock`.
        start: the command that starts it, for people.
        pid_file: where it writes its pid.
    """

    def __init__(
        self, endpoint: str, *, start: str = "bisnes-circusd circus.ini", pid_file: Path | None = None
    ) -> None:
        self.endpoint = endpoint
        self._start = start
        self._pid_file = pid_file

    def process(self) -> psutil.Process | None:
        """The running circusd, if the pid file names one."""
        if self._pid_file is None:
            return None
        try:
            process = psutil.Process(int(self._pid_file.read_text()))
            started_first = process.create_time() <= self._pid_file.stat().st_mtime + 1
            return process if started_first and process.status() != psutil.STATUS_ZOMBIE else None
        except (OSError, ValueError, psutil.Error):
            return None

    # -- asking ---------------------------------------------------------------------------------------------------
    def pid(self) -> int:
        """Of circusd itself."""
        return int(self.call("dstats")["info"]["pid"])

    def statuses(self) -> dict[str, str]:
        """Watcher names with `active`, `stopped`, …."""
        statuses: dict[str, str] = self.call("status")["statuses"]
        return statuses

    def pids(self, name: str) -> list[int]:
        """Main processes of one watcher."""
        pids: list[int] = self.call("list", name=name)["pids"]
        return pids

    def table(self) -> list[dict[str, Any]]:
        """Every instance of every watcher; see `bisnes_supervisor.commands`."""
        instances: list[dict[str, Any]] = self.call("table")["instances"]
        return instances

    def known(self, names: Iterable[str]) -> list[str]:
        """The watchers with these names, in any case of letters, once each.

        Raises:
            Refused: when there is none of a name.
        """
        there = {name.lower(): name for name in self.statuses()}
        found: dict[str, None] = {}
        for name in names:
            if name.lower() not in there:
                raise Refused(f"There is no process {name!r}; there are: {', '.join(sorted(there.values())) or 'none'}")
            found[there[name.lower()]] = None
        return list(found)

    # -- changing -------------------------------------------------------------------------------------------------
    def act(self, command: str, name: str, **properties: Any) -> dict[str, Any]:
        """Gives a command that changes something and waits until it is done."""
        return self.call(command, ACTION_S, name=name, match="simple", waiting=True, **properties)

    def call(self, command: str, patience_s: float = ANSWER_S, **properties: Any) -> dict[str, Any]:
        """Gives one command and returns its answer.

        Raises:
            Refused: when nothing runs here, or circusd is silent, or the command failed; the sentence says why.
        """
        give_up_at = time.monotonic() + patience_s
        while True:
            answer = self._ask(command, properties, patience_s)
            if answer.get("status") != "error":
                return answer
            reason = str(answer.get("reason"))
            if reason.startswith(_UNKNOWN):
                raise Refused(f"The circusd that runs has no command `{command}`. Start it as: {self._start}")
            if not reason.startswith(_BUSY) or time.monotonic() > give_up_at:
                raise Refused(f"`{command}` failed: {reason}")
            time.sleep(RETRY_S)  # noqa: TID251 - Circus does not announce that it is free again

    def _ask(self, command: str, properties: dict[str, Any], patience_s: float) -> dict[str, Any]:
        with self._connection() as (line, news):
            line.send_json({"id": "1", "command": command, "properties": properties})
            poller = zmq.Poller()
            poller.register(line, zmq.POLLIN)
            poller.register(news, zmq.POLLIN)
            give_up_at = time.monotonic() + patience_s
            while (left_s := give_up_at - time.monotonic()) > 0:
                ready = dict(poller.poll(int(1000 * left_s) + 1))
                ended = news in ready and recv_monitor_message(news)["event"]
                if line in ready or (ended and line.poll(0)):
                    answer: dict[str, Any] = line.recv_json()  # type: ignore[assignment]  # an object, always
                    return answer
                if ended == zmq.EVENT_CONNECT_RETRIED:
                    raise self._absent()
                if ended:
                    raise Refused(f"circusd ended before it had answered `{command}`.", NOT_RUNNING)
        if patience_s > ANSWER_S:
            raise Refused(f"circusd still works on `{command}` after {patience_s:g} s; it goes on with it.")
        raise Refused(
            f"circusd gives no answer at {self.endpoint}: it hangs or is halted. Look into its log; kill it and start "
            f"it again: {self._start}",
            NOT_RUNNING,
        )

    def _absent(self) -> Refused:
        """Why nobody answers, and what to do."""
        scheme, _, place = self.endpoint.partition("://")
        try:
            if scheme == "ipc":
                os.stat(place)
        except PermissionError:
            return Refused(f"You may not enter the folder of {place}: be the user that circusd runs as.", NOT_RUNNING)
        except OSError:
            pass
        return Refused(
            f"Nothing runs here: no circusd listens at {self.endpoint}. Start it: {self._start}", NOT_RUNNING
        )

    @contextmanager
    def _connection(self) -> Iterator[tuple[zmq.Socket[bytes], zmq.Socket[bytes]]]:
        """A line to circusd, and news of that line: that it could not be had, or has ended."""
        line: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        line.linger = 0
        news = line.get_monitor_socket(zmq.EVENT_CONNECT_RETRIED | zmq.EVENT_DISCONNECTED)
        try:
            line.connect(self.endpoint)
            yield line, news
        except zmq.ZMQError as malformed:
            raise Refused(f"No circusd can be reached at {self.endpoint}: {malformed}.", USAGE) from malformed
        finally:
            line.disable_monitor()
            news.close()
            line.close()
