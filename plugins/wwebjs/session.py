"""One phone's session: a sequence of browsers' lives, and what is done between them.

What ends a life and what follows is the table's (`trouble`); what happens within one is `life`'s.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final

from bisnes_core.errors import FatalToProcess
from bisnes_core.phone import Phone
from bisnes_core.session import Ask, PhoneState, SessionHost, SessionNews
from bisnes_core.settings import Settings
from plugins.wwebjs.browser import Browser
from plugins.wwebjs.browser_failed import BrowserFailed
from plugins.wwebjs.bundle import Bundle
from plugins.wwebjs.chromium import Chromium
from plugins.wwebjs.intake import Intake
from plugins.wwebjs.life import Common, Life, Over, sentence
from plugins.wwebjs.page import Page
from plugins.wwebjs.pairing import Pairing
from plugins.wwebjs.profile import Profile
from plugins.wwebjs.telling import Telling
from plugins.wwebjs.trouble import Act, restart_pause_s
from plugins.wwebjs.trouble_table import ROWS, classify

#: A phone that gave up tries again after this, or when a person asks.
GAVE_UP_S: Final = 900.0
#: Pause before a profile that another process holds is tried again.
WAIT_S: Final = 5.0
#: A request that woke this session arrives within this.
WAKING_S: Final = 0.25
#: Chromium writes its profile and ends within a second; with the kill after it below the core's patience.
CLOSE_TIMEOUT_S: Final = 5.0

_log = logging.getLogger(__name__)


class PhoneSession:
    """Holds one phone's session.

    Args:
        phone: the phone.
        host: the core.
        settings: the installation's.
        find_chromium: gives the browser to use.
        bundles: wa-js, tried in order.
        starts: one place for each browser that may start at the same time.
    """

    def __init__(
        self,
        phone: Phone,
        host: SessionHost,
        settings: Settings,
        find_chromium: Callable[[], Awaitable[Chromium]],
        bundles: Sequence[Bundle],
        starts: asyncio.Semaphore,
    ) -> None:
        self.phone = phone
        self._host = host
        self._find_chromium, self._bundles, self._starts = find_chromium, bundles, starts
        self._life: Life | None = None
        self._bundle = 0
        self.common = Common(
            phone,
            settings,
            Profile(settings.wwebjs_profiles_dir, phone.company_id, phone.phone_index).path,
            Intake(str(phone.lane), host),
            Telling(host),
            Pairing(host, settings.wwebjs_qr_idle_s),
        )

    @property
    def news(self) -> SessionNews:
        """What was said last of this session."""
        return self.common.telling.news

    @property
    def page(self) -> Page | None:
        """The page while messages may be sent through it."""
        return self._life.page if self._life else None

    @property
    def intake(self) -> Intake:
        """Takes what the phone hears."""
        return self.common.intake

    @property
    def memory_bytes(self) -> int:
        """Memory of the browser, when it was last weighed."""
        return self._life.memory_bytes if self._life else 0

    # -- from outside --------------------------------------------------------------------------------------------------
    def suspect(self) -> None:
        """Something about this page is strange: look at it now rather than with the next heartbeat."""
        self.common.wake.set()

    def recycle(self, why: str) -> bool:
        """Another browser as soon as nothing is under way; False when that has been done too often."""
        self.common.wake.set()
        return self.common.grown(why)

    def begins_send(self) -> None:
        """A message goes into the page."""
        self.common.sends += 1

    def ends_send(self) -> None:
        """It is done, one way or the other."""
        self.common.sends -= 1
        self.common.sent_at = self.common.now()

    async def run(self) -> None:
        """Holds the session until cancelled, or until only a person can help."""
        common = self.common
        helpers = [
            asyncio.create_task(work, name=f"{name} {self.phone.lane}")
            for name, work in (
                ("requests", self._hear_requests()),
                ("intake", common.intake.run()),
                ("telling", common.telling.run()),
            )
        ]
        main = asyncio.create_task(self._live(), name=f"session {self.phone.lane}")
        try:
            done, _ = await asyncio.wait({main, *helpers}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await _to_its_end(self._close(main, helpers))

    async def _close(self, main: asyncio.Task[None], helpers: Sequence[asyncio.Task[None]]) -> None:
        await _cancel(main)
        await _cancel(*helpers)
        await self.common.intake.finish(CLOSE_TIMEOUT_S)
        await self.common.telling.finish(CLOSE_TIMEOUT_S)

    async def _hear_requests(self) -> None:
        while True:
            self.common.requests.append(await self._host.next_request())
            self.common.asked = True
            self.common.wake.set()

    # -- lives ---------------------------------------------------------------------------------------------------------
    async def _live(self) -> None:
        over: Over | None = None
        if not await self._wanted():
            return
        while True:
            try:
                if over is None:
                    await self._one_life()
                elif not await self._go_on(over):
                    return
                else:
                    over = None
            except Over as ended:
                over = ended

    async def _wanted(self) -> bool:
        """Whether to open a browser at all: a phone that was never paired waits for somebody who looks."""
        profile = self._profile()
        if profile.path.exists() or self._host.watched():
            return True
        if not self.common.requests:
            with suppress(TimeoutError):
                async with asyncio.timeout(WAKING_S):
                    await self.common.wake.wait()
        if any(request.ask in (Ask.QR, Ask.PAIRING_CODE) for request in self.common.requests):
            return True
        self.common.telling.show(PhoneState.NEEDS_QR, "not paired yet")
        return False

    async def _one_life(self) -> None:
        """One browser, from start to end; ends with `Over`."""
        common = self.common
        common.begin()
        self._life = life = Life(common, self._bundles[self._bundle])
        common.telling.show(PhoneState.INITIALIZING)
        profile = self._profile()
        browser: Browser | None = None
        kill = True
        try:
            profile.hold()
            async with self._starts:
                browser = await Browser.start(
                    profile,
                    await self._find_chromium(),
                    on_gone=lambda _reason: common.wake.set(),
                    extra_arguments=common.settings.wwebjs_browser_arguments,
                )
                await life.install(Page(browser, life.hear))
            await life.open(self._starts)
            await life.watch()
        except BrowserFailed as failure:
            raise self._failed(failure) from failure
        except Over as over:
            kill = over.act is Act.KILL
            raise
        except asyncio.CancelledError:
            kill = False
            raise
        finally:
            self._life = None
            await _to_its_end(self._close_life(life, browser, profile, kill=kill))

    @staticmethod
    async def _close_life(life: Life, browser: Browser | None, profile: Profile, *, kill: bool) -> None:
        try:
            await life.close()
            if browser is not None:
                await (browser.kill() if kill else browser.stop(timeout_s=CLOSE_TIMEOUT_S))
        finally:
            profile.release()

    def _failed(self, failure: BrowserFailed) -> Over:
        """What a failure of the browser ends a life with."""
        row = classify(failure.reason, failure.text)
        if row.ladder[0].act in (Act.REREAD, Act.RETRY, Act.FAIL):
            row = ROWS["hung" if failure.reason == "timeout" else "load_failed"]
        act = self.common.spent.decide(row, self.common.now())
        # A page that does not load is loaded by another browser as well as by this one.
        return Over(Act.RESTART if act is Act.RELOAD else act, row, failure.text)

    async def _go_on(self, over: Over) -> bool:
        """What comes after a life; False when only a person can help."""
        row = over.row
        _log.info("phone %s: %s (%s) %s", self.phone.lane, row.fact if row else "asked", over.act, over.detail[:500])
        match over.act:
            case Act.EXIT if row is not None:
                self.common.telling.show(row.gave_up, sentence(row, over.detail))
                raise FatalToProcess(f"wwebjs:{row.fact}", over.detail)
            case Act.NEEDS_QR:
                return await self._unpaired(over)
            case Act.NEXT_BUNDLE if self._bundle + 1 < len(self._bundles):
                self._bundle += 1
                return True
            case Act.STOP | Act.NEXT_BUNDLE:
                return await self._give_up(over)
            case Act.WAIT:
                self.common.telling.show(
                    row.state if row and row.state else PhoneState.DISCONNECTED, sentence(row, over.detail)
                )
                await self.common.pause(WAIT_S)
            case _ if row is not None and over.act is not Act.RECYCLE:
                self.common.telling.show(row.state or PhoneState.INITIALIZING, sentence(row, ""))
                await self.common.pause(restart_pause_s(self.common.spent.restarts(self.common.now())))
        return True

    async def _unpaired(self, over: Over) -> bool:
        """Profile aside, unless only nobody looked at the QR code; on with a fresh one if somebody watches."""
        if over.row is None or over.row.fact != "qr_idle":
            await self._set_aside()
        self.common.telling.show(PhoneState.NEEDS_QR, over.detail or (over.row.means if over.row else ""))
        return self._host.watched() or bool(self.common.requests)

    async def _set_aside(self) -> None:
        profile = self._profile()
        try:
            profile.hold()
            await asyncio.to_thread(profile.move_aside)
        except BrowserFailed as failure:
            raise self._failed(failure) from failure
        finally:
            profile.release()

    async def _give_up(self, over: Over) -> bool:
        assert over.row is not None  # noqa: S101 - a person's request never stops a session
        self._bundle = 0
        state = over.row.gave_up
        self.common.telling.show(
            state, sentence(over.row, over.detail), build=self.news.build, phone_number=self.news.phone_number
        )
        if state not in (PhoneState.ERROR, PhoneState.CONFLICT):
            return self.common.asked
        await self.common.pause(GAVE_UP_S)
        self.common.spent.forget()
        return True

    def _profile(self) -> Profile:
        return Profile(self.common.settings.wwebjs_profiles_dir, self.phone.company_id, self.phone.phone_index)


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Does something whole, however often this task is cancelled meanwhile: a browser left open has no owner."""
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as again:
            cancelled = again
    task.result()
    if cancelled is not None:
        raise cancelled


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
