"""How fast a phone may send: rules against bans, and when the next message may leave. Pure; no clock of its own.

A provider that bans looks at what people do: how many strangers are written to, how fast, at what hour. So an answer to
somebody who has just written waits for nothing but the gap, and first messages to strangers wait for everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bisnes_core.message import Kind

#: Window of the daily limits.
DAY: Final = timedelta(days=1)
#: Who wrote within this time gets an answer rather than a message: as long as Meta's customer service window.
ANSWER_WITHIN: Final = timedelta(days=1)
#: A cold message of a restricted phone is weighed again after this: restrictions last for days and end without notice.
RESTRICTED_RECHECK: Final = timedelta(hours=1)
#: Kinds that are about a message or a chat that is there already: people do these in bursts, and no limit counts them.
UNPACED: Final = frozenset({Kind.REACTION, Kind.EDIT, Kind.DELETE, Kind.READ, Kind.TYPING})

#: The part `pace` of a phone's configuration, for a channel's `config_schema`; fields as of `PaceRule`, each replaces
#: the channel's default, null lifts a limit.
PACE_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "description": "Limits of this phone against bans, instead of the channel's.",
    "properties": {
        "gap_s": {"type": "number", "minimum": 0, "maximum": 3600, "description": "Seconds between two sends."},
        "gap_jitter": {
            "type": "number",
            "minimum": 0,
            "maximum": 10,
            "description": "The gap grows at random, by up to this fraction of itself.",
        },
        "daily_max": {"type": ["integer", "null"], "minimum": 1, "description": "Messages in 24 hours."},
        "new_chats_daily_max": {
            "type": ["integer", "null"],
            "minimum": 0,
            "description": "First messages to people who never wrote, in 24 hours.",
        },
        "warm_up_days": {
            "type": "integer",
            "minimum": 0,
            "maximum": 365,
            "description": "Days after which a new phone reaches its daily limits, in equal steps.",
        },
        "quiet_from": {
            "type": ["string", "null"],
            "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$",
            "description": "From this local time on nothing but answers leaves, such as 21:00.",
        },
        "quiet_until": {
            "type": ["string", "null"],
            "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$",
            "description": "Until this local time, such as 08:00.",
        },
        "timezone": {
            "type": "string",
            "pattern": "^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$",
            "maxLength": 64,
            "description": "Of the quiet hours, such as Asia/Kuala_Lumpur; UTC when it is unknown.",
        },
    },
    "dependentRequired": {"quiet_from": ["quiet_until"], "quiet_until": ["quiet_from"]},
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class PaceRule:
    """Limits of one phone.

    Attributes:
        gap_s: least time between two sends of the phone; 0 for none.
        gap_jitter: the gap grows by up to this fraction of itself, at random.
        daily_max: messages in 24 hours; None for no limit.
        new_chats_daily_max: first messages to people who never wrote to us, in 24 hours; None for no limit.
        warm_up_days: a newly paired phone reaches its daily limits only after so many days, in equal steps.
        quiet_from, quiet_until: local time of day between which nothing but answers leaves; None for no quiet hours.
        timezone: of the quiet hours, such as `Asia/Kuala_Lumpur`.
    """

    gap_s: float = 0.0
    gap_jitter: float = 0.5
    daily_max: int | None = None
    new_chats_daily_max: int | None = None
    warm_up_days: int = 0
    quiet_from: time | None = None
    quiet_until: time | None = None
    timezone: str = "UTC"


def rule_for(default: PaceRule | None, config: Mapping[str, Any]) -> PaceRule | None:
    """The rule of a phone: the channel's, with what the phone's configuration says under `pace` instead of it."""
    own = config.get("pace")
    if own is None:
        return default
    times = {name: _time(own[name]) for name in ("quiet_from", "quiet_until") if name in own}
    return replace(default or PaceRule(), **{**own, **times})


def _time(text: str | None) -> time | None:
    return time.fromisoformat(text) if text else None


# -- limits of a day --------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Caps:
    """Daily limits as they are now; None for no limit.

    Attributes:
        grow_at: when the warm-up raises them next.
    """

    daily: int | None
    new_chats: int | None
    grow_at: datetime | None = None


def caps_at(rule: PaceRule, begun_at: datetime, now: datetime) -> Caps:
    """The daily limits of a phone that began at an instant: one share more with each day, all after the warm-up."""
    day = max((now - begun_at) // DAY, 0)
    if day >= rule.warm_up_days:
        return Caps(rule.daily_max, rule.new_chats_daily_max)
    share = (day + 1) / (rule.warm_up_days + 1)
    return Caps(_part(rule.daily_max, share), _part(rule.new_chats_daily_max, share), begun_at + (day + 1) * DAY)


def _part(most: int | None, share: float) -> int | None:
    return max(int(most * share), 1) if most else most


# -- the decision -----------------------------------------------------------------------------------------------------
class Reason(StrEnum):
    """Which limit holds a message."""

    GAP = "gap"
    DAILY_MAX = "daily_max"
    NEW_CHATS = "new_chats"
    QUIET_HOURS = "quiet_hours"
    RESTRICTED = "restricted"


@dataclass(frozen=True, slots=True)
class History:
    """What is known when a message wants to leave.

    Attributes:
        begun_at: when the phone was created.
        last_at: when the phone sent last.
        daily_at: the send whose leaving the 24-hour window makes room for this one; None when there is room.
        new_chat_at: the same among first messages to people who never wrote.
        wrote_at: when somebody wrote to us in this chat last; None for never.
        greeted: whether the chat had a first message of ours before.
        restricted: whether the provider restricts the phone.
    """

    begun_at: datetime
    last_at: datetime | None = None
    daily_at: datetime | None = None
    new_chat_at: datetime | None = None
    wrote_at: datetime | None = None
    greeted: bool = False
    restricted: bool = False


@dataclass(frozen=True, slots=True)
class Hold:
    """A message does not leave before an instant; then it is weighed again."""

    until: datetime
    reason: Reason


def earliest(rule: PaceRule, history: History, now: datetime, spread: float = 0.0) -> Hold | None:
    """What holds a message for longest, or None when it may leave now.

    Args:
        rule: the phone's limits.
        history: what was sent and received so far.
        now: aware UTC.
        spread: from 0 to 1, the message's own share of the jitter; the same each time it is weighed.
    """
    holds = [hold for hold in _holds(rule, history, now, spread) if hold.until > now]
    return max(holds, key=lambda hold: hold.until, default=None)


def _holds(rule: PaceRule, history: History, now: datetime, spread: float) -> Iterator[Hold]:
    if history.last_at:
        gap_s = rule.gap_s * (1 + rule.gap_jitter * spread)
        yield Hold(history.last_at + timedelta(seconds=gap_s), Reason.GAP)
    if history.wrote_at and history.wrote_at + ANSWER_WITHIN > now:
        return
    caps = caps_at(rule, history.begun_at, now)
    if caps.daily is not None and history.daily_at:
        yield Hold(_room_at(history.daily_at, caps), Reason.DAILY_MAX)
    if quiet_until := quiet_end(rule, now):
        yield Hold(quiet_until, Reason.QUIET_HOURS)
    if history.wrote_at is None:
        yield from _cold_holds(history, caps, now)


def _cold_holds(history: History, caps: Caps, now: datetime) -> Iterator[Hold]:
    """What holds messages to those who never wrote to us."""
    if history.restricted:
        yield Hold(now + RESTRICTED_RECHECK, Reason.RESTRICTED)
    if history.greeted or caps.new_chats is None:
        return
    if caps.new_chats == 0:
        yield Hold(now + DAY, Reason.NEW_CHATS)
    elif history.new_chat_at:
        yield Hold(_room_at(history.new_chat_at, caps), Reason.NEW_CHATS)


def _room_at(blocking_at: datetime, caps: Caps) -> datetime:
    """When there may be room again: a send leaves the window, or the warm-up raises the limit."""
    leaves_at = blocking_at + DAY
    return min(leaves_at, caps.grow_at) if caps.grow_at else leaves_at


# -- quiet hours ------------------------------------------------------------------------------------------------------
def quiet_end(rule: PaceRule, now: datetime) -> datetime | None:
    """When the quiet hours end in which an instant lies; None outside of them."""
    if rule.quiet_from is None or rule.quiet_until is None:
        return None
    zone = zone_of(rule.timezone) or UTC
    if not _is_quiet(rule.quiet_from, rule.quiet_until, now, zone):
        return None
    # A clock that is set back shows the same time twice, and an end that it jumps over comes when it has jumped.
    today = now.astimezone(zone).date()
    ends = (
        datetime.combine(today + timedelta(days=days), rule.quiet_until, zone).replace(fold=fold).astimezone(UTC)
        for days in range(3)
        for fold in (0, 1)
    )
    return min(end for end in ends if end > now and not _is_quiet(rule.quiet_from, rule.quiet_until, end, zone))


def _is_quiet(begin: time, end: time, at: datetime, zone: tzinfo) -> bool:
    local = at.astimezone(zone).time()
    return begin <= local < end if begin <= end else local >= begin or local < end


def zone_of(name: str) -> ZoneInfo | None:
    """A time zone, or None when this machine does not know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
