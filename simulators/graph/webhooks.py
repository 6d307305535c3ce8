"""Delivering webhook bodies: written and signed as Meta does, concurrently, again and again until they are taken.

Source: developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/overview, read 2026-09.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from collections import deque
from dataclasses import dataclass
from itertools import count
from random import Random
from secrets import randbelow
from typing import Any
from urllib.parse import quote

import orjson

from simulators.graph.registry import Callback
from simulators.graph.settings import Settings
from simulators.graph.webhook_client import USER_AGENT, Receiver, Refused

_NON_ASCII = re.compile("[^\x00-\x7f]")


def _escape(match: re.Match[str]) -> str:
    number = ord(match[0])
    if number < 0x10000:
        return f"\\u{number:04x}"
    number -= 0x10000
    return f"\\u{0xD800 + (number >> 10):04x}\\u{0xDC00 + (number & 0x3FF):04x}"


def write_body(value: Any, *, ascii_escape: bool = True) -> bytes:
    r"""Return JSON as Meta writes it: non-ASCII as ``\uXXXX`` in lower-case hex, ``/`` as ``\/``."""
    data = orjson.dumps(value).replace(b"/", b"\\/")
    if ascii_escape and not data.isascii():
        data = _NON_ASCII.sub(_escape, data.decode()).encode("ascii")
    return data


def sign(secret: bytes, body: bytes) -> str:
    """Return the value of ``X-Hub-Signature-256``."""
    return "sha256=" + hmac.digest(secret, body, "sha256").hex()


@dataclass(slots=True)
class Delivery:
    """One body on its way; ``attempts`` counts failed ones."""

    callback: Callback
    body: bytes
    attempts: int = 0


class WebhookSender:
    """The queue of bodies, the receivers, and the counters."""

    def __init__(self, settings: Settings, callback: Callback, secret: str, verify_token: str, random: Random) -> None:
        self._settings = settings
        self.default = callback
        self._secret = secret.encode()
        self._verify_token = verify_token
        self._random = random
        self._receivers: dict[str, Receiver] = {}
        self._queue: deque[Delivery] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._retries: dict[int, tuple[asyncio.TimerHandle, Delivery]] = {}
        self._numbers = count(1)
        self.delivered = 0
        self.refused = 0
        self.last_refusal = ""

    @property
    def pending_redelivery(self) -> int:
        """Bodies that were refused and wait for their next attempt."""
        return len(self._retries)

    @property
    def in_flight(self) -> int:
        """Bodies that are queued or being sent."""
        return len(self._queue) + len(self._tasks)

    def emit(self, value: Any, callback: Callback | None = None) -> None:
        """Send a body to its receiver; with the duplicates setting perhaps twice."""
        self.emit_bytes(write_body(value, ascii_escape=self._settings.ascii_escape), callback)

    def emit_bytes(self, body: bytes, callback: Callback | None = None) -> None:
        """Send bytes as they are."""
        target = callback or self.default
        if not target.url:
            return
        self._start(Delivery(target, body))
        if self._settings.duplicates and self._random.random() < self._settings.duplicates:
            self._start(Delivery(target, body))

    async def verify(self, url: str = "", token: str = "", *, mode: str = "subscribe") -> dict[str, Any]:
        """Make Meta's GET handshake and tell how it went."""
        receiver = self._receiver(url or self.default.url)
        challenge = str(10**9 + randbelow(10**9))
        query = (
            f"hub.mode={quote(mode)}&hub.challenge={challenge}&hub.verify_token={quote(token or self._verify_token)}"
        )
        target = f"{receiver.path}{'&' if '?' in receiver.path else '?'}{query}"
        data = f"GET {target} HTTP/1.1\r\nHost: {receiver.host}\r\nUser-Agent: {USER_AGENT}\r\nAccept: */*\r\n\r\n"
        try:
            status, body = await receiver.request(data.encode(), self._settings.webhook_timeout_s)
        except Refused as error:
            return {"verified": False, "status": None, "reason": str(error)}
        return {
            "verified": status == 200 and body == challenge.encode(),
            "status": status,
            "body": body.decode("latin-1"),
        }

    def redeliver_now(self) -> int:
        """Make all refused bodies due; return how many."""
        waiting = list(self._retries.values())
        self._retries.clear()
        for handle, delivery in waiting:
            handle.cancel()
            self._start(delivery)
        return len(waiting)

    def close(self) -> None:
        """Stop at once; what was not taken is dropped."""
        for handle, _ in self._retries.values():
            handle.cancel()
        for task in self._tasks:
            task.cancel()
        for receiver in self._receivers.values():
            receiver.close()

    def _receiver(self, url: str) -> Receiver:
        found = self._receivers.get(url)
        if found is None:
            found = self._receivers[url] = Receiver(url)
        return found

    def _start(self, delivery: Delivery) -> None:
        self._queue.append(delivery)
        if len(self._tasks) < self._settings.webhook_concurrency:
            task = asyncio.get_running_loop().create_task(self._drain())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _drain(self) -> None:
        while self._queue:
            await self._deliver(self._queue.popleft())

    async def _deliver(self, delivery: Delivery) -> None:
        receiver = self._receiver(delivery.callback.url)
        try:
            status, _ = await receiver.request(self._request(receiver, delivery), self._settings.webhook_timeout_s)
        except Refused as error:
            self._refuse(delivery, str(error))
            return
        if status == 200:
            self.delivered += 1
        else:
            self._refuse(delivery, f"status {status}")

    def _request(self, receiver: Receiver, delivery: Delivery) -> bytes:
        callback, body = delivery.callback, delivery.body
        signature = f"X-Hub-Signature-256: {sign(self._secret, body)}\r\n" if callback.signed else ""
        extra = "".join(f"{name}: {value}\r\n" for name, value in callback.headers.items())
        return (
            f"POST {receiver.path} HTTP/1.1\r\nHost: {receiver.host}\r\nUser-Agent: {USER_AGENT}\r\nAccept: */*\r\n"
            f"Content-Type: application/json\r\n{signature}{extra}Content-Length: {len(body)}\r\n\r\n"
        ).encode("latin-1") + body

    def _refuse(self, delivery: Delivery, reason: str) -> None:
        self.refused += 1
        self.last_refusal = reason
        delivery.attempts += 1
        gap_s = self._settings.redeliver_gap_s(delivery.attempts) * self._random.uniform(0.8, 1.2)
        number = next(self._numbers)
        handle = asyncio.get_running_loop().call_later(gap_s, self._retry, number)
        self._retries[number] = (handle, delivery)

    def _retry(self, number: int) -> None:
        self._start(self._retries.pop(number)[1])
