"""Fetching the files of messages from real servers: what arrives, what is refused, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import gzip
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from bisnes_core.channel import Files
from bisnes_core.errors import Permanent, Retryable, SendError
from bisnes_core.settings import Settings
from bisnes_workers.media import CHUNK_BYTES, REDIRECTS_MAX, MediaFiles
from bisnes_workers.media_name import NAME_MAX_BYTES, mime_type_of, name_of, safe_name
from tests.fixtures.eventually import eventually
from tests.fixtures.services import ROOT

T = TypeVar("T")

PICTURE = b"\x89PNG" + bytes(range(256)) * 40
LIMIT_BYTES = 50_000
PNG = {"Content-Type": "image/png"}


class Source:
    """A file server on this machine; `asked` are the paths that came in, `begun` is set by each request."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.begun = asyncio.Event()
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self.server = TestServer(app)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        self.begun.set()
        return await ANSWERS[request.path.rpartition("/")[2]](request)


def whole(status: int = 200, body: bytes = PICTURE, **headers: str) -> Callable[[web.Request], Any]:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return answer


async def without_length(request: web.Request) -> web.StreamResponse:
    stream = web.StreamResponse(headers=PNG)
    stream.enable_chunked_encoding()
    await stream.prepare(request)
    for _ in range(40):
        await stream.write(PICTURE)
    return stream


async def break_off(request: web.Request) -> web.StreamResponse:
    stream = web.StreamResponse(headers=PNG | {"Content-Length": "40000"})
    await stream.prepare(request)
    await stream.write(PICTURE)
    assert request.transport is not None
    request.transport.abort()
    return stream


async def hang(request: web.Request) -> web.StreamResponse:
    stream = web.StreamResponse(headers=PNG)
    await stream.prepare(request)
    await stream.write(PICTURE)
    await asyncio.Event().wait()
    return stream


async def step_on(request: web.Request) -> web.StreamResponse:
    """Redirects as often as the query says, then to a file."""
    left = int(request.query["left"])
    raise web.HTTPFound(f"hop?left={left - 1}" if left else "picture.png")


async def lead_to(request: web.Request) -> web.StreamResponse:
    return web.Response(status=301, headers={"Location": request.query["to"]})


ANSWERS: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = {
    "picture.png": whole(Content_Type="image/png; charset=binary"),
    "voice.ogg": whole(Content_Type="application/octet-stream"),
    "": whole(Content_Type="image/jpeg"),
    "disposed": whole(
        Content_Disposition='attachment; filename="../../etc/offer 7.pdf"', Content_Type="application/pdf"
    ),
    "403": whole(403),
    "404": whole(404),
    "410": whole(410),
    "500": whole(500),
    "503": whole(503, Retry_After="7"),
    "204": whole(204, b""),
    "large": whole(body=b"x" * (LIMIT_BYTES + 1)),
    "fits": whole(body=b"x" * LIMIT_BYTES),
    "without_length": without_length,
    "half": break_off,
    "hang": hang,
    "packed": whole(body=gzip.compress(b"0" * 10_000_000), Content_Encoding="gzip"),
    "hop": step_on,
    "lead": lead_to,
}


def fetching(home: Path, work: Callable[[MediaFiles, Source], Awaitable[T]], *allowed: str, **more: Any) -> T:
    """Runs work with a started `MediaFiles` that may ask the source, and looks that nothing is left behind."""

    async def run() -> T:
        source = Source()
        async with source.server:
            hosts = tuple(host.format(port=source.server.port) for host in allowed or ("127.0.0.1:{port}",))
            limits = {"media_max_bytes": LIMIT_BYTES, "media_timeout_s": 5.0} | more.pop("settings", {})
            files = MediaFiles(Settings(home=home, media_private_hosts=hosts, **limits), **more)
            await files.start()
            try:
                found = await work(files, source)
                assert left_in(home) == []
            finally:
                await files.stop()
            return found

    found = asyncio.run(asyncio.wait_for(run(), 30))
    assert list((home / "var" / "media").iterdir()) == []
    return found


def left_in(home: Path) -> list[Path]:
    """Files and folders of sends."""
    return [left for place in (home / "var" / "media").iterdir() for left in place.iterdir()]


async def failure_of(files: Files, url: str) -> SendError:
    with pytest.raises(SendError) as caught:
        async with files.local(url):
            pytest.fail("there is no such file")
    return caught.value


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


