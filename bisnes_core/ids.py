"""Identifiers of ours: UUIDv7, so that ids sort by time and indexes grow at one end."""

from __future__ import annotations

import secrets
from uuid import UUID

import uuid_utils


def new_id() -> UUID:
    """A new UUIDv7 (RFC 9562)."""
    return UUID(bytes=uuid_utils.uuid7().bytes)


def parse_id(text: str) -> UUID | None:
    """The UUID written as `text`, or None when it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None


def new_api_key() -> str:
    """A new bearer key: 256 random bits behind a prefix that secret scanners can recognise."""
    return f"bisnes_{secrets.token_urlsafe(32)}"
