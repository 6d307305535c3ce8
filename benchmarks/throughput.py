"""A fixed open load through API, queue, worker, simulator and back: what arrives, how fast, and what it costs."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import psutil

from benchmarks import client
from benchmarks.client import Answer, Answers, Plan
from benchmarks.gateway import DRAIN_S, newest_seq, wait_for_ends, wait_for_quiet
from benchmarks.reckoning import Reckoning, reckon
from benchmarks.usage import Meter, Reading, load_average
from tests.fixtures.gateway import COMPANY, Gateway
from tests.fixtures.load import ledger

#: A rate counts as sustained when all is delivered this soon after the last message was due; the simulator's receipts
#: alone take 0.1 s.
SUSTAINED_DRAIN_S = 1.0


@dataclass(frozen=True)
class Load:
    """What is offered: `rate_per_s` messages for `duration_s`, over so many chats of one phone."""

    rate_per_s: float
    duration_s: float
    chats: int

    def plan(self, gateway: Gateway) -> Plan:
        """The messages, chats in a random order that repeats."""
        names = [f"60{number:010d}" for number in range(self.chats)]
        random.shuffle(names)
        total = int(self.rate_per_s * self.duration_s)
        return Plan(
            port=int(gateway.environment["BISNES_API_PORT"]),
            key=gateway.key,
            company=COMPANY,
            chats=[names[number % self.chats] for number in range(total)],
            due_s=[number / self.rate_per_s for number in range(total)],
        )


@dataclass(frozen=True)
class Run:
    """Figures of one run; `cpu_ms` is CPU per delivered message, memory is at the end of the run.

    Attributes:
        refused: requests that got another answer than 202, or none.
        accepted_per_s: of those due within the load's time, per second from the first due to the last answer.
        delivered_per_s: from the first due to the moment when the last receipt was in the database.
        accept_p50_ms: from the moment when a request was due, not from when it was written.
        drain_s: from the last due to the last receipt.
        others_cores: cores that other programs on the machine used meanwhile.
    """

    rate_per_s: float
    messages: int
    accepted: int
    delivered: int
    refused: int
    accepted_per_s: float
    delivered_per_s: float
    accept_p50_ms: float
    accept_p99_ms: float
    accept_max_ms: float
    drain_s: float
    lost: int
    repeated: int
    out_of_order: int
    cpu_ms: dict[str, float]
    rss_mb: dict[str, int]
    pss_mb: dict[str, int]
    client_cpu_ms: float
    others_cores: float
    load_average: float

    @property
    def cpu_ms_sum(self) -> float:
        """CPU of the gateway per message: all groups but the simulator."""
        return round(sum(value for group, value in self.cpu_ms.items() if group != "simulator"), 3)

    @property
    def clean(self) -> bool:
        """Everything delivered, nothing refused, repeated or out of order."""
        return self.delivered == self.accepted == self.messages and not (
            self.lost or self.repeated or self.out_of_order
        )

    @property
    def sustained(self) -> bool:
        """Whether the gateway kept up."""
        return self.clean and self.drain_s <= SUSTAINED_DRAIN_S

    def as_dict(self) -> dict[str, Any]:
        """For the result file."""
        return {**asdict(self), "cpu_ms_sum": self.cpu_ms_sum, "sustained": self.sustained}


def run(gateway: Gateway, load: Load) -> Run:
    """Drives one load and waits until all of it is delivered."""
    wait_for_quiet(gateway)
    plan, base = load.plan(gateway), newest_seq(gateway)
    taken_before = int(gateway.simulator("GET", "ledger?limit=0")["count"])
    meter, driver = Meter(gateway), psutil.Process()
    driver_before, before = _own_cpu_s(driver), meter.read()
    output = gateway.home / "client.json"
    child = client.start(plan, output)
    if child.wait(load.duration_s + 2 * DRAIN_S):
        raise RuntimeError(f"the client ended with {child.returncode}")
    answers = client.read(output)
    delivered = wait_for_ends(gateway, base)
    ended_at = time.time()
    after, driver_s = meter.read(), _own_cpu_s(driver) - driver_before
    ids = [entry["biz_opaque_callback_data"] for entry in ledger(gateway, taken_before)]
    reckoning = reckon(answers.answers, plan.chats, ids)
    return _figures(load, answers, delivered, ended_at, (before, after), driver_s, reckoning)


def _own_cpu_s(driver: psutil.Process) -> float:
    """CPU of this process and of the client, which is its child."""
    times = driver.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def _figures(
    load: Load,
    answers: Answers,
    delivered: int,
    ended_at: float,
    readings: tuple[Reading, Reading],
    driver_s: float,
    reckoning: Reckoning,
) -> Run:
    accepted = [answer for answer in answers.answers if answer.message_id]
    waits_ms = [(answer.answered_at - answer.due_at) * 1000 for answer in accepted]
    first_due = min(answer.due_at for answer in answers.answers)
    last_due = max(answer.due_at for answer in answers.answers)
    before, after = readings
    spent_s = {group: after.group_cpu_s(group) - before.group_cpu_s(group) for group in after.cpu_s}
    elapsed_s = ended_at - first_due
    return Run(
        rate_per_s=load.rate_per_s,
        messages=len(answers.answers),
        accepted=len(accepted),
        delivered=delivered,
        refused=len(answers.answers) - len(accepted),
        accepted_per_s=round(len(accepted) / (_last_answer(accepted) - first_due), 1),
        delivered_per_s=round(delivered / elapsed_s, 1),
        accept_p50_ms=round(median(waits_ms), 1),
        accept_p99_ms=round(percentile(waits_ms, 0.99), 1),
        accept_max_ms=round(max(waits_ms), 1),
        drain_s=round(ended_at - last_due, 2),
        lost=reckoning.lost,
        repeated=reckoning.repeated,
        out_of_order=reckoning.out_of_order,
        cpu_ms={group: round(value * 1000 / len(accepted), 3) for group, value in spent_s.items()},
        rss_mb={group: value >> 20 for group, value in after.rss_bytes.items()},
        pss_mb={group: value >> 20 for group, value in after.pss_bytes.items()},
        client_cpu_ms=round(answers.cpu_s * 1000 / len(accepted), 3),
        others_cores=round((after.busy_s - before.busy_s - sum(spent_s.values()) - driver_s) / elapsed_s, 2),
        load_average=load_average(),
    )


def _last_answer(accepted: list[Answer]) -> float:
    return max(answer.answered_at for answer in accepted)


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def ramp(gateway: Gateway, rates: list[float], duration_s: float, chats: int) -> Iterator[Run]:
    """Rising rates on one gateway, until it no longer keeps up; that run is the last."""
    for rate in rates:
        result = run(gateway, Load(rate, duration_s, chats))
        yield result
        if not result.sustained:
            return
