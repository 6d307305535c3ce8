"""The file that outlives the process: records by kind and key, written as they change."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson


class Store:
    """Records and media in one SQLite file; without a file it forgets everything.

    A write is in the file when the call returns: it survives the process being killed, not the power going.
    """

    def __init__(self, file: Path | None) -> None:
        self._db: sqlite3.Connection | None = None
        if file is None:
            return
        self._db = sqlite3.connect(file, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS records (kind TEXT, key TEXT, body BLOB, PRIMARY KEY (kind, key)) WITHOUT ROWID"
        )
        self._db.execute("CREATE TABLE IF NOT EXISTS media (key TEXT PRIMARY KEY, body BLOB)")

    def put(self, kind: str, key: str, body: dict[str, Any]) -> None:
        """Write one record, replacing an older one."""
        if self._db is not None:
            self._db.execute("REPLACE INTO records VALUES (?, ?, ?)", (kind, key, orjson.dumps(body)))

    def delete(self, kind: str, key: str) -> None:
        """Remove one record, if it is there."""
        if self._db is not None:
            self._db.execute("DELETE FROM records WHERE kind = ? AND key = ?", (kind, key))

    def all(self, kind: str) -> Iterator[dict[str, Any]]:
        """Yield the records of a kind in the order of their keys."""
        if self._db is not None:
            for (body,) in self._db.execute("SELECT body FROM records WHERE kind = ? ORDER BY key", (kind,)).fetchall():
                yield orjson.loads(body)

    def put_media(self, key: str, body: bytes) -> None:
        """Write the bytes of one file."""
        if self._db is not None:
            self._db.execute("REPLACE INTO media VALUES (?, ?)", (key, body))

    def media(self, key: str) -> bytes | None:
        """Return the bytes of one file."""
        if self._db is None:
            return None
        row = self._db.execute("SELECT body FROM media WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def clear(self) -> None:
        """Remove every record and file."""
        if self._db is not None:
            self._db.execute("DELETE FROM records")
            self._db.execute("DELETE FROM media")

    def close(self) -> None:
        """Close the file."""
        if self._db is not None:
            self._db.close()
            self._db = None
