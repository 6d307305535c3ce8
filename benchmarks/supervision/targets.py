"""What ours must reach: the figures of issue 3, as a judgement over what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from benchmarks.supervision.crash import CrashLoop
from benchmarks.supervision.idle import Idle
from benchmarks.supervision.memory import Memory, Reaction
from benchmarks.supervision.reload import Reload
from benchmarks.supervision.respawn import Respawn

Figure = Respawn | CrashLoop | Memory | Reload | Idle

#: Our respawn median against PM2's.
RESPAWN_TIMES_PM2 = 2.0
MEMORY_S = 5.0
IDLE_CPU_PERCENT = 1.0


class Verdict(NamedTuple):
    """One target and whether it holds."""

    holds: bool
    text: str


def judge(figures: Sequence[Figure]) -> list[Verdict]:
    """Judges ours, in what was measured of it."""
    pm2_s = next((one.median_s for one in figures if isinstance(one, Respawn) and one.contender == "PM2"), None)
    return [verdict for one in figures if one.contender == "ours" for verdict in _verdicts(one, pm2_s)]


def _verdicts(figure: Figure, pm2_s: float | None) -> Iterator[Verdict]:
    match figure:
        case Respawn() if pm2_s:
            times = figure.median_s / pm2_s
            yield Verdict(
                times <= RESPAWN_TIMES_PM2, f"respawn: {times:.2f} times PM2's median (wanted: {RESPAWN_TIMES_PM2:g})"
            )
        case Memory():
            yield from (_of_reaction(figure.told, one) for one in figure.reactions)
        case Reload():
            holds = figure.failed == 0 and figure.reloads == figure.asked and figure.total > 0
            reloads = f"{figure.reloads} of {figure.asked} reloads"
            yield Verdict(holds, f"reload: {reloads}, {figure.failed} of {figure.total} requests failed (wanted: 0)")
        case Idle():
            holds = figure.cpu_percent <= IDLE_CPU_PERCENT
            yield Verdict(holds, f"idle: {figure.cpu_percent:g} % of a core (wanted: {IDLE_CPU_PERCENT:g})")


def _of_reaction(told: str, one: Reaction) -> Verdict:
    holds = one.leaker_end_s is not None and one.leaker_end_s <= MEMORY_S and one.left == 0
    wanted = f"wanted: {MEMORY_S:g}, none left"
    return Verdict(holds, f"leak in the {one.depth}, {told}: {one.text} s ({wanted})")
