"""Receipts, inbound messages, changes: news from a provider written to the messages they belong to.

A message is found by our id when the provider gave it back, else by the provider's id; either way only among the
messages of the phone that the provider names, so that no company can move another's messages. News of messages that
are not there yet are kept and matched again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from bisnes_core.channel import Changed, Inbound, Receipt, SentElsewhere
from bisnes_core.ids import new_id, parse_id
from bisnes_core.status import Status, after_receipt
from db.pool import AsyncConnection

#: An unmatched receipt is matched again for this long; the answer of its send is at most one send deadline away.
UNMATCHED_KEPT_S = 3600.0
#: An unmatched change is matched again for this long: what was said before may be fetched hours after it.
CHANGES_KEPT_S = 86400.0
#: A message sent elsewhere waits at most so long for the outcomes of our own attempts; far above a send's deadline.
SETTLED_AFTER_S = 60.0


@dataclass(slots=True)
class _News:
    """What several receipts say about one message."""

    status: Status
    external_id: str
    sent_at: datetime | None = None
    delivered_at: datetime | None = None
    read_at: datetime | None = None
    failed_at: datetime | None = None
    error_code: str | None = None
    error: str | None = None

    def add(self, receipt: Receipt) -> None:
        self.status = after_receipt(self.status, receipt.status)
        if receipt.status is Status.SENT:
            self.sent_at = receipt.at
        elif receipt.status is Status.DELIVERED:
            self.delivered_at = receipt.at
        elif receipt.status in (Status.READ, Status.PLAYED):
            self.read_at = receipt.at
        elif receipt.status is Status.FAILED:
            self.failed_at, self.error_code, self.error = receipt.at, receipt.error_code, receipt.error


async def apply_receipts(conn: AsyncConnection, channel: str, receipts: Sequence[Receipt]) -> int:
    """Moves messages forward as the receipts say; call within a transaction.

    Late news are recorded in their time column and never move a message back. Receipts of unknown messages are kept
    and matched later.

    Returns:
        number of receipts whose message was found.
    """
    if not receipts:
        return 0
    ids = await _message_ids(conn, channel, receipts)
    await _keep_unmatched(conn, channel, [r for r, found in zip(receipts, ids, strict=True) if found is None])
    cursor = await conn.execute(
        "SELECT id, status, external_id FROM messages WHERE id = ANY(%s) ORDER BY id FOR UPDATE",
        (list({found for found in ids if found}),),
    )
    news = {row[0]: _News(Status(row[1]), row[2] or "") for row in await cursor.fetchall()}
    for receipt, found in zip(receipts, ids, strict=True):
        if found:
            entry = news[found]
            entry.external_id = entry.external_id or receipt.provider_message_id
            entry.add(receipt)
    await _write_news(conn, news)
    return sum(found is not None for found in ids)


_FIND = """
SELECT o.n, coalesce(ours.id, theirs.id)
FROM unnest(%s::text[], %s::uuid[], %s::text[]) WITH ORDINALITY o (phone, message_id, external_id, n)
JOIN phone_configs p ON p.process_name = %s AND p.provider_phone_id = o.phone
LEFT JOIN messages ours ON ours.id = o.message_id AND ours.company_id = p.company_id
    AND ours.phone_index = p.phone_index
LEFT JOIN messages theirs ON ours.id IS NULL AND theirs.company_id = p.company_id
    AND theirs.phone_index = p.phone_index AND theirs.direction = 'outbound' AND theirs.external_id = o.external_id
