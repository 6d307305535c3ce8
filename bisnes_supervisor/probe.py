"""Asks a process whether it is ready or alive, from outside, with a deadline.

Forms of an address; `$(circus.wid)` and `$(circus.env.NAME)` in it are filled in for each process:

    http://127.0.0.1:3000/health/ready    an answer 2xx
    unix:/run/app-1.sock:/health/ready    the same through a Unix socket
    tcp:127.0.0.1:3000                    a connection
    unix:/run/app-1.sock                  a connection

A relative path of a socket is meant beside the control socket of circusd.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

#: Answer of `ask` for a connection that was made and got no answer in time.
UNANSWERED = 0


@dataclass(frozen=True)
class Address:
    """A place to ask; `target` is None where a connection is answer enough.

    Attributes:
        host: name or address; None for a Unix socket.
        port: of the host.
        path: of the Unix socket.
        target: path of the HTTP request.
    """

    host: str | None
    port: int
    path: str
    target: str | None


def parse_address(text: str) -> Address:
    """Reads one of the forms above.

    Raises:
        ValueError: when it has none of them.
    """
    text = text.strip()
    if text.startswith("unix:"):
        path, _, target = text.removeprefix("unix:").partition(":")
        if path and (not target or target.startswith("/")):
            return Address(None, 0, path, target or None)
    elif text.startswith(("http://", "tcp:")):
        parts = urlsplit(text if text.startswith("http://") else f"//{text.removeprefix('tcp:')}")
        port = parts.port if "$(" not in parts.netloc else 0
        if parts.hostname and (port is not None or parts.scheme):
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            return Address(parts.hostname, 80 if port is None else port, "", target if parts.scheme else None)
    raise ValueError("wants http://HOST:PORT/PATH, unix:SOCKET:/PATH, tcp:HOST:PORT or unix:SOCKET")


async def ask(address: Address, timeout_s: float, folder: Path = Path()) -> int | None:
    """Asks once.

    Args:
        address: whom.
        timeout_s: for connection and answer together.
        folder: of relative sockets.

    Returns:
        The HTTP status; 200 for a bare connection; `UNANSWERED` where somebody listens and does not answer in time;
        None when nobody listens.
    """
    connected = False

    def on_connected() -> None:
        nonlocal connected
        connected = True

    try:
        async with asyncio.timeout(timeout_s):
            return await _ask(address, folder, on_connected)
    except TimeoutError:
        return UNANSWERED if connected else None
    except (OSError, ValueError):
        return None  # refused, reset, or not HTTP


async def _ask(address: Address, folder: Path, on_connected: Callable[[], None]) -> int:
    if address.host is None:
        reader, writer = await asyncio.open_unix_connection(folder / address.path)
    else:
        reader, writer = await asyncio.open_connection(address.host, address.port)
    on_connected()
    try:
        if address.target is None:
            return 200
        writer.write(f"GET {address.target} HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        line = await reader.readline()
        protocol, status, *_ = line.decode("latin-1").split(maxsplit=2)
        if not protocol.startswith("HTTP/"):
            raise ValueError("not HTTP")
        return int(status)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
