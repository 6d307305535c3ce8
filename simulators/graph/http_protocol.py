"""The HTTP/1.1 server: raw asyncio protocol over httptools, since a web framework alone costs the whole budget."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections import deque
from collections.abc import Callable, Coroutine
from enum import Enum
from time import perf_counter
from typing import Any, cast

import httptools

from simulators.graph.http_request import Request
from simulators.graph.http_response import plain_response

logger = logging.getLogger(__name__)

#: Meta's largest upload is 100 MB; the rest is room for the multipart frame.
BODY_MAX_BYTES = 105 * 1024 * 1024

#: SO_LINGER with a time of zero: closing sends RST instead of FIN.
_RESET = struct.pack("ii", 1, 0)


class Ending(Enum):
    """Answers that are no answer."""

    RESET = "reset"
    CLOSE = "close"


#: What a handler gives back: the bytes of a response, or how to end the connection without one.
Answer = bytes | Ending
Handler = Callable[[Request], "Answer | Coroutine[Any, Any, Answer]"]
#: Told the seconds from a request's first byte to its answer.
Clock = Callable[[float], None]


class Connection(asyncio.Protocol):
    """One client connection; requests are answered one after the other (pipelined ones wait)."""

    def __init__(self, handler: Handler, clock: Clock, connections: set[Connection]) -> None:
        self._handler = handler
        self._clock = clock
        self._connections = connections
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[Request, bool]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._size = 0
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start serving a client."""
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop what waits for a client that has gone."""
        self._connections.discard(self)
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        """Feed the parser; it calls the ``on_`` methods."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._transport.close()
        except httptools.HttpParserError as error:
            body = f"malformed HTTP: {error}".encode()
            self._transport.write(plain_response(400, body, "text/plain"))
            self._transport.close()

    def on_message_begin(self) -> None:
        """Start a request."""
        self._began = perf_counter()
        self._url = b""
        self._headers = {}
        self._body = []
        self._size = 0

    def on_url(self, url: bytes) -> None:
        """Take a piece of the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """Let a client that waits for it send its body."""
        if self._headers.get(b"expect", b"").lower() == b"100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._size += len(body)
        if self._size > BODY_MAX_BYTES:
            self._transport.write(plain_response(413, b"too large", "text/plain"))
            self._transport.close()
            return
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Answer the request, or queue it behind one that is still being answered."""
        path, _, query = self._url.partition(b"?")
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        method = self._parser.get_method().decode("latin-1")
        request = Request(method, path, query, self._headers, body, self._began)
        keep_alive = self._parser.should_keep_alive()
        if self._task is not None:
            self._waiting.append((request, keep_alive))
        else:
            self._serve(request, keep_alive)

    def close_if_idle(self) -> bool:
        """Close a keep-alive connection on which nothing is being answered."""
        if self._task is None and not self._transport.is_closing():
            self._transport.close()
            return True
        return False

    def abort(self) -> None:
        """Drop the connection: the process ends."""
        self._transport.abort()

    def _serve(self, request: Request, keep_alive: bool) -> None:
        result = self._handler(request)
        if isinstance(result, bytes):
            self._clock(perf_counter() - request.began)
            self._transport.write(result)
            if not keep_alive:
                self._transport.close()
        elif isinstance(result, Ending):
            self._end(result)
        else:
            self._task = asyncio.get_running_loop().create_task(self._serve_later(result, request, keep_alive))

    async def _serve_later(self, pending: Coroutine[Any, Any, Answer], request: Request, keep_alive: bool) -> None:
        try:
            answer = await pending
        except Exception:  # a bug in one handler must not hang its client
            logger.exception("request failed")
            answer = plain_response(500, b"simulator error, see its log", "text/plain")
        self._task = None
        self._serve_result(answer, request, keep_alive)
        while self._waiting and not self._transport.is_closing():
            self._serve(*self._waiting.popleft())
            if self._busy():
                return

    def _busy(self) -> bool:
        return self._task is not None

    def _serve_result(self, answer: Answer, request: Request, keep_alive: bool) -> None:
        if isinstance(answer, Ending):
            self._end(answer)
            return
        self._clock(perf_counter() - request.began)
        self._transport.write(answer)
        if not keep_alive:
            self._transport.close()

    def _end(self, ending: Ending) -> None:
        if ending is Ending.RESET:
            connected = self._transport.get_extra_info("socket")
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.abort()
        else:
            self._transport.close()
