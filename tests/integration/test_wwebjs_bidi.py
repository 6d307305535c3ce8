"""A BiDi socket whose other end goes away: what is asked then fails as the browser's end, whoever notices first."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import WSCloseCode, web
from aiohttp.typedefs import Handler

from plugins.wwebjs.bidi import BidiSocket
from plugins.wwebjs.browser_failed import BrowserFailed

SOON_S = 5.0


async def _hang_up(request: web.Request) -> web.WebSocketResponse:
    """Answers nothing and leaves."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.close(code=WSCloseCode.GOING_AWAY)
    return socket


async def _stay(request: web.Request) -> web.WebSocketResponse:
    """Answers nothing and stays."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for _ in socket:
        pass
    return socket


@asynccontextmanager
async def _served(handler: Handler) -> AsyncIterator[str]:
    """A driver's websocket."""
    app = web.Application()
    app.router.add_get("/session", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"ws://127.0.0.1:{runner.addresses[0][1]}/session"
    finally:
        await runner.cleanup()


async def _ask_after_the_end(told: BrowserFailed | None) -> BrowserFailed:
    """What a command ends with on a closed socket, `fail()` called or not."""
    closed = asyncio.Event()
    async with _served(_hang_up) as url:
        socket = BidiSocket(url, lambda _method, _event: None, closed.set)
        try:
            await socket.open()
            async with asyncio.timeout(SOON_S):
                await closed.wait()
            if told is not None:
                socket.fail(told)
            with pytest.raises(BrowserFailed) as caught:
                await socket.command("session.status", {}, SOON_S)
            return caught.value
        finally:
            await socket.close()


def test_a_command_on_a_closed_socket_is_the_browsers_end() -> None:
    failure = asyncio.run(_ask_after_the_end(None))
    assert failure.reason == "browser_gone"
    assert "closing" in failure.text


def test_who_found_out_more_is_believed() -> None:
    assert asyncio.run(_ask_after_the_end(BrowserFailed("driver_gone"))).reason == "driver_gone"


def test_a_closed_socket_leaves_no_connection_to_the_collector() -> None:
    async def open_and_close() -> None:
        async with _served(_stay) as url:
            for _ in range(20):
                users: list[BidiSocket] = []  # they know each other, as browser and socket do
                users.append(BidiSocket(url, lambda *_, users=users: None, lambda: None))
                await users[0].open()
                await users[0].close()

    with warnings.catch_warnings(record=True) as unclosed:
        warnings.simplefilter("always", ResourceWarning)
        asyncio.run(asyncio.wait_for(open_and_close(), SOON_S))
        gc.collect()
    assert not [one for one in unclosed if "connection" in str(one.message)]
