"""The load: text messages due at fixed times, from a process of its own that costs little.

`python -m benchmarks.client` reads a `Plan` as JSON from stdin and writes what became of each message to stdout. The
load is open: a message is due at its time whatever happened to the earlier ones. When all connections are busy it waits
for one, and that wait is part of its latency.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple, cast

import httptools
import orjson
import uvloop

ROOT = Path(__file__).resolve().parents[1]
#: From the connections to the first message.
LEAD_S = 0.2
#: Half the resolution of uvloop's timers.
TIMER_S = 0.0005
#: The client gives up this long after the last message was due.
GIVE_UP_S = 120.0


@dataclass(frozen=True)
class Plan:
    """What to send.

    Attributes:
        chats: the chat of each message.
        due_s: when each message is due, seconds after the begin, rising.
        connections: kept open all the time; more than the API has threads, so that it is never spared.
    """

    port: int
    key: str
    company: str
    chats: list[str]
    due_s: list[float]
    phone: int = 0
    connections: int = 64

    def request(self, number: int) -> bytes:
        """The bytes of a message's request."""
        path = f"/api/v2/messages/text/{self.company}/{self.chats[number]}"
        text = f"message {number} of a benchmark, as long as a short sentence"
        body = orjson.dumps({"message": text, "phoneIndex": self.phone})
        return (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"Authorization: Bearer {self.key}\r\nContent-Type: application/json\r\nAccept: */*\r\n"
            f"User-Agent: benchmark\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body


class Answer(NamedTuple):
    """What became of one message; instants are Unix time in seconds, `status` 0 is a connection that was lost."""

    number: int
    due_at: float
    written_at: float
    answered_at: float
    status: int
    message_id: str


class Answers(NamedTuple):
    """All answers, and the CPU seconds that the client itself took."""

    cpu_s: float
    answers: list[Answer]


class _Line(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self, load: _Load) -> None:
        self.load = load
        self.transport: asyncio.Transport | None = None
        self.number: int | None = None
        self.written_at = 0.0
        self.parts: list[bytes] = []
        self.parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.load.take(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.load.lost(self)

    def send(self, number: int) -> None:
        """Writes a request."""
        if self.transport is not None:
            self.number, self.written_at = number, time.time()
            self.transport.write(self.load.requests[number])

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """Part of an answer's body."""
        self.parts.append(body)

    def on_message_complete(self) -> None:
        """An answer is whole."""
        body, self.parts = b"".join(self.parts), []
        status = self.parser.get_status_code()
        self.load.answered(self, status, str(orjson.loads(body)["messageId"]) if status == 202 else "")
        if self.parser.should_keep_alive():
            self.load.take(self)
        elif self.transport is not None:
            self.transport.close()


class _Load:
    """Which message is next, and which connections are free."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.requests = [plan.request(number) for number in range(len(plan.chats))]
        self.answers: list[Answer] = []
        self.loop = asyncio.get_running_loop()
        self.done = asyncio.Event()
        self.begin_at = 0.0
        self._next = 0
        self._free: list[_Line] = []
        self._overdue: deque[int] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> Answers:
        """Sends everything."""
        for _ in range(self.plan.connections):
            await self._connect()
        self.begin_at, cpu_s = time.time() + LEAD_S, time.process_time()
        self._tick()
        async with asyncio.timeout(LEAD_S + self.plan.due_s[-1] + GIVE_UP_S):
            await self.done.wait()
        return Answers(time.process_time() - cpu_s, self.answers)

    async def _connect(self) -> None:
        await self.loop.create_connection(lambda: _Line(self), "127.0.0.1", self.plan.port)

    def _tick(self) -> None:
        due_s, now_s = self.plan.due_s, time.time() - self.begin_at
        while self._next < len(due_s) and due_s[self._next] <= now_s:
            if self._free:
                self._free.pop().send(self._next)
            else:
                self._overdue.append(self._next)
            self._next += 1
        if self._next < len(due_s):
            # Up to 1 ms late, since uvloop counts in milliseconds; that counts as latency. Never early.
            self.loop.call_later(due_s[self._next] - now_s + TIMER_S, self._tick)

    def take(self, line: _Line) -> None:
        """A connection is free."""
        if self._overdue:
            line.send(self._overdue.popleft())
        else:
            self._free.append(line)

    def answered(self, line: _Line, status: int, message_id: str) -> None:
        """A message has its answer."""
        number, line.number = line.number, None
        if number is None:
            return
        due_at = self.begin_at + self.plan.due_s[number]
        self.answers.append(Answer(number, due_at, line.written_at, time.time(), status, message_id))
        if len(self.answers) == len(self.requests):
            self.done.set()

    def lost(self, line: _Line) -> None:
        """A connection ended; what was on it has no answer, and another one takes its place."""
        if line in self._free:
            self._free.remove(line)
        self.answered(line, 0, "")
        if not self.done.is_set():
            task = self.loop.create_task(self._connect())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


def start(plan: Plan, output: Path) -> subprocess.Popen[bytes]:
    """Starts a client process that will write its answers to `output`."""
    with output.open("wb") as answers:
        child = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.client"], cwd=ROOT, stdin=subprocess.PIPE, stdout=answers
        )
    assert child.stdin is not None
    child.stdin.write(orjson.dumps(asdict(plan)))
    child.stdin.close()
    return child


def read(output: Path) -> Answers:
    """The answers that a client process left."""
    cpu_s, answers = orjson.loads(output.read_bytes())
    return Answers(cpu_s, [Answer(*answer) for answer in answers])


def main() -> None:
    """Sends what stdin says."""
    plan = Plan(**orjson.loads(sys.stdin.buffer.read()))

    async def run() -> Answers:
        return await _Load(plan).run()

    answers = uvloop.run(run())
    sys.stdout.buffer.write(orjson.dumps((answers.cpu_s, [tuple(one) for one in answers.answers])))


if __name__ == "__main__":
    main()
