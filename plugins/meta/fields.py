"""Fields of Meta's webhook items, read strictly: what has not the promised form raises `ValueError` with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def required_text(item: Mapping[str, Any], name: str) -> str:
    """A string that must be there and not be empty. Numbers are taken as their digits: Meta's examples mix both."""
    text = optional_text(item, name)
    if not text:
        raise ValueError(f"{name} is missing or no string")
    return text


def optional_text(item: Mapping[str, Any], name: str) -> str | None:
    """A string, or None when there is none."""
    value = item.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None


def required_instant(item: Mapping[str, Any], name: str = "timestamp") -> datetime:
    """Unix seconds, written as a string, as an aware instant."""
    digits = required_text(item, name)
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError(f"{name} {digits[:40]!r} is no number of seconds")
    return datetime.fromtimestamp(int(digits), UTC)


def provider_phone_id(value: Mapping[str, Any]) -> str:
    """Meta's id of our number, by which the item is routed."""
    metadata = value.get("metadata")
    if not isinstance(metadata, dict):
        raise ValueError("metadata is missing: nobody knows whose item this is")
    return required_text(metadata, "phone_number_id")
