"""A phone: one sender of one company, served by one channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class OnUnconfirmed(StrEnum):
    """What happens to a message of which nobody can tell whether it left."""

    RESEND = "resend"  # after a grace time it is sent again: never lost, perhaps twice
    HOLD = "hold"  # it waits, visible, for a person: never twice, perhaps late


@dataclass(frozen=True, slots=True)
class Lane:
    """The order of work of one phone; tickets, leases and turns are per lane."""

    company_id: str
    phone_index: int

    def __str__(self) -> str:
        return f"{self.company_id}-{self.phone_index}"


@dataclass(frozen=True, slots=True)
class Phone:
    """A configured phone as its channel sees it.

    Attributes:
        connection_type: word of the legacy server (`meta_direct`, `360dialog`, …); names the channel.
        config: the channel's configuration, validated against its JSON Schema.
        secrets: the `x-secret` part of it, decrypted; never logged, never answered.
    """

    company_id: str
    phone_index: int
    connection_type: str
    config: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    on_unconfirmed: OnUnconfirmed = OnUnconfirmed.RESEND

    @property
    def lane(self) -> Lane:
        """The lane of this phone."""
        return Lane(self.company_id, self.phone_index)
