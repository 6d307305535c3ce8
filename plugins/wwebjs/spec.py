"""What the gateway knows of WhatsApp Web's channel without importing its adapter: kinds, limits, configuration, parser.

Imported by the API and by every worker, so it imports nothing but words, rules and a JSON reader: no browser.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bisnes_core.channel import ChannelSpec
from bisnes_core.pace import PACE_SCHEMA, PaceRule
from bisnes_core.retry import RetryRule
from bisnes_core.session import Session
from plugins.wwebjs.check import KINDS, check
from plugins.wwebjs.parse import parse

CONFIG_SCHEMA: Final[Mapping[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Phone at WhatsApp Web",
    "type": "object",
    "properties": {
        "display_phone_number": {"type": "string", "maxLength": 50, "description": "The number as people write it."},
        "pace": PACE_SCHEMA,
        "mark_read_on_send": {
            "type": "boolean",
            "description": "Whether sending into a chat marks what was received there read; default: false.",
        },
    },
    "additionalProperties": False,
}

#: WhatsApp publishes no limits for its web client; these are careful guesses of people who run many such phones: a gap
#: as of a person who types, few first messages a day, and a slow start after pairing. Each phone may override them.
PACE: Final = PaceRule(gap_s=1.0, gap_jitter=0.5, daily_max=1000, new_chats_daily_max=100, warm_up_days=7)

SPEC: Final = ChannelSpec(
    name="wwebjs",
    connection_types=("wwebjs",),
    kinds=KINDS,
    config_schema=CONFIG_SCHEMA,
    adapter="plugins.wwebjs.adapter:WwebjsAdapter",
    check=check,
    session=Session(parse=parse),
    pace=PACE,
    retry=RetryRule(attempts=3, first_s=2.0),
)
