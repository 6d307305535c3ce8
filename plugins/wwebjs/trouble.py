"""The words of the table of troubles (`trouble_table`), and the budgets that its acts are taken from.

Each row names a fact, tells how it shows, how bad it is, which state the phone shows, and a ladder of acts: the first
one whose budget is left is taken; past the last one the phone stops and says so.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from bisnes_core.session import PhoneState
from plugins.wwebjs.browser_failed import Reason


class Grade(StrEnum):
    """How bad a fact is."""

    HARMLESS = "harmless"
    MESSAGE = "message"  # one message's trouble, not the phone's
    RECOVERABLE = "recoverable"  # the page mends it, or loading it again
    SESSION = "session"  # only another browser mends it
    NEEDS_QR = "needs_qr"  # only pairing again mends it
    CRITICAL = "critical"  # nothing that is tried by itself mends it


class Act(StrEnum):
    """What is done."""

    IGNORE = "ignore"
    RETRY = "retry"  # the message, later, under the same id
    FAIL = "fail"  # the message, for good
    WAIT = "wait"  # with a growing pause; nothing is restarted
    REREAD = "reread"  # put the bridge's level in order again, then go on
    TAKE_OVER = "take_over"  # tell WhatsApp to use this page
    REFRESH_QR = "refresh_qr"  # while somebody watches it; else the browser is closed
    RELOAD = "reload"
    RECYCLE = "recycle"  # another browser, as soon as nothing is under way
    RESTART = "restart"  # another browser, now
    KILL = "kill"  # the tree at once, without asking it, then another browser
    NEXT_BUNDLE = "next_bundle"  # another browser with the next wa-js
    NEEDS_QR = "needs_qr"  # browser closed, profile set aside
    STOP = "stop"  # a person has to act; the profile stays
    EXIT = "exit"  # this process cannot serve any phone


@dataclass(frozen=True, slots=True)
class Budget:
    """So many times within so long."""

    times: int
    within_s: float


@dataclass(frozen=True, slots=True)
class Step:
    """One rung of a ladder.

    Attributes:
        budget: None for as often as it takes.
        own: the budget is this row's; else all rows of a phone share it.
    """

    act: Act
    budget: Budget | None = None
    own: bool = False


#: Budgets that all rows of a phone share: three reloads in ten minutes become a new browser, five new browsers in half
#: an hour an error. Endless restarts eat the host (waha #869).
RELOADS: Final = Budget(3, 600.0)
RESTARTS: Final = Budget(5, 1800.0)


@dataclass(frozen=True, slots=True)
class Row:
    """One fact.

    Attributes:
        fact: one word.
        means: one sentence for people, with what to do where a person has to act.
        ladder: acts in the order in which they are tried.
        state: what the phone shows meanwhile; None when nothing changes.
        gave_up: what it shows after the last rung.
        reasons: failures of the browser that show it.
        pattern: what their text must hold, if more than one fact has these reasons.
    """

    fact: str
    grade: Grade
    means: str
    ladder: tuple[Step, ...]
    state: PhoneState | None = None
    gave_up: PhoneState = PhoneState.ERROR
    reasons: frozenset[Reason] = frozenset()
    pattern: str | None = None

    def shows(self, reason: Reason, text: str) -> bool:
        """Whether a failure of the browser is this fact."""
        return reason in self.reasons and (self.pattern is None or re.search(self.pattern, text) is not None)


#: Which shared budget an act is taken from.
_PURSES: Final[Mapping[Act, str]] = MappingProxyType(
    {Act.RELOAD: "reloads", Act.RESTART: "restarts", Act.KILL: "restarts", Act.RECYCLE: "restarts"}
)


class Spent:
    """What one phone has used of its budgets."""

    def __init__(self) -> None:
        self._taken: defaultdict[tuple[str, str], deque[float]] = defaultdict(lambda: deque(maxlen=64))

    def decide(self, row: Row, now_s: float) -> Act:
        """The act that is due for a fact, counted as taken; `STOP` when every rung is used up.

        Args:
            row: the fact.
            now_s: monotonic seconds.
        """
        for step in row.ladder:
            shared = _PURSES.get(step.act, step.act)
            purse = (row.fact if step.own else "", str(step.act) if step.own else shared)
            if step.budget is not None:
                if self._used(purse, step.budget.within_s, now_s) >= step.budget.times:
                    continue
                self._taken[purse].append(now_s)
                if step.own:
                    self._taken["", shared].append(now_s)
            return step.act
        return Act.STOP

    def restarts(self, now_s: float) -> int:
        """New browsers of the last half hour, which the pause before the next one grows with."""
        return self._used(("", "restarts"), RESTARTS.within_s, now_s)

    def forget(self) -> None:
        """A person asked to begin anew."""
        self._taken.clear()

    def _used(self, purse: tuple[str, str], within_s: float, now_s: float) -> int:
        return sum(at > now_s - within_s for at in self._taken[purse])


#: Pause before the n-th new browser in a row of them; the first is opened at once.
_PAUSES_S: Final = (0.0, 1.0, 5.0, 15.0, 30.0, 60.0)


def restart_pause_s(restarts: int) -> float:
    """Seconds to wait before a new browser.

    Args:
        restarts: new browsers of the last half hour, this one included.
    """
    return _PAUSES_S[min(max(restarts - 1, 0), len(_PAUSES_S) - 1)]
