"""One entry of `statuses`: later news of a message that we sent.

Source: Meta, webhooks/reference/messages/status, read 2026-09-11.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

from bisnes_core.channel import Ignored, Parsed, Receipt
from bisnes_core.ids import parse_id
from bisnes_core.status import Status
from plugins.meta.fields import optional_text, provider_phone_id, required_instant, required_text

#: Meta's words for what we keep; it also knew `deleted` and `warning`, which say nothing about delivery.
STATUSES: Final = MappingProxyType(
    {
        "sent": Status.SENT,
        "delivered": Status.DELIVERED,
        "read": Status.READ,
        "played": Status.PLAYED,
        "failed": Status.FAILED,
    }
)


def read_status(value: dict[str, Any], item: dict[str, Any]) -> Parsed:
    """The receipt in a status item.

    Raises:
        ValueError: when the item has not the promised form.
    """
    status = STATUSES.get(required_text(item, "status"))
    if status is None:
        return Ignored("unknown_status")
    code, error = _failure(item) if status is Status.FAILED else (None, None)
    return Receipt(
        provider_phone_id=provider_phone_id(value),
        provider_message_id=required_text(item, "id"),
        message_id=_our_id(item),
        status=status,
        at=required_instant(item),
        error_code=code,
        error=error,
    )


def _our_id(item: dict[str, Any]) -> str | None:
    """Our message id, if the opaque string that came back is one; other senders of the same number use their own."""
    token = optional_text(item, "biz_opaque_callback_data")
    found = parse_id(token) if token else None
    return str(found) if found else None


def _failure(item: dict[str, Any]) -> tuple[str, str]:
    """Code and sentence of the first error; a failure without one is still a failure."""
    errors = item.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    data = first.get("error_data")
    details = optional_text(data, "details") if isinstance(data, dict) else optional_text(first, "error_data")
    title = optional_text(first, "message") or optional_text(first, "title")
    sentence = ": ".join(dict.fromkeys(filter(None, (title, details)))) or "Meta gave no reason"
    return f"meta:{optional_text(first, 'code') or 'failed'}", sentence
