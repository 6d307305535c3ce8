"""Keeps the sessions of a channel's phones: each phone is open in one process on one host, and opened again if it ends.

Two tasks. One looks at the phones, takes those that are free, ends those that are gone or configured anew, and brings
what people ask for. The other guards the right to hold them (`db.session_locks`): when the locks are lost with their
connection, the sessions go on for a grace time in which it gets the locks back, and end when it does not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from bisnes_core.channel import ChannelAdapter, ChannelSpec
from bisnes_core.errors import FatalToProcess
from bisnes_core.phone import Lane, Phone
from bisnes_core.retry import RetryRule
from bisnes_core.sealing import BadSeal, Sealer
from bisnes_core.session import PhoneState, SessionNews
from bisnes_core.settings import Settings
from bisnes_workers.session_host import Host
from db import phone_sessions
from db.phone_sessions import OpenRequest
from db.phones import PhoneRow
from db.pool import AsyncPool, DatabaseAway
from db.session_locks import CLOSE_S, SessionLocks

#: How often the locks' connection is asked whether it lives: small against the grace time.
CHECK_EVERY_S = 0.5
#: Pause between two attempts to get lost locks back.
REGAIN_EVERY_S = 0.2
#: A keeper that has not looked for this long is stuck.
STUCK_S = 15.0
#: Requests that are over are forgotten this often.
FORGET_EVERY_S = 60.0

#: Backoff after a crash; the channel's own ladder of repairs comes before it.
CRASH_RULE = RetryRule(first_s=1.0, factor=2.0, jitter=0.2)
#: Longest backoff.
CRASH_WAIT_MAX_S = 60.0
#: A session that lived this long was well: its next crash is a first one.
WELL_AFTER_S = 120.0
#: Crashes in a row from which on the phone says `error` instead of `initializing`.
CRASHES_SHOWN = 3
#: A session that gives up at once on every request is not opened more often than this.
ASKED_EVERY_S = 1.0

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Holding:
    """A phone in this process's hands; its task is there until its session is closed."""

    lane: Lane
    fence: int
    configured_at: datetime
    host: Host
    task: asyncio.Task[None]
    locked: bool = True  # False while its lock is lost and may come back
    lost_at: float | None = None  # since when it belongs to others, or may

    @property
    def open(self) -> bool:
        """Whether it is ours and may be opened at the provider."""
        return self.lost_at is None and not self.task.done()


