"""Phones that hold a session of their own: what their channel says of it, and what the core offers to it (design §4).

A channel without webhooks receives over a session, such as WhatsApp Web in a browser. The core decides where a session
runs (one host at a time), stores what it hears, shows its state and passes on what people ask for; the channel opens
the session, keeps it alive and says honestly how it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from bisnes_core.channel import Parsed


class PhoneState(StrEnum):
    """How a phone's session stands; the first group are the legacy server's words (legacy-compat §3)."""

    INITIALIZING = "initializing"  # on its way up, or up again after trouble
    QR = "qr"  # a person has to scan
    PAIRING_CODE = "pairing_code"  # a person has to type a code into the telephone
    AUTHENTICATED = "authenticated"  # paired, history still comes in
    READY = "ready"
    DISCONNECTED = "disconnected"  # no connection to the provider, or logged out on request
    ERROR = "error"  # gave up after its budget; tried again later or by a person

    NEEDS_QR = "needs_qr"  # the pairing is gone or was never made, and nobody watches for a QR
    PASSKEY = "passkey"  # the telephone asks its owner for a step of its own
    NO_BROWSER = "no_browser"  # nothing to open the session with; the detail names the command that mends it
    INCOMPATIBLE = "incompatible"  # the provider changed; another bundle is needed
    BLOCKED = "blocked"  # the provider blocks this number or address; nothing is tried by itself
    CONFLICT = "conflict"  # the session is open elsewhere
    RESTRICTED = "restricted"  # ready for those who know us; cold sends are held


#: States in which messages leave.
SENDING: Final = frozenset({PhoneState.READY, PhoneState.RESTRICTED})
#: States that only a person ends.
NEEDS_PERSON: Final = frozenset(
    {
        PhoneState.QR,
        PhoneState.PAIRING_CODE,
        PhoneState.NEEDS_QR,
        PhoneState.PASSKEY,
        PhoneState.NO_BROWSER,
        PhoneState.INCOMPATIBLE,
        PhoneState.BLOCKED,
    }
)


@dataclass(frozen=True, slots=True)
class SessionNews:
    """How a phone's session stands now; replaces what was said before.

    Attributes:
        detail: one sentence for people, free of secrets; `""` when the state says it all.
        qr: text of the QR to scan, in state `qr`. Secret: who scans it owns the session.
        pairing_code: eight characters to type, in state `pairing_code`. Secret.
        phone_number: own number, digits, when known.
        build: version of what the session runs in, such as WhatsApp Web's `2.3000.…`.
        restricted_until: end of a restriction, when known.
    """

    state: PhoneState
    detail: str = ""
    qr: str | None = field(default=None, repr=False)
    pairing_code: str | None = field(default=None, repr=False)
    phone_number: str | None = None
    build: str | None = None
    restricted_until: datetime | None = None


class Ask(StrEnum):
    """What a person may ask of a session."""

    QR = "qr"  # show a QR (again), also after `needs_qr`
    PAIRING_CODE = "pairing_code"  # show a code for `phone_number`
    LOGOUT = "logout"  # end the pairing; the profile is set aside, then `needs_qr`
    RESTART = "restart"  # close and open again, the pairing stays


@dataclass(frozen=True, slots=True)
class Request:
    """Something that a person asks of a session; done once it is taken, its effect shows in the state."""

    ask: Ask
    phone_number: str | None = None


class SessionHost(Protocol):
    """What the core offers to the session of one phone. Every method may be called from the event loop only."""

    async def keep(self, events: Sequence[bytes]) -> None:
        """Stores raw events, in order, before anything else is done about them; durable when it returns.

        Waits while the database is away. What is not stored yet must be fetched again from the provider after a crash:
        a session asks for everything since the newest stored message (`watermark`), and stores nothing newer before
        that: what is missing behind the newest would not be asked for again.
        """

    async def report(self, news: SessionNews) -> None:
        """Shows how the session stands. Waits while the database is away; equal news in a row cost nothing."""

    async def watermark(self) -> datetime | None:
        """Instant of the newest message of this phone that was stored, received or sent elsewhere; None for none."""

    def watched(self) -> bool:
        """Whether somebody looks at the phone's QR now (asked for it within the last minute)."""

    async def next_request(self) -> Request:
        """The next thing that a person asks for; waits for ever."""


@dataclass(frozen=True, slots=True)
class Session:
    """The session side of a channel.

    Attributes:
        parse: items of one stored event (`SessionHost.keep`); pure, and never raises for the whole event.
    """

    parse: Callable[[bytes], list[Parsed]]
