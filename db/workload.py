"""What each channel has to do: its phones and the messages that wait for them."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg.errors import UndefinedTable
from psycopg.rows import class_row

from db.pool import Connection


@dataclass(frozen=True, slots=True)
class Workload:
    """Of one channel; `queued` counts the messages that no worker has claimed, whatever they wait for."""

    channel: str
    phones: int
    queued: int


#: Reads nothing of `messages` but the index of claims, so its cost does not grow with history.
WORKLOAD = """
SELECT p.process_name AS channel, count(*) AS phones, coalesce(sum(q.queued), 0)::bigint AS queued
FROM phone_configs p
LEFT JOIN (SELECT company_id, phone_index, count(*) AS queued FROM messages
           WHERE status = 'queued' GROUP BY company_id, phone_index) q USING (company_id, phone_index)
GROUP BY p.process_name
"""


def workload(conn: Connection) -> dict[str, Workload]:
    """The workload of each channel that has a phone, by channel."""
    cursor = conn.cursor(row_factory=class_row(Workload))
    try:
        cursor.execute(WORKLOAD)
    except UndefinedTable:  # no process has made the schema yet
        return {}
    return {row.channel: row for row in cursor}
