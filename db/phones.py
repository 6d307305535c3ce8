"""Phones: the senders of a company, with their channel's configuration.

Fields that the legacy table has a column for stay in that column (legacy-compat §10.2), the others in `config`; secret
ones are sealed in either place. Callers see one configuration and one set of secrets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg.errors import UniqueViolation
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

from bisnes_core.errors import Scope
from bisnes_core.phone import Lane, OnUnconfirmed, Phone
from bisnes_core.retry import Pause
from bisnes_core.sealing import Sealer
from db.pool import AsyncConnection, Connection

#: Configuration field -> legacy column; the last two are sealed.
LEGACY_CONFIG = {"phone_number_id": "meta_phone_number_id", "waba_id": "meta_waba_id"}
LEGACY_SECRETS = {"access_token": "meta_access_token_encrypted", "api_key": "api_key_encrypted"}


class PhoneExists(ValueError):
    """The company has a phone of that index, or another phone has the same name at the provider."""


@dataclass(frozen=True, slots=True)
class PhoneRow:
    """A phone as stored; `sealed` maps secret field names to their sealed form."""

    company_id: str
    phone_index: int
    connection_type: str
    channel: str
    status: str
    display_phone_number: str | None
    on_unconfirmed: OnUnconfirmed
    paused_until: datetime | None
    pause_reason: str | None
    config: Mapping[str, Any]
    sealed: Mapping[str, str] = field(repr=False)
    configured_at: datetime

    def opened(self, sealer: Sealer | None) -> Phone:
        """The phone as its channel sees it, secrets opened.

        Raises:
            bisnes_core.sealing.BadSeal: when there are secrets that the key does not open.
        """
        secrets = {name: sealer.open(text) for name, text in self.sealed.items()} if sealer else {}
        return Phone(self.company_id, self.phone_index, self.connection_type, self.config, secrets, self.on_unconfirmed)


@dataclass(frozen=True, slots=True)
class NewPhone:
    """A phone to be created; `secrets` are plain and sealed here, `status` is where it begins."""

    company_id: str
    phone_index: int
    connection_type: str
    channel: str
    config: Mapping[str, Any]
    secrets: Mapping[str, str] = field(repr=False)
    provider_phone_id: str | None
    on_unconfirmed: OnUnconfirmed = OnUnconfirmed.RESEND
    display_phone_number: str | None = None
    status: str = "ready"


def row_of(row: DictRow) -> PhoneRow:
    """A phone from its row of `phone_configs`."""
    legacy_config = {name: row[column] for name, column in LEGACY_CONFIG.items() if row[column] is not None}
    legacy_sealed = {name: row[column] for name, column in LEGACY_SECRETS.items() if row[column] is not None}
    return PhoneRow(
        company_id=row["company_id"],
        phone_index=row["phone_index"],
        connection_type=row["connection_type"],
        channel=row["process_name"],
        status=row["status"],
        display_phone_number=row["display_phone_number"],
        on_unconfirmed=OnUnconfirmed(row["on_unconfirmed"]),
        paused_until=row["paused_until"],
        pause_reason=row["pause_reason"],
        config={**row["config"], **legacy_config},
        sealed={**row["secrets"], **legacy_sealed},
        configured_at=row["updated_at"],
    )


def _columns(phone: NewPhone, sealer: Sealer | None) -> dict[str, Any]:
    if phone.secrets and sealer is None:
        raise ValueError("ENCRYPTION_KEY is not set; a phone's secrets cannot be stored without it")
    sealed = {name: sealer.seal(secret) for name, secret in phone.secrets.items()} if sealer else {}
    legacy = {column: phone.config.get(name) for name, column in LEGACY_CONFIG.items()}
    legacy |= {column: sealed.get(name) for name, column in LEGACY_SECRETS.items()}
    return {
        "company_id": phone.company_id,
        "phone_index": phone.phone_index,
        "connection_type": phone.connection_type,
        "process_name": phone.channel,
        "display_phone_number": phone.display_phone_number,
        "status": phone.status,
        "provider_phone_id": phone.provider_phone_id,
        "on_unconfirmed": phone.on_unconfirmed.value,
        "config": Jsonb({name: value for name, value in phone.config.items() if name not in LEGACY_CONFIG}),
        "secrets": Jsonb({name: text for name, text in sealed.items() if name not in LEGACY_SECRETS}),
        **legacy,
    }


_CREATE = """
INSERT INTO phone_configs (company_id, phone_index, connection_type, process_name, display_phone_number,
    status, provider_phone_id, on_unconfirmed, config, secrets, meta_phone_number_id, meta_waba_id,
    meta_access_token_encrypted, api_key_encrypted)
