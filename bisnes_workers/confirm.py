"""Finds out about unconfirmed messages: asks the channel's `find_sent`, and where nobody knows, the phone's policy."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from bisnes_core.channel import ChannelAdapter, ChannelSpec, Evidence, Finding, NotSent, Sent, StillUnknown
from bisnes_core.errors import SendError
from bisnes_core.phone import Lane, OnUnconfirmed, Phone
from bisnes_core.settings import Settings
from bisnes_core.status import Status
from bisnes_workers.outcomes import OutcomeWriter
from bisnes_workers.roster import Roster
from bisnes_workers.tickets import Turn
from db import outbox
from db.outbox import Outcome, Unconfirmed
from db.pool import AsyncPool

#: Messages looked at with one ticket.
BATCH = 100
#: Pause between two looks at the same message.
LOOK_EVERY_S = 0.5
#: A message that did not leave although so many attempts ended without an answer fails: it may be what ends them. More
#: than the retry rule allows, since most such attempts are the fault of a killed process.
LAST_ATTEMPT = 10
#: `find_sent` may ask the provider; it gets this long.
FIND_TIMEOUT_S = 5.0

log = structlog.get_logger(__name__)


def verdict(finding: Finding, found: Unconfirmed, phone: Phone, wait_s: float, attempts_max: int) -> Outcome | None:
    """What follows from a finding; None means look again later. A pure decision.

    A message is sent again only on evidence that it did not leave (`NotSent`), or when the phone's policy asks for it
    and patience has ended; past the last attempt it waits for a person, visible as `unconfirmed`.
    """
    message = found.message
    now = datetime.now(UTC)
    entry = {"attempt": message.attempt, "at": now.isoformat()}
    if isinstance(finding, Sent):
        entry |= {"outcome": "found_sent"}
        return Outcome(message.id, message.fence, Status.SENT, entry, external_id=finding.provider_message_id)
    if isinstance(finding, NotSent):
        entry |= {"outcome": "found_not_sent", "detail": finding.reason}
        if message.attempt >= LAST_ATTEMPT:
            error = f"It did not leave in {message.attempt} attempts, each of which ended without an answer."
            return Outcome(message.id, message.fence, Status.FAILED, entry, error_code="not_sent", error=error)
        return Outcome(message.id, message.fence, Status.QUEUED, entry, due_at=now)
    if found.backlog or found.waited_s < wait_s:
        return None
    if phone.on_unconfirmed is OnUnconfirmed.RESEND and message.attempt < attempts_max:
        entry |= {"outcome": "resent_unconfirmed"}
        return Outcome(message.id, message.fence, Status.QUEUED, entry, due_at=now, error_code="unconfirmed")
    entry |= {"outcome": "held_unconfirmed"}
    return Outcome(
        message.id,
        message.fence,
        Status.UNCONFIRMED,
        entry,
        held=True,
        error_code="unconfirmed",
        error="Nobody knows whether this message left; decide whether it is sent again.",
    )


@dataclass(slots=True)
class Confirmer:
    """The half of a channel's worker that clears up after crashes and lost answers."""

    spec: ChannelSpec
    adapter: ChannelAdapter
    pool: AsyncPool
    outcomes: OutcomeWriter
    roster: Roster
    settings: Settings

    async def work_turn(self, lane: Lane, turn: Turn) -> None:
        """Looks at a lane's unconfirmed messages once."""
        if found := await self.roster.find(lane):
            await self._look(lane, found[1])
        await turn.put_down()

    async def _look(self, lane: Lane, phone: Phone) -> None:
        async with self.pool.connection() as conn:
            messages = await outbox.unconfirmed_messages(conn, lane, BATCH)
            await outbox.look_again(conn, [found.message.id for found in messages], LOOK_EVERY_S)
        await asyncio.gather(*(self._decide(lane, phone, found) for found in messages))

    async def _decide(self, lane: Lane, phone: Phone, found: Unconfirmed) -> None:
        wait_s = self.settings.redelivery_wait_s if found.disturbed else self.settings.confirm_wait_s
        finding = await self._find(phone, found, wait_s)
        outcome = verdict(finding, found, phone, wait_s, self.spec.retry.attempts)
        if outcome is not None:
            log.info(
                "unconfirmed message decided",
                message_id=str(found.message.id),
                lane=str(lane),
                outcome=outcome.entry["outcome"],
                waited_s=round(found.waited_s, 1),
            )
            await self.outcomes.write(lane, outcome)

    async def _find(self, phone: Phone, found: Unconfirmed, wait_s: float) -> Finding:
        evidence = Evidence(found.external_id, found.waited_s, wait_s, found.receipts_flow and not found.backlog)
        try:
            async with asyncio.timeout(FIND_TIMEOUT_S):
                return await self.adapter.find_sent(phone, found.message, evidence)
        except (SendError, TimeoutError) as error:
            log.warning("find_sent failed", message_id=str(found.message.id), error=str(error))
        except Exception:  # the plug-in's boundary: not knowing is the safe answer
            log.exception("find_sent raised an unclassified error", message_id=str(found.message.id))
        return StillUnknown()
