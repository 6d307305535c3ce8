"""Who may open a phone's session when its holder is on another host: nobody, until the holder must have closed it."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable

import pytest

from bisnes_core.phone import Lane
from bisnes_core.settings import Settings
from db import session_locks
from db.pool import DatabaseAway
from db.session_locks import Holder, SessionLocks
from tests.fixtures.stores import Sender, Stores

GRACE_S = 0.5


@pytest.fixture
def settings(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(session_locks, "CLOSE_S", 0.5)
    return stores.settings.model_copy(update={"session_grace_s": GRACE_S})


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await work()

    asyncio.run(bounded())


def on_host(settings: Settings, host: str) -> SessionLocks:
    return SessionLocks(settings, dataclasses.replace(Holder.this_process(), host=host))


async def taken_after(locks: SessionLocks, lane: Lane) -> float:
    """Tries until the phone is taken; the seconds that it took."""
    began = time.monotonic()
    while await locks.take(lane) is None:  # noqa: ASYNC110 - a lock sends no event when it is free
        await asyncio.sleep(0.02)
    return time.monotonic() - began


def test_a_holder_that_vanished_keeps_its_phone_for_its_grace_time(settings: Settings, sender: Sender) -> None:
    async def work() -> None:
        one, other = on_host(settings, "one"), on_host(settings, "other")
        await one.connect()
        await other.connect()
        assert await one.take(sender.lane) == 1
        assert await other.take(sender.lane) is None
        await one.close()  # as if it were dead: nothing was released
        assert await taken_after(other, sender.lane) >= GRACE_S + session_locks.CLOSE_S
        await other.close()

    run(work)


def test_a_holder_that_released_its_phone_makes_nobody_wait(settings: Settings, sender: Sender) -> None:
    async def work() -> None:
        one, other = on_host(settings, "one"), on_host(settings, "other")
        await one.connect()
        await other.connect()
        fence = await one.take(sender.lane)
        assert fence is not None
        await one.release(sender.lane, fence)
        assert await other.take(sender.lane) == fence + 1
        await one.close()
        await other.close()

    run(work)


def test_the_wait_begins_anew_each_time_the_holder_gets_its_lock_back(settings: Settings, sender: Sender) -> None:
    async def work() -> None:
        one, other = on_host(settings, "one"), on_host(settings, "other")
        await one.connect()
        await other.connect()
        fence = await one.take(sender.lane)
        assert fence is not None
        for _ in range(3):
            await one.close()
            assert await other.take(sender.lane) is None
            await asyncio.sleep(GRACE_S)
            await one.connect()
            assert await one.regain(sender.lane, fence)
        await one.close()
        assert await taken_after(other, sender.lane) >= GRACE_S + session_locks.CLOSE_S
        await one.connect()
        assert await one.regain(sender.lane, fence) is False, "the phone is another's by now"
        await other.close()
        assert await one.regain(sender.lane, fence) is False, "and stays it, also when that one vanishes"
        await one.close()

    run(work)


def test_a_connection_of_ours_that_the_server_has_not_missed_yet_is_ended(settings: Settings, sender: Sender) -> None:
    async def work() -> None:
        one = on_host(settings, "one")
        await one.connect()
        fence = await one.take(sender.lane)
        assert fence is not None
        forgotten, one._conn = one._conn, None  # the network broke, and the server does not know
        await one.connect()
        while not await one.regain(sender.lane, fence):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)
        assert forgotten is not None
        await forgotten.close()
        await one.close()

    run(work)


def test_a_silent_database_counts_as_lost_within_seconds(settings: Settings, sender: Sender) -> None:
    async def work() -> None:
        one = on_host(settings, "one")
        await one.connect()
        assert one._conn is not None
        began = time.monotonic()
        with pytest.raises(DatabaseAway):
            await session_locks._ask(one._conn, "SELECT pg_sleep(20)")
        assert time.monotonic() - began < session_locks.ANSWER_S + 1
        assert not await one.check()
        await one.close()

    run(work)


def test_a_killed_process_of_this_host_is_known_to_be_dead() -> None:
    me = Holder.this_process()
    assert me.is_alive()
    assert not dataclasses.replace(me, pid_started=me.pid_started - 60).is_alive(), "its pid was given to another"
    assert not dataclasses.replace(me, pid=2**22 - 1).is_alive()
