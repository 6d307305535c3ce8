"""The workers' pool of connections: who is told to leave leaves, also in the instant in which a connection is free."""

from __future__ import annotations

import asyncio

from db.pool import AsyncPool
from tests.fixtures.stores import Stores

#: Turns of the event loop between the connection's return and the cancellation: more than its way to the next user.
TURNS = 40


async def use_for_ever(pool: AsyncPool, has_it: asyncio.Event | None = None) -> None:
    async with pool.connection():
        if has_it is not None:
            has_it.set()
        await asyncio.Event().wait()


async def cancelled_after(pool: AsyncPool, turns: int) -> bool:
    """Whether a task that waits for the only connection ends when it is cancelled so soon after that is free."""
    has_it = asyncio.Event()
    holder = asyncio.create_task(use_for_ever(pool, has_it))
    await has_it.wait()
    waiter = asyncio.create_task(use_for_ever(pool))
    async with asyncio.timeout(5):
        while not pool.occupancy().waiting:  # noqa: ASYNC110 - the pool tells nobody
            await asyncio.sleep(0)
    holder.cancel()
    for _ in range(turns):
        await asyncio.sleep(0)
    waiter.cancel()
    _, stays = await asyncio.wait({holder, waiter}, timeout=0.5)
    for task in stays:
        task.cancel()
        await asyncio.wait({task})
    return not stays


def test_a_cancelled_task_ends_however_near_it_was_to_its_connection(stores: Stores) -> None:
    """Python 3.11 forgets a cancellation that meets the end of a `wait_for`, which the pool waits with."""

    async def stayed(pool: AsyncPool) -> list[int]:
        turns = [turns for turns in range(TURNS) if not await cancelled_after(pool, turns)]
        async with pool.connection() as conn:  # the only one, which nobody took along
            await conn.execute("SELECT 1")
        assert pool.occupancy().size == 1
        return turns

    one = Stores(stores.settings.model_copy(update={"pool_max": 1}))
    assert one.with_pool(stayed) == []
