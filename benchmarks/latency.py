"""What an idle gateway adds to a single message, and what its processes use while nothing happens."""

from __future__ import annotations

import random
import threading
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from benchmarks import client
from benchmarks.client import Answer, Plan
from benchmarks.gateway import DRAIN_S, wait_for_quiet
from benchmarks.throughput import percentile
from benchmarks.usage import WATCHERS, Meter, load_average
from tests.fixtures.gateway import COMPANY, Gateway
from tests.fixtures.load import ledger

#: Messages of the first connections and caches, not counted.
WARM_UP = 20
#: One is in flight at a time; the second stands by for a slow answer.
CONNECTIONS = 2


@dataclass(frozen=True)
class Span:
    """Median, 99th percentile and maximum, in milliseconds."""

    p50_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def of(cls, seconds: list[float]) -> Span:
        """From seconds."""
        return cls(
            round(median(seconds) * 1000, 2), round(percentile(seconds, 0.99) * 1000, 2), round(max(seconds) * 1000, 2)
        )


@dataclass(frozen=True)
class Latency:
    """Figures of one run.

    Attributes:
        from_answer: from the moment when the client has its 202; negative when the simulator was faster.
        from_insert: from the begin of the statement that stores the message, by PostgreSQL's clock.
        from_request: from the moment when the request was due.
        accept: from when the request was due to the 202.
        idle_cpu_percent: of one core, for each instance of each watcher.
    """

    messages: int
    lost: int
    from_answer: Span
    from_insert: Span
    from_request: Span
    accept: Span
    idle_s: float
    idle_cpu_percent: dict[str, list[float]]
    load_average: float

    def as_dict(self) -> dict[str, Any]:
        """For the result file."""
        return asdict(self)


def run(gateway: Gateway, messages: int, pause_s: float, idle_s: float) -> Latency:
    """Sends single messages with random pauses of `pause_s` on average, then does nothing for `idle_s`."""
    wait_for_quiet(gateway)
    taken_before = int(gateway.simulator("GET", "ledger?limit=0")["count"])
    answers = _send(gateway, messages + WARM_UP, pause_s)[WARM_UP:]
    wait_for_quiet(gateway)
    taken_at = {entry["biz_opaque_callback_data"]: entry["at"] for entry in ledger(gateway, taken_before)}
    stored_at = {
        str(row[0]): float(row[1]) for row in gateway.rows("SELECT id, extract(epoch FROM created_at) FROM messages")
    }
    arrived = [answer for answer in answers if answer.message_id in taken_at]
    idle = _idle(gateway, idle_s)
    return Latency(
        messages=len(answers),
        lost=len(answers) - len(arrived),
        from_answer=Span.of([taken_at[one.message_id] - one.answered_at for one in arrived]),
        from_insert=Span.of([taken_at[one.message_id] - stored_at[one.message_id] for one in arrived]),
        from_request=Span.of([taken_at[one.message_id] - one.due_at for one in arrived]),
        accept=Span.of([one.answered_at - one.due_at for one in arrived]),
        idle_s=idle_s,
        idle_cpu_percent=idle,
        load_average=load_average(),
    )


def _send(gateway: Gateway, messages: int, pause_s: float) -> list[Answer]:
    due_s, now_s = [], 0.0
    for _ in range(messages):
        due_s.append(now_s)
        now_s += random.uniform(0.5 * pause_s, 1.5 * pause_s)
    plan = Plan(
        port=int(gateway.environment["BISNES_API_PORT"]),
        key=gateway.key,
        company=COMPANY,
        chats=[f"60{number:010d}" for number in range(messages)],
        due_s=due_s,
        connections=CONNECTIONS,
    )
    output = gateway.home / "client.json"
    if client.start(plan, output).wait(now_s + DRAIN_S):
        raise RuntimeError("the client failed")
    return sorted(client.read(output).answers)


def _idle(gateway: Gateway, idle_s: float) -> dict[str, list[float]]:
    meter = Meter(gateway)
    before = meter.read()
    threading.Event().wait(idle_s)
    after = meter.read()
    groups = (*WATCHERS, "supervisor")
    return {
        group: [
            round((cpu_s - before.cpu_s[group][pid]) / idle_s * 100, 2) for pid, cpu_s in after.cpu_s[group].items()
        ]
        for group in groups
    }
