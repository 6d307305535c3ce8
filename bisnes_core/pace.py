"""How fast a phone may send: rules against bans, and when the next message may leave. Pure; no clock of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time


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
