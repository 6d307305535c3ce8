"""Respawn: from `kill -9` of a child to the first line of the next one.

Each contender has two children. Each is killed at a random moment of its life, so that a supervisor that looks every
few seconds is met at all phases of its period; kills of all contenders alternate, so that noise hits all of them.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks.report import table
from benchmarks.supervision.circusd import OurCircus, StockCircus
from benchmarks.supervision.contender import Contender, Refused
from benchmarks.supervision.pm2 import Pm2
from benchmarks.supervision.supervisord import Supervisord
from benchmarks.supervision.workload import App, idler

#: Long enough to count as a stable start for all (1 s by their defaults).
LIFE_MIN_S = 1.5
#: Lives differ by one period of Circus's look (`check_delay`, 5 s).
LIFE_SPREAD_S = 5.0
#: Between two kills, so that one respawn does not slow another.
APART_S = 0.3
#: Longer than any contender takes: a child that is not back by then never comes.
GIVE_UP_S = 20.0
#: Children note the instant themselves; this is only how soon we see it.
LOOK_EVERY_S = 0.01

CONTENDERS: dict[str, Callable[[Path, Sequence[App]], Contender]] = {
    "ours": OurCircus,
    "PM2": Pm2,
    "Supervisor": Supervisord,
    "Circus as shipped": StockCircus,
}


@dataclass(frozen=True)
class Respawn:
    """Latencies of one contender."""

    contender: str
    median_s: float
    max_s: float
    samples_s: list[float]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class _Child:
    """One supervised process and its next death."""

    def __init__(self, contender: str, app: App) -> None:
        self.contender = contender
        self._app = app
        self._known = 0
        self._killed_at: float | None = None
        self._due_at = 0.0
        self._live()

    def _live(self) -> None:
        self._known = len(self._app.starts)
        self._killed_at = None
        self._due_at = time.monotonic() + random.uniform(LIFE_MIN_S, LIFE_MIN_S + LIFE_SPREAD_S)

    @property
    def due(self) -> bool:
        """Whether it lives and its time has come."""
        return self._killed_at is None and time.monotonic() >= self._due_at

    def kill(self) -> None:
        """Ends the present process."""
        victim = psutil.Process(self._app.starts[-1].pid)
        self._killed_at = time.monotonic()
        victim.send_signal(signal.SIGKILL)

    def latency_s(self) -> float | None:
        """How long its successor took, once that is there."""
        if self._killed_at is None:
            return None
        starts, killed_at = self._app.starts, self._killed_at
        if len(starts) > self._known:
            self._live()
            return starts[-1].at - killed_at
        if time.monotonic() - killed_at > GIVE_UP_S:
            raise Refused(f"{self.contender}: a killed child is not back after {GIVE_UP_S:g} s")
        return None


def measure(folder: Path, samples: int) -> list[Respawn]:
    """Kills `samples` children of each contender."""
    with ExitStack() as running:
        children = []
        for number, (name, contender) in enumerate(CONTENDERS.items()):
            home = folder / f"respawn{number}"
            apps = [idler(home, "one"), idler(home, "two")]
            running.enter_context(contender(home, apps)).until_up()
            children += [_Child(name, app) for app in apps]
        latencies = _sample(children, samples)
    return [Respawn(name, round(median(one), 4), round(max(one), 4), one) for name, one in latencies.items()]


def _sample(children: list[_Child], samples: int) -> dict[str, list[float]]:
    latencies: dict[str, list[float]] = {child.contender: [] for child in children}
    kills = dict.fromkeys(latencies, 0)
    free_at = 0.0
    while any(len(one) < samples for one in latencies.values()):
        for child in children:
            name = child.contender
            latency_s = child.latency_s()
            if latency_s is not None:
                latencies[name].append(round(latency_s, 4))
            elif child.due and kills[name] < samples and time.monotonic() >= free_at:
                child.kill()
                kills[name] += 1
                free_at = time.monotonic() + APART_S
        time.sleep(LOOK_EVERY_S)  # noqa: TID251 - it looks at all children in turn
    return latencies


def tables(runs: Sequence[Respawn]) -> str:
    """One row per contender."""
    rows = [(one.contender, len(one.samples_s), _ms(one.median_s), _ms(one.max_s)) for one in runs]
    return table(("respawn after kill -9", "samples", "median ms", "max ms"), rows)


def _ms(seconds: float) -> int:
    return round(1000 * seconds)
