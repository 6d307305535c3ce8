"""WhatsApp Web's channel: one browser per phone, each on its own, all in one process."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from bisnes_core.channel import ChannelAdapter, Evidence, Finding, Health, Sent, StillUnknown
from bisnes_core.errors import Permanent, Retryable, UnknownOutcome
from bisnes_core.message import OutboundMessage
from bisnes_core.phone import Lane, Phone
from bisnes_core.session import SENDING, PhoneState, SessionHost, SessionNews
from bisnes_core.settings import Settings
from plugins.wwebjs import sending
from plugins.wwebjs.browser_failed import BrowserFailed
from plugins.wwebjs.bundle import Bundle, NoBundle, find_bundles
from plugins.wwebjs.chromium import Chromium, find_chromium
from plugins.wwebjs.page import Page
from plugins.wwebjs.session import PhoneSession

#: A message that was just handed to the page may still be on its way into it.
SETTLE_S: Final = 2.0
#: Looking an id up is milliseconds; a busy page needs longer.
FIND_TIMEOUT_S: Final = 10.0
#: A received file: WhatsApp's servers answer within seconds; 64 MiB took half a second from there to us.
DOWNLOAD_TIMEOUT_S: Final = 120.0
#: Phones named by the health probe; a page of text for an operator.
NAMED_MAX: Final = 20

_log = logging.getLogger(__name__)


def starts_at_once(cores: int) -> int:
    """Browsers that start at a time: each takes a core, and one is left to the other channels."""
    return max(1, cores - 1)


class WwebjsAdapter(ChannelAdapter):
    """One per worker process; the core makes sure that there is one such process for each phone."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._sessions: dict[Lane, PhoneSession] = {}
        self._bundles: list[Bundle] = []
        self._no_bundle = "not started"
        self._starts = asyncio.Semaphore(starts_at_once(os.cpu_count() or 1))
        self._chromium: Chromium | None = None
        self._finding = asyncio.Lock()
        self._memory: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Reads the bundles; browsers follow with `listen`."""
        try:
            self._bundles = await asyncio.to_thread(
                find_bundles, self.settings.wwebjs_bundles, self.settings.wwebjs_bundles_sha256
            )
            self._no_bundle = ""
        except NoBundle as missing:
            # Phones say it, each for itself: a crash loop would say it less clearly.
            self._no_bundle = str(missing)
        _log.info("wwebjs runs %s", self._no_bundle or ", ".join(map(str, self._bundles)))
        if self._memory is None:
            self._memory = asyncio.create_task(self._watch_memory(), name="memory of all browsers")

    async def stop(self) -> None:
        """Sessions end with their `listen`."""
        task, self._memory = self._memory, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def health(self) -> Health:
        """How the phones are, from what their sessions know: each probes its own browser all the time."""
        if self._memory is None:
            return Health(False, "not started")
        if self._no_bundle:
            return Health(False, self._no_bundle)
        states = {str(lane): session.news.state for lane, session in self._sessions.items()}
        counts = Counter(states.values())
        told = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
        named = [f"{lane} {state}" for lane, state in sorted(states.items()) if state not in SENDING][:NAMED_MAX]
        return Health(True, "; ".join(filter(None, (told, ", ".join(named)))))

    # -- sessions ------------------------------------------------------------------------------------------------------
    async def listen(self, phone: Phone, host: SessionHost) -> None:
        """Holds the phone's session; see `PhoneSession`."""
        if self._no_bundle:
            await host.report(SessionNews(PhoneState.INCOMPATIBLE, self._no_bundle))
            return
        session = PhoneSession(phone, host, self.settings, self._find_chromium, self._bundles, self._starts)
        self._sessions[phone.lane] = session
        try:
            await session.run()
        finally:
            # Unless a later `listen` has taken its place; what it said last still tells senders why nothing leaves.
            if self._sessions.get(phone.lane) is session and session.news.state in SENDING:
                del self._sessions[phone.lane]

    async def _find_chromium(self) -> Chromium:
        """The browser, found once; looked for again while there is none."""
        async with self._finding:
            if self._chromium is None or not self._chromium.browser.exists() or not self._chromium.driver.exists():
                self._chromium = await find_chromium(
                    self.settings.wwebjs_browser,
                    self.settings.wwebjs_driver,
                    may_download=self.settings.wwebjs_browser_download,
                )
            return self._chromium

    async def _watch_memory(self) -> None:
        """All browsers together stay below the process's limit: the largest is replaced first."""
        while True:
            await asyncio.sleep(self.settings.wwebjs_memory_check_s)
            sessions = sorted(self._sessions.values(), key=lambda session: session.memory_bytes)
            total = sum(session.memory_bytes for session in sessions)
            if total > self.settings.wwebjs_memory_total_bytes:
                why = f"all browsers together have {total // 1024**2} MiB"
                # One at a time; the next one where the largest has been replaced too often.
                any(session.recycle(why) for session in reversed(sessions))

    @asynccontextmanager
    async def _page(self, phone: Phone) -> AsyncIterator[Page]:
        """The phone's page while the block lasts.

        Raises:
            SendError: when nothing can leave now.
        """
        session = self._sessions.get(phone.lane)
        if session is None:
            raise Retryable("wwebjs:no_session", "this phone's session does not run here", unreachable=True)
        if session.page is None:
            raise sending.not_ready(session.news)
        session.begins_send()
        try:
            yield session.page
        finally:
            session.ends_send()

    # -- sending -------------------------------------------------------------------------------------------------------
    async def send(self, phone: Phone, message: OutboundMessage) -> Sent:
        """Hands one message to the phone's page; `Sent` only once WhatsApp's server has acknowledged it."""
        async with self._page(phone) as page:
            try:
                return await sending.send(page, self.files, message, self.settings.deliver_timeout_s)
            except (UnknownOutcome, Retryable):
                self._sessions[phone.lane].suspect()
                raise

    async def find_sent(self, phone: Phone, message: OutboundMessage, evidence: Evidence) -> Finding:
        """Answers from the chat itself, once the page is ready."""
        if evidence.provider_message_id is not None:
            return Sent(evidence.provider_message_id)
        session = self._sessions.get(phone.lane)
        if session is None or session.page is None or evidence.waited_s < SETTLE_S:
            return StillUnknown()
        return await sending.find(session.page, message, FIND_TIMEOUT_S)

    # -- receiving -----------------------------------------------------------------------------------------------------
    async def backfill(self, phone: Phone, since: datetime | None) -> None:
        """Fetches what came since an instant."""
        async with self._page(phone) as page:
            try:
                await self._sessions[phone.lane].intake.fetch_again(page, since)
            except BrowserFailed as failure:
                raise Retryable("wwebjs:backfill", str(failure)) from failure

    async def fetch_media(self, phone: Phone, media_id: str) -> bytes:
        """Bytes of a received file; `media_id` is its message's provider id."""
        async with self._page(phone) as page:
            try:
                path = await page.download(media_id, DOWNLOAD_TIMEOUT_S)
            except BrowserFailed as failure:
                error = sending.refusal(failure)
                raise error if isinstance(error, Permanent) else Retryable(error.code, error.detail) from failure
            try:
                return await asyncio.to_thread(path.read_bytes)
            finally:
                await asyncio.to_thread(path.unlink, missing_ok=True)
