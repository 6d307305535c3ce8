"""`Prefer: wait=S`: callers that wait for the provider's answer, without taking the threads of those who only send.

At most half of a process's threads may wait, and one company only its share of those places; whoever finds no place
gets the 202 at once. One thread asks the database for all waiters together, and only while somebody waits.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeVar
from uuid import UUID

import structlog

from bisnes_core.settings import Settings
from bisnes_core.status import ENDS, OPEN, Status
from db.messages import Progress
from db.pool import DatabaseAway

#: Pause between two looks: what waiting adds to the latency of an answer, against one cheap statement.
LOOK_EVERY_S = 0.03
#: The same for what people wait for, each with a statement of their own.
LOOK_FOR_ONE_EVERY_S = 0.25
#: Pause after the database did not answer; the messages are stored, so there is no hurry.
AWAY_PAUSE_S = 0.5

T = TypeVar("T")

_WAIT = re.compile(r"wait\s*=\s*\"?(\d{1,9})\"?", re.IGNORECASE)

log = structlog.get_logger(__name__)


def wait_asked_s(prefer: str | None, longest_s: float) -> float:
    """Seconds that a `Prefer` header asks to wait, at most `longest_s`; 0 when it asks for none.

    Preferences that are unknown or malformed are ignored, as RFC 7240 wants.
    """
    for preference in (prefer or "").split(","):
        if found := _WAIT.fullmatch(preference.partition(";")[0].strip()):
            return min(float(found[1]), longest_s)
    return 0.0


def is_settled(progress: Progress) -> bool:
    """Whether there is something to tell: the message left, or never will."""
    status = Status(progress.status)
    return status not in OPEN


def has_failed(progress: Progress) -> bool:
    """Whether the message ended without leaving."""
    return Status(progress.status) in ENDS


class _Waiter:
    __slots__ = ("done", "message_id", "progress")

    def __init__(self, message_id: UUID) -> None:
        self.message_id = message_id
        self.done = threading.Event()
        self.progress: Progress | None = None


class WaitingRoom:
    """The places of one process.

    Args:
        look: asks how far messages are; may raise `DatabaseAway`.
        settings: number of threads and a company's share.
    """

    def __init__(self, look: Callable[[Iterable[UUID]], list[Progress]], settings: Settings) -> None:
        self._look = look
        self.places = settings.api_threads // 2
        self.places_per_company = max(1, int(self.places * settings.wait_company_share)) if self.places else 0
        self._guard = threading.Condition()
        self._by_company: Counter[str] = Counter()
        self._waiters: set[_Waiter] = set()
        self._closed = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts the thread that looks."""
        self._thread = threading.Thread(target=self._run, name="waiting-room", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Sends everybody off with what is known; nobody is let in any more. Safe in a signal handler's thread."""
        self._closed = True
        threading.Thread(target=self._dismiss, name="waiting-room-close", daemon=True).start()

    def taken(self) -> int:
        """Places in use."""
        return len(self._waiters)

    def enter(self, company_id: str) -> bool:
        """Takes a place, if there is one for this company; `leave` gives it back."""
        with self._guard:
            free = sum(self._by_company.values()) < self.places
            if self._closed or not free or self._by_company[company_id] >= self.places_per_company:
                return False
            self._by_company[company_id] += 1
            return True

    def leave(self, company_id: str) -> None:
        """Gives a place back."""
        with self._guard:
            self._by_company[company_id] -= 1
            if not self._by_company[company_id]:
                del self._by_company[company_id]

    def wait(self, message_id: UUID, wait_s: float) -> Progress | None:
        """Waits until a message is settled; None when the time ran out. Only with a place taken."""
        waiter = _Waiter(message_id)
        with self._guard:
            self._waiters.add(waiter)
            self._guard.notify_all()
        if self._closed:
            waiter.done.set()
        waiter.done.wait(wait_s)
        with self._guard:
            self._waiters.discard(waiter)
        return waiter.progress

    def look_until(self, look: Callable[[], T | None], wait_s: float) -> T | None:
        """Looks again and again until there is something; None when the time ran out. Only with a place taken."""
        end = time.monotonic() + wait_s
        while (found := look()) is None:
            left_s = end - time.monotonic()
            if left_s <= 0 or self._closed:
                return None
            with self._guard:
                self._guard.wait_for(lambda: self._closed, min(left_s, LOOK_FOR_ONE_EVERY_S))
        return found

    def _dismiss(self) -> None:
        with self._guard:
            for waiter in self._waiters:
                waiter.done.set()
            self._guard.notify_all()

    def _run(self) -> None:
        while waiters := self._next_waiters():
            began = time.monotonic()
            try:
                self._tell(waiters)
                pause_s = LOOK_EVERY_S
            except DatabaseAway as error:
                log.warning("cannot look at waiting messages", error=str(error))
                pause_s = AWAY_PAUSE_S
            with self._guard:
                self._guard.wait_for(lambda: self._closed, max(0.0, began + pause_s - time.monotonic()))

    def _next_waiters(self) -> list[_Waiter]:
        """Those who wait, as soon as there are any; none when the room is closed."""
        with self._guard:
            self._guard.wait_for(lambda: self._waiters or self._closed)
            return [] if self._closed else list(self._waiters)

    def _tell(self, waiters: list[_Waiter]) -> None:
        settled = {p.id: p for p in self._look({waiter.message_id for waiter in waiters}) if is_settled(p)}
        for waiter in waiters:
            if waiter.message_id in settled:
                waiter.progress = settled[waiter.message_id]
                waiter.done.set()
