"""The messages table as the outbox: what a worker claims, holds under a lease and ends, and what became of lost ones.

Claims are safe beside each other: rows are locked and skipped, and only the first open message of a chat may be
claimed. An outcome is written only by the claim whose fence it carries. Statements that lock several rows lock them in
the order of their ids, so that they never wait for each other in a circle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.errors import UniqueViolation
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from bisnes_core.message import Kind, OutboundMessage
from bisnes_core.phone import Lane
from bisnes_core.status import Status
from db.pool import AsyncConnection


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message in the hands of a worker, with what the retry rule needs."""

    message: OutboundMessage
    throttles: int


# The scalar subquery with LIMIT keeps the planner on one index probe per candidate; an anti-join over a queue whose
# statistics are always stale may read the whole queue instead.
_CLAIM = """
WITH claimable AS (
    SELECT m.id FROM messages m
    WHERE m.company_id = %(company_id)s AND m.phone_index = %(phone_index)s AND m.status = 'queued'
      AND m.due_at <= now()
      AND EXISTS (SELECT 1 FROM phone_configs p WHERE p.company_id = %(company_id)s AND p.phone_index = %(phone_index)s
                  AND (p.paused_until IS NULL OR p.paused_until <= now()))
      AND m.seq = (SELECT e.seq FROM messages e
                   WHERE e.company_id = %(company_id)s AND e.phone_index = %(phone_index)s AND e.chat_id = m.chat_id
                     AND e.status IN ('queued', 'sending', 'unconfirmed') AND NOT e.held
                   ORDER BY e.seq LIMIT 1)
    ORDER BY m.priority, m.seq LIMIT %(limit)s
    FOR UPDATE OF m SKIP LOCKED
)
UPDATE messages m
SET status = 'sending', attempts = m.attempts + 1, fence = m.fence + 1, holder = %(holder)s,
    attempt_at = clock_timestamp(), lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
FROM claimable WHERE m.id = claimable.id
RETURNING m.id, m.chat_id, m.message_type, m.payload, m.attempts, m.fence, m.throttles, m.seq
"""


async def claim_lane(conn: AsyncConnection, lane: Lane, *, limit: int, holder: str, lease_s: float) -> list[Claimed]:
    """Takes up to `limit` due messages of a lane, at most one per chat, the oldest first, for `lease_s` seconds."""
    cursor = await conn.execute(
        _CLAIM,
        {
            "company_id": lane.company_id,
            "phone_index": lane.phone_index,
            "limit": limit,
            "holder": holder,
            "lease_s": lease_s,
        },
    )
    rows = sorted(await cursor.fetchall(), key=lambda row: row[7])
    return [
        Claimed(
            OutboundMessage(
                id=row[0],
                company_id=lane.company_id,
                phone_index=lane.phone_index,
                chat_id=row[1],
                kind=Kind(row[2]),
                payload=row[3],
                attempt=row[4],
                fence=row[5],
            ),
            throttles=row[6],
        )
        for row in rows
    ]


async def renew_leases(conn: AsyncConnection, claims: Sequence[tuple[UUID, int]], lease_s: float) -> None:
    """Keeps messages (id, fence) that are still being sent."""
    await conn.execute(
        """
        WITH mine AS (
            SELECT m.id FROM messages m JOIN unnest(%s::uuid[], %s::integer[]) o (id, fence)
              ON m.id = o.id AND m.fence = o.fence
            WHERE m.status = 'sending' ORDER BY m.id FOR UPDATE OF m
        )
        UPDATE messages m SET lease_until = now() + make_interval(secs => %s) FROM mine WHERE m.id = mine.id
        """,
        ([claim[0] for claim in claims], [claim[1] for claim in claims], lease_s),
    )


