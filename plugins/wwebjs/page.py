"""WhatsApp Web's page as our code sees it: calls of the bridge by name, and its events in order, none lost.

The bridge numbers its events within each document and keeps the last ones. What is early waits; a gap is fetched.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import orjson

from bisnes_core.channel import LocalFile
from plugins.wwebjs.browser import Browser
from plugins.wwebjs.browser_failed import BrowserFailed
from plugins.wwebjs.bundle import Bundle
from plugins.wwebjs.level import Level, read_level

Event = dict[str, Any]

#: Loading the page's document; its scripts are watched by the time limits of the session.
OPEN_TIMEOUT_S: Final = 30.0
#: A call that reads something in the page; milliseconds are usual.
CALL_TIMEOUT_S: Final = 15.0
#: A file of 64 MiB took 150 ms; a busy machine needs longer.
FILE_TIMEOUT_S: Final = 60.0

_ASK: Final = "(name, args) => window.__bisnes[name](...args)"

_log = logging.getLogger(__name__)


class Order:
    """Puts numbered events of one document after another in order."""

    def __init__(self) -> None:
        self._epoch = ""
        self._last = 0
        self._early: dict[int, Event] = {}

    def take(self, event: Event) -> list[Event]:
        """The events that are due now that this one came; a number that was seen before brings nothing."""
        if event["epoch"] != self._epoch:
            self._epoch, self._last, self._early = event["epoch"], 0, {}
        if event["seq"] > self._last:
            self._early[event["seq"]] = event
        due = []
        while self._last + 1 in self._early:
            self._last += 1
            due.append(self._early.pop(self._last))
        return due

    def missed(self, epoch: str, seq: int) -> int | None:
        """Number after which to fetch, when the page has told more than came; None when nothing is missing."""
        last = self._last if epoch == self._epoch else 0
        return last if seq > last else None

    def skip_gap(self) -> list[Event]:
        """Gives up what the page itself does not hold any more."""
        if not self._early:
            return []
        self._last = min(self._early) - 1
        return self.take(self._early[self._last + 1])

    @property
    def has_gap(self) -> bool:
        """Whether events wait for one before them."""
        return bool(self._early)


class Page:
    """The page in a phone's browser; methods raise BrowserFailed.

    Args:
        browser: started.
        on_event: gets each event once, in order; one of type `gap` where the page does not hold the next ones any more.
    """

    def __init__(self, browser: Browser, on_event: Callable[[Event], None]) -> None:
        self.browser = browser
        self._on_event = on_event
        self._order = Order()
        self._fetching: asyncio.Task[None] | None = None

    async def install(self, bundle: Bundle, *, mark_read: bool) -> None:
        """Puts bridge and bundle into every document from now on."""
        script = await asyncio.to_thread(bundle.script, mark_read=mark_read)
        await self.browser.add_preload(script, self._hear)

    async def open(self, url: str, *, timeout_s: float = OPEN_TIMEOUT_S) -> None:
        """Loads WhatsApp Web."""
        await self.browser.open(url, timeout_s=min(timeout_s, OPEN_TIMEOUT_S))

    async def reload(self, *, timeout_s: float = OPEN_TIMEOUT_S) -> None:
        """Loads it again."""
        await self.browser.reload(timeout_s=min(timeout_s, OPEN_TIMEOUT_S))

    async def ask(self, name: str, *args: Any, timeout_s: float = CALL_TIMEOUT_S) -> Any:
        """Calls a function of the bridge."""
        return await self.browser.call(_ASK, name, args, timeout_s=timeout_s)

    async def level(self, timeout_s: float) -> Level:
        """How the page stands; fetches events that did not come."""
        level = read_level(await self.ask("level", timeout_s=timeout_s))
        last = self._order.missed(level.epoch, level.seq)
        if last is not None:
            await self._fetch(last, timeout_s)
        return level

    async def give_file(self, file: LocalFile) -> str:
        """Puts a file into a file input of its own; returns the input's id, for `drop_file`."""
        name = f"bisnes-{uuid4().hex}"
        await self.ask("makeInput", name)
        await self.browser.set_files(f"#{name}", [file.path], timeout_s=FILE_TIMEOUT_S)
        return name

    async def drop_file(self, name: str) -> None:
        """Takes the input away again; a page that is gone has none."""
        try:
            await self.ask("dropInput", name)
        except BrowserFailed as failure:
            _log.debug("a file input stays: %s", failure)

    async def download(self, message: str, timeout_s: float) -> Path:
        """The file of a received message, in the download folder; whoever asked removes it."""
        name = f"{uuid4().hex}.bin"
        return await self.browser.download("(id, name) => window.__bisnes.download(id, name)", message, name,
                                           timeout_s=timeout_s)  # fmt: skip

    # -- events --------------------------------------------------------------------------------------------------------
    def _hear(self, text: str) -> None:
        self._deliver(orjson.loads(text))
        if self._order.has_gap and (self._fetching is None or self._fetching.done()):
            self._fetching = asyncio.create_task(self._fetch_gap(), name="missing events")

    def _deliver(self, event: Event) -> None:
        for due in self._order.take(event):
            self._on_event(due)

    async def _fetch_gap(self) -> None:
        try:
            await self.level(CALL_TIMEOUT_S)
        except BrowserFailed as failure:
            _log.info("missing events are fetched with the next heartbeat: %s", failure)

    async def _fetch(self, last: int, timeout_s: float) -> None:
        for text in await self.ask("since", last, timeout_s=timeout_s):
            self._deliver(orjson.loads(text))
        if self._order.has_gap:
            _log.warning("events of a page were lost; catching up brings their messages")
            self._on_event({"type": "gap"})
            for event in self._order.skip_gap():
                self._on_event(event)
