"""API keys: stored hashed, shown once, each belonging to one company."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from bisnes_core.ids import new_api_key, new_id
from db.pool import Connection

#: What a key may do; `admin` includes the others.
SCOPES = ("send", "read", "phones", "admin")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret."""

    id: UUID
    company_id: str
    name: str
    key_hint: str
    scopes: Sequence[str]
    created_at: datetime
    revoked_at: datetime | None

    def allows(self, scope: str) -> bool:
        """Whether the key may do what `scope` names."""
        return scope in self.scopes or "admin" in self.scopes


_CREATE = """
INSERT INTO api_keys (id, company_id, name, key_hash, key_hint, scopes) VALUES (%s, %s, %s, %s, %s, %s)
RETURNING id, company_id, name, key_hint, scopes, created_at, revoked_at
"""
_FIND = """
SELECT id, company_id, name, key_hint, scopes, created_at, revoked_at FROM api_keys
WHERE key_hash = %s AND revoked_at IS NULL
"""
_LIST = """
SELECT id, company_id, name, key_hint, scopes, created_at, revoked_at FROM api_keys
WHERE company_id = %s ORDER BY created_at
"""


def hash_key(key: str) -> bytes:
    """SHA-256; enough for a key of 256 random bits."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def create_key(conn: Connection, company_id: str, scopes: Sequence[str], name: str = "") -> tuple[str, ApiKey]:
    """Creates a key; the text is returned this once and stored nowhere.

    Raises:
        ValueError: for a scope that does not exist.
    """
    if unknown := set(scopes) - set(SCOPES):
        raise ValueError(f"no such scope: {', '.join(sorted(unknown))}; there are {', '.join(SCOPES)}")
    key = new_api_key()
    cursor = conn.cursor(row_factory=class_row(ApiKey))
    cursor.execute(
        _CREATE,
        (new_id(), company_id, name, hash_key(key), key[-4:], list(scopes)),
    )
    created = cursor.fetchone()
    if created is None:
        raise RuntimeError("INSERT … RETURNING gave no row")
    return key, created


def find_key(conn: Connection, key: str) -> ApiKey | None:
    """The key that a request brought, unless it is unknown or revoked."""
    cursor = conn.cursor(row_factory=class_row(ApiKey))
    cursor.execute(_FIND, (hash_key(key),))
    return cursor.fetchone()


def list_keys(conn: Connection, company_id: str) -> list[ApiKey]:
    """A company's keys, revoked ones included."""
    cursor = conn.cursor(row_factory=class_row(ApiKey))
    cursor.execute(_LIST, (company_id,))
    return cursor.fetchall()


def revoke_key(conn: Connection, company_id: str, key_id: UUID) -> bool:
    """Revokes a key; False when there is no such key in force."""
    return (
        conn.execute(
            "UPDATE api_keys SET revoked_at = now() WHERE id = %s AND company_id = %s AND revoked_at IS NULL",
            (key_id, company_id),
        ).rowcount
        == 1
    )