"""


async def _message_ids(conn: AsyncConnection, channel: str, receipts: Sequence[Receipt]) -> list[UUID | None]:
    cursor = await conn.execute(
        _FIND,
        (
            [r.provider_phone_id for r in receipts],
            [parse_id(r.message_id) if r.message_id else None for r in receipts],
            [r.provider_message_id for r in receipts],
            channel,
        ),
    )
    found = {row[0]: row[1] for row in await cursor.fetchall()}
    return [found.get(n) for n in range(1, len(receipts) + 1)]


async def _write_news(conn: AsyncConnection, news: dict[UUID, _News]) -> None:
    items = sorted(news.items())
    await conn.execute(
        """
        UPDATE messages m
        SET status = o.status, external_id = coalesce(m.external_id, o.external_id),
            sent_at = coalesce(m.sent_at, o.sent_at, now()), delivered_at = coalesce(m.delivered_at, o.delivered_at),
            read_at = coalesce(m.read_at, o.read_at), failed_at = coalesce(m.failed_at, o.failed_at),
            error_code = coalesce(o.error_code, m.error_code), error = coalesce(o.error, m.error),
            receipt_at = coalesce(m.receipt_at, now()), lease_until = NULL, confirm_at = NULL, held = false
        FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[],
                    %s::timestamptz[], %s::text[], %s::text[])
            o (id, status, external_id, sent_at, delivered_at, read_at, failed_at, error_code, error)
        WHERE m.id = o.id
        """,
        (
            [key for key, _ in items],
            [entry.status.value for _, entry in items],
            [entry.external_id for _, entry in items],
            [entry.sent_at for _, entry in items],
            [entry.delivered_at for _, entry in items],
            [entry.read_at for _, entry in items],
            [entry.failed_at for _, entry in items],
            [entry.error_code for _, entry in items],
            [entry.error for _, entry in items],
        ),
    )


async def _keep_unmatched(conn: AsyncConnection, channel: str, receipts: Iterable[Receipt]) -> None:
    rows = [
        (channel, r.provider_phone_id, r.provider_message_id, r.status.value, r.at, r.error_code, r.error)
        for r in receipts
    ]
    if rows:
        async with conn.cursor() as cursor:
            await cursor.executemany(
                "INSERT INTO unmatched_receipts "
                "(channel, provider_phone_id, external_id, status, at, error_code, error) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                rows,
            )


async def match_again(conn: AsyncConnection) -> int:
    """Applies kept news whose message is known by now and forgets those past their time; within a transaction.

    Returns:
        number of receipts, changes and messages sent elsewhere that found their place.
    """
    settled = await _settle_sent(conn)
    return settled + await _apply_kept_changes(conn) + await _match_receipts_again(conn)


async def _match_receipts_again(conn: AsyncConnection) -> int:
    await conn.execute(
        "DELETE FROM unmatched_receipts WHERE created_at < now() - make_interval(secs => %s)", (UNMATCHED_KEPT_S,)
    )
    cursor = await conn.execute(
        """
        DELETE FROM unmatched_receipts u USING phone_configs p, messages m
        WHERE p.process_name = u.channel AND p.provider_phone_id = u.provider_phone_id
          AND m.company_id = p.company_id AND m.phone_index = p.phone_index AND m.direction = 'outbound'
          AND m.external_id = u.external_id
        RETURNING u.channel, u.provider_phone_id, u.external_id, u.status, u.at, u.error_code, u.error
        """
    )
    by_channel: dict[str, list[Receipt]] = {}
    for row in await cursor.fetchall():
        by_channel.setdefault(row[0], []).append(Receipt(row[1], row[2], None, Status(row[3]), row[4], row[5], row[6]))
    return sum([await apply_receipts(conn, channel, receipts) for channel, receipts in by_channel.items()])


# -- received, and sent elsewhere --------------------------------------------------------------------------------------
async def store_inbound(conn: AsyncConnection, channel: str, messages: Sequence[Inbound]) -> int:
    """Keeps received messages, each exactly once however often the provider repeats it.

    Returns:
        number of new ones; messages to unknown phones are not kept (the raw event still holds them).
    """
    stored = 0
    for message in messages:
        cursor = await conn.execute(
            """
            INSERT INTO messages (id, company_id, phone_index, chat_id, direction, message_type, provider, content,
                                  payload, identities, status, external_id, sent_at)
            SELECT %s, p.company_id, p.phone_index, %s, 'inbound', %s, %s, %s, %s, %s, 'received', %s, %s
            FROM phone_configs p WHERE p.process_name = %s AND p.provider_phone_id = %s
            ON CONFLICT (company_id, phone_index, direction, external_id) WHERE external_id IS NOT NULL DO NOTHING
            """,
            (
                new_id(),
                message.chat_id,
                message.kind,
                channel,
                message.text,
                Jsonb(_payload(message)),
                Jsonb(dict(message.identities)),
                message.provider_message_id,
                message.at,
                channel,
                message.provider_phone_id,
            ),
        )
        stored += cursor.rowcount
    return stored


def _payload(message: Inbound) -> dict[str, Any]:
    return {**message.content, **({"reply_to": message.reply_to} if message.reply_to else {})}


async def store_sent_elsewhere(conn: AsyncConnection, channel: str, messages: Sequence[SentElsewhere]) -> int:
    """Keeps messages that the phone's owner sent from another device, each once; call within a transaction.

    A provider tells of our own messages in the same way, often before their outcome is written. So each waits until no
    attempt of the phone that began before it is open any more: its id then belongs to a message of ours, or to none.

    Returns:
        number of new ones that need not wait.
    """
    if not messages:
        return 0
    async with conn.cursor() as cursor:
        await cursor.executemany(
            """
            INSERT INTO unsettled_sent (id, channel, provider_phone_id, external_id, chat_id, message_type, content,
                                        payload, identities, sent_at)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
            """,
            [
                (
                    new_id(),
                    channel,
                    message.provider_phone_id,
                    message.provider_message_id,
                    message.chat_id,
                    message.kind,
                    message.text,
                    Jsonb(_payload(message)),
                    Jsonb(dict(message.identities)),
                    message.at,
                )
                for message in (sent.message for sent in messages)
            ],
        )
    return await _settle_sent(conn)


# The two kinds of open attempts are asked for one by one, so that each finds its own small index.
_SETTLE_SENT = """
WITH settled AS (
    DELETE FROM unsettled_sent u USING phone_configs p
    WHERE p.process_name = u.channel AND p.provider_phone_id = u.provider_phone_id
      AND (u.created_at < now() - make_interval(secs => %s)
           OR NOT EXISTS (SELECT 1 FROM messages m WHERE m.status = 'sending' AND m.company_id = p.company_id
                          AND m.phone_index = p.phone_index AND m.attempt_at <= u.created_at)
          AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.status = 'unconfirmed' AND NOT m.held
                          AND m.company_id = p.company_id AND m.phone_index = p.phone_index
                          AND m.attempt_at <= u.created_at))
    RETURNING p.company_id, p.phone_index, u.*
)
INSERT INTO messages (id, company_id, phone_index, chat_id, direction, message_type, provider, content, payload,
                      identities, status, external_id, sent_at, elsewhere)
