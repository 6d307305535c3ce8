"""Log files that keep every line whole, whoever writes how fast.

Circus hands a process's output over in pieces of a fixed size, and its own FileStream writes each piece as it comes,
decoded: pieces of two processes mix within a line, and a character cut in two is lost. `LineFile` holds what follows
the last newline back, per process, and writes bytes as they are.

    stdout_stream.class = bisnes_supervisor.streams.LineFile
    stdout_stream.filename = logs/api-out.log
    stdout_stream.max_bytes = 10485760
    stdout_stream.backup_count = 5
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, BinaryIO

from circus import logger

#: A line longer than this is written in pieces rather than held: no program of ours writes such a line on purpose.
LINE_MAX_BYTES = 1_000_000


class LineFile:
    """One log file shared by all processes of a watcher, rotated by size to `name.1`, `name.2` and so on.

    Args:
        filename: its folder is created.
        max_bytes: rotate before the file grows past this; 0: never.
        backup_count: how many old files are kept.
    """

    def __init__(self, filename: str, max_bytes: int | str = 0, backup_count: int | str = 0, **_: Any) -> None:
        self._path = Path(filename).absolute()
        self._max_bytes = int(max_bytes)
        self._backup_count = int(backup_count)
        self._rest: dict[int, bytes] = {}
        self._file: BinaryIO | None = None
        self._failing = False

    def __call__(self, data: dict[str, Any]) -> None:
        """Takes one piece of output from Circus."""
        pid = data["pid"]
        if self._rest:
            self._finish_lines_of_the_dead(but=pid)
        piece = self._rest.pop(pid, b"") + data["data"]
        lines, newline, rest = piece.rpartition(b"\n")
        if len(rest) > LINE_MAX_BYTES:
            lines, newline, rest = piece, b"\n", b""
        if rest:
            self._rest[pid] = rest
        if newline:
            self._write(lines + newline)

    def finish(self, pid: int) -> None:
        """Writes what a process that has ended left without a newline."""
        rest = self._rest.pop(pid, b"")
        if rest:
            self._write(rest + b"\n")

    def open(self) -> None:
        """Called by Circus when the watcher starts; the file is opened with its first line."""

    def close(self) -> None:
        """Called by Circus when the watcher stops."""
        for pid in list(self._rest):
            self.finish(pid)
        self._close()

    def _finish_lines_of_the_dead(self, but: int) -> None:
        for pid in list(self._rest):
            if pid != but and not Path(f"/proc/{pid}").exists():
                self.finish(pid)

    def _write(self, lines: bytes) -> None:
        try:
            self._current_file(len(lines)).write(lines)
            self._failing = False
        except OSError as problem:  # a full disk must not stop the supervisor; it is said once
            if not self._failing:
                logger.error("log lines are being lost: %s: %s", self._path, problem)
            self._failing = True
            self._close()

    def _current_file(self, more_bytes: int) -> BinaryIO:
        if self._file is not None and not self._is_in_place(self._file):
            self._close()
        if self._file is None:
            self._file = self._open()
        if self._max_bytes and self._file.tell() and self._file.tell() + more_bytes > self._max_bytes:
            self._file.close()
            self._shift()
            self._file = self._open()
        return self._file

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> BinaryIO:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return self._path.open("ab", buffering=0)

    def _is_in_place(self, file: BinaryIO) -> bool:
        """False when somebody moved or removed the file, as logrotate does."""
        try:
            return os.path.samestat(os.fstat(file.fileno()), self._path.stat())
        except FileNotFoundError:
            return False

    def _shift(self) -> None:
        if self._backup_count == 0:
            self._path.unlink()
            return
        for number in range(self._backup_count - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.replace(self._numbered(number + 1))
        self._path.replace(self._numbered(1))

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")
