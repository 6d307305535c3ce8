"""Says which channels are to run on this host: a file `wanted/<channel>` for each that has a phone.

circusd starts and stops a channel's processes by it (`start_while` in circus.ini), since it knows no database. The
files are made equal to the database again and again, so that nothing is missed. They outlive this process: while no
relay runs or the database is away, the channels go on as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Set as AbstractSet
from pathlib import Path

import structlog

from bisnes_core.settings import Settings
from db import phones
from db.pool import AsyncPool, DatabaseAway

log = structlog.get_logger(__name__)


async def keep_wanted_files(pool: AsyncPool, settings: Settings) -> None:
    """Keeps the files equal to the database; a task that runs for ever.

    Args:
        pool: of this process.
        settings: names the folder, the channels that may run at all, and how often to look.
    """
    trouble = False
    while True:
        try:
            async with pool.connection() as conn:
                with_phones = await phones.configured_channels_async(conn)
            await asyncio.to_thread(make_equal, settings.wanted_dir, set(with_phones) & set(settings.channels))
            trouble = False
        except (DatabaseAway, OSError) as error:
            if not trouble:
                log.warning("channels go on as they are: cannot tell circusd which have phones", error=str(error))
            trouble = True
        await asyncio.sleep(settings.wanted_poll_s)


def make_equal(folder: Path, channels: AbstractSet[str]) -> None:
    """Makes a folder hold a file for each of these channels and nothing else.

    Args:
        folder: created, for this user only.
        channels: their names.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    there = {path.name for path in folder.iterdir()}
    for channel in sorted(channels - there):
        (folder / channel).touch(mode=0o600)
        log.info("channel wanted: it has phones", channel=channel)
    for channel in sorted(there - channels):
        (folder / channel).unlink(missing_ok=True)
        log.info("channel no longer wanted: it has no phone", channel=channel)
