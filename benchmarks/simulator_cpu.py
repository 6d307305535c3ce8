"""What one send costs the Graph simulator, in CPU, including the webhooks that follow it.

``python benchmarks/simulator_cpu.py [--sends N] [--connections C] [--read]`` starts the simulator, a sink for its
webhooks and a sender, each its own process, and prints microseconds of the simulator's CPU per send (from the kernel).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import time
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event
from typing import Any, cast

import httptools
import httpx
import orjson
import uvloop

ROOT = Path(__file__).resolve().parents[1]
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#: All statuses must have been taken this long after the last answer.
RECEIPTS_S = 60.0
#: Seldom enough not to be part of what is measured.
POLL_S = 0.1
PHONE = "106540352242922"


class Sink(asyncio.Protocol):
    """Takes webhooks."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast(asyncio.Transport, transport)
        self.parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Answer, or go on to the next send."""
        self.transport.write(ANSWER)


class Sender(asyncio.Protocol):
    """One connection; takes the next request when its last one is answered and the pace allows."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast(asyncio.Transport, transport)
        self.load.free(self)

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Answer, or go on to the next send."""
        if self.parser.get_status_code() != 200:
            raise SystemExit("the simulator refused a send")
        self.load.answered()
        self.load.free(self)


class Load:
    """What is still to be sent, at a rate (0: as fast as it goes)."""

    def __init__(self, sends: int, rate_per_s: float) -> None:
        self.sends = sends
        self.rate_per_s = rate_per_s
        self.next = 0
        self.left = sends
        self.finished = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        self.began = self.loop.time()

    def free(self, sender: Sender) -> None:
        """Let a connection send the next message, now or when it is due."""
        if self.next == self.sends:
            return
        number, self.next = self.next, self.next + 1
        due = self.began + number / self.rate_per_s if self.rate_per_s else 0.0
        if due > self.loop.time():
            self.loop.call_at(due, sender.transport.write, request_of(number))
        else:
            sender.transport.write(request_of(number))

    def answered(self) -> None:
        """Count an answer."""
        self.left -= 1
        if self.left == 0:
            self.finished.set()


def request_of(number: int) -> bytes:
    """Return the bytes of a send as an HTTP library would write them."""
    body = orjson.dumps(
        {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": f"+1650{number % 5000:07d}",
            "type": "text",
            "text": {"body": f"message {number} of a benchmark, as long as a short sentence", "preview_url": False},
            "biz_opaque_callback_data": f"01926e0a-7c1e-7000-8000-{number:012d}",
        }
    )
    head = (
        f"POST /v25.0/{PHONE}/messages HTTP/1.1\r\nHost: graph\r\nAuthorization: Bearer EAAbenchmark\r\n"
        "Accept: */*\r\nAccept-Encoding: gzip, deflate\r\nUser-Agent: benchmark\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def run_sink(told: Connection) -> None:
    """Serve until killed."""

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
        told.send(server.sockets[0].getsockname()[1])
        await asyncio.Event().wait()

    uvloop.run(main())


def run_sender(port: int, options: argparse.Namespace) -> None:
    """Send everything."""

    async def main() -> None:
        load = Load(options.sends, options.rate_per_s)
        for _ in range(options.connections):
            await load.loop.create_connection(lambda: Sender(load), "127.0.0.1", port)
        await load.finished.wait()

    uvloop.run(main())


def cpu_s(pid: int) -> float:
    """Return user and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run one measurement."""
    here, there = Pipe()
    sink = Process(target=run_sink, args=(there,), daemon=True)
    sink.start()
    command = [
        sys.executable,
        "-m",
        "simulators.graph",
        "--webhook-url",
        f"http://127.0.0.1:{here.recv()}/webhooks/meta",
    ]
    command += ["--rate-per-s", "0", "--read", "on" if options.read else "off"]
    graph = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert graph.stdout is not None
        base = graph.stdout.readline().split()[-1]
        httpx.post(f"{base}/_sim/settings", json={"statuses_per_body": options.statuses_per_body}).raise_for_status()
        before_s, began = cpu_s(graph.pid), time.monotonic()
        sender = Process(target=run_sender, args=(int(base.rpartition(":")[2]), options))
        sender.start()
        sender.join()
        sending_s = time.monotonic() - began
        values = wait_for_receipts(base, options.sends * (3 if options.read else 2))
        used_s = cpu_s(graph.pid) - before_s
    finally:
        graph.terminate()
        graph.wait(5)
        sink.terminate()
    return {
        "sends": options.sends,
        "cpu_us_per_send": round(used_s / options.sends * 1e6, 1),
        "sends_per_s": round(options.sends / sending_s),
        "webhook_bodies": values["webhooks_delivered"],
        "answer_median_us": round(values["answer_median_s"] * 1e6),
        "answer_p99_us": round(values["answer_p99_s"] * 1e6),
    }


def wait_for_receipts(base: str, expected: int) -> dict[str, Any]:
    """Return the simulator's counters once all statuses were taken."""
    pause = Event()
    deadline = time.monotonic() + RECEIPTS_S
    while time.monotonic() < deadline:
        values: dict[str, Any] = httpx.get(f"{base}/_sim/stats").json()
        if values["statuses_emitted"] >= expected and not values["webhooks_in_flight"]:
            return values
        pause.wait(POLL_S)
    raise SystemExit("the statuses did not all arrive")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sends", type=int, default=20_000)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--rate-per-s", type=float, default=0.0, help="0: as fast as it goes")
    parser.add_argument("--read", action="store_true", help="three statuses instead of two")
    parser.add_argument("--statuses-per-body", type=int, default=50)
    for name, value in measure(parser.parse_args()).items():
        print(f"{name:20} {value}")


if __name__ == "__main__":
    main()
