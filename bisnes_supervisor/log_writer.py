"""The thread between lines and their file: whoever has lines to say never waits for the disk.

`Writer` holds lines in memory until its thread has written them, and counts those it had no room for. `RotatedFile` is
the file: it turns over between lines when it has grown to its size, and is made anew when somebody moved it.

Nothing of this is used in a forked child, and no child inherits a file (PEP 446). Only the caller's thread logs: were
the writer's thread to hold the lock of standard error while Circus forks, the child would wait for it for ever.
"""

from __future__ import annotations

import math
import os
import signal
import stat
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from weakref import WeakSet, WeakValueDictionary

from circus import logger

#: Kept for a file that takes no more: 80 ms of a burst of 100 MB/s, and the memory that each of some fifty files may
#: take on a disk that hangs.
BUFFER_BYTES = 8_000_000

#: Written at once: long beside what a call costs, short beside what a slow disk does in `STUCK_S`.
BATCH_BYTES = 1_000_000

#: A write that takes longer than this will not end soon, and `close` does not wait for it.
STUCK_S = 1.0

#: `close` waits at most this long for a disk that is slow but not stuck: circusd does nothing else meanwhile.
CLOSE_WAIT_S = 3.0

#: Files named by more than one writer, such as one for both output and errors, are written and rotated in turn.
_turns: WeakValueDictionary[Path, threading.Lock] = WeakValueDictionary()

#: Here and not in `streams`, a module that Circus loads again when a stream's option is set.
_living: WeakSet[Writer] = WeakSet()


def reopen_all() -> None:
    """Makes every writer open its file anew, for whoever moved the files; not to be called in a signal handler."""
    for writer in list(_living):
        writer.reopen()


class Loss:
    """Lines that will never be in the file, and why."""

    def __init__(self) -> None:
        self.lines = self.size_bytes = 0
        self.reason = ""

    def add(self, lines: bytes, reason: str) -> None:
        """Counts whole lines."""
        self.lines += lines.count(b"\n")
        self.size_bytes += len(lines)
        self.reason = reason

    def note(self) -> bytes:
        """A line in their place; nothing if there are none."""
        if not self.lines:
            return b""
        noun = "line" if self.lines == 1 else "lines"
        return f"… {self.lines} {noun} ({self.size_bytes} bytes) dropped: {self.reason}\n".encode()


class RotatedFile:
    """A file that is appended to, and moved to `name.1`, `name.2` and so on by size.

    Args:
        path: its folder is created.
        max_bytes: rotate before the file grows past this; 0: never.
        backup_count: how many old files are kept.
    """

    def __init__(self, path: Path, max_bytes: int, backup_count: int) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._backup_count = backup_count
        self._turn = _turns.setdefault(path, threading.Lock())
        self._descriptor = -1

    def write(self, lines: bytes, start: int) -> int:
        """Writes whole lines from `start` on, as many as fit; answers where the next one starts.

        Raises:
            OSError: when none of them was written; the file ends with a whole line as before.
        """
        with self._turn:
            status = self._in_place()
            end = self._fitting(lines, start, status)
            if end <= start and status.st_size:
                self._rotate()
                status = self._in_place()
                end = self._fitting(lines, start, status)
            end = max(end, lines.index(b"\n", start) + 1)  # a line longer than a file has one of its own
            self._append(memoryview(lines)[start:end], status)
            return end

    def reopen(self) -> None:
        """Lets go of the file that was opened, and opens the one that has the name now."""
        self.close()
        with self._turn:
            self._in_place()

    def close(self) -> None:
        """Lets go of the file; the next line opens it again."""
        if self._descriptor >= 0:
            with suppress(OSError):  # the kernel has taken the lines already
                os.close(self._descriptor)
            self._descriptor = -1

    def _in_place(self) -> os.stat_result:
        if self._descriptor >= 0:
            status = os.fstat(self._descriptor)
            with suppress(FileNotFoundError):
                if os.path.samestat(status, self.path.stat()):
                    return status
            self.close()  # moved or removed by somebody, as logrotate does
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        return os.fstat(self._descriptor)

    def _fitting(self, lines: bytes, start: int, status: os.stat_result) -> int:
        if not self._max_bytes or not stat.S_ISREG(status.st_mode):
            return len(lines)
        room_bytes = self._max_bytes - status.st_size
        return lines.rfind(b"\n", start, start + max(room_bytes, 0)) + 1

    def _append(self, lines: memoryview, status: os.stat_result) -> None:
        written = 0
        try:
            while written < len(lines):
                written += os.write(self._descriptor, lines[written:])
        except OSError:
            if written and stat.S_ISREG(status.st_mode):
                os.ftruncate(self._descriptor, status.st_size)
            raise

    def _rotate(self) -> None:
        self.close()
        if self._backup_count == 0:
            self.path.unlink()
            return
        for number in range(self._backup_count - 1, 0, -1):
            with suppress(FileNotFoundError):
                self._numbered(number).replace(self._numbered(number + 1))
        self.path.replace(self._numbered(1))

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


