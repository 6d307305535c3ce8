"""Files of messages: only public addresses and listed hosts are asked, whatever a name or a redirect says."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from bisnes_core.errors import Permanent, SendError
from bisnes_workers.media import MediaFiles
from tests.fixtures.file_source import PICTURE, Source, failure_of, fetching


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
