"""A file for each channel that has phones, and for no other: circusd runs the channels by them."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from bisnes_core.settings import Settings, load_settings
from bisnes_workers.wanted import keep_wanted_files
from db.pool import AsyncPool
from tests.fixtures.eventually import eventually
from tests.fixtures.stores import MakeSender, Stores


@pytest.fixture
def channels() -> list[str]:
    """Names that no other test has phones of."""
    return [f"{name}{uuid4().hex[:8]}" for name in ("one", "two")]


@pytest.fixture
def settings(stores: Stores, channels: list[str], tmp_path: Path) -> Settings:
    """Of a host with the session's database and a folder of its own."""
    return load_settings(
        database_url=stores.settings.database_conninfo,
        socket_dir=tmp_path / "run",
        channels=tuple(channels),
        wanted_poll_s=0.05,
    )


@asynccontextmanager
async def keeping(settings: Settings) -> AsyncIterator[asyncio.Task[None]]:
    """What a relay does."""
    pool = AsyncPool(settings)
    await pool.open()
    task = asyncio.create_task(keep_wanted_files(pool, settings))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await pool.close()


async def until(condition: Callable[[], bool], what: str) -> None:
    await asyncio.to_thread(eventually, condition, 10, what)


def test_files_follow_the_phones(
    stores: Stores, settings: Settings, channels: list[str], make_sender: MakeSender
) -> None:
    folder = settings.wanted_dir
    folder.mkdir(parents=True)
    (folder / "left").touch()

    def files() -> set[str]:
        return {path.name for path in folder.iterdir()}

    def remove_phone(channel: str) -> None:
        stores.sql("DELETE FROM phone_configs WHERE process_name = %s", channel)

    async def follow() -> None:
        async with keeping(settings):
            await until(lambda: files() == set(), "what is of no channel to go")
            await asyncio.to_thread(make_sender, channels[0])
            await until(lambda: files() == {channels[0]}, "the first channel")
            await asyncio.to_thread(make_sender, channels[1])
            await asyncio.to_thread(make_sender, channels[1])
            await until(lambda: files() == set(channels), "the second channel")
            (folder / channels[1]).unlink()
            await until(lambda: files() == set(channels), "a file that somebody removed")
            await asyncio.to_thread(remove_phone, channels[0])
            await until(lambda: files() == {channels[1]}, "the first channel to go")

    asyncio.run(follow())
    assert files() == {channels[1]}, "they outlive the relay"


def test_the_folder_is_made_for_its_owner_alone_and_trouble_with_it_passes(
    settings: Settings, channels: list[str], make_sender: MakeSender
) -> None:
    make_sender(channels[0])
    settings.run_dir.mkdir()
    settings.wanted_dir.touch()

    async def follow() -> None:
        async with keeping(settings) as task:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(task), 0.5)
            settings.wanted_dir.unlink()
            await until((settings.wanted_dir / channels[0]).exists, "the channel")

    asyncio.run(follow())
    assert stat.S_IMODE(settings.wanted_dir.stat().st_mode) == 0o700


def test_a_database_that_is_away_changes_nothing(settings: Settings, channels: list[str], tmp_path: Path) -> None:
    nowhere = settings.model_copy(update={"database_url": f"postgresql://bisnes@/bisnes?host={tmp_path}"})
    nowhere.wanted_dir.mkdir(parents=True)
    (nowhere.wanted_dir / channels[0]).touch()

    async def follow() -> None:
        async with keeping(nowhere) as task:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(task), 1)

    asyncio.run(follow())
    assert [path.name for path in nowhere.wanted_dir.iterdir()] == [channels[0]]