VALUES (%(company_id)s, %(phone_index)s, %(connection_type)s, %(process_name)s, %(display_phone_number)s,
    %(status)s, %(provider_phone_id)s, %(on_unconfirmed)s, %(config)s, %(secrets)s, %(meta_phone_number_id)s,
    %(meta_waba_id)s, %(meta_access_token_encrypted)s, %(api_key_encrypted)s)
ON CONFLICT DO NOTHING
"""

_UPDATE = """
UPDATE phone_configs SET connection_type = %(connection_type)s, process_name = %(process_name)s,
    display_phone_number = %(display_phone_number)s, provider_phone_id = %(provider_phone_id)s,
    on_unconfirmed = %(on_unconfirmed)s, config = %(config)s, secrets = %(secrets)s,
    meta_phone_number_id = %(meta_phone_number_id)s, meta_waba_id = %(meta_waba_id)s,
    meta_access_token_encrypted = %(meta_access_token_encrypted)s, api_key_encrypted = %(api_key_encrypted)s,
    status = %(status)s, paused_until = NULL, pause_reason = NULL, updated_at = now()
WHERE company_id = %(company_id)s AND phone_index = %(phone_index)s
"""


def create_phone(conn: Connection, phone: NewPhone, sealer: Sealer | None) -> None:
    """Creates a phone.

    Raises:
        PhoneExists: when index or provider name are taken.
    """
    if conn.execute(_CREATE, _columns(phone, sealer)).rowcount == 0:
        raise PhoneExists(f"phone {phone.phone_index} of {phone.company_id}, or its number at the provider, is taken")


def update_phone(conn: Connection, phone: NewPhone, sealer: Sealer | None) -> bool:
    """Replaces a phone's configuration and lifts its pauses; False when there is no such phone.

    Raises:
        PhoneExists: when another phone has the same name at the provider; the transaction is then over.
    """
    try:
        changed = conn.execute(_UPDATE, _columns(phone, sealer)).rowcount == 1
    except UniqueViolation as error:
        raise PhoneExists(f"the number at the provider of phone {phone.phone_index} belongs to another") from error
    # Limits of its own may have changed: what they hold is weighed anew.
    conn.execute(
        "UPDATE messages SET due_at = now() WHERE company_id = %s AND phone_index = %s AND status = 'queued' "
        "AND due_at > now() AND error_code LIKE 'paced:%%'",
        (phone.company_id, phone.phone_index),
    )
    return changed


def find_phone(conn: Connection, lane: Lane) -> PhoneRow | None:
    """One phone."""
    cursor = conn.cursor(row_factory=dict_row)
    cursor.execute(
        "SELECT * FROM phone_configs WHERE company_id = %s AND phone_index = %s", (lane.company_id, lane.phone_index)
    )
    row = cursor.fetchone()
    return row_of(row) if row else None


def list_phones(conn: Connection, company_id: str) -> list[PhoneRow]:
    """A company's phones by index."""
    cursor = conn.cursor(row_factory=dict_row)
    cursor.execute("SELECT * FROM phone_configs WHERE company_id = %s ORDER BY phone_index", (company_id,))
    return [row_of(row) for row in cursor]


