"""A controller that lets a command wait for its turn instead of refusing it.

Circus answers "arbiter is already running …" to whoever sends a command while another one runs, such as `stop meta`
right after `decr meta`. Here the second one starts when the first has ended, unless that takes too long.
"""

from __future__ import annotations

from typing import Any

import circus.controller

#: How soon a command that had to wait is tried again.
RETRY_S = 0.1

#: A command waits at most so long; shorter than the 5 s after which `circusctl` gives up.
PATIENCE_S = 4.0

#: How Circus's refusal begins. Source: circus/util.py, `synchronized`, 0.19.0.
_BUSY = "arbiter is already running"


class Controller(circus.controller.Controller):
    """Circus's controller with patience."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._refused_at: dict[tuple[bytes, bytes], float] = {}

    def send_error(self, mid: str, cid: bytes, msg: bytes, reason: str = "unknown", *rest: Any, **options: Any) -> None:
        """Sends a refusal, but tries a command again that only came too early."""
        if reason.startswith(_BUSY):
            refused_at = self._refused_at.setdefault((cid, msg), self.loop.time())
            if self.loop.time() - refused_at < PATIENCE_S:
                self.loop.call_later(RETRY_S, self.dispatch, (cid, msg))
                return
        super().send_error(mid, cid, msg, reason, *rest, **options)

    def send_response(self, mid: str, cid: bytes, msg: bytes, resp: Any, cast: bool = False) -> None:
        """Sends an answer; the command waits no more."""
        self._refused_at.pop((cid, msg), None)
        super().send_response(mid, cid, msg, resp, cast)
