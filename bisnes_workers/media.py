"""Brings the file of a message to this host for the length of one send (`bisnes_core.channel.Files`).

Each file lies alone in a folder of its own, which goes with the block that asked for it, however the block ends; what a
killed process left is removed by the next one to start.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Final

import aiohttp
import structlog
from aiohttp.abc import AbstractResolver
from yarl import URL

from bisnes_core.channel import LocalFile
from bisnes_core.errors import Permanent, Retryable
from bisnes_core.settings import Settings
from bisnes_workers.media_name import mime_type_of, name_of
from bisnes_workers.public_hosts import HostGuard, NotPublic

#: Redirects followed for one file; browsers follow 20, honest file hosts need two or three.
REDIRECTS_MAX: Final = 5
#: A host that does not take the connection after this will hardly do so later.
CONNECT_TIMEOUT_S: Final = 5.0
#: Bytes written to the disk at a time, in a thread.
CHUNK_BYTES: Final = 256 * 1024
#: Longest wait that a source may ask for (`Retry-After`).
RETRY_AFTER_MAX_S: Final = 3600.0

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_GONE: Final = frozenset({404, 410})

log = structlog.get_logger(__name__)


class MediaFiles:
    """One per worker process, used from one event loop.

    Args:
        settings: of the installation.
        resolver: resolves names; default: as the system does.
    """

    def __init__(self, settings: Settings, resolver: AbstractResolver | None = None) -> None:
        self._settings = settings
        self._resolver = resolver
        self._root = settings.home / "var" / "media"
        self._guard: HostGuard | None = None
        self._session: aiohttp.ClientSession | None = None
        self._place: _Place | None = None

    async def start(self) -> None:
        """Makes this process's folder and opens its HTTP session."""
        if self._session is not None:
            return
        self._place = await asyncio.to_thread(_Place.take, self._root)
        self._guard = HostGuard(self._resolver or aiohttp.ThreadedResolver(), self._settings.media_private_hosts)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, resolver=self._guard, use_dns_cache=False),
            timeout=aiohttp.ClientTimeout(total=self._settings.media_timeout_s, sock_connect=CONNECT_TIMEOUT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            # Nothing is unpacked here: a small packed file may be a huge one.
            headers={"User-Agent": "bisnes", "Accept": "*/*", "Accept-Encoding": "identity"},
            auto_decompress=False,
        )

    async def stop(self) -> None:
        """Closes the session and removes the folder."""
        session, self._session = self._session, None
        place, self._place = self._place, None
        if session is not None:
            await session.close()
        if place is not None:
            await asyncio.to_thread(place.leave)

    @asynccontextmanager
    async def local(self, url: str, *, name: str | None = None) -> AsyncIterator[LocalFile]:
        """The file behind an address while the block lasts.

        Args:
            url: its address, http or https.
            name: file name to use instead of the source's.

        Raises:
            Permanent: `invalid_field` for an address that is none or is not public, `over_limit` for a file that is
                too large, `media_not_found` when the source says that there is none.
            Retryable: when it could not be had this time.
        """
        if self._session is None or self._place is None:
            raise Retryable("media_not_started", "files cannot be fetched: this process is not running")
        folder = Path(tempfile.mkdtemp(dir=self._place.path))
        try:
            yield await self._fetch(url, name, folder)
        finally:
            # At once rather than in a thread: a cancelled task might never get that far.
            shutil.rmtree(folder, ignore_errors=True)

    # -- fetching ------------------------------------------------------------------------------------------------------
    async def _fetch(self, url: str, name: str | None, folder: Path) -> LocalFile:
        try:
            async with asyncio.timeout(self._settings.media_timeout_s):
                return await self._follow(_address(url), name, folder)
        except NotPublic as error:
            raise _not_public(error) from error
        except aiohttp.InvalidURL as error:
            raise Permanent("invalid_field", "url must be an address; one that it leads to is none") from error
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, NotPublic):
                raise _not_public(error.os_error) from error
            raise Retryable("media_unreachable", f"{error.host} takes no connection") from error
        except TimeoutError as error:
            raise Retryable("media_timeout", f"no file within {self._settings.media_timeout_s:g} s") from error
        except (aiohttp.ClientError, ValueError) as error:
            raise Retryable("media_broken_off", f"the source broke off ({type(error).__name__})") from error
        except OSError as error:
            raise Retryable("media_not_stored", f"the file could not be stored: {error.strerror}") from error

    async def _follow(self, url: URL, name: str | None, folder: Path) -> LocalFile:
        assert self._session is not None  # noqa: S101 - local() looked
        assert self._guard is not None  # noqa: S101 - local() looked
        for _ in range(REDIRECTS_MAX + 1):
            self._guard.check(url)
            async with self._session.get(url, allow_redirects=False) as answer:
                target = answer.headers.get("Location")
                if answer.status not in _REDIRECTS or not target:
                    self._check_answer(answer)
                    return await self._store(answer, name, folder)
            url = _address(str(url.join(URL(target))))
        raise Permanent("invalid_field", f"url must lead to a file; it is redirected more than {REDIRECTS_MAX} times")

    def _check_answer(self, answer: aiohttp.ClientResponse) -> None:
        host = answer.url.host
        if answer.status in _GONE:
            raise Permanent("media_not_found", f"url leads to no file: {host} answers {answer.status}")
        if answer.status != 200:
            after_s = _retry_after_s(answer.headers)
            raise Retryable("media_refused", f"{host} answers {answer.status}", retry_after_s=after_s)
        if answer.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
            raise Retryable("media_packed", f"{host} sends the file packed, though asked not to")
        if (answer.content_length or 0) > self._settings.media_max_bytes:
            raise self._too_large()

    async def _store(self, answer: aiohttp.ClientResponse, name: str | None, folder: Path) -> LocalFile:
        disposition = answer.content_disposition
        content_type = answer.headers.get("Content-Type")
        called = name_of(name, disposition.filename if disposition else None, answer.url, content_type)
        path = folder / called
        with _create(path) as file:
            size_bytes = await self._copy(answer.content, file)
        return LocalFile(path, mime_type_of(content_type, called), called, size_bytes)

    async def _copy(self, source: aiohttp.StreamReader, file: IO[bytes]) -> int:
        """Copies while it is not too large: the length that was announced may be missing or wrong."""
        size_bytes = 0
        async for chunk in source.iter_chunked(CHUNK_BYTES):
            size_bytes += len(chunk)
            if size_bytes > self._settings.media_max_bytes:
                raise self._too_large()
            await asyncio.to_thread(file.write, chunk)
        await asyncio.to_thread(file.flush)
        return size_bytes

    def _too_large(self) -> Permanent:
        return Permanent("over_limit", f"url must lead to a file of at most {self._settings.media_max_bytes:,} bytes")


