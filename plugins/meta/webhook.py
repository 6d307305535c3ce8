"""Meta's webhooks, from raw bytes to receipts and inbound messages (reference: Meta, webhooks, read 2026-09-11).

Pure functions: the API verifies and stores, the events worker parses. One bad item never costs its siblings: it comes
out as `Quarantined`. Single items are read by `plugins.meta.inbound` and `plugins.meta.receipt`.
"""

from __future__ import annotations

import hmac
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from bisnes_core.channel import Ignored, Parsed, Quarantined, WebhookRequest
from plugins.meta.inbound import read_message
from plugins.meta.receipt import read_status

#: A challenge is a short number; a longer one is nobody's but a prankster's, and it would be echoed.
CHALLENGE_MAX_CHARACTERS: Final = 200
#: Characters of an unreadable body that are kept with the reason; the whole is in the raw event.
EXCERPT_MAX_CHARACTERS: Final = 500
#: Levels of a body; Meta's deepest has about 15, and JSON writers give up at a few hundred.
LEVELS_MAX: Final = 100
#: Whole numbers as every JSON writer takes them; longer ones are kept as their digits.
INTEGER_MAX_BITS: Final = 63

#: Meta's signature header and 360dialog's, which is the same digest with the platform's secret.
#: Source: 360dialog, signature-validation, read 2026-09-11; whether it carries the prefix is not said.
_SIGNATURES: Final = (
    ("x-hub-signature-256", re.compile(r"sha256=([0-9a-f]{64})")),
    ("x-360dialog-signature", re.compile(r"(?:sha256=)?([0-9a-f]{64})")),
)

#: Fields of Meta's webhooks that need no action yet; the words of `Ignored` come from here, so that they stay few.
FIELDS_IGNORED: Final = frozenset(
    {
        "smb_message_echoes",
        "history",
        "smb_app_state_sync",
        "account_update",
        "account_review_update",
        "account_alerts",
        "business_capability_update",
        "security",
        "phone_number_quality_update",
        "phone_number_name_update",
        "message_template_status_update",
        "message_template_quality_update",
        "message_template_components_update",
        "template_category_update",
        "user_preferences",
        "user_id_update",
        "group_lifecycle_update",
        "group_participants_update",
        "group_settings_update",
        "group_status_update",
        "calls",
        "flows",
        "messaging_handovers",
        "standby",
        "automatic_events",
        "payment_configuration_update",
        "partner_solutions",
    }
)

#: What a reader may raise on data that has not the promised form.
_UNREADABLE: Final = (ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError)


# -- is it Meta? -----------------------------------------------------------------------------------------------------
def challenge(request: WebhookRequest, tokens: Sequence[str]) -> str | None:
    """The text to echo to Meta's verification request, or None to refuse it."""
    text = request.query.get("hub.challenge")
    if request.query.get("hub.mode") != "subscribe" or not text or len(text) > CHALLENGE_MAX_CHARACTERS:
        return None
    given = _bytes(request.query.get("hub.verify_token", ""))
    known = [hmac.compare_digest(_bytes(token), given) for token in tokens if token]
    return text if any(known) else None


def verify(request: WebhookRequest, secrets: Sequence[str]) -> bool:
    """Whether one of the secrets signed exactly these bytes. Without secrets nothing is authentic."""
    given = _signature(request.headers)
    if given is None:
        return False
    known = [
        hmac.compare_digest(hmac.digest(_bytes(secret), request.body, "sha256").hex(), given)
        for secret in secrets
        if secret  # an empty key is known to everybody
    ]
    return any(known)


def _signature(headers: Mapping[str, str]) -> str | None:
    """The hex digest of the first signature header, or None when there is none of the right form."""
    for name, form in _SIGNATURES:
        value = headers.get(name)
        if value is not None:
            found = form.fullmatch(value)
            return found[1] if found else None
    return None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


