"""gunicorn's thread worker, with two holes closed through which a few idle or slow clients could take all threads.

gunicorn hands a new connection to a thread, which waits up to 5 s for its first byte, and reads bodies without any
time-out. Here a connection waits in the poller until there is something to read, and no read lasts longer than
`READ_TIMEOUT_S`.

Beside the shared socket it listens on a Unix socket of its own, where the supervisor asks this process and no other;
the question waits for a thread like any request. One that hangs shows on SIGABRT where it does.
"""

from __future__ import annotations

import errno
import faulthandler
import os
import selectors
import signal
import socket
import struct
import time
from functools import partial
from pathlib import Path
from typing import Any

from gunicorn.sock import UnixSocket
from gunicorn.workers.gthread import TConn, ThreadWorker

from bisnes_api.runtime import Runtime

#: Longest silence within a request, and longest time a connection may take to begin one.
READ_TIMEOUT_S = 10


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no annotations
    """One process: a poller and `threads` threads."""

    def init_signals(self) -> None:
        """Lets SIGABRT write every thread's stack and end the process, whatever the interpreter is doing.

        gunicorn's own handler is Python code, which a process that hangs in C never comes to. A fault handler that the
        environment enabled was replaced by gunicorn's, and has to be taken away before it can be put back.
        """
        super().init_signals()
        signal.signal(signal.SIGABRT, signal.SIG_DFL)
        faulthandler.disable()
        faulthandler.enable()

    def run(self) -> None:
        """Serves until it is told to stop."""
        run = self.runtime()
        own = run and self._listen_alone(run.settings.health_socket)
        try:
            super().run()
        finally:
            if own:
                own.remove()

    def _listen_alone(self, path: Path) -> OwnSocket:
        own = OwnSocket(path, self.cfg, self.log)
        self.sockets.append(own.listener)
        return own

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


class OwnSocket:
    """A Unix socket of this process, listened on from its worker.

    It is none of gunicorn's `bind`s: beside a descriptor (`fd://`) gunicorn ignores every other address, and at its end
    it removes the file of a Unix socket without looking whose it is (gunicorn 27.0.1, sock.py, read 2026-11-24).

    Args:
        path: what a killed predecessor left there is replaced.
        cfg: gunicorn's, whose `umask` keeps others out.
        log: gunicorn's.
    """

    def __init__(self, path: Path, cfg: Any, log: Any) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.listener = UnixSocket(os.fspath(path), cfg, log)
        self._path = path
        self._made = _made(path)

    def remove(self) -> None:
        """Takes the file away, unless a successor has put its own there."""
        if _made(self._path) == self._made:
            self._path.unlink(missing_ok=True)


def _made(path: Path) -> tuple[int, int] | None:
    """Which file this is, and when it was made: the number of a removed file is soon given to another."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_ctime_ns
