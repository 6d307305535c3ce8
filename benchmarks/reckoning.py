"""Accepted messages against the simulator's ledger, from outside: lost, repeated, out of order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from benchmarks.client import Answer


@dataclass(frozen=True)
class Reckoning:
    """What must be zero.

    Attributes:
        lost: accepted messages that are not in the ledger.
        repeated: accepted messages that are in it more than once.
        out_of_order: messages that left before one of the same chat that had been answered before they were posted.
    """

    lost: int
    repeated: int
    out_of_order: int

    @property
    def clean(self) -> bool:
        """Whether all is well."""
        return not (self.lost or self.repeated or self.out_of_order)


def reckon(answers: Iterable[Answer], chats: list[str], ledger_ids: list[str]) -> Reckoning:
    """Compares; `ledger_ids` are our message ids in the order in which the simulator took them."""
    accepted = [answer for answer in answers if answer.message_id]
    times = Counter(ledger_ids)
    place = {message_id: n for n, message_id in reversed(list(enumerate(ledger_ids)))}
    by_chat: dict[str, list[Answer]] = {}
    for answer in accepted:
        if answer.message_id in place:
            by_chat.setdefault(chats[answer.number], []).append(answer)
    return Reckoning(
        lost=sum(not times[answer.message_id] for answer in accepted),
        repeated=sum(times[answer.message_id] > 1 for answer in accepted),
        out_of_order=sum(_overtaken(chat, place) for chat in by_chat.values()),
    )


def _overtaken(chat: list[Answer], place: Mapping[str, int]) -> int:
    """How many messages of a chat left although an earlier one had not."""
    chat = sorted(chat, key=lambda answer: place[answer.message_id], reverse=True)
    wrong, earliest_answer_behind = 0, float("inf")
    for answer in chat:  # from the last in the ledger to the first
        wrong += earliest_answer_behind < answer.written_at
        earliest_answer_behind = min(earliest_answer_behind, answer.answered_at)
    return wrong
