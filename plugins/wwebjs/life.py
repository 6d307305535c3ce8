"""One browser's life with a phone's page: levels, phases, facts, and what is done about them while it lasts.

It ends with `Over`, which names the act that comes next; `session` goes on from there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

from bisnes_core.phone import Phone
from bisnes_core.session import Ask, PhoneState, Request
from bisnes_core.settings import Settings
from plugins.wwebjs.browser_failed import BrowserFailed
from plugins.wwebjs.bundle import Bundle
from plugins.wwebjs.catching_up import CatchingUp
from plugins.wwebjs.intake import Intake, now
from plugins.wwebjs.level import STATES, Level, Limits, Phase, fact_of, phase_of
from plugins.wwebjs.page import Event, Page
from plugins.wwebjs.pairing import PAIRED, Pairing, is_paired, note_pairing, paired_at
from plugins.wwebjs.telling import Telling
from plugins.wwebjs.trouble import Act, Row, Spent
from plugins.wwebjs.trouble_table import ROWS, classify

#: A page on its way up is looked at this often, when it tells nothing by itself.
LOOK_S: Final = 1.0
#: Pauses while the network is down; the last one repeats.
NETWORK_PAUSES_S: Final = (1.0, 2.0, 5.0, 10.0, 30.0)
#: WhatsApp's own logout; past it the profile is set aside all the same.
LOGOUT_TIMEOUT_S: Final = 10.0
#: A recycled browser is replaced only after so long without a send.
IDLE_S: Final = 3.0
#: An act is given so long to show before the same fact counts again.
ACT_S: Final = 3.0

_log = logging.getLogger(__name__)


class Over(Exception):
    """This browser's life is over.

    Attributes:
        act: what comes next.
        row: why; None when a person asked.
    """

    def __init__(self, act: Act, row: Row | None, detail: str = "") -> None:
        super().__init__(detail)
        self.act, self.row, self.detail = act, row, detail


@dataclass(slots=True)
class Common:
    """What a phone's lives have in common.

    Attributes:
        profile: folder of the browser profile.
        requests: what people asked for and is not done yet.
        asked: something was asked for since this browser's start, or since the last pause.
        wake: something happened that is worth a look.
        sends: messages under way.
        sent_at: monotonic instant of the last one's end.
        recycle: why another browser shall replace this one when it is idle.
    """

    phone: Phone
    settings: Settings
    profile: Path
    intake: Intake
    telling: Telling
    pairing: Pairing
    spent: Spent = field(default_factory=Spent)
    requests: deque[Request] = field(default_factory=deque)
    asked: bool = False
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    sends: int = 0
    sent_at: float = 0.0
    recycle: str | None = None

    @property
    def limits(self) -> Limits:
        """How long a page may stay in a phase."""
        settings = self.settings
        return Limits(
            settings.wwebjs_load_s,
            settings.wwebjs_attach_s,
            settings.wwebjs_sync_s,
            settings.wwebjs_reconnect_s,
            settings.wwebjs_ack_s,
        )

    @staticmethod
    def now() -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def begin(self) -> None:
        """Another browser: what was said of the last one does not hold any more."""
        self.asked, self.recycle = False, None

    def grown(self, why: str) -> bool:
        """Another browser shall replace this one when it is idle; False when that has been done too often."""
        if self.recycle is None and self.spent.decide(ROWS["memory_soft"], self.now()) is Act.RECYCLE:
            self.recycle = why
        return self.recycle is not None

    async def pause(self, seconds: float) -> None:
        """Waits, but no longer than until a person asks for something; each request ends one pause at most."""
        ends_at = self.now() + seconds
        while not self.asked and (left_s := ends_at - self.now()) > 0:
            self.wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self.wake.wait()
        self.asked = False


class Life:
    """One browser's.

    Args:
        common: the phone's.
        bundle: wa-js in this browser.

    Attributes:
        page: the page while messages may be sent through it.
        memory_bytes: of the browser, when it was last weighed.
    """

    _page: Page

    def __init__(self, common: Common, bundle: Bundle) -> None:
        self.page: Page | None = None
        self.memory_bytes = 0
        self._common, self._bundle = common, bundle
        self._phase = Phase.LOADING
        self._phase_at = common.now()
        self._was_ready = False
        self._expects_login = False
        self._catching_up = CatchingUp(
            str(common.phone.lane),
            common.intake,
            partial(paired_at, common.profile),
            common.settings.wwebjs_probe_s,
            common.wake.set,
        )
        self._noted = False
        self._met: tuple[str, float] | None = None
        self._memory_at = common.now()
        common.pairing.begin()

    async def install(self, page: Page) -> None:
        """Takes a browser's page and puts the bridge into it."""
        self._page = page
        await page.install(self._bundle, mark_read=bool(self._common.phone.config.get("mark_read_on_send")))

    async def close(self) -> None:
        """Nothing is sent or fetched any more."""
        self.page = None
        await self._catching_up.close()

    async def open(self, starts: asyncio.Semaphore) -> None:
        """Loads the page; without a network it is tried again, in the same browser."""
        self._expects_login = is_paired(self._common.profile)
        for attempt in count():
            try:
                async with starts:
                    settings = self._common.settings
                    await self._page.open(settings.wwebjs_url, timeout_s=settings.wwebjs_load_s)
                break
            except BrowserFailed as failure:
                if classify(failure.reason, failure.text) is not ROWS["network_down"]:
                    raise
                self._common.telling.show(PhoneState.DISCONNECTED, sentence(ROWS["network_down"], failure.text))
            await self._common.pause(NETWORK_PAUSES_S[min(attempt, len(NETWORK_PAUSES_S) - 1)])
            await self._serve(None)
        self._phase, self._phase_at = Phase.LOADING, self._common.now()

    def hear(self, event: Event) -> None:
        """An event of the page."""
        match event["type"]:
            case "level":
                self._common.wake.set()
            case "hello" | "gap":
                self._catching_up.fall_behind()
                self._common.wake.set()
            case "trouble":
                _log.warning("phone %s: the bridge could not read an event: %s", self._common.phone.lane, event["what"])
            case _:
                self._common.intake.take(event)

    async def watch(self) -> None:
        """Reads levels and acts on them until the life is over."""
        while True:
            self._common.wake.clear()
            level = await self._probe()
            if level is not None:
                await self._judge(level)
            await self._serve(level)
            await self._look_at_memory(level)
            behind = bool(self._catching_up.missed)
            busy = behind or self._phase is not Phase.READY or self._common.recycle is not None
            with suppress(TimeoutError):
                async with asyncio.timeout(min(LOOK_S, self._common.settings.wwebjs_probe_s) if busy else
                                           self._common.settings.wwebjs_probe_s):  # fmt: skip
                    await self._common.wake.wait()

    async def _probe(self) -> Level | None:
        """The level; None when the page is between two documents. Two silences in a row end the life."""
        for _ in range(2):
            if self._page.browser.gone is not None:
                raise BrowserFailed(self._page.browser.gone)
            try:
                return await self._page.level(self._common.settings.wwebjs_probe_timeout_s)
            except BrowserFailed as failure:
                if failure.reason in ("page_navigated", "page_error"):
                    self._without_bridge()
                    return None
                if failure.reason != "timeout":
                    raise
        raise self._over(ROWS["hung"])

    def _without_bridge(self) -> None:
        """A document without our bridge is one that is just being replaced, or an error page of the browser."""
        self.page = None
        self._enter(Phase.RECONNECTING if self._was_ready else Phase.LOADING)
        if self._common.now() - self._phase_at > self._common.settings.wwebjs_load_s:
            raise self._over(ROWS["load_failed"])

    async def _judge(self, level: Level) -> None:
        phase = phase_of(level, was_ready=self._was_ready)
        self._enter(phase)
        if phase is not Phase.READY:
            self.page = None
        if phase in PAIRED and not self._noted:
            await asyncio.to_thread(note_pairing, self._common.profile)
            self._noted = True
        fact = fact_of(
            phase, level, self._common.now() - self._phase_at, self._common.limits, expected_login=self._expects_login
        )
        if phase is Phase.READY and fact is None and self._catching_up.is_hopeless:
            fact = "not_caught_up"
        row = ROWS[fact] if fact else None
        if row is not None:
            await self._meet(row, level)
        elif phase is Phase.READY:
            await self._ready(level)
        elif phase is Phase.QR:
            await self._show_code(level)
        elif phase is Phase.PASSKEY:
            self._show_passkey(level)
        elif phase is Phase.LOADING and self._was_ready is False and not level.online:
            self._common.telling.show(PhoneState.DISCONNECTED, ROWS["network_down"].means, build=level.version)
        else:
            self._common.telling.show(STATES[phase], build=level.version, phone_number=level.number)

    def _enter(self, phase: Phase) -> None:
        if phase is not self._phase:
            if self._phase is Phase.READY:
                self._catching_up.fall_behind()
            self._phase, self._phase_at = phase, self._common.now()

    async def _meet(self, row: Row, level: Level) -> None:
        """Does what the table says about a fact."""
        if self._met is not None and self._met[0] == row.fact and self._common.now() - self._met[1] < ACT_S:
            return
        self._met = (row.fact, self._common.now())
        act = self._common.spent.decide(row, self._common.now())
        if row.state is not None:
            self._common.telling.show(row.state, row.means, build=level.version, phone_number=level.number)
        match act:
            case Act.IGNORE | Act.REREAD | Act.WAIT:
                if self._phase is Phase.READY:
                    await self._ready(level)
            case Act.TAKE_OVER:
                await self._page.ask("takeOver")
                self._phase_at = self._common.now()
            case Act.REFRESH_QR:
                if not self._common.pairing.watched():
                    raise Over(Act.NEEDS_QR, row, row.means)
                await self._page.ask("refreshQr")
            case Act.RELOAD:
                _log.info("phone %s: %s, the page is loaded again", self._common.phone.lane, row.fact)
                self.page, self._met = None, None
                self._catching_up.fall_behind()
                await self._page.reload(timeout_s=self._common.settings.wwebjs_load_s)
                self._enter(Phase.LOADING)
                self._phase_at = self._common.now()
            case _:
                raise Over(act, row, self._detail(row, level))

    def _detail(self, row: Row, level: Level) -> str:
        if row.fact == "not_caught_up":
            return self._catching_up.missed
        if row.fact not in ("incompatible", "not_attached"):
            return ""
        lacks = ", ".join(level.missing) or level.bundle
        return f"WhatsApp Web {level.version}, {self._bundle}" + (f": {lacks}" if lacks else "")

    def _over(self, row: Row) -> Over:
        return Over(self._common.spent.decide(row, self._common.now()), row)

    # -- ready ---------------------------------------------------------------------------------------------------------
    async def _ready(self, level: Level) -> None:
        self._was_ready = self._expects_login = True
        self._common.pairing.done()
        self.page = self._page
        until = level.restricted_until_s
        restricted = until is not None and (until == 0 or until > now().timestamp())
        missed = self._catching_up.missed and sentence(ROWS["not_caught_up"], self._catching_up.missed)
        self._common.telling.show(
            PhoneState.RESTRICTED if restricted else PhoneState.READY,
            "WhatsApp lets this phone answer, but not begin chats" if restricted else missed,
            build=level.version,
            phone_number=level.number,
            restricted_until=datetime.fromtimestamp(until, UTC) if restricted and until else None,
        )
        self._catching_up.go_on(self._page)

    async def _look_at_memory(self, level: Level | None) -> None:
        due_s = self._memory_at + self._common.settings.wwebjs_memory_check_s - self._common.now()
        if due_s <= 0:
            self._memory_at = self._common.now()
            self.memory_bytes = await self._page.browser.memory_bytes()
            self._judge_memory()
        idle = self._common.sends == 0 and self._common.now() - self._common.sent_at > IDLE_S
        if self._common.recycle is not None and idle and (level is None or (not level.busy and not level.unacked_s)):
            why, self._common.recycle = self._common.recycle, None
            raise Over(Act.RECYCLE, ROWS["memory_soft"], why)

    def _judge_memory(self) -> None:
        if self.memory_bytes > self._common.settings.wwebjs_memory_hard_bytes:
            raise self._over(ROWS["memory_hard"])
        if self.memory_bytes > self._common.settings.wwebjs_memory_soft_bytes:
            self._common.grown(f"{self.memory_bytes // 1024**2} MiB")

    # -- pairing -------------------------------------------------------------------------------------------------------
    async def _show_code(self, level: Level) -> None:
        if self._expects_login:
            return  # its login may still be restored; `login_refused` comes soon enough
        if not self._common.pairing.watched():
            raise Over(Act.NEEDS_QR, ROWS["qr_idle"], "nobody watched the QR code")
        if level.attached:
            await self._common.pairing.show(self._page, level, self._common.telling)

    def _show_passkey(self, level: Level) -> None:
        if not self._common.pairing.watched():
            raise Over(Act.NEEDS_QR, ROWS["qr_idle"], "nobody confirmed with a passkey")
        self._common.telling.show(
            PhoneState.PASSKEY, "confirm with a passkey on the telephone to go on", build=level.version
        )

    async def _serve(self, level: Level | None) -> None:
        """Does what people asked for."""
        while self._common.requests:
            request = self._common.requests.popleft()
            match request.ask:
                case Ask.QR | Ask.PAIRING_CODE:
                    self._common.pairing.asked(request)
                    self._common.wake.set()
                case Ask.RESTART:
                    self._common.spent.forget()
                    raise Over(Act.RECYCLE, None)
                case Ask.LOGOUT:
                    await self._log_out(level)

    async def _log_out(self, level: Level | None) -> None:
        if level is not None and level.attached and level.socket == "CONNECTED":
            try:
                await self._page.ask("logout", timeout_s=LOGOUT_TIMEOUT_S)
            except BrowserFailed as failure:
                _log.debug(
                    "logout of phone %s: %s", self._common.phone.lane, failure
                )  # its page goes away: no answer is usual
        raise Over(Act.NEEDS_QR, None, "logged out on request")


def sentence(row: Row | None, detail: str) -> str:
    """What a fact is told people with."""
    means = row.means if row else ""
    return f"{means}: {detail}"[:500] if detail else means
