"""Growing log files: their last lines, and what is added to them, also across rotation."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bisnes_supervisor.cli.project import LogFile

#: Read at once from the end of a file.
BLOCK_BYTES = 65_536


@dataclass(frozen=True)
class Tail:
    """The end of a file.

    Attributes:
        lines: the last whole ones.
        unfinished: what follows the last newline.
        whole_bytes: size of the file up to there.
    """

    lines: list[str]
    unfinished: str
    whole_bytes: int


def tail(path: Path, count: int) -> Tail:
    """The last lines of a file; none of one that is not there."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return Tail([], "", 0)
    with file:
        begin = end = file.seek(0, os.SEEK_END)
        text = b""
        while begin and text.count(b"\n") <= count:
            size = min(BLOCK_BYTES, begin)
            begin = file.seek(begin - size)
            text = file.read(size) + text
        *lines, rest = text.split(b"\n")
        return Tail([_decoded(line) for line in lines[-count:]] if count else [], _decoded(rest), end - len(rest))


def last_lines(path: Path, count: int) -> list[str]:
    """The last lines of a file, the unfinished one included."""
    found = tail(path, count)
    return [*found.lines, *filter(None, [found.unfinished])][-count:]


class Follower:
    """Reads what is added to log files.

    Args:
        files: answers those to follow; one that comes later is read from its begin.
        begin: where to begin in those that are there.
    """

    def __init__(self, files: Callable[[], list[LogFile]], begin: Mapping[Path, int]) -> None:
        self._files = files
        self._begin = dict(begin)
        self._readers: dict[Path, _Reader] = {}

    def new_lines(self) -> Iterator[tuple[LogFile, str]]:
        """What was added since the last call."""
        for file in self._files():
            try:
                if file.path not in self._readers:
                    self._readers[file.path] = _Reader(file.path, self._begin.get(file.path, 0))
                for line in self._readers[file.path].new_lines():
                    yield file, _decoded(line)
            except FileNotFoundError:  # not there yet, or about to be put in place again
                continue

    def close(self) -> None:
        """Reads no more."""
        for reader in self._readers.values():
            reader.close()


class _Reader:
    def __init__(self, path: Path, begin: int) -> None:
        self._path = path
        self._file = path.open("rb")
        self._file.seek(begin)
        self._rest = b""

    def close(self) -> None:
        self._file.close()

    def new_lines(self) -> Iterator[bytes]:
        while True:
            yield from self._added()
            current = self._path.stat()
            own = os.fstat(self._file.fileno())
            if os.path.samestat(current, own):
                if current.st_size < self._file.tell():  # emptied in place
                    self._file.seek(0)
                    self._rest = b""
                    continue
                return
            yield from self._after_rotation(own)

    def _added(self) -> Iterator[bytes]:
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        yield from lines

    def _after_rotation(self, own: os.stat_result) -> Iterator[bytes]:
        """Goes on in the new file, after what more than one rotation may have put between."""
        fresh = self._path.open("rb")
        yield from self._added()  # written between the last look and the rotation
        if self._rest:
            yield self._rest
            self._rest = b""
        between = self._between(own, os.fstat(fresh.fileno()))
        self._file.close()
        self._file = fresh
        for path in between:
            yield from path.read_bytes().removesuffix(b"\n").split(b"\n")

    def _between(self, own: os.stat_result, fresh: os.stat_result) -> list[Path]:
        """Files `name.1`, `name.2` and so on that are newer than ours and older than the new one, oldest first."""
        found: list[Path] = []
        for number in itertools.count(1):
            path = self._path.with_name(f"{self._path.name}.{number}")
            if not path.exists():
                return []  # ours was removed, or named otherwise: nobody knows what came between
            if os.path.samestat(path.stat(), own):
                return found[::-1]
            found = [] if os.path.samestat(path.stat(), fresh) else [*found, path]
        return []


def _decoded(line: bytes) -> str:
    return line.decode("utf-8", "replace").removesuffix("\r")
