"""The loopback channel as the gateway knows it: what a plug-in author copies first.

It reaches nobody: an accepted message is a line in the phone's ledger, a file in var/loopback/. It takes every kind of
chat, so that routing, lanes and faults can be tried out without a provider (`plugins.loopback.fault` says how).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bisnes_core.channel import ChannelSpec
from bisnes_core.errors import Permanent, Unsupported
from bisnes_core.message import Kind
from plugins.loopback.fault import Fault

#: Longest text, in characters; as Meta's, so that a text that fits one channel fits the other.
TEXT_MAX_CHARACTERS: Final = 4096

CONFIG_SCHEMA: Final[Mapping[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Loopback phone",
    "type": "object",
    "properties": {
        "fault": {
            "enum": [fault.value for fault in Fault],
            "description": "What happens to every message that does not name a fault of its own; default: accept.",
        },
        "fault_s": {
            "type": "number",
            "minimum": 0,
            "maximum": 3600,
            "description": "Seconds of that fault: of a stall, of a pause.",
        },
        "fault_times": {
            "type": "integer",
            "minimum": 1,
            "description": "How often that fault strikes each message before it is accepted; default: always.",
        },
    },
    "additionalProperties": False,
}

#: Fields that must be strings, per kind.
_STRINGS: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.TEXT: ("text",),
    Kind.REACTION: ("message_id", "emoji"),
    Kind.READ: ("message_id",),
}


def check(kind: Kind, chat_id: str, payload: Mapping[str, Any]) -> None:
    """Refuses what this channel could never send.

    Raises:
        Unsupported: when it has no such kind.
        Permanent: when a field is missing, has the wrong type, or is too long.
    """
    if kind not in _STRINGS:
        raise Unsupported("unsupported_kind", f"{kind} cannot be sent through loopback")
    for name in _STRINGS[kind]:
        if not isinstance(payload.get(name), str):
            raise Permanent("invalid_field", f"{name} must be a string")
    if kind is Kind.TEXT and not 1 <= len(payload["text"]) <= TEXT_MAX_CHARACTERS:
        raise Permanent("over_limit", f"text must have 1 to {TEXT_MAX_CHARACTERS} characters")


SPEC: Final = ChannelSpec(
    name="loopback",
    connection_types=("loopback",),
    kinds=frozenset(_STRINGS),
    config_schema=CONFIG_SCHEMA,
    adapter="plugins.loopback.adapter:LoopbackAdapter",
    check=check,
)
