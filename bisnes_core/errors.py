"""What a channel may say went wrong with a send; each error says what to do next.

    SendError
    ├── Retryable        nothing left; try again after a backoff (or `retry_after_s`)
    ├── RateLimited      nothing left; pause exactly the scope it names, no attempt is counted
    ├── UnknownOutcome   bytes may have left; never repeated blindly, `find_sent` decides
    ├── Permanent        this message will never go; failed with a reason
    │   └── Unsupported  this channel cannot do that at all
    ├── AuthRequired     the phone's credentials are refused; the phone stops, its queue stays
    ├── SessionLost      the phone's session is gone; it stops until it is paired again
    ├── Restricted       the provider restricts the phone until an instant; its queue waits
    └── FatalToProcess   this process cannot go on; it exits non-zero and is respawned

An exception of any other kind counts as `UnknownOutcome` if bytes may have left, else as `Retryable`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any


class Scope(StrEnum):
    """What a throttle pauses."""

    PAIR = "pair"  # this phone and this recipient
    PHONE = "phone"  # this phone
    APP = "app"  # every phone of the same app or account


class SendError(Exception):
    """A send that was not accepted.

    Args:
        code: stable word or number for machines, such as `meta:131026`.
        detail: one sentence for people; free of secrets.
        trace: what the provider said that helps its support (redacted), such as `{"fbtrace_id": ...}`.
    """

    def __init__(self, code: str, detail: str = "", *, trace: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail
        self.trace = dict(trace or {})


class Retryable(SendError):
    """Nothing left; try again.

    Args:
        retry_after_s: lower bound of the wait, when the provider named one.
        attempts_max: fewer attempts than the channel's rule, for errors that seldom mend.
        unreachable: no connection to the provider at all. That says nothing about this message: the attempt is not
            counted and the phone pauses, so that an outage of any length fails no message.
    """

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        trace: Mapping[str, Any] | None = None,
        retry_after_s: float | None = None,
        attempts_max: int | None = None,
        unreachable: bool = False,
    ) -> None:
        super().__init__(code, detail, trace=trace)
        self.retry_after_s = retry_after_s
        self.attempts_max = attempts_max
        self.unreachable = unreachable


class RateLimited(SendError):
    """The provider throttles; nothing left and no attempt is counted.

    Args:
        retry_after_s: pause of the scope, in seconds.
        scope: what to pause.
        growth: the pause is multiplied by this for each throttling in a row (Meta's advice for a pair: 4).
    """

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        retry_after_s: float,
        scope: Scope,
        growth: float = 1.0,
        trace: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code, detail, trace=trace)
        self.retry_after_s = retry_after_s
        self.scope = scope
        self.growth = growth


class UnknownOutcome(SendError):
    """The request may have been accepted; repeating it could send twice."""


class Permanent(SendError):
    """This message will never be accepted."""


class Unsupported(Permanent):
    """This channel cannot do that; refused before queueing where possible."""


class AuthRequired(SendError):
    """The provider refuses the phone's credentials or account; a person has to act."""


class SessionLost(SendError):
    """The phone's session is gone; it has to be paired again."""


class Restricted(SendError):
    """The provider restricts this phone until an instant."""

    def __init__(self, code: str, detail: str = "", *, until: datetime, trace: Mapping[str, Any] | None = None) -> None:
        super().__init__(code, detail, trace=trace)
        self.until = until


class FatalToProcess(SendError):
    """This process is beyond repair from inside."""