# -- outcomes ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attempt.

    Attributes:
        status: `sent`, `queued` (again), `unconfirmed` or `failed`.
        due_at: for `queued`: when it may be claimed again.
        counted: whether the attempt counts.
        throttled: whether the provider throttled it.
        entry: what the attempt log gains.
    """

    id: UUID
    fence: int
    status: Status
    entry: Mapping[str, Any]
    external_id: str | None = None
    due_at: datetime | None = None
    counted: bool = True
    throttled: bool = False
    error_code: str | None = None
    error: str | None = None
    held: bool = False


# A receipt may have overtaken the answer of the send: what it has already moved stays where it is.
_WRITE_SENT = """
WITH o AS (
    SELECT * FROM unnest(%s::uuid[], %s::integer[], %s::text[], %s::jsonb[]) o (id, fence, external_id, entry)
), locked AS (
    SELECT m.id FROM messages m JOIN o ON m.id = o.id AND m.fence = o.fence ORDER BY m.id FOR UPDATE OF m
)
UPDATE messages m
SET status = CASE WHEN m.status IN ('queued', 'sending', 'unconfirmed') THEN 'sent' ELSE m.status END,
    external_id = coalesce(m.external_id, o.external_id), sent_at = coalesce(m.sent_at, now()),
    lease_until = NULL, confirm_at = NULL, held = false, throttles = 0, error_code = NULL, error = NULL,
    attempt_log = m.attempt_log || o.entry
FROM o, locked WHERE m.id = locked.id AND m.id = o.id
RETURNING m.id
"""

_WRITE_OTHER = """
WITH o AS (
    SELECT * FROM unnest(%s::uuid[], %s::integer[], %s::text[], %s::timestamptz[], %s::boolean[], %s::boolean[],
                         %s::text[], %s::text[], %s::jsonb[], %s::boolean[])
      o (id, fence, status, due_at, counted, throttled, error_code, error, entry, held)
), locked AS (
    SELECT m.id FROM messages m JOIN o ON m.id = o.id AND m.fence = o.fence
    WHERE m.status IN ('sending', 'unconfirmed') ORDER BY m.id FOR UPDATE OF m
)
UPDATE messages m
SET status = o.status, due_at = coalesce(o.due_at, m.due_at),
    attempts = m.attempts - CASE WHEN o.counted THEN 0 ELSE 1 END,
    throttles = CASE WHEN o.throttled THEN m.throttles + 1 ELSE 0 END,
    error_code = o.error_code, error = o.error, lease_until = NULL, held = o.held,
    confirm_at = CASE WHEN o.status = 'unconfirmed' AND NOT o.held THEN now() END,
    failed_at = CASE WHEN o.status = 'failed' THEN now() END,
    attempt_log = m.attempt_log || o.entry
FROM o, locked WHERE m.id = locked.id AND m.id = o.id
RETURNING m.id
"""


async def write_outcomes(conn: AsyncConnection, outcomes: Sequence[Outcome]) -> set[UUID]:
    """Writes the outcomes of a batch; each of its two statements commits by itself on an autocommit connection.

    Returns:
        ids whose outcome was taken; the others were claimed anew meanwhile (their fence is gone) or have ended.
    """
    sent = [outcome for outcome in outcomes if outcome.status is Status.SENT]
    other = [outcome for outcome in outcomes if outcome.status is not Status.SENT]
    try:
        taken = await _write_sent(conn, sent)
    except UniqueViolation:
        taken = await _write_sent_singly(conn, sent)
    if other:
        cursor = await conn.execute(
            _WRITE_OTHER,
            (
                [o.id for o in other],
                [o.fence for o in other],
                [o.status.value for o in other],
                [o.due_at for o in other],
                [o.counted for o in other],
                [o.throttled for o in other],
                [o.error_code for o in other],
                [o.error for o in other],
                [Jsonb([o.entry]) for o in other],
                [o.held for o in other],
            ),
        )
        taken |= {row[0] for row in await cursor.fetchall()}
    return taken


async def _write_sent(conn: AsyncConnection, sent: Sequence[Outcome]) -> set[UUID]:
    if not sent:
        return set()
    cursor = await conn.execute(
        _WRITE_SENT,
        (
            [o.id for o in sent],
            [o.fence for o in sent],
            [o.external_id for o in sent],
            [Jsonb([o.entry]) for o in sent],
        ),
    )
    return {row[0] for row in await cursor.fetchall()}


async def _write_sent_singly(conn: AsyncConnection, sent: Sequence[Outcome]) -> set[UUID]:
    """A provider gave one id to two messages: one of them stays without, the batch is not lost for it."""
    taken: set[UUID] = set()
    for outcome in sent:
        try:
            taken |= await _write_sent(conn, [outcome])
        except UniqueViolation:
            async with conn.transaction():
                absorbed = await _absorb(conn, outcome)
                taken |= await _write_sent(conn, [outcome if absorbed else replace(outcome, external_id=None)])
    return taken


_ABSORB = """
WITH copy AS (
    DELETE FROM messages e USING messages m
    WHERE m.id = %(id)s AND m.fence = %(fence)s AND e.company_id = m.company_id AND e.phone_index = m.phone_index
      AND e.direction = 'outbound' AND e.external_id = %(external_id)s AND e.elsewhere
    RETURNING e.status, e.sent_at, e.delivered_at, e.read_at, e.receipt_at
)
UPDATE messages m
SET status = copy.status, sent_at = copy.sent_at, delivered_at = copy.delivered_at, read_at = copy.read_at,
    receipt_at = copy.receipt_at
