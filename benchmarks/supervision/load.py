"""Requests at fixed times, each on a connection of its own, from a process of its own.

`python -m benchmarks.supervision.load PORT RATE` sends until its standard input ends, waits for the last answers and
writes an `Answers` as JSON. The load is open: a request is due at its time, whatever became of the earlier ones, and
its duration counts from then.
"""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import orjson
import uvloop

ROOT = Path(__file__).resolve().parents[2]
REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
BODY = b"ok\n"
#: A request without an answer by then has failed.
ANSWER_S = 15.0
#: Enough for all connections of a server that is away that long.
FILES = 4096


@dataclass
class Answers:
    """What became of the requests.

    Attributes:
        failures: how often which.
    """

    total: int = 0
    failed: int = 0
    longest_s: float = 0.0
    failures: dict[str, int] = field(default_factory=dict)


class Load:
    """A running client."""

    def __init__(self, port: int, rate_per_s: int) -> None:
        command = [sys.executable, "-m", "benchmarks.supervision.load", str(port), str(rate_per_s)]
        self._child = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )

    def finish(self) -> Answers:
        """Stops the requests and waits for the last answers."""
        output, _ = self._child.communicate(timeout=2 * ANSWER_S)
        return Answers(**orjson.loads(output))

    def kill(self) -> None:
        """Ends it in any case."""
        self._child.kill()
        self._child.wait()


@contextmanager
def load(port: int, rate_per_s: int) -> Iterator[Load]:
    """Requests while the block runs."""
    client = Load(port, rate_per_s)
    try:
        yield client
    finally:
        client.kill()


class _Request(asyncio.Protocol):
    def __init__(self, client: _Client, due_at: float) -> None:
        self._client = client
        self._due_at = due_at
        self._answer = b""
        self._timer = asyncio.get_running_loop().call_later(ANSWER_S, self._give_up)
        self._transport: asyncio.Transport | None = None
        self._late = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        self._answer += data

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._client.ended(self._due_at, self._problem(exc))

    def _give_up(self) -> None:
        if self._transport is not None:
            self._late = True
            self._transport.abort()

    def _problem(self, lost: Exception | None) -> str | None:
        status, _, _ = self._answer.partition(b"\r\n")
        if b" 200 " in status and self._answer.endswith(BODY):
            return None
        if self._late:
            return f"no answer in {ANSWER_S:g} s"
        return f"answered {status.decode('latin-1')}" if status else f"closed unanswered ({type(lost).__name__})"


class _Client:
    def __init__(self, port: int, rate_per_s: int) -> None:
        self._port = port
        self._every_s = 1 / rate_per_s
        self._answers = Answers()
        self._failures: Counter[str] = Counter()
        self._open: set[asyncio.Task[None]] = set()
        self._pending = 0
        self._ending = asyncio.Event()
        self._idle = asyncio.Event()

    async def run(self) -> Answers:
        """Sends until standard input ends."""
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), self._ending.set)
        began_at = time.monotonic()
        while not self._ending.is_set():
            due_at = began_at + self._answers.total * self._every_s
            await asyncio.sleep(max(0.0, due_at - time.monotonic()))
            self._send(due_at)
        async with asyncio.timeout(ANSWER_S + 1):
            while self._pending:
                self._idle.clear()
                await self._idle.wait()
        self._answers.failures = dict(self._failures)
        return self._answers

    def _send(self, due_at: float) -> None:
        self._answers.total += 1
        self._pending += 1
        task = asyncio.create_task(self._connect(due_at))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _connect(self, due_at: float) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(ANSWER_S):
                await loop.create_connection(lambda: _Request(self, due_at), "127.0.0.1", self._port)
        except (OSError, TimeoutError) as problem:
            self.ended(due_at, f"no connection ({type(problem).__name__})")

    def ended(self, due_at: float, problem: str | None) -> None:
        """A request has its answer, or never gets one."""
        self._pending -= 1
        self._answers.longest_s = max(self._answers.longest_s, round(time.monotonic() - due_at, 3))
        if problem is not None:
            self._answers.failed += 1
            self._failures[problem] += 1
        self._idle.set()


def main() -> None:
    """Sends what the arguments say."""
    port, rate_per_s = map(int, sys.argv[1:3])
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES if most == resource.RLIM_INFINITY else min(FILES, most), most))

    async def run() -> Answers:
        return await _Client(port, rate_per_s).run()

    sys.stdout.buffer.write(orjson.dumps(uvloop.run(run())))


if __name__ == "__main__":
    main()
