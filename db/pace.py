"""What phones with limits of their own have sent lately, and who wrote to them when (`bisnes_core.pace`).

Each statement reads a few rows through an index, however long the phone's history is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row

from bisnes_core.message import OutboundMessage
from bisnes_core.pace import DAY, Caps, History
from bisnes_core.phone import Lane
from db.pool import AsyncConnection


@dataclass(frozen=True, slots=True)
class PacedPhone:
    """A phone as it is while its messages are weighed."""

    begun_at: datetime
    config: Mapping[str, Any]
    status: str
    configured_at: datetime


async def lock_phone(conn: AsyncConnection, lane: Lane) -> PacedPhone | None:
    """The phone, or None when it was removed; nobody else weighs its messages until the transaction ends."""
    async with conn.cursor(row_factory=class_row(PacedPhone)) as cursor:
        await cursor.execute(
            "SELECT created_at AS begun_at, config, status, updated_at AS configured_at FROM phone_configs "
            "WHERE company_id = %s AND phone_index = %s FOR NO KEY UPDATE",
            (lane.company_id, lane.phone_index),
        )
        return await cursor.fetchone()


# A message that is tried again has a row already, which must not stand in its own way.
_HISTORY = """
SELECT
    (SELECT max(s.at) FROM paced_sends s
     WHERE s.company_id = %(company_id)s AND s.phone_index = %(phone_index)s AND s.message_id <> %(id)s),
    (SELECT s.at FROM paced_sends s
     WHERE %(daily)s::integer > 0 AND s.company_id = %(company_id)s AND s.phone_index = %(phone_index)s
       AND s.message_id <> %(id)s AND s.at > %(since)s
     ORDER BY s.at DESC OFFSET greatest(%(daily)s::integer - 1 - %(daily_ahead)s, 0) LIMIT 1),
    (SELECT s.at FROM paced_sends s
     WHERE %(new_chats)s::integer > 0 AND s.first AND s.company_id = %(company_id)s AND s.phone_index = %(phone_index)s
       AND s.message_id <> %(id)s AND s.at > %(since)s
     ORDER BY s.at DESC OFFSET greatest(%(new_chats)s::integer - 1 - %(new_ahead)s, 0) LIMIT 1),
    (SELECT m.sent_at FROM messages m
     WHERE m.company_id = %(company_id)s AND m.phone_index = %(phone_index)s AND m.chat_id = %(chat_id)s
       AND m.direction = 'inbound'
     ORDER BY m.sent_at DESC NULLS LAST LIMIT 1),
    EXISTS (SELECT FROM paced_sends s
            WHERE s.company_id = %(company_id)s AND s.phone_index = %(phone_index)s AND s.chat_id = %(chat_id)s
              AND s.first AND s.message_id <> %(id)s)
"""


async def load_history(
    conn: AsyncConnection,
    message: OutboundMessage,
    caps: Caps,
    *,
    begun_at: datetime,
    now: datetime,
    restricted: bool,
    daily_ahead: int = 0,
    new_ahead: int = 0,
) -> History:
    """What is known when a message wants to leave.

    Args:
        conn: within a transaction that has locked the phone.
        message: the one that wants to leave.
        caps: the phone's daily limits now.
        begun_at: when the phone was created.
        now: aware UTC.
        restricted: whether the provider restricts the phone.
        daily_ahead, new_ahead: messages that wait for the same room already and are to get it first.
    """
    cursor = await conn.execute(
        _HISTORY,
        {
            "company_id": message.company_id,
            "phone_index": message.phone_index,
            "chat_id": message.chat_id,
            "id": message.id,
            "daily": caps.daily,
            "new_chats": caps.new_chats,
            "daily_ahead": daily_ahead,
            "new_ahead": new_ahead,
            "since": now - DAY,
        },
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - the statement has one row
    last_at, daily_at, new_chat_at, wrote_at, greeted = row
    return History(begun_at, last_at, daily_at, new_chat_at, wrote_at, greeted, restricted)


async def note_send(conn: AsyncConnection, message: OutboundMessage, at: datetime, *, first: bool) -> None:
    """Counts a message that leaves now, and drops what no window reaches any more."""
    values = {
        "company_id": message.company_id,
        "phone_index": message.phone_index,
        "chat_id": message.chat_id,
        "id": message.id,
        "at": at,
        "first": first,
        "since": at - DAY,
    }
    await conn.execute(
        """
        WITH old AS (
            DELETE FROM paced_sends
            WHERE company_id = %(company_id)s AND phone_index = %(phone_index)s AND at < %(since)s AND NOT first
        )
        INSERT INTO paced_sends (message_id, company_id, phone_index, chat_id, at, first)
        VALUES (%(id)s, %(company_id)s, %(phone_index)s, %(chat_id)s, %(at)s, %(first)s)
        ON CONFLICT (message_id) DO UPDATE SET at = excluded.at, first = excluded.first
        """,
        values,
    )
