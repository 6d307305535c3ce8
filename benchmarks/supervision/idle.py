"""Idle: what a supervisor takes while its four children do nothing, its memory limit switched on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import table
from benchmarks.supervision.circusd import OurCircus, StockCircus
from benchmarks.supervision.contender import Contender, cost
from benchmarks.supervision.pm2 import Pm2
from benchmarks.supervision.supervisord import Supervisord
from benchmarks.supervision.workload import App, Rules, idler

CHILDREN = 4
#: Imports and first looks are over.
SETTLE_S = 3.0
LIMITED = Rules(memory_limit_mb=300)

CONTENDERS: dict[str, Callable[[Path, Sequence[App]], Contender]] = {
    "ours": OurCircus,
    "PM2": Pm2,
    "Supervisor with memmon": Supervisord,
    "Circus as shipped": StockCircus,
}


@dataclass(frozen=True)
class Idle:
    """What one supervisor took.

    Attributes:
        processes: its own, without the children.
        cpu_percent: of one core; what it starts in order to look (memmon runs `ps`) included.
    """

    contender: str
    processes: int
    cpu_percent: float
    rss_mb: float
    pss_mb: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def measure(folder: Path, window_s: float) -> list[Idle]:
    """Measures all contenders at the same time: idle ones do not disturb each other."""
    with ExitStack() as running:
        contenders = []
        for number, (name, contender) in enumerate(CONTENDERS.items()):
            home = folder / f"idle{number}"
            apps = [idler(home, f"idle{child}", LIMITED) for child in range(CHILDREN)]
            contenders.append((name, running.enter_context(contender(home, apps))))
        for _, one in contenders:
            one.until_up()
        time.sleep(SETTLE_S)  # noqa: TID251 - start-up is not idleness
        groups = [(name, one.own_processes()) for name, one in contenders]
        before, began_at = [cost(group) for _, group in groups], time.monotonic()
        time.sleep(window_s)  # noqa: TID251 - the window is what is measured
        after, took_s = [cost(group) for _, group in groups], time.monotonic() - began_at
    return [
        Idle(name, late.processes, round(100 * (late.total_s - early.total_s) / took_s, 3), late.rss_mb, late.pss_mb)
        for (name, _), early, late in zip(groups, before, after, strict=True)
    ]


def tables(runs: Sequence[Idle]) -> str:
    """One row per contender."""
    rows = [(one.contender, one.processes, one.cpu_percent, one.rss_mb, one.pss_mb) for one in runs]
    return table((f"idle, {CHILDREN} children", "own processes", "CPU %", "RSS MB", "PSS MB"), rows)
