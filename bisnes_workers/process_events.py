"""Copies circusd's journal into `process_events`, so that it can be asked for with all else, of all hosts.

The journal is the record and needs no database; this is a copy of it. Every event has an id, so what is read twice is
not there twice: how far the copy is, is noted in memory only, and a new process reads the files once more.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from contextlib import closing
from datetime import datetime
from io import FileIO
from pathlib import Path
from uuid import UUID

import structlog

from db import process_events
from db.pool import AsyncPool, DatabaseAway
from db.process_events import ProcessEvent

#: Between two looks at the journal. Nothing but people reads the copy.
LOOK_S = 1.0
#: Read and written at a time: some hundred lines, of which none is longer than about 30 kB.
BATCH_BYTES = 500_000

log = structlog.get_logger(__name__)


class JournalCopier:
    """Follows one journal.

    Args:
        pool: of this process.
        path: of the journal; rotated files beside it end in `.1`, `.2` and so on, the oldest in the highest number.
    """

    def __init__(self, pool: AsyncPool, path: Path) -> None:
        self._pool = pool
        self._journal = Journal(path)
        self._host = socket.gethostname()

    async def run(self) -> None:
        """Copies what is there and what comes; a task that runs for ever."""
        trouble = False
        with closing(self._journal):
            while True:
                try:
                    await self.copy_all()
                    trouble = False
                except (DatabaseAway, OSError) as error:
                    if not trouble:
                        log.warning("circusd's journal is not copied; it is kept", error=str(error))
                    trouble = True
                await asyncio.sleep(LOOK_S)

    async def copy_all(self) -> None:
        """Copies what is there.

        Raises:
            DatabaseAway: when it could not be written; it is the next again.
            OSError: when it could not be read.
        """
        while found := await asyncio.to_thread(self._journal.next_lines):
            await self._copy(*found)

    async def _copy(self, file: JournalFile, lines: bytes) -> None:
        events = [event for line in lines.splitlines() if (event := _event_of(line, self._host)) is not None]
        async with self._pool.connection() as conn, conn.transaction():
            refused = await process_events.add_events(conn, events)
        for event in refused:
            log.warning("event left out: the database cannot hold it", event_id=str(event.event_id))
        file.taken_bytes += len(lines)

    def close(self) -> None:
        """Lets go of the journal's files."""
        self._journal.close()


class Journal:
    """The journal's files, the oldest first, and how much of each has been taken."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files: dict[tuple[int, int], JournalFile] = {}

    def next_lines(self) -> tuple[JournalFile, bytes] | None:
        """Whole lines that were not taken yet, with the file that they are in; None when there are none."""
        named = self._look()
        for key, file in list(self._files.items()):
            if lines := file.next_lines():
                return file, lines
            if key not in named:
                self._files.pop(key).close()
        return None

    def close(self) -> None:
        """Lets go of the files."""
        while self._files:
            self._files.popitem()[1].close()

    def _look(self) -> set[tuple[int, int]]:
        """Opens files that are new, and answers which have a name.

        Open files keep their identity, however they are renamed: the number of an open file is given to no other.
        """
        rotated = sorted(self._path.parent.glob(f"{self._path.name}.[0-9]*"), key=_number, reverse=True)
        named = set()
        for path in (*rotated, self._path):
            try:
                status = path.stat()
                key = (status.st_dev, status.st_ino)
                if key not in self._files:
                    file = JournalFile(path)
                    self._files.setdefault(file.key, file)
            except FileNotFoundError:
                continue  # none yet, or being renamed: the next look finds it
            named.add(key)
        return named


class JournalFile(FileIO):
    """One open file of the journal.

    Attributes:
        taken_bytes: how much of it was copied.
    """

    taken_bytes = 0

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        status = os.fstat(self.fileno())
        self.key = (status.st_dev, status.st_ino)

    def next_lines(self) -> bytes:
        """The next whole lines; one that is being written, or was left unfinished by a killed circusd, is none."""
        if os.fstat(self.fileno()).st_size < self.taken_bytes:
            self.taken_bytes = 0  # emptied by somebody
        self.seek(self.taken_bytes)
        piece = self.read(BATCH_BYTES)
        end = piece.rfind(b"\n") + 1
        return piece if not end and len(piece) == BATCH_BYTES else piece[:end]


def _number(path: Path) -> int:
    ending = path.suffix.removeprefix(".")
    return int(ending) if ending.isdigit() else 0


def _event_of(line: bytes, host: str) -> ProcessEvent | None:
    """An event as `bisnes_supervisor.journal` writes it."""
    try:
        # PostgreSQL keeps no NUL character; the last lines of a log may hold one.
        entry = json.loads(line.decode("utf-8", "replace").replace("\\u0000", "\\ufffd"))
        return ProcessEvent(
            event_id=UUID(entry["id"]),
            process_name=str(entry["process"]),
            event_type=str(entry["event"]),
            event_data={"instance": entry["instance"], "pid": entry["pid"], **entry["data"]},
            severity=str(entry["severity"]),
            host=host,
            timestamp=datetime.fromisoformat(entry["at"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("line of circusd's journal left out", error=repr(error))
        return None