def _address(text: str) -> URL:
    """An address that may be asked.

    Raises:
        Permanent: when it is none.
    """
    try:
        url = URL(text)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise Permanent("invalid_field", "url must be an address that begins with https:// or http://")
    return url


def _create(path: Path) -> IO[bytes]:
    """Opens a new file; not in a thread, whose answer a cancelled task would lose, and with it the open file."""
    return path.open("xb")


def _not_public(error: NotPublic) -> Permanent:
    return Permanent("invalid_field", f"url must not lead into a private network: {error}")


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    text = headers.get("Retry-After", "")
    return min(float(text), RETRY_AFTER_MAX_S) if text.isascii() and text.isdigit() else None


# -- folders -----------------------------------------------------------------------------------------------------------
class _Place:
    """A process's folder, its own for as long as it holds the lock on it. Blocking; called in threads."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path = path
        self._handle = handle

    @classmethod
    def take(cls, root: Path) -> _Place:
        """Makes a folder below `root`, and removes those whose process has died."""
        root.mkdir(parents=True, exist_ok=True)
        root.chmod(0o700)
        gate = _open(root)
        try:
            fcntl.flock(gate, fcntl.LOCK_EX)  # nobody takes a folder for dead between its making and its lock
            for left in root.iterdir():
                _remove_if_dead(left)
            path = Path(tempfile.mkdtemp(dir=root))
            handle = _open(path)
            fcntl.flock(handle, fcntl.LOCK_EX)
        finally:
            os.close(gate)
        return cls(path, handle)

    def leave(self) -> None:
        """Removes the folder."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._handle)


def _open(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _remove_if_dead(folder: Path) -> None:
    try:
        handle = _open(folder)
    except OSError:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    else:
        shutil.rmtree(folder, ignore_errors=True)
        log.info("files of a process that died removed", folder=folder.name)
    finally:
        os.close(handle)