class Writer:
    """Lines on their way to one file, and the thread that writes them.

    The thread is there from the first line until `close`, and sleeps while there is nothing to do. All methods are for
    one thread, that of the event loop; only `close` ever waits.

    Args:
        file: where the lines go.
        stamped: puts the time before lines.
    """

    def __init__(self, file: RotatedFile, stamped: Callable[[bytes], bytes]) -> None:
        self._file = file
        self._stamped = stamped
        self._changed = threading.Condition(threading.Lock())
        self._thread: threading.Thread | None = None
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._full = False
        self._refused = Loss()  # since the buffer is full
        self._failed = Loss()  # since writing fails; the thread's own
        self._dropped_lines = [0, 0]  # of either kind, since ever
        self._closing = self._reopening = self._failing = False
        self._busy_since = math.inf
        self._unsaid: Exception | None = None

    @property
    def dropped_lines(self) -> int:
        """How many lines never reached the file."""
        return sum(self._dropped_lines)

    def put(self, lines: bytes) -> None:
        """Takes whole lines; when there is no room they are dropped, and a line in the file will say so."""
        with self._changed:
            self._closing = False
            if self._full or self._queued_bytes >= BUFFER_BYTES:
                self._full = True
                self._refused.add(lines, "the disk was slower than the output")
                self._dropped_lines[0] += lines.count(b"\n")
            else:
                self._enqueue(self._stamped(lines))
            self._wake()
        self._say_problem()

    def reopen(self) -> None:
        """Opens the file anew, for whoever moved it."""
        with self._changed:
            if self._thread is not None:
                self._reopening = True
                self._wake()

    def close(self) -> None:
        """Waits for what was put to be written, as long as that goes on; the thread then ends.

        A thread that is stuck is left alone: it goes on when its disk does.
        """
        give_up_at = time.monotonic() + CLOSE_WAIT_S
        with self._changed:
            if self._thread is None and not self._queue:
                return
            self._closing = True
            self._wake()
            while self._thread is not None:
                left_s = min(give_up_at, self._busy_since + STUCK_S) - time.monotonic()
                if left_s <= 0:
                    break
                self._changed.wait(left_s)
        self._say_problem()

    def _enqueue(self, lines: bytes) -> None:
        self._queue.append(lines)
        self._queued_bytes += len(lines)

    def _wake(self) -> None:
        if self._thread is not None:
            self._changed.notify()
            return
        thread = threading.Thread(target=self._run, name=f"log {self._file.path.name}", daemon=True)
        try:
            thread.start()
        except RuntimeError as problem:  # no more threads on this machine now; the next line tries again
            self._unsaid = self._unsaid or problem
        else:
            self._thread = thread
            _living.add(self)

    def _say_problem(self) -> None:
        problem, self._unsaid = self._unsaid, None
        if problem is not None:
            logger.error("log lines are being lost: %s: %s", self._file.path, problem)

    # -- the thread ------------------------------------------------------------------------------------------------
    def _run(self) -> None:
        # Circus learns of signals by what they interrupt: its own thread.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while True:
            lines = self._next_lines()
            if self._reopening:
                self._reopen()
            if lines:
                self._write(lines)
            elif self._closing:
                self._write(b"")
                self._file.close()
                if self._ended():
                    return

    def _next_lines(self) -> bytes:
        """Sleeps until there is something to do; nothing in the answer: it is something else."""
        with self._changed:
            self._busy_since = math.inf
            while not (self._queue or self._reopening or self._closing):
                self._changed.wait()
            self._busy_since = time.monotonic()
            batch: list[bytes] = []
            taken_bytes = 0
            while self._queue and taken_bytes < BATCH_BYTES:
                batch.append(self._queue.popleft())
                taken_bytes += len(batch[-1])
            self._queued_bytes -= taken_bytes
            if self._full and self._queued_bytes <= BUFFER_BYTES // 2:  # not at once, or there would be many notes
                self._enqueue(self._stamped(self._refused.note()))
                self._full, self._refused = False, Loss()
        return b"".join(batch)

    def _write(self, lines: bytes) -> None:
        note = self._stamped(self._failed.note()) if self._failed.lines else b""
        batch, at = note + lines, 0
        try:
            while at < len(batch):
                at = self._file.write(batch, at)
                self._busy_since = time.monotonic()
        except OSError as problem:
            self._fail(problem)
            if at:
                self._failed = Loss()
            self._failed.add(batch[max(at, len(note)) :], problem.strerror or str(problem))
            self._dropped_lines[1] += batch.count(b"\n", max(at, len(note)))
        else:
            if batch:
                self._failing, self._failed = False, Loss()

    def _reopen(self) -> None:
        self._reopening = False
        try:
            self._file.reopen()
        except OSError as problem:
            self._fail(problem)

    def _fail(self, problem: OSError) -> None:
        self._file.close()
        if not self._failing:
            self._unsaid = problem
        self._failing = True

    def _ended(self) -> bool:
        with self._changed:
            if self._queue or not self._closing:
                return False
            self._thread = None
            self._changed.notify_all()
            return True
