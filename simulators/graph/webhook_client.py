"""A small HTTP/1.1 client for webhooks: keep-alive connections, one request at a time on each, cheap."""

from __future__ import annotations

import asyncio
import ssl
from typing import cast
from urllib.parse import urlsplit

import httptools

#: What Meta's sender calls itself. Source: captured webhooks, read 2026-09.
USER_AGENT = "facebookexternalua"


class Refused(Exception):
    """No answer could be had: connection refused, reset or timed out."""


class Exchange(asyncio.Protocol):
    """One connection to a receiver."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport
        self._answer: asyncio.Future[int] | None = None
        self._body: list[bytes] = []
        self.body = b""
        self.reusable = True
        self.used = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready."""
        self._transport = cast(asyncio.Transport, transport)

    def send(self, data: bytes) -> asyncio.Future[int]:
        """Send a request; the result is the status of its answer."""
        self._answer = asyncio.get_running_loop().create_future()
        self._body = []
        self._transport.write(data)
        return self._answer

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"malformed answer: {error}")
            self.close()

    def on_body(self, body: bytes) -> None:
        """Keep the answer's body: the handshake compares it."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Hand over the status."""
        self.body = b"".join(self._body)
        self.used = True
        if not self._parser.should_keep_alive():
            self.reusable = False
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_result(self._parser.get_status_code())

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what waits for an answer."""
        self.reusable = False
        self._fail(str(exc) if exc else "closed without an answer")

    def close(self) -> None:
        """Close for good."""
        self.reusable = False
        self._transport.close()

    def _fail(self, reason: str) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_exception(Refused(reason))


class Receiver:
    """The connections to one host."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"not an http(s) URL: {url!r}")
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._ssl = ssl.create_default_context() if parts.scheme == "https" else None
        self.path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.host = parts.netloc.rpartition("@")[2]
        self._idle: list[Exchange] = []

    async def request(self, data: bytes, timeout_s: float) -> tuple[int, bytes]:
        """Send a whole request and return status and body.

        A kept connection that the receiver closed before any answer is replaced once, as every client does.

        Raises:
            Refused: when there is no answer within ``timeout_s``.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    exchange = await self._take()
                    kept = exchange.used
                    try:
                        status = await exchange.send(data)
                    except Refused:
                        if kept:
                            continue
                        raise
                    except asyncio.CancelledError:
                        exchange.close()
                        raise
                    if exchange.reusable:
                        self._idle.append(exchange)
                    return status, exchange.body
        except TimeoutError:
            raise Refused(f"no answer within {timeout_s:g} s") from None
        except OSError as error:
            raise Refused(str(error)) from None

    async def _take(self) -> Exchange:
        while self._idle:
            exchange = self._idle.pop()
            if exchange.reusable:
                return exchange
        loop = asyncio.get_running_loop()
        _, exchange = await loop.create_connection(Exchange, self._host, self._port, ssl=self._ssl)
        return exchange

    def close(self) -> None:
        """Close idle connections."""
        for exchange in self._idle:
            exchange.close()
        self._idle.clear()
