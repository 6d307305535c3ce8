"""The loopback channel as the gateway knows it: what a plug-in author copies first.

It reaches nobody: an accepted message is a line in the phone's ledger, a file in var/loopback/. It takes every kind of
chat and of message, so that routing, lanes and faults can be tried out without a provider (see
`plugins.loopback.fault`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bisnes_core.channel import ChannelSpec
from bisnes_core.errors import Permanent
from bisnes_core.message import PAYLOADS, Kind
from bisnes_core.pace import PACE_SCHEMA
from bisnes_core.payload import check_payload
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
        "pace": PACE_SCHEMA,
    },
    "additionalProperties": False,
}


def check(kind: Kind, chat_id: str, payload: Mapping[str, Any]) -> None:
    """Refuses what this channel could never send.

    Raises:
        Unsupported: when it has no such kind.
        Permanent: when a field is missing, has the wrong type, or is too long.
    """
    check_payload(kind, payload)
    if kind is Kind.TEXT and len(payload["text"]) > TEXT_MAX_CHARACTERS:
        raise Permanent("over_limit", f"text must have at most {TEXT_MAX_CHARACTERS} characters")


SPEC: Final = ChannelSpec(
    name="loopback",
    connection_types=("loopback",),
    kinds=frozenset(PAYLOADS),
    config_schema=CONFIG_SCHEMA,
    adapter="plugins.loopback.adapter:LoopbackAdapter",
    check=check,
)
