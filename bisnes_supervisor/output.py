"""The pipes of processes, read to their end.

Circus closes a dead process's pipes before it has read what is still in them, so that the traceback that would explain
a crash may be lost. Here the pipes are read to their end first, and in larger pieces.
"""

from __future__ import annotations

import os
from typing import Any

from circus.stream import Redirector

#: Read at once from a pipe: the kernel's own size of a pipe. Circus takes 1024, a call of Python for each.
PIECE_BYTES = 65_536

#: Read at most from a dead process's pipe: its children may hold it and go on writing.
LAST_WORDS_MAX_BYTES = 16 * PIECE_BYTES


class DrainingRedirector(Redirector):
    """Reads a process's pipes to their end before it lets go of them."""

    def __init__(self, stdout_redirect: Any, stderr_redirect: Any, loop: Any = None) -> None:
        super().__init__(stdout_redirect, stderr_redirect, buffer=PIECE_BYTES, loop=loop)

    def remove_redirections(self, process: Any) -> None:
        """Called by Circus when it has killed a process."""
        self.drain(process)
        super().remove_redirections(process)

    def drain(self, process: Any) -> None:
        """Hands the rest of a dead process's output over."""
        for name, pipe in self.get_process_pipes(process):
            stream = self.redirect[name]
            if stream is None or pipe is None or pipe.closed:
                continue
            for piece in _rest_of(pipe.fileno()):
                stream({"data": piece, "pid": process.pid, "name": name})
            if hasattr(stream, "finish"):
                stream.finish(process.pid)


def _rest_of(descriptor: int) -> list[bytes]:
    os.set_blocking(descriptor, False)
    pieces: list[bytes] = []
    while sum(map(len, pieces)) < LAST_WORDS_MAX_BYTES:
        try:
            piece = os.read(descriptor, PIECE_BYTES)
        except BlockingIOError:
            break
        if not piece:
            break
        pieces.append(piece)
    return pieces
