"""Sends into a ledger file, or fails in the way the switchboard says."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final, NoReturn

from bisnes_core.channel import ChannelAdapter, Evidence, Finding, Health, NotSent, Sent, StillUnknown
from bisnes_core.errors import (
    AuthRequired,
    FatalToProcess,
    Permanent,
    RateLimited,
    Restricted,
    Retryable,
    Scope,
    SessionLost,
    UnknownOutcome,
)
from bisnes_core.message import OutboundMessage
from bisnes_core.phone import Phone
from plugins.loopback.fault import Fault, Strike, strike_for
from plugins.loopback.ledger import Ledger, ledger_of

#: A write that a cancelled send had begun is over after this; before it, the ledger's silence proves nothing.
SETTLE_S: Final = 1.0
#: Exit status of a crash on demand.
CRASH_STATUS: Final = 70


class LoopbackAdapter(ChannelAdapter):
    """One per worker process."""

    async def health(self) -> Health:
        """The provider is a file: it answers when its folder can be written."""
        folder = self.settings.home
        writable = await asyncio.to_thread(os.access, folder, os.W_OK)
        return Health(writable, "" if writable else f"{folder} cannot be written")

    async def send(self, phone: Phone, message: OutboundMessage) -> Sent:
        """Meets the fault that is due, if any; else accepts."""
        ledger, strike = self._ledger(phone), strike_for(phone.config, message.payload)
        if strike.fault is Fault.ACCEPT or not await asyncio.to_thread(_is_due, ledger, strike, message):
            return await _accept(ledger, message)
        return await _FAULTS[strike.fault](ledger, strike, message)

    async def find_sent(self, phone: Phone, message: OutboundMessage, evidence: Evidence) -> Finding:
        """Looks it up: this provider can be asked."""
        provider_id = await asyncio.to_thread(self._ledger(phone).find, message.id)
        if provider_id is not None:
            return Sent(provider_id)
        return NotSent("not in the ledger") if evidence.waited_s >= SETTLE_S else StillUnknown()

    def _ledger(self, phone: Phone) -> Ledger:
        return ledger_of(self.settings.home, phone.lane)


def _is_due(ledger: Ledger, strike: Strike, message: OutboundMessage) -> bool:
    """Whether the fault strikes this time; noted before it does, since it may end the process."""
    if strike.times is not None:
        if ledger.strikes(message.id) >= strike.times:
            return False
        ledger.note_strike(message.id)
    return True


async def _accept(ledger: Ledger, message: OutboundMessage) -> Sent:
    text = message.payload.get("text")
    return Sent(await asyncio.to_thread(ledger.accept, message.id, message.chat_id, text))


# -- the faults --------------------------------------------------------------------------------------------------------
def _raise(error: Callable[[Strike], Exception]) -> Callable[[Ledger, Strike, OutboundMessage], Awaitable[Sent]]:
    async def fail(ledger: Ledger, strike: Strike, message: OutboundMessage) -> NoReturn:
        raise error(strike)

    return fail


def _throttle(scope: Scope) -> Callable[[Ledger, Strike, OutboundMessage], Awaitable[Sent]]:
    return _raise(lambda strike: RateLimited(f"loopback:limit_{scope}", retry_after_s=strike.seconds, scope=scope))


async def _stall(ledger: Ledger, strike: Strike, message: OutboundMessage) -> Sent:
    await asyncio.sleep(strike.seconds)
    return await _accept(ledger, message)


async def _lose_answer(ledger: Ledger, strike: Strike, message: OutboundMessage) -> NoReturn:
    await _accept(ledger, message)
    raise UnknownOutcome("loopback:no_answer", "the answer was lost")


async def _crash_before(ledger: Ledger, strike: Strike, message: OutboundMessage) -> NoReturn:
    os._exit(CRASH_STATUS)


async def _crash_after(ledger: Ledger, strike: Strike, message: OutboundMessage) -> NoReturn:
    await _accept(ledger, message)
    os._exit(CRASH_STATUS)


def _restricted(strike: Strike) -> Restricted:
    return Restricted("loopback:restricted", until=datetime.now(UTC) + timedelta(seconds=strike.seconds))


_FAULTS: Final[Mapping[Fault, Callable[[Ledger, Strike, OutboundMessage], Awaitable[Sent]]]] = MappingProxyType(
    {
        Fault.REFUSE: _raise(lambda strike: Permanent("loopback:refused", "refused for good")),
        Fault.RETRY: _raise(lambda strike: Retryable("loopback:later", "refused for a while")),
        Fault.LIMIT_PAIR: _throttle(Scope.PAIR),
        Fault.LIMIT_PHONE: _throttle(Scope.PHONE),
        Fault.LIMIT_APP: _throttle(Scope.APP),
        Fault.AUTH: _raise(lambda strike: AuthRequired("loopback:auth", "credentials refused")),
        Fault.SESSION_LOST: _raise(lambda strike: SessionLost("loopback:session", "session gone")),
        Fault.RESTRICT: _raise(_restricted),
        Fault.STALL: _stall,
        Fault.LOSE_REQUEST: _raise(lambda strike: UnknownOutcome("loopback:no_answer", "the request was lost")),
        Fault.LOSE_ANSWER: _lose_answer,
        Fault.RAISE: _raise(lambda strike: RuntimeError("an error of no class")),
        Fault.FATAL: _raise(lambda strike: FatalToProcess("loopback:fatal", "this process cannot go on")),
        Fault.CRASH_BEFORE: _crash_before,
        Fault.CRASH_AFTER: _crash_after,
    }
)
