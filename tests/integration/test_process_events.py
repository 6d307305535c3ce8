"""circusd's journal is copied into `process_events`: every event, once, whatever dies meanwhile."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, get_args
from uuid import uuid4

import pytest

from bisnes_supervisor import journal
from bisnes_supervisor.journal import Journal, Severity
from bisnes_workers.process_events import JournalCopier
from db import process_events
from db.migrate import ensure_schema
from db.pool import AsyncPool
from tests.fixtures.eventually import eventually
from tests.fixtures.services import embedded, running, settings_at
from tests.fixtures.stores import Pool_of, Stores

#: The log of a process as the journal keeps it.
LINES = [f"line {number} äöü" for number in range(20)]


@contextmanager
def writing(path: Path) -> Iterator[Journal]:
    """A journal as circusd writes it; whole when the block ends."""
    written = Journal(path)
    try:
        yield written
    finally:
        written.close()


def write(path: Path, process: str, count: int, first: int = 0) -> None:
    with writing(path) as written:
        for number in range(first, first + count):
            data = {"reason": f"death {number}", "uptime_s": 1.5, "last_lines": LINES}
            written.write(process, "ended", "error", instance=1, pid=4711, data=data)


def copied(stores: Stores, process: str) -> list[str]:
    """The reasons that were copied, in order."""
    query = "SELECT event_data->>'reason' FROM process_events WHERE process_name = %s ORDER BY id"
    return [str(row[0]) for row in stores.sql(query, process)]


def deaths(count: int) -> list[str]:
    return [f"death {number}" for number in range(count)]


def a_name() -> str:
    return f"p{uuid4().hex[:10]}"


def copy_once(stores: Stores, path: Path) -> None:
    """What a relay does that has just started."""

    async def copy(pool: AsyncPool) -> None:
        with closing(JournalCopier(pool, path)) as copier:
            await copier.copy_all()

    stores.with_pool(copy)


def test_an_event_arrives_as_it_was_written(stores: Stores, tmp_path: Path) -> None:
    name, path = a_name(), tmp_path / "events.jsonl"
    with writing(path) as written:
        written.write(name, "ready", "info", instance=2, pid=12, data={"took_s": 0.5})
        written.write(name, "errored", "critical", data={"reason": "a NUL \0 and a quote '"})
    copy_once(stores, path)
    with Pool_of(stores) as pool, pool.connection() as conn:
        last, first = process_events.recent(conn, name, 10)
        assert process_events.recent(conn, name, 1) == [last]
    assert (first.event_type, first.severity) == ("ready", "info")
    assert first.event_data == {"instance": 2, "pid": 12, "took_s": 0.5}
    assert first.timestamp.isoformat(timespec="milliseconds") == written.of(name, 2)[0]["at"]
    assert str(first.event_id) == written.of(name, 2)[0]["id"]
    assert first.host
    assert last.event_data == {"instance": None, "pid": None, "reason": "a NUL \ufffd and a quote '"}


def test_it_follows_the_journal_across_rotation(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "FILE_MAX_BYTES", 20_000)  # some twenty lines
    name, path = a_name(), tmp_path / "events.jsonl"

    async def follow(pool: AsyncPool) -> None:
        with closing(JournalCopier(pool, path)) as copier:
            for first in range(0, 100, 10):
                await asyncio.to_thread(write, path, name, 10, first)
                await copier.copy_all()

    stores.with_pool(follow)
    assert path.with_name("events.jsonl.3").exists()
    assert copied(stores, name) == deaths(100)
    copy_once(stores, path)
    assert copied(stores, name) == deaths(100), "read again, not there again"


def test_a_line_that_is_not_finished_waits_and_one_that_never_will_be_is_passed_over(
    stores: Stores, tmp_path: Path
) -> None:
    name, path = a_name(), tmp_path / "events.jsonl"
    write(path, name, 3)
    whole = path.read_bytes()
    cut = len(whole) - 100

    async def follow(pool: AsyncPool) -> None:
        with closing(JournalCopier(pool, path)) as copier:
            path.write_bytes(whole[:cut])
            await copier.copy_all()
            assert await asyncio.to_thread(copied, stores, name) == deaths(2)
            with path.open("ab") as file:
                file.write(whole[cut:] + b'{"id": 7}\nnothing\n[]\n')
            await asyncio.to_thread(write, path, name, 1, 3)
            await copier.copy_all()

    stores.with_pool(follow)
    assert copied(stores, name) == deaths(4)


def test_an_event_that_the_database_cannot_hold_holds_up_no_other(stores: Stores, tmp_path: Path) -> None:
    name, path = a_name(), tmp_path / "events.jsonl"
    write(path, name, 2)
    with writing(path) as written:
        written.write(name, "ended", "error", data={"reason": float("inf")})
        written.write("a name that is longer than any watcher may have, " * 3, "ended", "error")
    write(path, name, 2, 2)
    copy_once(stores, path)
    assert copied(stores, name) == deaths(4)


def test_every_event_is_there_once_after_the_copier_was_killed(stores: Stores, tmp_path: Path) -> None:
    name, count = a_name(), 12_000
    environment = {
        "BISNES_HOME": str(tmp_path),
        "DATABASE_URL": stores.settings.database_conninfo,
        "REDIS_URL": stores.settings.redis_address,
    }
    path = tmp_path / "var" / "process-events.jsonl"
    write(path, name, count)
    assert path.with_name(f"{path.name}.1").exists()

    def relay() -> Any:
        command = [sys.executable, "-m", "bisnes_workers", "relay"]
        return running(command, tmp_path / "output", environment)

    with relay() as first:
        eventually(lambda: copied(stores, name), 20, "the first events")
        first.kill()
        first.wait(5)
    assert len(copied(stores, name)) < count, "it was killed in the middle"
    with relay():
        eventually(lambda: len(copied(stores, name)) >= count, 30, "all of them")
        write(path, name, 10, count)
        eventually(lambda: len(copied(stores, name)) >= count + 10, 10, "those that were written since")
    assert sorted(copied(stores, name)) == sorted(deaths(count + 10))


def test_it_waits_for_a_database_that_is_away(tmp_path: Path) -> None:
    settings = settings_at(tmp_path)
    own, path = Stores(settings), settings.process_events_file
    write(path, "api", 10)

    async def follow(databases: ExitStack) -> None:
        pool = AsyncPool(settings)
        await pool.open()
        copying = asyncio.create_task(JournalCopier(pool, path).run())
        for began in (10, 20):
            postgres = await asyncio.to_thread(start_postgres, databases)
            await asyncio.to_thread(eventually, lambda: len(copied(own, "api")) >= began, 30, "all events")  # noqa: B023 - called now
            await asyncio.to_thread(stop_postgres, postgres)
            await asyncio.to_thread(write, path, "api", 10, began)
        assert not copying.done()
        copying.cancel()
        await asyncio.gather(copying, return_exceptions=True)
        await pool.close()

    def start_postgres(databases: ExitStack) -> subprocess.Popen[bytes]:
        child = databases.enter_context(embedded("postgres", tmp_path))
        ensure_schema(settings.database_conninfo, deadline_s=60)
        return child

    def stop_postgres(child: subprocess.Popen[bytes]) -> None:
        child.send_signal(signal.SIGINT)  # SIGTERM waits for its clients
        child.wait(20)

    with ExitStack() as databases:
        stop_postgres(start_postgres(databases))  # a copier finds the tables there, as the gateway's own does
        asyncio.run(follow(databases))


def test_what_is_old_goes_but_errors_stay(stores: Stores, tmp_path: Path) -> None:
    name, path = a_name(), tmp_path / "events.jsonl"
    with writing(path) as written:
        for severity in get_args(Severity):
            written.write(name, f"old {severity}", severity)
            written.write(name, f"new {severity}", severity)

    async def age_and_forget(pool: AsyncPool) -> None:
        async with pool.connection() as conn:
            await conn.execute(
                "UPDATE process_events SET timestamp = timestamp - interval '31 days' "
                "WHERE process_name = %s AND event_type LIKE 'old%%'",
                (name,),
            )
            await process_events.forget_events(conn)

    copy_once(stores, path)
    stores.with_pool(age_and_forget)
    left = {str(row[0]) for row in stores.sql("SELECT event_type FROM process_events WHERE process_name = %s", name)}
    assert left == {f"new {severity}" for severity in get_args(Severity)} | {"old error", "old critical"}
