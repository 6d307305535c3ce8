"""The WebDriver BiDi conversation of one session: commands with deadlines, events in the order they were sent.

The session is Selenium's; Selenium's own BiDi client (4.51, websocket_connection.py) is not used, though it is as fast
once its polling interval is set (2.2 ms a call instead of 2.1). Its one time-out holds for every call and runs on when
the socket has closed: a call under way when its browser was killed kept its thread for 32 s (measured). It also gives
each event a thread of its own, and so promises no order. Here nothing waits in a thread: what hangs costs a future.
Source: https://w3c.github.io/webdriver-bidi/, read 2026-11-25.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import orjson

from plugins.wwebjs.browser_failed import BrowserFailed

#: Time to open the socket of a session that the driver has just promised.
CONNECT_TIMEOUT_S: Final = 10.0
#: Time to hand the closing frame to the kernel, which is full where the other end has not read for long.
CLOSE_TIMEOUT_S: Final = 1.0

Event = Callable[[str, dict[str, Any]], None]


class BidiSocket:
    """One websocket to chromedriver.

    Args:
        url: the session's `webSocketUrl`.
        on_event: called with method and parameters of each event, in the event loop, in order.
        on_closed: called once when nothing is heard any more, for whatever cause; commands wait until `fail()`.
    """

    def __init__(self, url: str, on_event: Event, on_closed: Callable[[], None]) -> None:
        self._url = url
        self._on_event = on_event
        self._on_closed = on_closed
        self._failure: BrowserFailed | None = None
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._last = 0
        self._session: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connects and begins to read."""
        self._session = aiohttp.ClientSession()
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            # Unbounded messages: a screenshot or a long result is one. No proxy: it is this machine.
            self._socket = await self._session.ws_connect(self._url, max_msg_size=0, compress=0)
        self._reader = asyncio.create_task(self._read(self._socket), name="bidi reader")

    async def command(self, method: str, parameters: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """Sends a command and waits for its result.

        Raises:
            BrowserFailed: `timeout` (the outcome is unknown), `protocol_error` with the driver's words, `browser_gone`
                on a socket that closes, or whatever `fail()` was given.
        """
        if self._failure is not None:
            raise self._failure
        if self._socket is None:
            raise RuntimeError("open the socket first")
        self._last += 1
        number = self._last
        reply = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(timeout_s):
                await self._socket.send_str(_framed(number, method, parameters))
                result: dict[str, Any] = await reply
                return result
        except TimeoutError:
            raise BrowserFailed("timeout", f"{method}: no answer within {timeout_s:g} s") from None
        except ConnectionError as error:
            # The moment between a browser's death and its being told.
            raise BrowserFailed("browser_gone", str(error)) from error
        finally:
            self._waiting.pop(number, None)

    def fail(self, failure: BrowserFailed) -> None:
        """Ends all commands under way, and every later one, with this failure; the first one stays."""
        self._failure = self._failure or failure
        for reply in self._waiting.values():
            if not reply.done():
                reply.set_exception(failure)

    async def close(self) -> None:
        """Closes the socket."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.cancel()
            await asyncio.wait([reader])
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                if self._socket is not None:
                    # With its reader cancelled it says so and waits for no answer: the other end may hang or be dead.
                    await self._socket.close()
        except TimeoutError:
            pass
        finally:
            if self._session is not None:
                await self._session.close()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._take(orjson.loads(message.data))
        finally:
            self._on_closed()

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "event":
            self._on_event(message["method"], message["params"])
            return
        reply = self._waiting.get(message["id"]) if message.get("id") is not None else None
        if reply is None or reply.done():
            return  # its deadline has passed
        if message["type"] == "success":
            reply.set_result(message["result"])
        else:
            reply.set_exception(BrowserFailed("protocol_error", f"{message['error']}: {message.get('message', '')}"))


def _framed(number: int, method: str, parameters: dict[str, Any]) -> str:
    return orjson.dumps({"id": number, "method": method, "params": parameters}).decode()
