"""Crash loop: a child that exits with 1 as soon as it starts; what that costs, and where it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.report import table
from benchmarks.supervision.circusd import OurCircus, StockCircus
from benchmarks.supervision.contender import Contender, Cost, cost
from benchmarks.supervision.pm2 import Pm2
from benchmarks.supervision.supervisord import Supervisord
from benchmarks.supervision.workload import App, Rules, crasher

DEFAULTS = Rules()
#: Those of the `wwebjs` app in the plan that the issue names.
WWEBJS = Rules(restart_delay_s=5.0, max_restarts=10, min_uptime_s=10.0)

#: Contender, what it was told, and how.
VARIANTS: tuple[tuple[str, str, Callable[[Path, Sequence[App]], Contender], Rules], ...] = (
    ("ours", "defaults", OurCircus, DEFAULTS),
    ("PM2", "defaults", Pm2, DEFAULTS),
    ("Supervisor", "defaults", Supervisord, DEFAULTS),
    ("Circus as shipped", "defaults", StockCircus, DEFAULTS),
    ("ours", "wwebjs", OurCircus, WWEBJS),
    ("PM2", "wwebjs", Pm2, WWEBJS),
    ("Supervisor", "wwebjs, without its delay", Supervisord, WWEBJS),
)


@dataclass(frozen=True)
class CrashLoop:
    """What became of one crash loop.

    Attributes:
        starts: within `window_s`, the first death being the beginning.
        state: at its end, in the contender's words.
        own_cpu_s: of the supervisor's processes.
        children_cpu_s: of the processes that it started and that ended.
    """

    contender: str
    told: str
    window_s: float
    starts: int
    last_start_s: float
    state: str
    own_cpu_s: float
    children_cpu_s: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass
class _Loop:
    contender: Contender
    app: App
    go: Path
    processes: list[psutil.Process]
    before: Cost
    went_at: float = 0.0


def measure(folder: Path, window_s: float) -> list[CrashLoop]:
    """Lets all contenders have their loop at the same time."""
    with ExitStack() as running:
        loops = [_start(running, folder / f"crash{n}", variant[2], variant[3]) for n, variant in enumerate(VARIANTS)]
        for loop in loops:
            loop.before, loop.went_at = cost(loop.processes), time.monotonic()
            loop.go.touch()
        time.sleep(window_s)  # noqa: TID251 - the window is what is measured
        return [_result(variant[0], variant[1], window_s, loop) for variant, loop in zip(VARIANTS, loops, strict=True)]


def _start(
    running: ExitStack, home: Path, contender: Callable[[Path, Sequence[App]], Contender], rules: Rules
) -> _Loop:
    app, go = crasher(home, "crash", rules)
    one = running.enter_context(contender(home, [app]))
    one.until_up()
    processes = one.own_processes()
    return _Loop(one, app, go, processes, cost(processes))


def _result(name: str, told: str, window_s: float, loop: _Loop) -> CrashLoop:
    after = cost(loop.processes)
    starts_s = [start.at - loop.went_at for start in loop.app.starts[1:] if start.at - loop.went_at <= window_s]
    return CrashLoop(
        name,
        told,
        window_s,
        len(starts_s),
        round(max(starts_s, default=0.0), 2),
        loop.contender.state(loop.app),
        round(after.own_s - loop.before.own_s, 3),
        round(after.children_s - loop.before.children_s, 3),
    )


def tables(runs: Sequence[CrashLoop]) -> str:
    """One row per contender and rules."""
    rows = [
        (one.contender, one.told, one.starts, one.last_start_s, one.state, one.own_cpu_s, one.children_cpu_s)
        for one in runs
    ]
    header = (
        *(f"crash loop, {runs[0].window_s:g} s", "rules", "starts", "last one after s", "state then"),
        *("CPU s, supervisor", "CPU s, children"),
    )
    return table(header, rows)
