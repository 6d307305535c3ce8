"""What goes wrong with a phone's browser and page, and what is done about it: a table, and budgets to spend from.

Each row names a fact, tells how it shows, how bad it is, which state the phone shows, and a ladder of acts: the first
one whose budget is left is taken; past the last one the phone stops and says so. What is merely slow is waited for,
what mends by itself is left alone, what only a person mends is not retried.
Source: failures of whatsapp-web.js, wppconnect, waha and openclaw in production, and crashes tried with Chromium 156,
2026-11-23; the numbers of issues stand beside the rows.
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

_RELOAD: Final = Step(Act.RELOAD, RELOADS)
_RESTART: Final = Step(Act.RESTART, RESTARTS)
_KILL: Final = Step(Act.KILL, RESTARTS)
_STOP: Final = Step(Act.STOP)


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


def _row(
    fact: str,
    grade: Grade,
    means: str,
    *ladder: Step,
    state: PhoneState | None = None,
    gave_up: PhoneState = PhoneState.ERROR,
    reasons: tuple[Reason, ...] = (),
    pattern: str | None = None,
) -> Row:
    return Row(fact, grade, means, ladder, state, gave_up, frozenset(reasons), pattern)


#: Order matters for failures of the browser: the first row that fits is the fact.
TABLE: Final[tuple[Row, ...]] = (
    # -- the network and the page --------------------------------------------------------------------------------------
    _row(
        "network_down",
        Grade.RECOVERABLE,
        "WhatsApp cannot be reached from this host; it is tried again",
        Step(Act.WAIT),
        state=PhoneState.DISCONNECTED,
        reasons=("open_failed",),
        pattern=r"ERR_(INTERNET_DISCONNECTED|NAME_NOT_RESOLVED|NETWORK_CHANGED|CONNECTION_|ADDRESS_UNREACHABLE|PROXY_"
        r"|TIMED_OUT|EMPTY_RESPONSE)",
    ),
    _row(
        "load_failed",
        Grade.RECOVERABLE,
        "WhatsApp's page does not load",
        _RELOAD,
        _RESTART,
        state=PhoneState.INITIALIZING,
        reasons=("open_failed",),
    ),
    _row(  # whatsapp-web.js #5678, waha #1386, wppconnect #2502
        "navigated",
        Grade.RECOVERABLE,
        "the page loaded itself anew",
        Step(Act.REREAD),
        state=PhoneState.INITIALIZING,
        reasons=("page_navigated",),
    ),
    _row(
        "not_up",
        Grade.RECOVERABLE,
        "the page shows neither a QR code nor a connection",
        _RELOAD,
        _RESTART,
        state=PhoneState.INITIALIZING,
    ),
    _row(  # whatsapp-web.js #3785: stuck at 99 %
        "stuck_syncing",
        Grade.RECOVERABLE,
        "WhatsApp does not finish synchronising; open WhatsApp on the telephone and keep it connected",
        Step(Act.RELOAD, Budget(1, 1800.0), own=True),
        Step(Act.RESTART, Budget(2, 3600.0), own=True),
        state=PhoneState.AUTHENTICATED,
    ),
    _row(  # wppconnect-server #2211: "connected" was shown meanwhile
        "reconnecting",
        Grade.RECOVERABLE,
        "the connection to WhatsApp is lost; its page reconnects by itself",
        _RELOAD,
        _RESTART,
        state=PhoneState.DISCONNECTED,
    ),
    _row(
        "no_ack",
        Grade.RECOVERABLE,
        "WhatsApp has not acknowledged a message for a minute; it sends it again by itself after a reconnect",
        Step(Act.RELOAD, Budget(1, 600.0), own=True),
        Step(Act.IGNORE),
    ),
    _row(
        "outdated",
        Grade.RECOVERABLE,
        "WhatsApp refuses this version of its page",
        Step(Act.RELOAD, Budget(1, 3600.0), own=True),
        Step(Act.NEXT_BUNDLE),
        state=PhoneState.INITIALIZING,
        gave_up=PhoneState.INCOMPATIBLE,
    ),
    # -- the browser ---------------------------------------------------------------------------------------------------
    _row(  # puppeteer: "Target closed", "Session closed", whatsapp-web.js #3947
        "page_crashed",
        Grade.SESSION,
        "the page's tab crashed",
        _RESTART,
        state=PhoneState.INITIALIZING,
        reasons=("page_crashed",),
    ),
    _row(
        "browser_gone",
        Grade.SESSION,
        "the browser ended",
        _RESTART,
        state=PhoneState.INITIALIZING,
        reasons=("browser_gone",),
    ),
    _row(
        "driver_gone",
        Grade.SESSION,
        "the browser's driver ended",
        _KILL,
        state=PhoneState.INITIALIZING,
        reasons=("driver_gone",),
    ),
    _row(
        "hung",
        Grade.SESSION,
        "the page does not answer",
        _KILL,
        state=PhoneState.INITIALIZING,
    ),
    _row(  # whatsapp-web.js #5848
        "memory_soft",
        Grade.RECOVERABLE,
        "the browser has grown; it is replaced when nothing is under way",
        Step(Act.RECYCLE, Budget(4, 3600.0), own=True),
        Step(Act.IGNORE),
    ),
    _row(
        "memory_hard",
        Grade.RECOVERABLE,
        "the browser has grown past its limit",
        _KILL,
        state=PhoneState.INITIALIZING,
    ),
    _row(
        "profile_in_use",
        Grade.SESSION,
        "another process holds this phone's browser profile; end it, or wait until it has ended",
        Step(Act.WAIT, Budget(10, 600.0), own=True),
        state=PhoneState.CONFLICT,
        gave_up=PhoneState.CONFLICT,
        reasons=("profile_in_use",),
    ),
    _row(
        "start_failed",
        Grade.SESSION,
        "the browser does not start",
        Step(Act.RESTART, Budget(1, 600.0), own=True),
        state=PhoneState.INITIALIZING,
        reasons=("start_failed",),
    ),
    _row(
        "no_browser",
        Grade.CRITICAL,
        "there is no browser to open WhatsApp Web with",
        _STOP,
        gave_up=PhoneState.NO_BROWSER,
        reasons=("no_browser", "version_mismatch"),
    ),
    _row(
        "profile_unwritable",
        Grade.CRITICAL,
        "the folder of this phone's browser profile cannot be written; correct its owner or rights",
        _STOP,
        reasons=("profile_unwritable",),
    ),
    _row(
        "disk_full",
        Grade.CRITICAL,
        "the disk is full: a login written now could be lost",
        Step(Act.EXIT),
        reasons=("disk_full",),
    ),
    # -- the account ---------------------------------------------------------------------------------------------------
    _row(
        "conflict",
        Grade.SESSION,
        "WhatsApp Web is open with this login elsewhere",
        Step(Act.TAKE_OVER, Budget(1, 600.0), own=True),
        state=PhoneState.CONFLICT,
        gave_up=PhoneState.CONFLICT,
    ),
    _row(  # whatsapp-web.js #3072, #4717: the browser is closed before its profile is touched
        "logged_out",
        Grade.NEEDS_QR,
        "the telephone has ended this login; pair again",
        Step(Act.NEEDS_QR),
        gave_up=PhoneState.NEEDS_QR,
    ),
    _row(
        "login_refused",
        Grade.NEEDS_QR,
        "WhatsApp does not know this login any more; pair again",
        Step(Act.NEEDS_QR),
        gave_up=PhoneState.NEEDS_QR,
    ),
    _row(
        "qr_idle",
        Grade.NEEDS_QR,
        "no QR code is shown any more",
        Step(Act.REFRESH_QR),
        gave_up=PhoneState.NEEDS_QR,
    ),
    _row("empty_ref", Grade.HARMLESS, "the QR code is empty for a moment", Step(Act.IGNORE)),
    _row(
        "blocked",
        Grade.CRITICAL,
        "WhatsApp blocks this number or this address; nothing is tried by itself",
        _STOP,
        gave_up=PhoneState.BLOCKED,
    ),
    # -- one message ---------------------------------------------------------------------------------------------------
    _row(
        "no_such_number",
        Grade.MESSAGE,
        "this number is not on WhatsApp",
        Step(Act.FAIL),
        reasons=("page_error",),
        pattern=r"not_on_whatsapp|No LID for user|invalid_wid|Invalid WID",
    ),
    _row(
        "impossible",
        Grade.MESSAGE,
        "WhatsApp does not allow that for this message",
        Step(Act.FAIL),
        reasons=("page_error",),
        pattern=r"message_not_found|msg_not_found|not_ours|message_revoked|edit_message_error|quoted_msg_can_not_reply"
        r"|invalid_quoted_msg|file_too_large|can_not_send_message|chat_not_found|message_not_contains_media"
        r"|group_you_are_restricted",
    ),
    _row(
        "media_gone",
        Grade.MESSAGE,
        "WhatsApp does not have this file any more",
        Step(Act.FAIL),
        reasons=("page_error",),
        pattern=r"media_not_found|\b(404|410)\b",
    ),
    _row(
        "media_failed",
        Grade.MESSAGE,
        "the file could not be handed to WhatsApp",
        Step(Act.RETRY, Budget(2, 3600.0), own=True),
        reasons=("page_error",),
        pattern=r"(?i)upload|download|media|no_file|ERROR_UPLOAD",
    ),
    # -- a build of WhatsApp that this bundle does not know ------------------------------------------------------------
    _row(  # whatsapp-web.js #5759, wa-js #3374
        "incompatible",
        Grade.CRITICAL,
        "WhatsApp Web has changed; another build of wa-js is needed",
        Step(Act.NEXT_BUNDLE),
        gave_up=PhoneState.INCOMPATIBLE,
        reasons=("page_error",),
        pattern=r"Requiring unknown module|is not a function|is not a constructor"
        r"|Cannot read properties of (undefined|null)"
        r"|Module \S+ was not found|not_available|is not defined|sent_nothing",
    ),
    _row(
        "page_error",
        Grade.MESSAGE,
        "WhatsApp's page reported an error",
        Step(Act.RETRY, Budget(2, 3600.0), own=True),
        reasons=("page_error",),
    ),
    _row(
        "no_answer",
        Grade.RECOVERABLE,
        "the browser did not answer in time",
        Step(Act.REREAD),
        reasons=("timeout", "protocol_error", "download_failed"),
    ),
)

#: The rows by fact.
ROWS: Final[Mapping[str, Row]] = MappingProxyType({row.fact: row for row in TABLE})


def classify(reason: Reason, text: str) -> Row:
    """The fact behind a failure of the browser; there is a row for every reason."""
    return next(row for row in TABLE if row.shows(reason, text))


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
