"""A BiDi socket whose other end goes away: what is asked then fails as the browser's end, whoever notices first."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import WSCloseCode, web

from plugins.wwebjs.bidi import BidiSocket
from plugins.wwebjs.browser_failed import BrowserFailed

SOON_S = 5.0


async def _hang_up(request: web.Request) -> web.WebSocketResponse:
    """Answers nothing and leaves."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.close(code=WSCloseCode.GOING_AWAY)
    return socket


async def _ask_after_the_end(told: BrowserFailed | None) -> BrowserFailed:
    """What a command ends with on a closed socket, `fail()` called or not."""
    app = web.Application()
    app.router.add_get("/session", _hang_up)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    closed = asyncio.Event()
    socket = BidiSocket(f"ws://127.0.0.1:{port}/session", lambda _method, _event: None, closed.set)
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
        await runner.cleanup()


def test_a_command_on_a_closed_socket_is_the_browsers_end() -> None:
    failure = asyncio.run(_ask_after_the_end(None))
    assert failure.reason == "browser_gone"
    assert "closing" in failure.text


def test_who_found_out_more_is_believed() -> None:
    assert asyncio.run(_ask_after_the_end(BrowserFailed("driver_gone"))).reason == "driver_gone"