FROM copy WHERE m.id = %(id)s
"""


async def _absorb(conn: AsyncConnection, outcome: Outcome) -> bool:
    """What was taken for a message sent elsewhere is the one that this outcome is about: its news become that one's."""
    values = {"id": outcome.id, "fence": outcome.fence, "external_id": outcome.external_id}
    return (await conn.execute(_ABSORB, values)).rowcount == 1


# -- what the relay looks for -----------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class LaneWork:
    """A lane with due work; `channel` is None when the phone is gone."""

    company_id: str
    phone_index: int
    channel: str | None

    @property
    def lane(self) -> Lane:
        """The lane itself."""
        return Lane(self.company_id, self.phone_index)


# Steps from lane to lane through the index instead of reading the queue: cost follows the lanes, not the messages.
_DUE_LANES = """
WITH RECURSIVE lane AS (
    (SELECT company_id, phone_index FROM messages WHERE status = 'queued'
     ORDER BY company_id, phone_index LIMIT 1)
    UNION ALL
    SELECT next.company_id, next.phone_index FROM lane, LATERAL (
        SELECT m.company_id, m.phone_index FROM messages m
        WHERE m.status = 'queued' AND (m.company_id, m.phone_index) > (lane.company_id, lane.phone_index)
        ORDER BY m.company_id, m.phone_index LIMIT 1) next
)
SELECT lane.company_id, lane.phone_index, p.process_name AS channel
FROM lane LEFT JOIN phone_configs p USING (company_id, phone_index)
WHERE (p.paused_until IS NULL OR p.paused_until <= now())
  AND EXISTS (SELECT 1 FROM messages m WHERE m.company_id = lane.company_id AND m.phone_index = lane.phone_index
              AND m.status = 'queued' AND m.due_at <= now())
"""


async def due_lanes(conn: AsyncConnection) -> list[LaneWork]:
    """Lanes that have messages to send now and are not paused."""
    async with conn.cursor(row_factory=class_row(LaneWork)) as cursor:
        await cursor.execute(_DUE_LANES)
        return await cursor.fetchall()


async def lapse_leases(conn: AsyncConnection) -> int:
    """Messages whose holder died become `unconfirmed`: nobody knows whether they left. Returns how many."""
    cursor = await conn.execute(
        """
        UPDATE messages SET status = 'unconfirmed', confirm_at = now(), lease_until = NULL,
            attempt_log = attempt_log || jsonb_build_object('at', now(), 'outcome', 'lease_lapsed', 'holder', holder)
        WHERE id IN (SELECT id FROM messages WHERE status = 'sending' AND lease_until < now()
                     LIMIT 1000 FOR UPDATE SKIP LOCKED)
        """
    )
    return cursor.rowcount