# -- what does it say? -----------------------------------------------------------------------------------------------
def parse(body: bytes) -> list[Parsed]:
    """Everything in an authentic body; an item that is not understood comes out as `Quarantined`."""
    try:
        data = _load(body)
    except (RecursionError, ValueError) as error:
        return [Quarantined(f"not JSON: {error}", _excerpt(body))]
    if body.count(b"[") + body.count(b"{") > LEVELS_MAX and _nested_deeper(data, LEVELS_MAX):
        return [Quarantined(f"more than {LEVELS_MAX} levels", _excerpt(body))]
    return list(_read_body(data)) or [Ignored("empty")]


def _excerpt(body: bytes) -> str:
    return body[:EXCERPT_MAX_CHARACTERS].decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


def _load(body: bytes) -> Any:
    """The JSON value, without what PostgreSQL cannot store: half surrogate pairs and NUL."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        # An emoji that Meta cut in two: valid JSON to most readers, refused by orjson.
        return _storable(json.loads(body))
    return _storable(data) if b"\\u0000" in body else data


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is no JSON number")
    if isinstance(value, int) and value.bit_length() > INTEGER_MAX_BITS:
        return str(value)
    return value


def _nested_deeper(value: Any, levels: int) -> bool:
    """Whether a JSON value has more levels; without recursion, since that is what depth breaks."""
    level = [value]
    for _ in range(levels):
        nodes = (node.values() if isinstance(node, dict) else node if isinstance(node, list) else () for node in level)
        level = [child for children in nodes for child in children]
        if not level:
            return False
    return True


def _read_body(data: Any) -> Iterator[Parsed]:
    """Meta's form has entries with changes; 360dialog also sends the value of a change by itself."""
    if not isinstance(data, dict):
        yield Quarantined("no object", data)
    elif "entry" in data:
        for entry in _objects(data, "entry"):
            yield from [entry] if isinstance(entry, Quarantined) else _read_entry(entry)
    elif data.keys() & {"messages", "statuses", "errors"}:
        yield from _read_value(data)
    elif data.get("event") in ("channel_created", "channel_updated"):
        yield Ignored("dialog360_channel_event")
    else:
        yield Quarantined("neither entries nor messages nor statuses", data)


def _read_entry(entry: dict[str, Any]) -> Iterator[Parsed]:
    if "changes" not in entry:
        yield Quarantined("entry without changes", entry)
    for change in _objects(entry, "changes"):
        if isinstance(change, Quarantined):
            yield change
        else:
            yield from _read_change(change)


def _read_change(change: dict[str, Any]) -> Iterator[Parsed]:
    field, value = change.get("field", "messages"), change.get("value")
    if field != "messages":
        yield Ignored(field if isinstance(field, str) and field in FIELDS_IGNORED else "unknown_field")
    elif isinstance(value, dict):
        yield from _read_value(value)
    else:
        yield Quarantined("change without value", change)


def _read_value(value: dict[str, Any]) -> Iterator[Parsed]:
    """Items of one number."""
    for message in _objects(value, "messages"):
        yield _read(read_message, value, message)
    for status in _objects(value, "statuses"):
        yield _read(read_status, value, status)
    if value.get("errors"):
        yield Ignored("account_errors")


def _read(reader: Callable[[dict[str, Any], dict[str, Any]], Parsed], value: dict[str, Any], item: Any) -> Parsed:
    """One item; whatever is wrong with it stays with it."""
    if isinstance(item, Quarantined):
        return item
    try:
        return reader(value, item)
    except _UNREADABLE as error:
        kept = {"metadata": value.get("metadata"), "item": item}
        return Quarantined(f"{type(error).__name__}: {error}", kept)


def _objects(parent: dict[str, Any], name: str) -> Iterator[dict[str, Any] | Quarantined]:
    """The objects of a list; whatever else is there comes out quarantined."""
    children = parent.get(name)
    if children is None:
        return
    if not isinstance(children, list):
        yield Quarantined(f"{name} is no list", children)
        return
    for child in children:
        yield child if isinstance(child, dict) else Quarantined(f"{name} holds something that is no object", child)
