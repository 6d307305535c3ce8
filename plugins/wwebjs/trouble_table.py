"""What goes wrong with a phone's browser and page, and what is done about it: one table.

What is merely slow is waited for, what mends by itself is left alone, what only a person mends is not retried.
Source: failures of whatsapp-web.js, wppconnect, waha and openclaw in production, and crashes tried with Chromium 156,
2026-11-23; the numbers of issues stand beside the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from bisnes_core.session import PhoneState
from plugins.wwebjs.browser_failed import Reason
from plugins.wwebjs.trouble import RELOADS, RESTARTS, Act, Budget, Grade, Row, Step

_RELOAD: Final = Step(Act.RELOAD, RELOADS)
_RESTART: Final = Step(Act.RESTART, RESTARTS)
_KILL: Final = Step(Act.KILL, RESTARTS)
_STOP: Final = Step(Act.STOP)


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
    _row(  # until then nothing that came in is stored, since what came before it would be behind the watermark
        "not_caught_up",
        Grade.RECOVERABLE,
        "what was written to this phone while it was away cannot be fetched; nothing newer is stored before it",
        Step(Act.RELOAD, Budget(1, 1800.0), own=True),
        Step(Act.RESTART, Budget(1, 1800.0), own=True),
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
    _row(  # a start that the kernel killed for want of memory mends by itself, one without a library never does
        "start_failed",
        Grade.SESSION,
        "the browser does not start",
        Step(Act.RESTART, Budget(3, 600.0), own=True),
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
    _row(  # seen on a machine with too little time: WhatsApp stood, and wa-js got ready in the next page only
        "not_attached",
        Grade.RECOVERABLE,
        "wa-js does not get ready in WhatsApp's page; when that stays so, another build of wa-js is needed",
        Step(Act.RELOAD, Budget(1, 1800.0), own=True),
        Step(Act.RESTART, Budget(1, 1800.0), own=True),
        Step(Act.NEXT_BUNDLE),
    ),
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
