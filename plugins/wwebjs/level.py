"""How a phone's page stands, read at once and whole: the level first, then events. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from bisnes_core.session import PhoneState

#: Words of WhatsApp's socket and stream that mean a block.
#: Source: wa-js 4.6.0, src/whatsapp/enums/SOCKET_STATE.ts and StreamMode.ts, read 2026-11-25.
_BLOCKS: Final = frozenset({"TOS_BLOCK", "SMB_TOS_BLOCK", "PROXYBLOCK"})
#: Reason of a logout in the page's address that means a locked account. Source: LogoutReason.ts there.
_LOCKED: Final = "post_logout 3"


@dataclass(frozen=True, slots=True)
class Level:
    """What the bridge reads (`gateway.level` in bridge.js).

    Attributes:
        epoch: changes with each document.
        seq: number of its newest event.
        version: WhatsApp Web's build; None while there is none.
        socket, mode: WhatsApp's own words.
        synced: history has come in.
        ref: there is something to show a QR code of.
        logout: how the login ended, if it did.
        banned: code of a ban.
        passkey: pairing waits for a passkey of the telephone's owner.
        restricted_until_s: Unix time until which no chat may be begun; 0 when its end is not known.
        attached: our listeners stand.
        bundle: why wa-js did not load.
        missing: bindings that this build lacks.
        unacked_s: age of the oldest send that WhatsApp has not acknowledged.
        busy: sends and look-ups under way in the page.
    """

    epoch: str = ""
    seq: int = 0
    version: str | None = None
    socket: str | None = None
    mode: str | None = None
    synced: bool = False
    needs_update: bool = False
    ref: bool = False
    logout: str | None = None
    online: bool = True
    banned: int | None = None
    passkey: bool = False
    attached: bool = False
    bundle: str | None = None
    restricted_until_s: float | None = None
    number: str | None = None
    wa_js: str | None = None
    missing: tuple[str, ...] = ()
    unacked_s: float = 0.0
    busy: int = 0


_NAMES: Final = frozenset(field.name for field in fields(Level))


def read_level(answer: Mapping[str, Any]) -> Level:
    """The bridge's answer; members that we do not know are left out."""
    known = {name: value for name, value in answer.items() if name in _NAMES}
    return Level(**{**known, "missing": tuple(known.get("missing", ()))})


class Phase(StrEnum):
    """Where a page is on its way to `ready`, or off it."""

    LOADING = "loading"
    QR = "qr"
    IDLE = "idle"  # shows no QR code any more
    PASSKEY = "passkey"  # the telephone's owner has to confirm
    PAIRING = "pairing"
    SYNCING = "syncing"
    ATTACHING = "attaching"  # WhatsApp is ready, wa-js is not yet
    READY = "ready"
    RECONNECTING = "reconnecting"
    CONFLICT = "conflict"
    OUTDATED = "outdated"
    INCOMPATIBLE = "incompatible"
    LOGGED_OUT = "logged_out"
    BLOCKED = "blocked"


#: What a phone in a phase shows, where no fact of `trouble.TABLE` says more.
STATES: Final[Mapping[Phase, PhoneState]] = MappingProxyType(
    {
        Phase.LOADING: PhoneState.INITIALIZING,
        Phase.QR: PhoneState.QR,
        Phase.IDLE: PhoneState.INITIALIZING,
        Phase.PASSKEY: PhoneState.PASSKEY,
        Phase.PAIRING: PhoneState.AUTHENTICATED,
        Phase.SYNCING: PhoneState.AUTHENTICATED,
        Phase.ATTACHING: PhoneState.AUTHENTICATED,
        Phase.READY: PhoneState.READY,
        Phase.RECONNECTING: PhoneState.DISCONNECTED,
        Phase.CONFLICT: PhoneState.CONFLICT,
        Phase.OUTDATED: PhoneState.INITIALIZING,
        Phase.INCOMPATIBLE: PhoneState.INCOMPATIBLE,
        Phase.LOGGED_OUT: PhoneState.NEEDS_QR,
        Phase.BLOCKED: PhoneState.BLOCKED,
    }
)


