"""How phones with a session stand (`phone_status`), what people ask of them, and who looks at their QR.

Texts of QRs and pairing codes are secrets: they are in `metadata`, which the next state replaces, and in no log. The
right to open a session is in `db.session_locks`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from psycopg.rows import class_row, dict_row
from psycopg.types.json import Jsonb

from bisnes_core.phone import Lane
from bisnes_core.session import SENDING, Ask, PhoneState, Request, SessionNews
from db.phones import PhoneRow, row_of
from db.pool import AsyncConnection, Connection

#: Somebody who looks at a QR asks for it again well within this.
WATCH_S = 60.0
#: What was asked longer ago is not done any more, since whoever asked has left; a logout is done whenever it can be.
ASK_KEPT_S = 300.0
#: Requests that were taken are kept for whoever waits for their effect.
TAKEN_KEPT_S = 3600.0
#: A phone whose state does not pass by itself is paused for so long: until its session says otherwise.
PAUSE_S = 10 * 365 * 86400.0

#: Reasons of the pauses that a session's state makes.
_REASONS = [state.value for state in PhoneState if state not in SENDING]
#: The legacy server's name for the sentence about a state.
_LEGACY_DETAIL = {PhoneState.ERROR: "error", PhoneState.DISCONNECTED: "reason"}


# -- for the API ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class PhoneStatus:
    """A row of `phone_status`; `metadata` may hold secrets."""

    phone_index: int
    phone_number: str | None
    status: str
    last_seen: datetime | None
    metadata: Mapping[str, Any]
    connection_type: str | None
    build: str | None
    since: datetime | None
    updated_at: datetime

    @property
    def detail(self) -> str:
        """The sentence about the state."""
        return str(self.metadata.get("detail") or "")


_STATUS_COLUMNS = """
    SELECT phone_index::integer AS phone_index, phone_number, status, last_seen, metadata::text AS metadata,
           connection_type, build, since, updated_at
    FROM phone_status"""


def list_statuses(conn: Connection, company_id: str) -> list[PhoneStatus]:
    """What the phones of a company said last, by number."""
    return _statuses(conn, "company_id = %s ORDER BY phone_number", (company_id,))


def find_status(conn: Connection, lane: Lane) -> PhoneStatus | None:
    """What a phone said last."""
    found = _statuses(conn, "company_id = %s AND phone_index = %s", (lane.company_id, str(lane.phone_index)))
    return found[0] if found else None


def _statuses(conn: Connection, where: str, values: Sequence[object]) -> list[PhoneStatus]:
    cursor = conn.cursor(row_factory=dict_row)
    # Legacy rows of one-phone companies may have no number in `phone_index`.
    cursor.execute(f"{_STATUS_COLUMNS} WHERE phone_index ~ '^[0-9]{{1,9}}$' AND {where}".encode(), values)
    return [PhoneStatus(**{**row, "metadata": _metadata(row["metadata"])}) for row in cursor]


def _metadata(text: str | None) -> Mapping[str, Any]:
    try:
        data = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return {}
    return data if isinstance(data, dict) else {}


def ask(conn: Connection, lane: Lane, request: Request) -> int:
    """Asks something of a phone's session; repeating it while nobody took it changes the number only.

    Returns:
        id of the request, for `taken_at`.
    """
    cursor = conn.execute(
        """
        INSERT INTO session_requests AS r (company_id, phone_index, ask, phone_number, asked_at)
        VALUES (%s, %s, %s, %s, clock_timestamp())
        ON CONFLICT (company_id, phone_index, ask) WHERE taken_at IS NULL
        DO UPDATE SET phone_number = excluded.phone_number, asked_at = excluded.asked_at
        RETURNING id
        """,
        (lane.company_id, lane.phone_index, request.ask.value, request.phone_number),
    )
    row = cursor.fetchone()
    assert row is not None  # noqa: S101 - the statement inserts or updates
    return int(row[0])


def watch(conn: Connection, lane: Lane) -> None:
    """Somebody looks at the phone's QR now."""
    conn.execute(
        """
        INSERT INTO phone_sessions (company_id, phone_index, watched_until)
        VALUES (%(company_id)s, %(phone_index)s, now() + make_interval(secs => %(watch_s)s))
        ON CONFLICT (company_id, phone_index) DO UPDATE SET watched_until = excluded.watched_until
        """,
        {"company_id": lane.company_id, "phone_index": lane.phone_index, "watch_s": WATCH_S},
    )