SELECT id, company_id, phone_index, chat_id, 'outbound', message_type, channel, content, payload, identities, 'sent',
       external_id, sent_at, true
FROM settled ORDER BY sent_at, id
ON CONFLICT (company_id, phone_index, direction, external_id) WHERE external_id IS NOT NULL DO NOTHING
"""


async def _settle_sent(conn: AsyncConnection) -> int:
    await conn.execute(
        "DELETE FROM unsettled_sent WHERE created_at < now() - make_interval(secs => %s)", (UNMATCHED_KEPT_S,)
    )
    cursor = await conn.execute(_SETTLE_SENT, (SETTLED_AFTER_S,))
    return cursor.rowcount


# -- changes ----------------------------------------------------------------------------------------------------------
async def apply_changes(conn: AsyncConnection, channel: str, changes: Sequence[Changed]) -> int:
    """Edits, revokes and reacts as the provider says; call within a transaction, after what was received is stored.

    The newest edit and the newest reaction stay, in whatever order they come. Nothing here moves a message's status.

    Returns:
        number of changes whose message was found.
    """
    if not changes:
        return 0
    async with conn.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO unmatched_changes (channel, provider_phone_id, external_id, change, text, by, at) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [
                (channel, c.provider_phone_id, c.provider_message_id, c.change.value, c.text, c.by, c.at)
                for c in changes
            ],
        )
    return await _apply_kept_changes(conn)


_TAKE_CHANGES = """
DELETE FROM unmatched_changes u USING phone_configs p, messages m
WHERE p.process_name = u.channel AND p.provider_phone_id = u.provider_phone_id
  AND m.company_id = p.company_id AND m.phone_index = p.phone_index AND m.external_id = u.external_id
  AND m.direction IN ('inbound', 'outbound')
RETURNING m.id, u.at, u.id, u.change, u.text, u.by
"""

# What took place before what is known changes nothing. Whoever takes a reaction back takes back their own only.
_CHANGES = {
    "edited": """
        UPDATE messages SET content = %(text)s, edited = true, edited_at = %(at)s
        WHERE id = %(id)s AND (edited_at IS NULL OR edited_at <= %(at)s)""",
    "revoked": "UPDATE messages SET revoked_at = coalesce(revoked_at, %(at)s) WHERE id = %(id)s",
    "reaction": """
        UPDATE messages SET reaction = nullif(%(text)s, ''), reaction_timestamp = %(at)s, reaction_by = %(by)s
        WHERE id = %(id)s AND (reaction_timestamp IS NULL OR reaction_timestamp <= %(at)s)
          AND (%(text)s <> '' OR reaction_by IS NULL OR reaction_by = %(by)s)""",
}


async def _apply_kept_changes(conn: AsyncConnection) -> int:
    await conn.execute(
        "DELETE FROM unmatched_changes WHERE created_at < now() - make_interval(secs => %s)", (CHANGES_KEPT_S,)
    )
    found = await (await conn.execute(_TAKE_CHANGES)).fetchall()
    for message_id, at, _, change, text, by in sorted(found):
        await conn.execute(_CHANGES[change], {"id": message_id, "at": at, "text": text, "by": by})
    return len(found)
