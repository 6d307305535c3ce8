"""What the rounds brought, as tables and against the targets of the channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, NamedTuple

from benchmarks.report import table
from benchmarks.wwebjs.contender import Contender, Weight

#: What our `Sent` waits for; theirs waits for it when told so.
ACKNOWLEDGED = "acknowledged"
#: What theirs waits for by default: that the page has stored the message.
STORED = "stored"
#: Ours, whose send waits for the server, against theirs as it is used: its default.
LATENCY_RATIO_MAX = 2.0
#: Browser trees, Python and Node not counted.
MEMORY_RATIO_MAX = 0.65


@dataclass
class Figures:
    """All rounds of one contender.

    Attributes:
        ready_s: from the call to ready, with a stored login.
        weights: of an idle phone.
        taken_ms: of each text, by what its sender waited for.
        wrong: texts that the server did not take exactly once.
    """

    contender: Contender
    ready_s: list[float] = field(default_factory=list)
    weights: list[Weight] = field(default_factory=list)
    taken_ms: dict[str, list[float]] = field(default_factory=dict)
    wrong: int = 0

    @property
    def label(self) -> str:
        """Name, keys and browser."""
        return f"{self.contender.name}, {self.contender.keys} keys, {self.contender.browser}"

    def send_ms(self, mode: str) -> float:
        """Median of a mode."""
        return median(self.taken_ms[mode])

    @property
    def browser_mib(self) -> float:
        """Median of the browser's tree."""
        return median(one.browser for one in self.weights) / 2**20

    def as_dict(self) -> dict[str, Any]:
        """For the file of results."""
        return {
            "contender": self.label,
            "send_ms": {mode: _spread(values) for mode, values in self.taken_ms.items()},
            "browser_pss_mib": round(self.browser_mib, 1),
            "process_pss_mib": round(median(one.process for one in self.weights) / 2**20, 1),
            "processes": self.weights[-1].processes,
            "ready_s": round(median(self.ready_s), 2),
            "wrong": self.wrong,
        }


def _spread(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "texts": len(ordered),
        "median": round(median(ordered), 1),
        "p95": round(ordered[int(len(ordered) * 0.95)], 1),
        "max": round(ordered[-1], 1),
    }


class Verdict(NamedTuple):
    """A target and whether it is reached."""

    holds: bool
    text: str


def judge(figures: Sequence[Figures]) -> list[Verdict]:
    """Each of ours against whatsapp-web.js as it comes: in the browser that puppeteer takes, with its defaults."""
    theirs = next(one for one in figures if not one.contender.is_ours)
    verdicts = []
    for ours in (one for one in figures if one.contender.is_ours):
        keys = f"{ours.contender.keys} keys"
        slower = ours.send_ms(ACKNOWLEDGED) / theirs.send_ms(STORED)
        verdicts.append(
            Verdict(
                slower <= LATENCY_RATIO_MAX,
                f"{keys}: a text takes {slower:.2f} times theirs, at most {LATENCY_RATIO_MAX:g}"
                f" ({ours.send_ms(ACKNOWLEDGED) / theirs.send_ms(ACKNOWLEDGED):.2f} times where both wait for the ack)",
            )
        )
        heavier = ours.browser_mib / theirs.browser_mib
        verdicts.append(
            Verdict(
                heavier <= MEMORY_RATIO_MAX, f"{keys}: memory is {heavier:.2f} of theirs, at most {MEMORY_RATIO_MAX:g}"
            )
        )
    return [*verdicts, Verdict(not any(one.wrong for one in figures), "the server took each text exactly once")]


def tables(figures: Sequence[Figures]) -> str:
    """Latency by what was waited for, then memory and start."""
    rows = [one.as_dict() for one in figures]
    sends = [
        (row["contender"], mode, spread["texts"], spread["median"], spread["p95"], spread["max"])
        for row in rows
        for mode, spread in row["send_ms"].items()
    ]
    names = ("browser_pss_mib", "processes", "process_pss_mib", "ready_s")
    phones = [(row["contender"], *(row[name] for name in names)) for row in rows]
    return (
        table(("one text", "waits until", "texts", "median ms", "p95 ms", "max ms"), sends)
        + "\n\n"
        + table(
            ("one idle phone", "browser PSS MiB", "processes", "Python or Node PSS MiB", "restored and ready s"), phones
        )
    )
