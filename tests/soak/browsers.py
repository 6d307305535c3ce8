"""The browsers of a gateway's `wwebjs` process from outside: what they weigh and use, and how they were started."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from tests.fixtures.eventually import eventually
from tests.fixtures.gateway import Gateway
from tests.fixtures.services import family_of

#: Reading the memory of two hundred processes takes half a second of a core.
SAMPLE_S = 15.0


@dataclass(frozen=True)
class Sample:
    """One look at the whole process tree.

    Attributes:
        pss_bytes: proportional set size of all of it.
        worker_bytes: of Python's part.
        cores: CPU seconds a second since the look before.
        processes: how many there are.
    """

    pss_bytes: int
    worker_bytes: int
    cores: float
    processes: int


@dataclass
class Watch:
    """Looks at the tree every now and then."""

    gateway: Gateway
    samples: list[Sample] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._used_s = self._cpu_s()
        self._looked_at = time.monotonic()

    def until(self, instant: float) -> None:
        """Looks until an instant of the monotonic clock."""
        while (left_s := instant - time.monotonic()) > 0:
            _wait_until(time.monotonic() + min(SAMPLE_S, left_s))
            self._look()

    def _look(self) -> None:
        used_s, now = self._cpu_s(), time.monotonic()
        spent_s = sum(after - self._used_s.get(pid, 0.0) for pid, after in used_s.items())
        cores = spent_s / (now - self._looked_at)
        self._used_s, self._looked_at = used_s, now
        worker, *others = (_pss_bytes(one) for one in family_of(self.gateway.pids("wwebjs")[0]))
        self.samples.append(Sample(worker + sum(others), worker, cores, 1 + len(others)))

    def _cpu_s(self) -> dict[int, float]:
        used_s = {}
        for process in family_of(self.gateway.pids("wwebjs")[0]):
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                used_s[process.pid] = float(times.user + times.system)
        return used_s


def _wait_until(instant: float) -> None:
    eventually(lambda: time.monotonic() >= instant, 2 * SAMPLE_S, "the next look")


def _pss_bytes(process: psutil.Process) -> int:
    with suppress(psutil.NoSuchProcess):
        return int(process.memory_full_info().pss)
    return 0


def starts(gateway: Gateway) -> list[tuple[float, float]]:
    """When each living browser was started, and when it had its first page: Unix times of the kernel."""
    found = []
    for process in family_of(gateway.pids("wwebjs")[0]):
        with suppress(psutil.NoSuchProcess):
            if any(word.endswith("/guardian.py") for word in process.cmdline()):
                pages = [one.create_time() for one in process.children(recursive=True) if _is_renderer(one)]
                found += [(process.create_time(), min(pages))] if pages else []
    return sorted(found)


def _is_renderer(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return "--type=renderer" in " ".join(process.cmdline())
    return False


def most_at_once(spans: Iterable[tuple[float, float]]) -> int:
    """How many of these spans overlap at the busiest instant."""
    steps = sorted(step for begin, end in spans for step in ((begin, 1), (end, -1)))
    running = most = 0
    for _, change in steps:
        running += change
        most = max(most, running)
    return most
