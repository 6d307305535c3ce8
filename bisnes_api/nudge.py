"""Telling the relay that there is work: a ZeroMQ message after the commit that nobody waits for.

A nudge that is lost costs one poll of the relay. None is kept for a relay that is not there: when it comes back it
looks at the database first.
"""

from __future__ import annotations

import threading
from contextlib import suppress

import zmq

from bisnes_core.phone import Lane

#: Nudges on their way to a relay that reads slowly; more would tell it nothing new.
IN_FLIGHT_MAX = 1000


class Nudger:
    """One socket per process, made after the fork; guarded, since ZeroMQ sockets serve one thread at a time."""

    def __init__(self, address: str) -> None:
        self._lock = threading.Lock()
        self._context = zmq.Context(io_threads=1)
        self._socket = self._context.socket(zmq.PUSH)
        self._socket.setsockopt(zmq.SNDHWM, IN_FLIGHT_MAX)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.IMMEDIATE, 1)
        self._socket.connect(address)

    def lane(self, lane: Lane, channel: str) -> None:
        """A lane has due work."""
        self._push([b"lane", lane.company_id.encode(), str(lane.phone_index).encode(), channel.encode()])

    def events(self) -> None:
        """A provider's event was stored."""
        self._push([b"events"])

    def close(self) -> None:
        """Drops what was not sent."""
        with self._lock:
            self._socket.close()
        self._context.term()

    def _push(self, parts: list[bytes]) -> None:
        # Again: no relay, or a full one. Any other error of ZeroMQ is worth as little as a lost nudge.
        with self._lock, suppress(zmq.ZMQError):
            self._socket.send_multipart(parts, zmq.NOBLOCK, copy=True)
