"""Fetching the files of messages from real servers: what arrives, what does not, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from bisnes_core.errors import Permanent, Retryable, SendError
from bisnes_core.settings import Settings
from bisnes_workers.media import CHUNK_BYTES, REDIRECTS_MAX, MediaFiles
from tests.fixtures.eventually import eventually
from tests.fixtures.file_source import LIMIT_BYTES, PICTURE, Source, failure_of, fetching, left_in
from tests.fixtures.services import ROOT


# -- what arrives -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("path", "wanted", "name", "mime_type"),
    [
        ("picture.png", None, "picture.png", "image/png"),
        ("a%2Fb/picture.png?token=1", None, "picture.png", "image/png"),
        ("picture.png", "Offer.png", "Offer.png", "image/png"),
        ("picture.png", "../../../etc/passwd", "passwd.png", "image/png"),
        ("voice.ogg", None, "voice.ogg", "audio/ogg"),
        ("", None, "file.jpg", "image/jpeg"),
        ("disposed", None, "offer 7.pdf", "application/pdf"),
        ("hop?left=3", None, "picture.png", "image/png"),
    ],
)
def test_a_file_is_here_while_the_block_lasts(
    tmp_path: Path, path: str, wanted: str | None, name: str, mime_type: str
) -> None:
    async def work(files: MediaFiles, source: Source) -> None:
        async with files.local(f"{source.url}/{path}", name=wanted) as file:
            assert (file.name, file.mime_type, file.size_bytes) == (name, mime_type, len(PICTURE))
            assert file.path.read_bytes() == PICTURE
            assert (file.path.name, file.path.parent.stat().st_mode & 0o777) == (name, 0o700)
            assert [one.name for one in file.path.parent.iterdir()] == [name]
        assert not file.path.exists()

    fetching(tmp_path, work)


def test_a_file_of_just_the_greatest_size_passes(tmp_path: Path) -> None:
    async def work(files: MediaFiles, source: Source) -> int:
        async with files.local(f"{source.url}/fits") as file:
            return file.size_bytes

    assert fetching(tmp_path, work) == LIMIT_BYTES


def test_many_at_a_time_do_not_meet(tmp_path: Path) -> None:
    async def work(files: MediaFiles, source: Source) -> set[Path]:
        async def one() -> Path:
            async with files.local(f"{source.url}/picture.png") as file:
                assert await asyncio.to_thread(file.path.read_bytes) == PICTURE
                return file.path

        return set(await asyncio.gather(*(one() for _ in range(50))))

    assert len(fetching(tmp_path, work)) == 50


# -- what does not ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("path", "kind", "code"),
    [
        ("404", Permanent, "media_not_found"),
        ("410", Permanent, "media_not_found"),
        ("403", Retryable, "media_refused"),
        ("500", Retryable, "media_refused"),
        ("204", Retryable, "media_refused"),
        ("large", Permanent, "over_limit"),
        ("without_length", Permanent, "over_limit"),
        ("half", Retryable, "media_broken_off"),
        ("packed", Retryable, "media_packed"),
        (f"hop?left={REDIRECTS_MAX}", Permanent, "invalid_field"),
        ("lead?to=ftp://example.org/x", Permanent, "invalid_field"),
        ("lead?to=file:///etc/passwd", Permanent, "invalid_field"),
        ("lead?to=http://127.0.0.1:9/x", Permanent, "invalid_field"),
        ("lead?to=http://localhost/x", Permanent, "invalid_field"),
        ("lead?to=http://[/x", Retryable, "media_broken_off"),
    ],
)
def test_every_way_of_not_getting_it_has_its_code(tmp_path: Path, path: str, kind: type, code: str) -> None:
    async def work(files: MediaFiles, source: Source) -> SendError:
        return await failure_of(files, f"{source.url}/{path}")

    error = fetching(tmp_path, work)
    assert (type(error), error.code) == (kind, code), error


def test_a_source_that_names_a_wait_is_believed(tmp_path: Path) -> None:
    error = fetching(tmp_path, lambda files, source: failure_of(files, f"{source.url}/503"))
    assert isinstance(error, Retryable)
    assert error.retry_after_s == 7


def test_a_source_that_stops_sending_is_left(tmp_path: Path) -> None:
    error = fetching(
        tmp_path,
        lambda files, source: failure_of(files, f"{source.url}/hang"),
        settings={"media_timeout_s": 0.3},
    )
    assert (type(error), error.code) == (Retryable, "media_timeout")


def test_a_host_that_is_away_may_be_back_later(tmp_path: Path) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        away = f"127.0.0.1:{bound.getsockname()[1]}"
        error = fetching(tmp_path, lambda files, _: failure_of(files, f"http://{away}/x"), away)
    assert (type(error), error.code) == (Retryable, "media_unreachable")


def test_no_error_repeats_the_secrets_of_an_address(tmp_path: Path) -> None:
    async def work(files: MediaFiles, source: Source) -> list[SendError]:
        paths = ("404", "403", "half", "large")
        return [await failure_of(files, f"http://user:pass-word@{source.host}/{one}?sig=pass-word") for one in paths]

    assert not any("pass-word" in str(error) for error in fetching(tmp_path, work))


# -- nothing stays ----------------------------------------------------------------------------------------------------
def test_a_cancelled_fetch_and_a_cancelled_send_leave_nothing(tmp_path: Path) -> None:
    async def work(files: MediaFiles, source: Source) -> None:
        here = asyncio.Event()

        async def send(path: str) -> None:
            async with files.local(f"{source.url}/{path}"):
                here.set()
                await asyncio.Event().wait()

        for path, moment in (("hang", source.begun), ("picture.png", here)):
            task = asyncio.create_task(send(path))
            await asyncio.wait_for(moment.wait(), 5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert left_in(tmp_path) == []

    fetching(tmp_path, work)


def test_a_send_that_fails_leaves_nothing_and_its_error_comes_through(tmp_path: Path) -> None:
    async def work(files: MediaFiles, source: Source) -> None:
        with pytest.raises(ValueError, match="the channel's own"):
            async with files.local(f"{source.url}/picture.png"):
                raise ValueError("the channel's own")

    fetching(tmp_path, work)


HOLD = """
import asyncio, sys
from pathlib import Path
from bisnes_core.settings import Settings
from bisnes_workers.media import MediaFiles

