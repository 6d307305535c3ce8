"""`python -m benchmarks.wwebjs.ours`: one phone behind our adapter, with a core in memory; answers JSON, line by line.

Commands on standard input: `start` (pairs by itself if need be), `send COUNT`, `stop`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from bisnes_core.channel import LocalFile
from bisnes_core.ids import new_id
from bisnes_core.message import Kind, OutboundMessage
from bisnes_core.phone import Phone
from bisnes_core.session import PhoneState, Request, SessionNews
from bisnes_core.settings import Settings
from plugins.wwebjs.adapter import WwebjsAdapter

#: Chats that take the texts in turn.
CHATS = tuple(f"49151123400{number:02d}@c.us" for number in range(5))
PHONE = Phone("bench", 0, "wwebjs", {})


class Memory:
    """The core as a session sees it: keeps events in memory, and scans the QR code that is shown."""

    def __init__(self, base: str, account: str) -> None:
        self.ready = asyncio.Event()
        self.kept: list[bytes] = []
        self._base, self._account = base, account

    async def keep(self, events: Sequence[bytes]) -> None:
        """Keeps them."""
        self.kept.extend(events)

    async def report(self, news: SessionNews) -> None:
        """Scans, or notes that the phone is ready."""
        if news.state is PhoneState.QR and news.qr:
            async with aiohttp.ClientSession(raise_for_status=True) as http:
                await http.post(f"{self._base}/control/scan", json={"qr": news.qr, "account": self._account})
        elif news.state is PhoneState.READY:
            self.ready.set()

    async def watermark(self) -> datetime | None:
        """Nothing is ever asked for again."""
        return None

    def watched(self) -> bool:
        """Somebody does."""
        return True

    async def next_request(self) -> Request:
        """Nobody asks for anything."""
        nothing: asyncio.Future[Request] = asyncio.get_running_loop().create_future()
        return await nothing


class NoFiles:
    """Texts have none."""

    def local(self, url: str, *, name: str | None = None) -> AbstractAsyncContextManager[LocalFile]:
        """Never asked."""
        raise NotImplementedError


class Ours:
    """One phone."""

    def __init__(self, base: str, account: str, home: Path) -> None:
        self._adapter = WwebjsAdapter(Settings(home=home, wwebjs_url=f"{base}/"))
        self._adapter.files = NoFiles()
        self._host = Memory(base, account)
        self._listening: asyncio.Task[None] | None = None

    async def start(self) -> dict[str, Any]:
        """Opens the session; measured from `listen` to ready."""
        await self._adapter.start()
        began = time.perf_counter()
        self._listening = asyncio.create_task(self._adapter.listen(PHONE, self._host))
        ready = asyncio.create_task(self._host.ready.wait())
        await asyncio.wait({self._listening, ready}, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            raise RuntimeError(f"the session ended: {await self._adapter.health()}")
        return {"ready_s": time.perf_counter() - began}

    async def send(self, count: int) -> dict[str, Any]:
        """Sends texts one after the other, until each is `Sent`: acknowledged by the server."""
        taken_ms = []
        for place in range(count):
            text = {"text": f"ours {new_id()}"}
            message = OutboundMessage(
                new_id(), PHONE.company_id, PHONE.phone_index, CHATS[place % len(CHATS)], Kind.TEXT, text
            )
            began = time.perf_counter()
            await self._adapter.send(PHONE, message)
            taken_ms.append((time.perf_counter() - began) * 1000)
        return {"taken_ms": {"acknowledged": taken_ms}}

    async def stop(self) -> dict[str, Any]:
        """Closes the session."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait([self._listening])
        await self._adapter.stop()
        return {}


async def _serve(phone: Ours) -> None:
    try:
        while line := (await asyncio.to_thread(sys.stdin.readline)).split():
            match line:
                case ["start"]:
                    answer = await phone.start()
                case ["send", count]:
                    answer = await phone.send(int(count))
                case _:
                    break
            print(orjson.dumps(answer).decode(), flush=True)
    finally:
        await phone.stop()


def main() -> None:
    """Runs one phone until its standard input says `stop` or ends."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wwebjs.ours", description=__doc__)
    parser.add_argument("--base", required=True)
    parser.add_argument("--account", required=True)
    parser.add_argument("--home", type=Path, required=True)
    options = parser.parse_args()
    asyncio.run(_run(options))


async def _run(options: argparse.Namespace) -> None:
    await _serve(Ours(options.base, options.account, options.home))


if __name__ == "__main__":
    main()
