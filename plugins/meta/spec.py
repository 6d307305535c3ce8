"""What the gateway knows of Meta's channel without importing its adapter: kinds, limits, configuration, webhook.

Imported by the API and by every worker, so it imports nothing but words, rules and a JSON reader.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from bisnes_core.channel import ChannelSpec, Webhook
from bisnes_core.errors import Permanent, Unsupported
from bisnes_core.message import Kind
from bisnes_core.payload import check_payload
from bisnes_core.retry import RetryRule
from bisnes_core.routing import PERSON, chat_kind
from plugins.meta import webhook

#: Longest text body, in characters. Source: Meta, messages/send-messages, read 2026-09-11.
TEXT_MAX_CHARACTERS: Final = 4096
#: Kinds that are built.
KINDS: Final = frozenset({Kind.TEXT, Kind.REACTION, Kind.READ})
#: Meta's message ids: opaque, at least up to 128 characters; the bound only keeps nonsense out.
MESSAGE_ID: Final = re.compile(r"wamid\.[A-Za-z0-9+/=_-]{4,512}")

#: Connection types that speak to 360dialog; the legacy server called it `official`.
DIALOG360: Final = frozenset({"360dialog", "official"})

CONFIG_SCHEMA: Final[Mapping[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Phone at Meta's Cloud API",
    "type": "object",
    "properties": {
        "phone_number_id": {
            "type": "string",
            "pattern": "^[0-9]{5,32}$",
            "description": "Meta's id of the number (not the number itself); incoming webhooks are routed by it.",
        },
        "waba_id": {
            "type": "string",
            "pattern": "^[0-9]{5,32}$",
            "description": "WhatsApp Business Account that owns the number.",
        },
        "display_phone_number": {"type": "string", "maxLength": 50, "description": "The number as people write it."},
        "access_token": {
            "type": "string",
            "minLength": 1,
            "maxLength": 2048,
            "x-secret": True,
            "description": "Bearer token of a system user (meta_direct) or of the customer's business (meta_embedded).",
        },
        "app_secret": {
            "type": "string",
            "minLength": 1,
            "maxLength": 256,
            "x-secret": True,
            "description": "Signs this number's webhooks when it belongs to another app than the installation's. "
            "360dialog: the platform secret.",
        },
        "api_key": {
            "type": "string",
            "minLength": 1,
            "maxLength": 512,
            "x-secret": True,
            "description": "360dialog's.",
        },
        "base_url": {
            "type": "string",
            "pattern": "^https://[^\\s/?#@]+(/[^\\s?#]*)?$",
            "maxLength": 512,
            "description": "Another address of the same API, such as a proxy of yours; the token is sent there.",
        },
        "graph_version": {
            "type": "string",
            "pattern": "^v[0-9]{1,3}\\.[0-9]{1,2}$",
            "description": "Graph version of this number; default: the installation's.",
        },
    },
    "additionalProperties": False,
    "oneOf": [
        {"required": ["phone_number_id", "access_token"], "not": {"required": ["api_key"]}},
        {"required": ["api_key"], "not": {"required": ["access_token"]}},
    ],
}


def check(kind: Kind, chat_id: str, payload: Mapping[str, Any]) -> None:
    """Refuses what Meta would refuse, before it is queued.

    Raises:
        Unsupported: when Meta has no such kind or chat.
        Permanent: when the payload breaks one of Meta's limits.
    """
    if kind not in KINDS:
        raise Unsupported("unsupported_kind", f"{kind} cannot be sent through Meta's Cloud API yet")
    if chat_kind(chat_id) not in (PERSON, "user"):
        raise Unsupported(
            "unsupported_chat", "Meta's Cloud API reaches people by phone number or business-scoped user id"
        )
    check_payload(kind, payload)
    text = payload.get("text", "")
    if len(text) > TEXT_MAX_CHARACTERS:
        raise Permanent("over_limit", f"text has {len(text)} characters; Meta takes {TEXT_MAX_CHARACTERS}")
    for name in ("reply_to", "message_id"):
        if payload.get(name) is not None and not MESSAGE_ID.fullmatch(payload[name]):
            raise Permanent("invalid_field", f"{name} must be Meta's id of a message, such as wamid.HBgL…")


SPEC: Final = ChannelSpec(
    name="meta",
    connection_types=("meta_direct", "meta_embedded", "360dialog", "official"),
    kinds=KINDS,
    config_schema=CONFIG_SCHEMA,
    adapter="plugins.meta.adapter:MetaAdapter",
    check=check,
    provider_phone_id="phone_number_id",
    webhook=Webhook(
        challenge=webhook.challenge,
        verify=webhook.verify,
        parse=webhook.parse,
        secret_setting="meta_app_secret",
        token_setting="meta_webhook_verify_token",
    ),
    retry=RetryRule(attempts=3, first_s=1.0),
)