class SessionKeeper:
    """One per worker process; `look_for_ever` and `guard_for_ever` are its tasks.

    Args:
        spec: of the channel.
        adapter: opens the sessions.
        pool: of this process.
        settings: grace time, how often to look.
        announce: says that there are events to parse; returns at once.
        fatal: told what this process cannot survive.
    """

    def __init__(
        self,
        spec: ChannelSpec,
        adapter: ChannelAdapter,
        pool: AsyncPool,
        settings: Settings,
        announce: Callable[[], None],
        fatal: asyncio.Future[FatalToProcess],
    ) -> None:
        self._channel = spec.name
        self._adapter = adapter
        self._pool = pool
        self._settings = settings
        self._announce = announce
        self._fatal = fatal
        key = settings.encryption_key
        self._sealer = Sealer(key.get_secret_value()) if key else None
        self._locks = SessionLocks(settings)
        self._holdings: dict[Lane, _Holding] = {}
        self._unreadable: dict[Lane, datetime] = {}
        self._looked_at = time.monotonic()
        self._forgot_at = 0.0
        self._stopping = self._closed = False

    # -- what others ask ----------------------------------------------------------------------------------------------
    def holds(self, lane: Lane) -> bool:
        """Whether this process may use the phone's session."""
        holding = self._holdings.get(lane)
        return holding is not None and holding.open

    def trouble(self) -> str | None:
        """What keeps the keeper from its work; how a phone stands is none of it."""
        idle_s = time.monotonic() - self._looked_at
        return None if idle_s < STUCK_S else f"sessions have not been looked at for {idle_s:.0f} s"

    def count(self, state: PhoneState | None = None) -> int:
        """Phones held here, or those of them in a state."""
        return sum(h.open and (state is None or h.host.state is state) for h in self._holdings.values())

    # -- looking ------------------------------------------------------------------------------------------------------
    async def look_for_ever(self) -> None:
        """Makes what is held equal to the phones that are configured."""
        while True:
            try:
                await self._look()
            except DatabaseAway as error:
                log.debug("phones not looked at", error=str(error))  # the pool has said it; sessions go on
            self._looked_at = time.monotonic()
            await asyncio.sleep(self._settings.session_poll_s)

    async def _look(self) -> None:
        async with self._pool.connection() as conn:
            rows = await phone_sessions.phones_of(conn, self._channel)
            requests = await phone_sessions.open_requests(conn)
            watched = await phone_sessions.watched_lanes(conn)
            if time.monotonic() - self._forgot_at > FORGET_EVERY_S:
                self._forgot_at = time.monotonic()
                await phone_sessions.forget_requests(conn)
        if self._stopping:
            return
        wanted = {Lane(row.company_id, row.phone_index): row for row in rows}
        self._bring(requests, watched)
        for holding in list(self._holdings.values()):
            await self._look_after(holding, wanted.get(holding.lane))
        for lane, row in wanted.items():
            if lane not in self._holdings and not self._stopping:  # which may have begun meanwhile
                await self._take(lane, row)

    def _bring(self, requests: Iterable[OpenRequest], watched: dict[Lane, float]) -> None:
        by_lane: dict[Lane, list[OpenRequest]] = {}
        for request in requests:
            by_lane.setdefault(request.lane, []).append(request)
        for lane, holding in self._holdings.items():
            holding.host.offer(by_lane.get(lane, []))
            holding.host.watch(watched.get(lane, 0.0))

    async def _look_after(self, holding: _Holding, row: PhoneRow | None) -> None:
        if self._stopping:
            return
        if holding.task.done():
            await self._let_go(holding)
        elif row is None or row.configured_at != holding.configured_at:
            if not holding.task.cancelling():  # once: a session that closes is not disturbed at it
                holding.task.cancel()  # begun again when it is closed, if the phone is still there
        else:
            paused = row.paused_until is not None and row.paused_until > datetime.now(UTC)
            await holding.host.settle(row.status, sends=not paused)

    async def _take(self, lane: Lane, row: PhoneRow) -> None:
        phone = self._opened(lane, row)
        fence = await self._locks.take(lane) if phone else None
        if phone is None or fence is None:
            return
        host = Host(lane, self._channel, fence, self._pool, self._announce)
        task = asyncio.create_task(self._hold(phone, host))
        self._holdings[lane] = _Holding(lane, fence, row.configured_at, host, task)
        log.info("session held", lane=str(lane), fence=fence)

    def _opened(self, lane: Lane, row: PhoneRow) -> Phone | None:
        try:
            return row.opened(self._sealer)
        except BadSeal as error:
            if self._unreadable.get(lane) != row.configured_at:
                log.error("session not opened: the phone's secrets cannot be read", lane=str(lane), error=str(error))
            self._unreadable[lane] = row.configured_at
            return None

    async def _let_go(self, holding: _Holding) -> None:
        """Forgets a phone whose session is closed, and lets others have it at once."""
        if self._holdings.pop(holding.lane, None) is None:
            return
        if not holding.task.cancelled() and (error := holding.task.exception()):
            self._fail(FatalToProcess("session_not_held", f"{type(error).__name__}: {error}"))
        if holding.lost_at is None:
            await self._locks.release(holding.lane, holding.fence)
            log.info("session released", lane=str(holding.lane), fence=holding.fence)

    # -- holding ------------------------------------------------------------------------------------------------------
    async def _hold(self, phone: Phone, host: Host) -> None:
        """Opens a phone's session again and again until cancelled."""
        crashes = 0
        await host.report(SessionNews(PhoneState.INITIALIZING))
        while True:
            began = time.monotonic()
            try:
                await self._adapter.listen(phone, host)
            except FatalToProcess as error:
                self._fail(error)
                return
            except Exception as error:  # the plug-in's boundary: a crash costs this session only
                crashes = 1 if time.monotonic() - began > WELL_AFTER_S else crashes + 1
                wait_s = min(CRASH_RULE.backoff_s(crashes), CRASH_WAIT_MAX_S)
                log.exception("session crashed", lane=str(phone.lane), crashes=crashes, again_in_s=round(wait_s, 1))
                await host.report(_crashed(error, crashes))
                await asyncio.sleep(wait_s)
            else:
                crashes = 0
                log.info("session waits for a person", lane=str(phone.lane))
                await host.asked()
                await asyncio.sleep(max(0.0, began + ASKED_EVERY_S - time.monotonic()))

    def _fail(self, error: FatalToProcess) -> None:
        if not self._fatal.done():
            self._fatal.set_result(error)

    # -- guarding -----------------------------------------------------------------------------------------------------
    async def guard_for_ever(self) -> None:
        """Watches over the locks, and over sessions that have to end because their lock is lost."""
        while True:
            if not self._closed and not await self._locks.check():
                await self._regain()
            self._end_if_a_lost_session_stays_open()
            await asyncio.sleep(CHECK_EVERY_S)

    async def _regain(self) -> None:
        """Gets lost locks back; sessions whose lock does not come back in time, or was taken by another, end."""
        left_s = self._locks.sure_at + self._settings.session_grace_s - time.monotonic()
        timer = asyncio.get_running_loop().call_later(max(0.0, left_s), self._lose_unlocked)
        try:
            missing = self._unlock_all()
            if missing:
                log.warning("session locks lost; getting them back", phones=missing, grace_left_s=round(left_s, 1))
            while True:
                try:
                    await self._try_to_regain()
                except DatabaseAway as error:
                    log.debug("session locks not back", error=str(error))
                if not self._unlocked():
                    return
                await asyncio.sleep(REGAIN_EVERY_S)
        finally:
            timer.cancel()

    async def _try_to_regain(self) -> None:
        if not await self._locks.check():
            self._unlock_all()
            await self._locks.connect()
        for holding in self._unlocked():
            back = await self._locks.regain(holding.lane, holding.fence)
            if back:
                holding.locked = True
                log.info("session lock is back", lane=str(holding.lane))
            elif back is False:
                self._lose(holding)

    def _unlocked(self) -> list[_Holding]:
        return [holding for holding in self._holdings.values() if holding.open and not holding.locked]

    def _unlock_all(self) -> int:
        for holding in self._holdings.values():
            holding.locked = False
        return len(self._unlocked())

    def _lose_unlocked(self) -> None:
        for holding in self._unlocked():
            self._lose(holding)

    def _lose(self, holding: _Holding) -> None:
        log.warning("session ends: its lock is lost", lane=str(holding.lane), fence=holding.fence)
        holding.lost_at = time.monotonic()
        holding.task.cancel()

    def _end_if_a_lost_session_stays_open(self) -> None:
        """A session that does not close in time may soon be open elsewhere as well: then the process has to end."""
        for holding in self._holdings.values():
            late = holding.lost_at is not None and time.monotonic() - holding.lost_at > CLOSE_S
            if late and not holding.task.done():
                detail = f"the session of {holding.lane} did not close within {CLOSE_S:.0f} s after its lock was lost"
                self._fail(FatalToProcess("session_not_closed", detail))

    # -- the end ------------------------------------------------------------------------------------------------------
    async def stop(self, deadline_s: float) -> None:
        """Closes every session and says so; what is not closed in time is left to the grace time of the next holder."""
        self._stopping = True
        holdings = list(self._holdings.values())
        for holding in holdings:
            holding.task.cancel()
        if holdings:
            await asyncio.wait([holding.task for holding in holdings], timeout=deadline_s)
        await asyncio.gather(*(self._part(holding) for holding in holdings if holding.task.done()))
        self._closed = True
        await self._locks.close()

    async def _part(self, holding: _Holding) -> None:
        if holding.lost_at is not None:
            return
        try:
            async with asyncio.timeout(2):
                await holding.host.report(SessionNews(PhoneState.DISCONNECTED, "The channel's process was stopped."))
            await self._let_go(holding)
        except (DatabaseAway, TimeoutError) as error:
            log.warning("session not released", lane=str(holding.lane), error=str(error))


def _crashed(error: Exception, crashes: int) -> SessionNews:
    """What is shown of a crash; never the error's own words, which may hold secrets."""
    state = PhoneState.ERROR if crashes >= CRASHES_SHOWN else PhoneState.INITIALIZING
    return SessionNews(state, f"The session crashed ({type(error).__name__}, {crashes} in a row) and is opened again.")
