"""Holds back what a phone should not send now: before a send, limited by us (`bisnes_core.pace`).

A message that is held goes back to its queue with the instant at which it is weighed again; no attempt is counted.
Phones without limits are never looked at here.
"""

from __future__ import annotations

import heapq
import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from bisnes_core.message import OutboundMessage
from bisnes_core.pace import UNPACED, History, Hold, PaceRule, Reason, caps_at, earliest, rule_for, zone_of
from bisnes_core.phone import Lane, Phone
from bisnes_core.session import PhoneState
from bisnes_core.status import Status
from db import pace
from db.outbox import Claimed, Outcome
from db.pace import PacedPhone
from db.phones import PhoneRow
from db.pool import AsyncConnection, AsyncPool

#: What each limit means, for whoever asks why a message waits.
_WORDS = {
    Reason.GAP: "the phone has just sent another message",
    Reason.DAILY_MAX: "the phone has sent as much as it may in 24 hours",
    Reason.NEW_CHATS: "the phone has written to as many new people as it may in 24 hours",
    Reason.QUIET_HOURS: "these are quiet hours",
    Reason.RESTRICTED: "the phone is restricted; only those who wrote to it get messages",
}

#: Limits of which each send that leaves the 24-hour window makes room for one message.
_ROOMS = frozenset({Reason.DAILY_MAX, Reason.NEW_CHATS})

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _LaneState:
    """What this process remembers of a lane; all of it can be forgotten.

    Attributes:
        closed_until: the gap's end; nothing is claimed before it.
        waiting: per limit, the instants at which held messages come back: they are to get the room that there is then.
    """

    configured_at: datetime
    closed_until: datetime | None = None
    waiting: defaultdict[Reason, list[datetime]] = field(default_factory=lambda: defaultdict(list))

    def ahead(self, reason: Reason, now: datetime) -> int:
        """How many messages wait for the same room."""
        queue = self.waiting[reason]
        while queue and queue[0] <= now:
            heapq.heappop(queue)
        return len(queue)


class Pacer:
    """One per worker process.

    Args:
        default: the channel's rule.
        pool: of the process.
    """

    def __init__(self, default: PaceRule | None, pool: AsyncPool) -> None:
        self._default = default
        self._pool = pool
        self._lanes: dict[Lane, _LaneState] = {}
        self._zones_missed: set[str] = set()

    def rule_of(self, phone: Phone) -> PaceRule | None:
        """The limits of a phone; None for as fast as it goes."""
        rule = rule_for(self._default, phone.config)
        if rule and rule.timezone not in self._zones_missed and zone_of(rule.timezone) is None:
            self._zones_missed.add(rule.timezone)
            log.warning("time zone unknown on this machine: quiet hours are in UTC", timezone=rule.timezone)
        return rule

    def is_closed(self, row: PhoneRow) -> bool:
        """Whether the gap since the last send is known to last; nothing need be claimed then."""
        state = self._lanes.get(Lane(row.company_id, row.phone_index))
        if state is None or state.closed_until is None or state.configured_at != row.configured_at:
            return False
        return state.closed_until > datetime.now(UTC)

    async def weigh(self, message: OutboundMessage) -> Hold | None:
        """Decides whether a claimed message may leave; one that may is counted from now on.

        Its phone is read anew, so that changed limits hold at once, and locked, so that two processes keep one gap.
        """
        if message.kind in UNPACED:
            return None
        lane = Lane(message.company_id, message.phone_index)
        async with self._pool.connection() as conn, conn.transaction():
            phone = await pace.lock_phone(conn, lane)
            rule = rule_for(self._default, phone.config) if phone else None
            if phone is None or rule is None:
                return None
            state = self._lanes.get(lane)
            if state is None or state.configured_at != phone.configured_at:
                state = self._lanes[lane] = _LaneState(phone.configured_at)
            weighing = _Weighing(conn, message, phone, rule, datetime.now(UTC))
            hold = await weighing.decide(state)
        if hold and hold.reason is Reason.GAP:
            state.closed_until = hold.until
        elif hold and hold.reason in _ROOMS:
            heapq.heappush(state.waiting[hold.reason], hold.until)
        return hold


@dataclass(frozen=True, slots=True)
class _Weighing:
    """One decision, within a transaction that has locked the phone."""

    conn: AsyncConnection
    message: OutboundMessage
    phone: PacedPhone
    rule: PaceRule
    now: datetime

    async def decide(self, state: _LaneState) -> Hold | None:
        hold, history = await self._ask({})
        if hold is None:
            first = history.wrote_at is None and not history.greeted
            await pace.note_send(self.conn, self.message, self.now, first=first)
        elif hold.reason in _ROOMS and (ahead := state.ahead(hold.reason, self.now)):
            # Others wait for the room that comes first, this one gets what comes after them.
            hold = (await self._ask({hold.reason: ahead}))[0] or hold
        return hold

    async def _ask(self, ahead: Mapping[Reason, int]) -> tuple[Hold | None, History]:
        spread = random.Random(self.message.id.int).random()  # noqa: S311 - spreads sends, hides nothing
        history = await pace.load_history(
            self.conn,
            self.message,
            caps_at(self.rule, self.phone.begun_at, self.now),
            begun_at=self.phone.begun_at,
            now=self.now,
            restricted=self.phone.status == PhoneState.RESTRICTED,
            daily_ahead=ahead.get(Reason.DAILY_MAX, 0),
            new_ahead=ahead.get(Reason.NEW_CHATS, 0),
        )
        return earliest(self.rule, history, self.now, spread), history


def held_outcome(claimed: Claimed, hold: Hold) -> Outcome:
    """What to write about a message that does not leave yet."""
    message, until = claimed.message, hold.until.isoformat(timespec="seconds")
    code = f"paced:{hold.reason}"
    return Outcome(
        message.id,
        message.fence,
        Status.QUEUED,
        {"at": datetime.now(UTC).isoformat(), "outcome": "paced", "code": code, "until": until},
        due_at=hold.until,
        counted=False,
        error_code=code,
        error=f"Waits until {until}: {_WORDS[hold.reason]}.",
    )
