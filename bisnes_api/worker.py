"""gunicorn's thread worker, with two holes closed through which a few idle or slow clients could take all threads.

gunicorn hands a new connection to a thread, which waits up to 5 s for its first byte, and reads bodies without any
time-out. Here a connection waits in the poller until there is something to read, and no read lasts longer than
`READ_TIMEOUT_S`.
"""

from __future__ import annotations

import errno
import selectors
import socket
import struct
import time
from functools import partial
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

from bisnes_api.runtime import Runtime

#: Longest silence within a request, and longest time a connection may take to begin one.
READ_TIMEOUT_S = 10


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no annotations
    """One process: a poller and `threads` threads."""

    def accept(self, listener: Any) -> None:
        """Accepts a connection and lets it wait in the poller."""
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return
        # Kernel time-outs: gunicorn switches its sockets to blocking, which Python's own time-outs would not survive.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", READ_TIMEOUT_S, 0))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", READ_TIMEOUT_S, 0))
        self.nr_conns += 1
        conn = TConn(self.cfg, client, address, listener.getsockname())
        conn.timeout = time.monotonic() + READ_TIMEOUT_S
        self.pending_conns.append(conn)
        self.poller.register(client, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def handle_exit(self, sig: int, frame: Any) -> None:
        """SIGTERM: callers that wait for a provider are answered at once, so that the end does not wait for them."""
        run = self.runtime()
        if run:
            run.stop_waiting()
        super().handle_exit(sig, frame)

    def runtime(self) -> Runtime | None:
        """The application's runtime, once it is loaded."""
        app = getattr(self, "wsgi", None)
        found = getattr(app, "extensions", {}).get("bisnes")
        return found if isinstance(found, Runtime) else None
