"""A WSGI application that takes a while to load, as real ones do; for gunicorn.

Once it is loaded, it says so on the Unix socket READY, if that is set: gunicorn itself listens on nothing else when it
is handed a socket (`gunicorn.sock.create_sockets`, 27.0.1, read 2026-11-24).
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterable


def say_ready(path: str) -> None:
    """Answers every request on this socket, without end."""
    if os.path.exists(path):
        os.unlink(path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        while True:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")


time.sleep(float(os.environ["BOOT_S"]))  # noqa: TID251 - it stands for imports and connections
with open(os.environ["STARTS"], "ab", buffering=0) as starts:
    starts.write(b"%d %.6f\n" % (os.getpid(), time.monotonic()))
if "READY" in os.environ:
    threading.Thread(target=say_ready, args=(os.environ["READY"],), daemon=True).start()


def application(environ: dict[str, object], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Answers everything with one line."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"ok\n"]