def delete_phone(conn: Connection, lane: Lane) -> bool:
    """Removes a phone and ends its unsent messages with a reason; call within a transaction. False when unknown."""
    gone = conn.execute(
        "DELETE FROM phone_configs WHERE company_id = %s AND phone_index = %s", (lane.company_id, lane.phone_index)
    )
    conn.execute(
        "DELETE FROM phone_status WHERE company_id = %s AND phone_index = %s", (lane.company_id, str(lane.phone_index))
    )
    conn.execute(
        "DELETE FROM session_requests WHERE company_id = %s AND phone_index = %s", (lane.company_id, lane.phone_index)
    )
    conn.execute(
        "UPDATE messages SET status = 'failed', failed_at = now(), error_code = 'phone_removed', "
        "error = 'The phone was removed before the message was sent.' "
        "WHERE company_id = %s AND phone_index = %s AND status IN ('queued', 'scheduled')",
        (lane.company_id, lane.phone_index),
    )
    return gone.rowcount == 1


_CONFIGURED_CHANNELS = "SELECT DISTINCT process_name FROM phone_configs ORDER BY process_name"


def configured_channels(conn: Connection) -> list[str]:
    """Channels that have phones."""
    return [row[0] for row in conn.execute(_CONFIGURED_CHANNELS)]


async def configured_channels_async(conn: AsyncConnection) -> list[str]:
    """As `configured_channels`, for workers."""
    cursor = await conn.execute(_CONFIGURED_CHANNELS)
    return [row[0] async for row in cursor]


def sealed_app_secrets(conn: Connection, channel: str) -> list[str]:
    """Sealed `app_secret`s that phones of a channel bring themselves, each once."""
    rows = conn.execute(
        "SELECT DISTINCT secrets->>'app_secret' FROM phone_configs WHERE process_name = %s AND secrets ? 'app_secret'",
        (channel,),
    )
    return [row[0] for row in rows]


async def load_phone(conn: AsyncConnection, lane: Lane) -> PhoneRow | None:
    """One phone, for a worker."""
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            "SELECT * FROM phone_configs WHERE company_id = %s AND phone_index = %s",
            (lane.company_id, lane.phone_index),
        )
        row = await cursor.fetchone()
    return row_of(row) if row else None


async def pause_phone(conn: AsyncConnection, lane: Lane, pause: Pause, configured_at: datetime) -> None:
    """Pauses a phone, or every phone of its account (same company and WABA) when the pause says so.

    Args:
        conn: an open connection.
        lane: whose phone.
        pause: scope, end and reason.
        configured_at: of the configuration that met the trouble; a phone that was configured anew since is not paused.
    """
    await conn.execute(
        """
        UPDATE phone_configs p
        SET paused_until = greatest(p.paused_until, %(until)s), pause_reason = %(reason)s,
            status = coalesce(%(status)s, p.status)
        FROM phone_configs mine
        WHERE mine.company_id = %(company_id)s AND mine.phone_index = %(phone_index)s
          AND mine.updated_at = %(configured_at)s
          AND (p.id = mine.id OR (%(whole_account)s AND p.process_name = mine.process_name
                                  AND p.company_id = mine.company_id AND p.meta_waba_id = mine.meta_waba_id))
        """,
        {
            "until": pause.until,
            "reason": pause.reason,
            "status": pause.phone_status,
            "company_id": lane.company_id,
            "phone_index": lane.phone_index,
            "whole_account": pause.scope is Scope.APP,
            "configured_at": configured_at,
        },
    )


async def phone_ready(conn: AsyncConnection, lane: Lane) -> None:
    """A phone that had stopped sends again."""
    await conn.execute(
        "UPDATE phone_configs SET status = 'ready', paused_until = NULL, pause_reason = NULL "
        "WHERE company_id = %s AND phone_index = %s AND status <> 'ready'",
        (lane.company_id, lane.phone_index),
    )