def shown_code(conn: Connection, lane: Lane, request_id: int) -> str | None:
    """The pairing code that answers a request, once the session shows it."""
    cursor = conn.execute(
        """
        SELECT s.metadata::jsonb->>'pairingCode' FROM phone_status s, session_requests r
        WHERE s.company_id = %s AND s.phone_index = %s AND s.status = %s
          AND r.id = %s AND s.updated_at >= r.taken_at
        """,
        (lane.company_id, str(lane.phone_index), PhoneState.PAIRING_CODE.value, request_id),
    )
    row = cursor.fetchone()
    return row[0] if row else None


# -- for the worker ---------------------------------------------------------------------------------------------------
async def phones_of(conn: AsyncConnection, channel: str) -> list[PhoneRow]:
    """Every phone of a channel."""
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute("SELECT * FROM phone_configs WHERE process_name = %s ORDER BY id", (channel,))
        return [row_of(row) for row in await cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A request that no session has taken."""

    id: int
    company_id: str
    phone_index: int
    ask: str
    phone_number: str | None

    @property
    def lane(self) -> Lane:
        """Whose session is asked."""
        return Lane(self.company_id, self.phone_index)

    @property
    def request(self) -> Request:
        """What is asked."""
        return Request(Ask(self.ask), self.phone_number)


async def open_requests(conn: AsyncConnection) -> list[OpenRequest]:
    """What people ask for and nobody took, in their order."""
    async with conn.cursor(row_factory=class_row(OpenRequest)) as cursor:
        await cursor.execute(
            "SELECT id, company_id, phone_index, ask, phone_number FROM session_requests WHERE taken_at IS NULL "
            "AND (ask = %s OR asked_at > now() - make_interval(secs => %s)) ORDER BY asked_at, id",
            (Ask.LOGOUT.value, ASK_KEPT_S),
        )
        return await cursor.fetchall()


async def watched_lanes(conn: AsyncConnection) -> dict[Lane, float]:
    """Phones whose QR somebody looks at, with the seconds for which that counts."""
    cursor = await conn.execute(
        "SELECT company_id, phone_index, extract(epoch FROM watched_until - now())::float8 FROM phone_sessions "
        "WHERE watched_until > now()"
    )
    return {Lane(row[0], row[1]): row[2] for row in await cursor.fetchall()}


async def take_request(conn: AsyncConnection, request_id: int) -> Request | None:
    """Takes a request, as it is now; None when it was taken before."""
    cursor = await conn.execute(
        "UPDATE session_requests SET taken_at = clock_timestamp() WHERE id = %s AND taken_at IS NULL "
        "RETURNING ask, phone_number",
        (request_id,),
    )
    row = await cursor.fetchone()
    return Request(Ask(row[0]), row[1]) if row else None


async def forget_requests(conn: AsyncConnection) -> None:
    """Deletes requests that were taken a while ago, or that nobody took in time."""
    await conn.execute(
        "DELETE FROM session_requests WHERE taken_at < now() - make_interval(secs => %s) "
        "OR (taken_at IS NULL AND ask <> %s AND asked_at < now() - make_interval(secs => %s))",
        (TAKEN_KEPT_S, Ask.LOGOUT.value, ASK_KEPT_S + TAKEN_KEPT_S),
    )


async def newest_heard(conn: AsyncConnection, lane: Lane) -> datetime | None:
    """Instant of the newest message of a phone that was received or sent elsewhere."""
    cursor = await conn.execute(
        "SELECT sent_at FROM messages WHERE company_id = %s AND phone_index = %s AND sent_at <= now() "
        "AND (direction = 'inbound' OR elsewhere) ORDER BY sent_at DESC LIMIT 1",
        (lane.company_id, lane.phone_index),
    )
    row = await cursor.fetchone()
    return row[0] if row else None


#: A pause that a session's state made, or a failed send that met the session in trouble.
_OURS = "(p.pause_reason = ANY(%(reasons)s) OR p.status IN ('auth_required', 'session_lost'))"
_SHOW_PHONE = f"""
UPDATE phone_configs p
SET status = %(status)s::text, display_phone_number = coalesce(%(number)s::text, p.display_phone_number),
    paused_until = CASE
        WHEN %(sends)s::boolean AND {_OURS} THEN NULL
        WHEN %(pauses)s::boolean THEN greatest(p.paused_until, now() + make_interval(secs => %(pause_s)s))
        ELSE p.paused_until END,
    pause_reason = CASE
        WHEN %(sends)s::boolean AND {_OURS} THEN NULL
        WHEN %(pauses)s::boolean OR (NOT %(sends)s::boolean AND {_OURS} AND p.paused_until IS NOT NULL)
            THEN %(status)s::text
        ELSE p.pause_reason END
FROM phone_sessions s
WHERE p.company_id = %(company_id)s AND p.phone_index = %(phone_index)s
  AND s.company_id = p.company_id AND s.phone_index = p.phone_index AND s.fence = %(fence)s
RETURNING p.connection_type, p.process_name, p.display_phone_number
"""  # noqa: S608 - our own words

_SHOW_STATUS = """
INSERT INTO phone_status AS s (company_id, phone_index, phone_number, status, last_seen, metadata, connection_type,
                               process_name, build, since, updated_at)
VALUES (%(company_id)s, %(index)s, %(number)s::text, %(status)s::text, clock_timestamp(), %(metadata)s,
        %(connection_type)s, %(process_name)s, %(build)s, clock_timestamp(), clock_timestamp())
ON CONFLICT (company_id, phone_index) DO UPDATE
SET phone_number = excluded.phone_number, status = excluded.status, last_seen = excluded.last_seen,
    metadata = excluded.metadata, connection_type = excluded.connection_type, process_name = excluded.process_name,
    build = coalesce(excluded.build, s.build), updated_at = excluded.updated_at,
    since = CASE WHEN s.status = excluded.status THEN coalesce(s.since, excluded.since) ELSE excluded.since END
"""


async def show_state(conn: AsyncConnection, lane: Lane, fence: int, news: SessionNews, *, pauses: bool) -> bool:
    """Writes how a phone's session stands; call within a transaction.

    Args:
        conn: an open connection.
        lane: whose session.
        fence: of the holder that says it; an older holder's word is dropped.
        news: replaces what was said before.
        pauses: whether the phone sends nothing from now on. A state in which it sends lifts that again, and what a
            failed send said about the session; pauses of any other reason stay.

    Returns:
        False when the phone is gone or another process holds it.
    """
    values = {
        "company_id": lane.company_id,
        "phone_index": lane.phone_index,
        "fence": fence,
        "status": news.state.value,
        "number": news.phone_number[:50] if news.phone_number else None,  # the columns' width
        "sends": news.state in SENDING,
        "pauses": pauses,
        "pause_s": PAUSE_S,
        "reasons": _REASONS,
    }
    phone = await (await conn.execute(_SHOW_PHONE.encode(), values)).fetchone()
    if phone is None:
        return False
    connection_type, process_name, number = phone
    await conn.execute(
        _SHOW_STATUS,
        {
            **values,
            "index": str(lane.phone_index),
            "number": number or f"phone_{lane.phone_index}",  # the legacy server's placeholder
            "metadata": Jsonb(_metadata_of(news)),
            "connection_type": connection_type,
            "process_name": process_name,
            "build": news.build[:100] if news.build else None,
        },
    )
    return True


def _metadata_of(news: SessionNews) -> dict[str, str]:
    said = {
        "qrCode": news.qr,
        "pairingCode": news.pairing_code,
        "detail": news.detail,
        _LEGACY_DETAIL.get(news.state, "detail"): news.detail,
        "restrictedUntil": news.restricted_until.isoformat() if news.restricted_until else None,
    }
    # PostgreSQL keeps no NUL character.
    return {name: value.replace("\x00", "\ufffd") for name, value in said.items() if value}