async def hold():
    files = MediaFiles(Settings(home=Path(sys.argv[1]), media_private_hosts=(sys.argv[2],)))
    await files.start()
    async with files.local(f"http://{sys.argv[2]}/picture.png"):
        await asyncio.Event().wait()

asyncio.run(hold())
"""


def test_what_a_killed_process_left_goes_with_the_next_start_and_what_a_living_one_holds_stays(tmp_path: Path) -> None:
    async def work() -> None:
        source = Source()
        async with source.server:
            settings = Settings(home=tmp_path, media_private_hosts=(source.host,))
            command = [sys.executable, "-c", HOLD, str(tmp_path), source.host]
            process = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
            try:
                await asyncio.to_thread(eventually, lambda: has_file(tmp_path), 20, "the other process's file")
                assert await restart(settings) == 1
                process.kill()
                await process.wait()
                assert await restart(settings) == 0
            finally:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    async def restart(settings: Settings) -> int:
        files = MediaFiles(settings)
        await files.start()
        await files.stop()
        return len(left_in(tmp_path))

    asyncio.run(asyncio.wait_for(work(), 40))


def has_file(home: Path) -> bool:
    root = home / "var" / "media"
    return root.exists() and any(path.is_file() for path in root.glob("*/*/*"))


def test_start_and_stop_may_come_twice(tmp_path: Path) -> None:
    async def work(files: MediaFiles, source: Source) -> None:
        await files.start()
        await files.stop()
        await files.stop()
        assert (await failure_of(files, f"{source.url}/picture.png")).code == "media_not_started"
        await files.start()
        async with files.local(f"{source.url}/picture.png") as file:
            assert file.size_bytes == len(PICTURE) < CHUNK_BYTES

    fetching(tmp_path, work)
