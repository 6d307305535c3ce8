"""Does for one phone's session what the core does, in an event loop of its own, so that tests stay plain functions."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final, TypeVar

from bisnes_core.channel import ChannelAdapter, Parsed
from bisnes_core.conformance.host import MemoryHost
from bisnes_core.phone import Phone
from bisnes_core.session import SENDING, PhoneState, Request

T = TypeVar("T")

#: Time that a cancelled session has to close, as the core gives it before another host may open the phone.
CLOSE_S: Final = 5.0
#: A session that gives up at once on every request is not opened more often than this.
AGAIN_S: Final = 0.2
#: An end that is under way, such as that of a browser, takes a fraction of this.
FINISH_S: Final = 1.0


class LoopThread:
    """An event loop that runs in a thread until it is closed."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="conformance", daemon=True)
        self._thread.start()

    def begin(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Runs something; its end is not waited for."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, T], deadline_s: float) -> T:
        """Runs something to its end; raises TimeoutError when that does not come in time."""

        async def bounded() -> T:
            async with asyncio.timeout(deadline_s):
                return await work

        return self.begin(bounded()).result()

    def call(self, act: Callable[[], T]) -> T:
        """Runs a plain function in the loop's thread."""

        async def acting() -> T:
            return act()

        return self.begin(acting()).result()

    def tasks(self) -> set[asyncio.Task[Any]]:
        """Tasks that run in it."""
        return self.call(_others)

    def close(self, finish_s: float = FINISH_S) -> None:
        """Ends it; what still runs in it may finish within a time, then it is cancelled."""

        async def cancel_all() -> None:
            if tasks := _others():
                await asyncio.wait(tasks, timeout=finish_s)
            tasks = _others()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.get_running_loop().shutdown_default_executor()

        with suppress(TimeoutError):
            self.run(cancel_all(), finish_s + CLOSE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _others() -> set[asyncio.Task[Any]]:
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


class Holding:
    """One phone's session: opened, opened again when somebody asks after it returned, and closed.

    Args:
        loop: where all of it happens.
        adapter: started.
        phone: its phone.
        parse: of the channel.

    Attributes:
        host: what the session told, over all its openings.
    """

    def __init__(
        self, loop: LoopThread, adapter: ChannelAdapter, phone: Phone, parse: Callable[[bytes], list[Parsed]]
    ) -> None:
        self._loop, self._adapter, self.phone = loop, adapter, phone
        self.host = loop.call(lambda: MemoryHost(parse))
        self._task: asyncio.Task[None] | None = None
        self._opened_at = 0

    @property
    def is_open(self) -> bool:
        """Whether it was opened and not closed since."""
        return self._task is not None

    @property
    def states(self) -> list[PhoneState]:
        """What was told since it was opened last."""
        return self.host.states[self._opened_at :]

    def open(self) -> None:
        """Begins to hold the session."""

        def begin() -> asyncio.Task[None]:
            task = asyncio.get_running_loop().create_task(self._hold(), name=f"session {self.phone.lane}")
            task.add_done_callback(lambda _: self.host.change())
            return task

        self._opened_at = len(self.host.told)
        self._task = self._loop.call(begin)

    async def _hold(self) -> None:
        while True:
            await self._adapter.listen(self.phone, self.host)
            await self.host.until(lambda: self.host.asked)
            await asyncio.sleep(AGAIN_S)

    def close(self) -> None:
        """Cancels the session.

        Raises:
            AssertionError: when it does not end in time.
            Exception: what it raised instead of ending quietly.
        """
        task, self._task = self._task, None
        if task is None:
            return

        async def end() -> bool:
            task.cancel()
            await asyncio.wait({task}, timeout=CLOSE_S)
            return task.done()

        if not self._loop.run(end(), CLOSE_S + 1):
            raise AssertionError(f"a cancelled session must close within {CLOSE_S:g} s; told: {self.host.told}")
        if not task.cancelled() and (error := task.exception()):
            raise error

    def ask(self, request: Request) -> None:
        """A person asks for something."""
        self._loop.call(lambda: self.host.ask(request))

    def store(self, *, away: bool) -> None:
        """The database goes away, or is back."""
        self._loop.call(self.host.storing.clear if away else self.host.storing.set)

    def until(self, condition: Callable[[], T | None], what: str, deadline_s: float) -> T:
        """Waits until something is so; what `listen` raises is raised here.

        Raises:
            AssertionError: when it is not so in time; says what was told.
        """
        task = self._task

        def look() -> T | None:
            if task is not None and task.done():
                task.result()
            return condition()

        try:
            return self._loop.run(self.host.until(look), deadline_s)
        except TimeoutError:
            raise AssertionError(f"not within {deadline_s:g} s: {what}; told: {self.host.told}") from None

    def until_state(self, *wanted: PhoneState, deadline_s: float) -> PhoneState:
        """Waits until one of these is how it stands; what was told before it was opened does not count."""
        return self.until(
            lambda: self.state if self.state in wanted else None, f"state {' or '.join(wanted)}", deadline_s
        )

    @property
    def state(self) -> PhoneState | None:
        """What was told last since it was opened."""
        return self.states[-1] if self.states else None

    @property
    def sending(self) -> bool:
        """Whether it says that messages leave."""
        return self.state in SENDING
