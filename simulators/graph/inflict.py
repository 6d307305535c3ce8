"""Carrying out the effect of a fault rule on one request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from simulators.graph.errors import GraphError
from simulators.graph.faults import Effect
from simulators.graph.http_protocol import Answer, Ending
from simulators.graph.http_response import error_response


async def inflict(effect: Effect, call: Callable[[], Answer | Coroutine[Any, Any, Answer]], version: str) -> Answer:
    """Make one request go wrong; ``call`` is its proper processing, where the effect lets it happen at all."""
    if effect.latency_s[1]:
        await asyncio.sleep(effect.latency_s[1])
    if effect.hang_before_s is not None:
        await asyncio.sleep(effect.hang_before_s)
        return Ending.CLOSE
    if effect.reset_before:
        return Ending.RESET
    raw = effect.raw()
    if raw is not None:
        return raw
    try:
        error = effect.error()
        if error is not None:
            raise error
        answer = call()
        if not isinstance(answer, (bytes, Ending)):
            answer = await answer
    except GraphError as failure:
        answer = error_response(failure, version)
    if effect.hang_after_s is not None:
        await asyncio.sleep(effect.hang_after_s)
    return Ending.RESET if effect.lose_answer else answer
