"""The switchboard: which fault strikes a message.

A phone's configuration names one for all its messages; a text names its own by its first word:

    !retry hello            refused for a while, once; then accepted
    !stall:2.5 hello        accepted after 2.5 seconds
    !limit_phone:1*3 hello  throttled three times for a second
    !refuse hello           refused for good

A fault named by a text strikes once unless `*times` says otherwise: a crash that struck again after each respawn would
be a crash loop, which is the phone's configuration to ask for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class Fault(StrEnum):
    """What can happen to a message."""

    ACCEPT = "accept"
    REFUSE = "refuse"  # Permanent
    RETRY = "retry"  # Retryable
    LIMIT_PAIR = "limit_pair"  # RateLimited
    LIMIT_PHONE = "limit_phone"
    LIMIT_APP = "limit_app"
    AUTH = "auth"  # AuthRequired
    SESSION_LOST = "session_lost"  # SessionLost
    RESTRICT = "restrict"  # Restricted
    STALL = "stall"  # accepted late
    LOSE_REQUEST = "lose_request"  # UnknownOutcome, not accepted
    LOSE_ANSWER = "lose_answer"  # UnknownOutcome, accepted
    RAISE = "raise"  # an error of no class
    FATAL = "fatal"  # FatalToProcess
    CRASH_BEFORE = "crash_before"  # the process ends before the provider accepts
    CRASH_AFTER = "crash_after"  # ... and after


#: Seconds of a fault that names none.
DEFAULT_S: Final = 1.0

_WORDS: Final = frozenset(fault.value for fault in Fault)
_DIRECTIVE: Final = re.compile(r"!([a-z_]+)(?::(\d{1,4}(?:\.\d{1,3})?))?(?:\*(\d{1,3}))?(?=\s|$)")


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault with its measure.

    Attributes:
        times: how often it strikes one message; None: always.
    """

    fault: Fault
    seconds: float = DEFAULT_S
    times: int | None = None


def strike_for(config: Mapping[str, Any], payload: Mapping[str, Any]) -> Strike:
    """The fault that a message asks for, else the phone's."""
    found = _DIRECTIVE.match(str(payload.get("text", "")))
    if found and found[1] in _WORDS:
        seconds = float(found[2]) if found[2] else DEFAULT_S
        return Strike(Fault(found[1]), seconds, int(found[3] or 1))
    fault = Fault(config.get("fault", Fault.ACCEPT))
    return Strike(fault, float(config.get("fault_s", DEFAULT_S)), config.get("fault_times"))