# -- the guard --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "url",
    [
        "",
        "picture.png",
        "file:///etc/passwd",
        "ftp://example.org/x",
        "data:text/plain,hello",
        "http://",
        "http:///x",
        "http://[",
        "http://example.org:port/",
        "http://127.0.0.1:{port}/picture.png",
        "http://127.0.0.2:{port}/picture.png",
        "http://127.1:{port}/picture.png",
        "http://2130706433:{port}/picture.png",
        "http://0x7f000001:{port}/picture.png",
        "http://0177.0.0.1:{port}/picture.png",
        "http://0.0.0.0:{port}/picture.png",
        "http://localhost:{port}/picture.png",
        "http://LOCALHOST:{port}/picture.png",
        "http://[::1]:{port}/picture.png",
        "http://[::]:{port}/picture.png",
        "http://[::ffff:127.0.0.1]:{port}/picture.png",
        "http://[64:ff9b::7f00:1]/picture.png",
        "http://[2002:7f00:1::]/picture.png",
        "http://[fe80::1]/picture.png",
        "http://[fd00::1]/picture.png",
        "http://10.0.0.1/picture.png",
        "http://172.16.0.1/picture.png",
        "http://192.168.1.1/picture.png",
        "http://169.254.169.254/latest/meta-data/",
        "http://100.64.0.1/picture.png",
        "http://224.0.0.1/picture.png",
        "http://255.255.255.255/picture.png",
    ],
)
def test_what_is_no_public_address_is_refused_without_being_asked(tmp_path: Path, url: str) -> None:
    async def work(files: MediaFiles, source: Source) -> tuple[SendError, list[str]]:
        return await failure_of(files, url.format(port=source.server.port)), source.asked

    error, asked = fetching(tmp_path, work, "intranet.example")
    assert (type(error), error.code, asked) == (Permanent, "invalid_field", []), error
    assert error.detail.startswith("url must ")


class Names(AbstractResolver):
    """A name server whose answers follow each other, as one does that wants to slip past a guard."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        address = self.answers.pop(0)
        return [ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing to close."""


def test_a_name_is_judged_by_the_address_that_is_connected_to(tmp_path: Path) -> None:
    names = Names("10.0.0.1", "127.0.0.1")

    async def work(files: MediaFiles, source: Source) -> None:
        for _ in range(2):
            error = await failure_of(files, f"http://files.example:{source.server.port}/picture.png")
            assert (error.code, source.asked) == ("invalid_field", [])

    fetching(tmp_path, work, "other.example", resolver=names)
    assert names.answers == []


@pytest.mark.parametrize("allowed", ["files.example", "FILES.example:{port}"])
def test_a_listed_host_may_be_anywhere_and_is_asked_for_its_address_once(tmp_path: Path, allowed: str) -> None:
    names = Names("127.0.0.1")

    async def work(files: MediaFiles, source: Source) -> None:
        async with files.local(f"http://files.example:{source.server.port}/picture.png") as file:
            assert file.size_bytes == len(PICTURE)

    fetching(tmp_path, work, allowed, resolver=names)


def test_a_listed_port_allows_no_other(tmp_path: Path) -> None:
    error = fetching(tmp_path, lambda files, _: failure_of(files, "http://127.0.0.1:1/x"), "127.0.0.1:2")
    assert error.code == "invalid_field"


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


# -- names ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("offer.pdf", "offer.pdf"),
        ("..\\..\\offer.pdf", "offer.pdf"),
        ("/etc/passwd", "passwd"),
        (".ssh", "ssh"),
        ("..", ""),
        ("a\0b\n\u202egnp.exe", "abgnp.exe"),
        ("Angebot für Müller.pdf", "Angebot für Müller.pdf"),
        ('a<b>:"|?*.txt', "a_b______.txt"),
        ("é" * 200 + ".jpeg", "é" * 97 + ".jpeg"),
    ],
)
def test_names_are_made_safe(text: str, name: str) -> None:
    assert safe_name(text) == name


@given(st.text(max_size=400))
def test_no_name_leaves_its_folder(text: str) -> None:
    name = name_of(text, text, URL("http://example.org/"), None)
    assert name not in ("", ".", "..")
    assert "/" not in name
    assert "\0" not in name
    assert len(name.encode()) <= NAME_MAX_BYTES
    assert name == Path(name).name


@pytest.mark.parametrize(
    ("content_type", "name", "mime_type"),
    [
        ("image/PNG; x=y", "a.jpg", "image/png"),
        (None, "a.webp", "image/webp"),
        ("binary/octet-stream", "a.opus", "audio/ogg"),
        ("nonsense", "a.m4a", "audio/mp4"),
        ("text/html\r\n", "a.mp4", "text/html"),
        (None, "noending", "application/octet-stream"),
    ],
)
def test_what_a_file_is(content_type: str | None, name: str, mime_type: str) -> None:
    assert mime_type_of(content_type, name) == mime_type
