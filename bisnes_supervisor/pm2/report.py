"""What became of each line of an ecosystem file."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """What became of something that the file says, or that PM2 does unasked."""

    MAPPED = "mapped"  #: the same happens
    APPROXIMATED = "approximated"  #: nearly the same happens; the text tells the difference
    NOT_MAPPED = "not mapped"  #: something is missing now
    IGNORED = "ignored"  #: nothing is missing
    ADDED = "added"  #: not in the file


@dataclass(frozen=True)
class Line:
    """One line of the report.

    Attributes:
        app: name of the watcher; empty: the file as a whole.
        option: as the file spells it.
        value: what the file says; None where it says nothing, or where it may be secret.
        outcome: what became of it.
        text: how, or why not.
    """

    app: str
    option: str
    value: Any
    outcome: Outcome
    text: str
