"""A controller that lets a command wait for its turn, and says so when one has failed.

Commands for one watcher take turns there (see `watcher`). Those that change the whole configuration (`reloadconfig`,
`restart` of everything) exclude each other in Circus, which answers "arbiter is already running …"; here the second
one starts when the first has ended, unless that takes too long. A command that was waited for and failed is answered
with an error; Circus has none for it.
"""

from __future__ import annotations

from typing import Any

import circus.controller
from circus.commands import errors

#: How soon a command that had to wait is tried again.
RETRY_S = 0.1

#: A command waits at most so long; shorter than the 5 s after which `circusctl` gives up.
PATIENCE_S = 4.0

#: How Circus's refusal begins. Source: circus/util.py, `synchronized`, 0.19.0.
_BUSY = "arbiter is already running"


class Controller(circus.controller.Controller):
    """Circus's controller with patience and honesty."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._refused_at: dict[tuple[bytes, bytes], float] = {}

    def _dispatch_callback(self, msg: bytes, cid: bytes, mid: str, cast: bool, cmd_name: str, resp: Any = None) -> None:
        """Called by Circus with a command's result; ours say under `failed` why they failed."""
        failed = _failure(resp)
        if failed is None:
            super()._dispatch_callback(msg, cid, mid, cast, cmd_name, resp)
        else:
            self.send_error(mid, cid, msg, failed, cast=cast, errno=errors.COMMAND_ERROR)

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


def _failure(resp: Any) -> str | None:
    """Why a command failed, if it did."""
    if not isinstance(resp, dict):
        return None
    info = resp.get("info")
    failed = resp.get("failed") or (info.get("failed") if isinstance(info, dict) else None)
    return None if failed is None else str(failed)
