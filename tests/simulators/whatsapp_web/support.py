"""A simulator process, and a bare page: the talk of the real page without a browser."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import httpx

from tests.fixtures.eventually import eventually

ROOT = Path(__file__).resolve().parents[3]
#: A Python that starts on two busy cores fits in.
START_S = 20.0
ANSWER_S = 10.0
IDENTITY = {"noise": "bm9pc2U=", "identity": "aWRlbnRpdHk=", "secret": "c2VjcmV0"}


@dataclass
class Web:
    """A running simulator."""

    port: int
    https_port: int
    process: subprocess.Popen[bytes]

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        content = body if isinstance(body, bytes) else None
        return httpx.request(
            method,
            f"{self.base}/control{path}",
            content=content,
            json=None if content is not None else body,
            timeout=ANSWER_S,
        )

    def control(self, method: str, path: str, body: Any = None) -> Any:
        response = self.ask(method, path, body)
        assert response.is_success, response.text
        return response.json()


@contextmanager
def running(folder: Path, *options: str) -> Iterator[Web]:
    """Run a simulator; it is gone afterwards."""
    port_file = folder / "ports"
    port_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "simulators.whatsapp_web", "--port-file", str(port_file), "--https-port", "0"]
    with (folder / "simulator.log").open("ab") as log:
        process = subprocess.Popen([*command, *options], cwd=ROOT, stdout=log, stderr=log)
    try:
        eventually(port_file.exists, START_S, "the simulator takes requests")
        port, https_port = map(int, port_file.read_text().split())
        yield Web(port, https_port, process)
    finally:
        process.terminate()
        process.wait(START_S)


class BarePage:
    """A page's link to the server; use it as an asynchronous context."""

    def __init__(self, web: Web, token: str | None = None) -> None:
        self._web = web
        self.token = token
        self.said: list[dict[str, Any]] = []

    async def __aenter__(self) -> BarePage:
        self._session = aiohttp.ClientSession()
        params = {"device": "d1", "token": self.token or ""}
        async with self._session.get(f"{self._web.base}/open", params=params) as response:
            self.id = (await response.json())["page"]
        await self.connect()
        await self.say("hello", identity=IDENTITY, token=self.token)
        return self

    async def connect(self) -> None:
        self.link = await self._session.ws_connect(f"{self._web.base}/link?page={self.id}")

    async def __aexit__(self, *_: object) -> None:
        await self.link.close()
        await self._session.close()

    async def say(self, op: str, **details: Any) -> None:
        await self.link.send_json({"op": op, **details})

    async def closed(self) -> None:
        """Wait until the server has closed the link."""
        while not self.link.closed:
            await self.link.receive(timeout=ANSWER_S)

    async def hear(self, op: str) -> dict[str, Any]:
        """Return the next message of a kind."""
        while True:
            heard: dict[str, Any] = await self.link.receive_json(timeout=ANSWER_S)
            self.said.append(heard)
            if heard["op"] == op:
                return heard

    async def qr(self) -> str:
        return ",".join([(await self.hear("ref"))["ref"], *IDENTITY.values(), "1"])

    async def pair(self, account: str) -> None:
        self._web.control("POST", "/scan", {"qr": await self.qr(), "account": account})
        self.token = (await self.hear("paired"))["token"]
        await self.say("hello", identity=IDENTITY, token=self.token)
        await self.hear("welcome")
        await self.say("synced")

    async def upload(self, content: bytes) -> str:
        async with self._session.post(f"{self._web.base}/mms?page={self.id}", data=content) as response:
            path: str = (await response.json())["directPath"]
            return path

    async def send(self, message_id: str, body: str, chat: str = "4915112340001@c.us") -> dict[str, Any]:
        await self.say(
            "send", m={"id": message_id, "chat": chat, "type": "chat", "body": body, "t": 1, "from_me": True}
        )
        return await self.hear("ack")