async def unconfirmed_lanes(conn: AsyncConnection) -> list[LaneWork]:
    """Lanes with unconfirmed messages that are due for another look."""
    async with conn.cursor(row_factory=class_row(LaneWork)) as cursor:
        await cursor.execute(
            """
            SELECT DISTINCT m.company_id, m.phone_index, p.process_name AS channel
            FROM messages m LEFT JOIN phone_configs p USING (company_id, phone_index)
            WHERE m.status = 'unconfirmed' AND NOT m.held AND m.confirm_at <= now()
            """
        )
        return await cursor.fetchall()


async def fail_orphans(conn: AsyncConnection, lane: Lane) -> int:
    """Ends the open messages of a phone that no longer exists. Returns how many."""
    cursor = await conn.execute(
        """
        UPDATE messages SET status = 'failed', failed_at = now(), error_code = 'phone_removed',
            error = 'The phone was removed before the message was sent.', lease_until = NULL, confirm_at = NULL
        WHERE company_id = %(company_id)s AND phone_index = %(phone_index)s
          AND status IN ('queued', 'unconfirmed') AND NOT held
          AND NOT EXISTS (SELECT 1 FROM phone_configs WHERE company_id = %(company_id)s
                          AND phone_index = %(phone_index)s)
        """,
        {"company_id": lane.company_id, "phone_index": lane.phone_index},
    )
    return cursor.rowcount


# -- unconfirmed messages ---------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """A message of which nobody knows whether it left, with the evidence that the database holds.

    Attributes:
        waited_s: since the attempt began or, if later, since we could surely receive again.
        disturbed: whether receiving was disturbed after the attempt began (database, API or events restarted).
        backlog: whether provider events wait to be parsed.
        receipts_flow: whether the phone's newest other message, old enough to have one, has a receipt.
    """

    message: OutboundMessage
    external_id: str | None
    waited_s: float
    disturbed: bool
    backlog: bool
    receipts_flow: bool


_UNCONFIRMED = """
WITH receiving AS (
    SELECT greatest(pg_postmaster_start_time(),
                    (SELECT max(started_at) FROM process_health WHERE process_name IN ('api', 'events'))) AS since,
           EXISTS (SELECT 1 FROM provider_events WHERE parsed_at IS NULL
                   AND received_at < now() - interval '0.5 seconds') AS backlog
)
SELECT m.id, m.chat_id, m.message_type, m.payload, m.attempts, m.fence, m.external_id,
       extract(epoch FROM now() - greatest(m.attempt_at, r.since))::float8, r.since > m.attempt_at, r.backlog,
       coalesce((SELECT s.receipt_at IS NOT NULL FROM messages s
                 WHERE s.company_id = m.company_id AND s.phone_index = m.phone_index AND s.id <> m.id
                   AND s.sent_at < now() - interval '2 seconds' AND s.message_type <> 'read' AND NOT s.elsewhere
                 ORDER BY s.sent_at DESC LIMIT 1), false)
FROM messages m, receiving r
WHERE m.company_id = %s AND m.phone_index = %s AND m.status = 'unconfirmed' AND NOT m.held AND m.confirm_at <= now()
ORDER BY m.seq LIMIT %s
"""


async def unconfirmed_messages(conn: AsyncConnection, lane: Lane, limit: int) -> list[Unconfirmed]:
    """The lane's unconfirmed messages that are due for a look."""
    cursor = await conn.execute(_UNCONFIRMED, (lane.company_id, lane.phone_index, limit))
    return [
        Unconfirmed(
            OutboundMessage(row[0], lane.company_id, lane.phone_index, row[1], Kind(row[2]), row[3], row[4], row[5]),
            *row[6:],
        )
        for row in await cursor.fetchall()
    ]


async def look_again(conn: AsyncConnection, ids: Sequence[UUID], after_s: float) -> None:
    """Puts off the next look at unconfirmed messages."""
    await conn.execute(
        "UPDATE messages SET confirm_at = now() + make_interval(secs => %s) "
        "WHERE id = ANY(%s) AND status = 'unconfirmed'",
        (after_s, list(ids)),
    )
