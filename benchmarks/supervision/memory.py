"""Memory: a leak in the child, its child or its grandchild; when it ends, and what of the process tree is left.

The clock starts when the leaking process itself has reached the limit. Its tree is a little larger, and a limit of the
tree may act a little sooner.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from benchmarks.report import table
from benchmarks.supervision.circusd import OurCircus, StockCircus
from benchmarks.supervision.contender import Contender
from benchmarks.supervision.pm2 import Pm2
from benchmarks.supervision.supervisord import Supervisord
from benchmarks.supervision.workload import App, Leak, Rules, leaker, living, runs

DEPTHS = ("child", "grandchild", "great-grandchild")
LIMIT_MB = 300
CAP_MB = 1024
#: Leaks begin at random within one period of the slowest rhythm that is told (TICK_5): a figure must not be the phase
#: between a supervisor's start and its first look.
LAG_MAX_S = 5.0
#: After the leaker's end, what is left of its tree has this long to go.
LEFT_AFTER_S = 2.0
LOOK_EVERY_S = 0.03
HARD = Rules(memory_limit_mb=LIMIT_MB)
SOFT = Rules(memory_limit_mb=LIMIT_MB, soft_limit=True)


class Variant(NamedTuple):
    """A contender and how it was told.

    Attributes:
        more_s: patience above the usual.
        quick: part of a quick run.
    """

    contender: str
    told: str
    make: Callable[[Path, Sequence[App]], Contender]
    rules: Rules = HARD
    more_s: float = 0.0
    quick: bool = False


VARIANTS = (
    Variant("ours", "max_memory_restart", OurCircus, quick=True),
    Variant("ours", "the same, soft limit first", OurCircus, SOFT),
    Variant("PM2", "max_memory_restart", Pm2, more_s=6.0),  # it looks every 30 s: the leak begins with it
    Variant("PM2", "the same, looks every second", partial(Pm2, look_every_s=1.0), quick=True),
    Variant("Supervisor", "memmon -c, TICK_5", Supervisord, quick=True),
    Variant("Supervisor", "the same, whole groups", partial(Supervisord, whole_groups=True)),
    Variant("Circus as shipped", "ResourceWatcher each second", partial(StockCircus, resource_watcher=True)),
)


@dataclass(frozen=True)
class Reaction:
    """What became of one leak.

    Attributes:
        first_end_s: from the limit to the first end of a process of the tree; None: none ended.
        leaker_end_s: to the leaker's; 0: it ended before the limit.
        peak_mb: the leaker's last size.
        left: processes of the tree afterwards.
    """

    depth: str
    first_end_s: float | None
    leaker_end_s: float | None
    peak_mb: float
    left: int

    @property
    def text(self) -> str:
        """For a table."""
        if self.leaker_end_s is not None:
            end = f"{self.leaker_end_s:.2f}" if self.leaker_end_s else f"before, at {self.peak_mb:.0f} MB"
        else:
            end = "none" if self.first_end_s is None else f"none; its parent {self.first_end_s:.2f}"
        return end + (f", {self.left} left" if self.left else "")


@dataclass(frozen=True)
class Memory:
    """One contender with all depths."""

    contender: str
    told: str
    limit_mb: int
    patience_s: float
    reactions: list[Reaction]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class _Size(NamedTuple):
    at: float
    mb: float


@dataclass
class _Tree:
    """A supervised process with what is below it, the last of which leaks."""

    depth: int
    app: App
    sizes_file: Path
    members: list[psutil.Process] = field(default_factory=list)
    ended_at: dict[int, float] = field(default_factory=dict)

    def look(self) -> None:
        """Notes who has ended."""
        if not self.members and len(self.app.starts) > self.depth:
            self.members = living(self.app.starts[: self.depth + 1])
        for process in self.members:
            if process.pid not in self.ended_at and not runs(process):
                self.ended_at[process.pid] = time.monotonic()

    @property
    def sizes(self) -> list[_Size]:
        lines = self.sizes_file.read_text().split("\n")[:-1] if self.sizes_file.exists() else []
        return [_Size(*map(float, line.split())) for line in lines]

    @property
    def limit_at(self) -> float | None:
        """When the leaker reached the limit."""
        return next((size.at for size in self.sizes if size.mb >= LIMIT_MB), None)

    @property
    def leaker_ended_at(self) -> float | None:
        return self.ended_at.get(self.members[-1].pid) if self.members else None

    def settled(self, patience_s: float) -> bool:
        """Whether there is nothing more to wait for."""
        now = time.monotonic()
        if self.leaker_ended_at is not None:
            gone = len(self.ended_at) == len(self.members)
            return gone or now - self.leaker_ended_at >= LEFT_AFTER_S
        limit_at = self.limit_at
        return limit_at is not None and now - limit_at >= patience_s

    def reaction(self) -> Reaction:
        sizes, limit_at = self.sizes, self.limit_at
        ends = [max(0.0, at - limit_at) if limit_at else 0.0 for at in self.ended_at.values()]
        leaker = self.leaker_ended_at
        return Reaction(
            DEPTHS[self.depth],
            round(min(ends), 2) if ends else None,
            None if leaker is None else round(max(0.0, leaker - limit_at), 2) if limit_at else 0.0,
            sizes[-1].mb,
            len(self.members) - len(self.ended_at),
        )


def measure(folder: Path, patience_s: float, rate_mb_s: int, *, quick: bool) -> list[Memory]:
    """Lets each contender have a leak at all three depths at the same time."""
    chosen = [variant for variant in VARIANTS if variant.quick or not quick]
    return [_measure(folder / f"memory{n}", variant, patience_s, rate_mb_s) for n, variant in enumerate(chosen)]


def _measure(home: Path, variant: Variant, patience_s: float, rate_mb_s: int) -> Memory:
    print(f"  {variant.contender}: {variant.told}", flush=True)
    trees = []
    for depth in range(len(DEPTHS)):
        leak = Leak(depth, round(random.uniform(0, LAG_MAX_S), 2), CAP_MB, rate_mb_s)
        trees.append(_Tree(depth, *leaker(home, f"leak{depth}", leak, variant.rules)))
    wait_s = patience_s + variant.more_s
    with variant.make(home, [tree.app for tree in trees]) as contender:
        contender.until_up()
        give_up_at = time.monotonic() + LAG_MAX_S + CAP_MB / rate_mb_s + 2 * wait_s
        while not all(tree.settled(wait_s) for tree in trees) and time.monotonic() < give_up_at:
            time.sleep(LOOK_EVERY_S)  # noqa: TID251 - it looks at all processes in turn
            for tree in trees:
                tree.look()
    return Memory(variant.contender, variant.told, LIMIT_MB, wait_s, [tree.reaction() for tree in trees])


def tables(runs: Sequence[Memory]) -> str:
    """One row per contender and rules."""
    rows = [
        (one.contender, one.told, *(reaction.text for reaction in one.reactions), f"{one.patience_s:g}") for one in runs
    ]
    header = (f"s from {LIMIT_MB} MB to the leaker's end", "told by", *DEPTHS, "waited s")
    return table(header, rows)