def phase_of(level: Level, *, was_ready: bool) -> Phase:
    """The phase that a level shows.

    Args:
        level: as read.
        was_ready: this browser's page has been ready before, so that `OPENING` means a lost connection.
    """
    ended = _ended(level)
    if ended is not None:
        return ended
    if level.passkey and level.socket != "CONNECTED":
        return Phase.PASSKEY
    match level.socket:
        case "UNPAIRED":
            return Phase.QR if level.ref else Phase.LOADING
        case "UNPAIRED_IDLE":
            return Phase.IDLE
        case "PAIRING":
            return Phase.PAIRING
        case "CONNECTED":
            return _connected(level)
        case _:
            return Phase.RECONNECTING if was_ready else Phase.LOADING


def _ended(level: Level) -> Phase | None:
    words = {level.socket, level.mode}
    if words & _BLOCKS or level.banned is not None or level.logout == _LOCKED:
        return Phase.BLOCKED
    if level.logout is not None:
        return Phase.LOGGED_OUT
    if "CONFLICT" in words:
        return Phase.CONFLICT
    if "DEPRECATED_VERSION" in words or level.needs_update:
        return Phase.OUTDATED
    return None


def _connected(level: Level) -> Phase:
    if level.bundle is not None or level.missing:
        return Phase.INCOMPATIBLE
    if not level.synced:
        return Phase.SYNCING
    return Phase.READY if level.attached else Phase.ATTACHING


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a page may stay in a phase, in seconds."""

    load_s: float
    attach_s: float
    sync_s: float
    reconnect_s: float
    ack_s: float


#: A stored login that is still good shows no QR code for longer than this on the way up.
REFUSED_S: Final = 5.0

#: Phases that are facts of `trouble.TABLE` as soon as they are seen.
_AT_ONCE: Final[Mapping[Phase, str]] = MappingProxyType(
    {
        Phase.CONFLICT: "conflict",
        Phase.LOGGED_OUT: "logged_out",
        Phase.BLOCKED: "blocked",
        Phase.OUTDATED: "outdated",
        Phase.IDLE: "qr_idle",
        Phase.INCOMPATIBLE: "incompatible",
    }
)


def fact_of(phase: Phase, level: Level, stayed_s: float, limits: Limits, *, expected_login: bool) -> str | None:
    """The fact of `trouble.TABLE` that a phase, or too long a stay in it, amounts to.

    Args:
        phase: of the level.
        level: as read.
        stayed_s: seconds in this phase.
        limits: of the stay.
        expected_login: the profile holds a login, so that a QR code means that it is refused.
    """
    if phase in _AT_ONCE:
        return _AT_ONCE[phase]
    if phase is Phase.READY:
        return "no_ack" if level.unacked_s > limits.ack_s else None
    if phase is Phase.PASSKEY:
        return None
    if phase is Phase.QR:
        if expected_login and stayed_s > REFUSED_S:
            return "login_refused"
        return _unattached(level) if not level.attached and stayed_s > limits.attach_s else None
    fact, longest_s = {
        Phase.LOADING: ("not_up", limits.load_s),
        Phase.PAIRING: ("not_up", limits.load_s),
        Phase.SYNCING: ("stuck_syncing", limits.sync_s),
        Phase.ATTACHING: ("not_attached", limits.attach_s),
        Phase.RECONNECTING: ("reconnecting", limits.reconnect_s),
    }[phase]
    # Without a network nothing is to be mended here.
    return fact if stayed_s > longest_s and level.online else None


def _unattached(level: Level) -> str:
    """A bundle that broke breaks again; one that is not ready may have been unlucky, or slow."""
    return "not_attached" if level.bundle is None else "incompatible"
