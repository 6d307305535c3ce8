"""What happened to processes: an append-only file of JSON lines, and the last of them in memory.

One line for each start, readiness, end, limit and give-up, with the reason, the last log lines and the memory curve.
The file is the record: it is written whether or not a database is there, since the database is supervised too.
"""

from __future__ import annotations

import json
import uuid
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from bisnes_supervisor.streams import LineFile

Severity = Literal["info", "warning", "error", "critical"]

#: Kept in memory for `describe`: weeks of a quiet installation, the last minutes of a crash loop.
KEPT = 500
#: The file turns over at this size; a line takes about 1 kB.
FILE_MAX_BYTES = 5_000_000
FILES = 3


class Journal:
    """The events of one circusd.

    Args:
        path: file to append to; None: memory only.
    """

    def __init__(self, path: Path | None) -> None:
        self._events: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._file = None if path is None else LineFile(str(path), max_bytes=FILE_MAX_BYTES, backup_count=FILES)
        if path is not None and path.exists():
            self._events.extend(_last_events(path))

    def write(
        self,
        process: str,
        event: str,
        severity: Severity,
        *,
        instance: int | None = None,
        pid: int | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """Records one event.

        Args:
            process: the watcher's name.
            event: what happened, in one or two words.
            severity: `critical` is for a person, now.
            instance: number of the process within its watcher.
            pid: of the process.
            data: JSON; `reason` is a sentence.
        """
        entry = {
            "id": str(uuid.uuid4()),
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "process": process,
            "instance": instance,
            "pid": pid,
            "event": event,
            "severity": severity,
            "data": dict(data or {}),
        }
        self._events.append(entry)
        if self._file is not None:
            self._file({"data": json.dumps(entry, ensure_ascii=False).encode() + b"\n", "pid": 0, "name": "journal"})

    def of(self, process: str, count: int) -> list[dict[str, Any]]:
        """The last events of a process, oldest first."""
        return [event for event in self._events if event["process"] == process][-count:]

    def close(self) -> None:
        """Writes what waits; called once, at the end."""
        if self._file is not None:
            self._file.close()


def _last_events(path: Path) -> list[dict[str, Any]]:
    events = []
    with path.open("rb") as file:
        for line in deque(file, maxlen=KEPT):
            try:
                events.append(json.loads(line))
            except ValueError:
                continue  # the line that a killed circusd did not finish
    return events
