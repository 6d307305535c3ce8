"""What the simulator accepted, in order: the truth that tests compare a database with."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

#: Upper bound of one page: keeps an answer below some ten megabytes even with bodies.
PAGE_MAX = 20_000


class Entry(NamedTuple):
    """One accepted message. ``at`` is Unix time in seconds, ``to`` the recipient's digits, user id or group id."""

    seq: int
    at: float
    phone_number_id: str
    to: str
    type: str
    biz_opaque_callback_data: str | None
    wamid: str
    body: bytes | None


class Ledger:
    """An append-only list; ``seq`` starts at 1 and has no gaps."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.callbacks: dict[str, int] = {}
        self.wamids: set[str] = set()
        self.marks: list[dict[str, Any]] = []

    def append(
        self, at: float, phone_id: str, to: str, kind: str, callback: str | None, wamid: str, body: bytes | None
    ) -> None:
        """Record an accepted message."""
        self.entries.append(Entry(len(self.entries) + 1, at, phone_id, to, kind, callback, wamid, body))
        self.wamids.add(wamid)
        if callback is not None:
            self.callbacks[callback] = self.callbacks.get(callback, 0) + 1

    def page(self, after: int, limit: int, phone: str | None, *, bodies: bool) -> bytes:
        """Return entries with ``seq`` above ``after`` as JSON, and the ``after`` of the next page."""
        rows: list[dict[str, Any]] = []
        last = after
        limit = min(limit, PAGE_MAX)
        for entry in self.entries[max(after, 0) :]:
            if len(rows) == limit:
                break
            last = entry.seq
            if phone is None or entry.phone_number_id == phone:
                rows.append(_row(entry, bodies))
        return orjson.dumps({"entries": rows, "next_after": last, "count": len(self.entries)})

    def summary(self) -> dict[str, Any]:
        """Return counts and the callback ids that were accepted more than once."""
        duplicates = {key: times for key, times in self.callbacks.items() if times > 1}
        by_phone: dict[str, int] = {}
        for entry in self.entries:
            by_phone[entry.phone_number_id] = by_phone.get(entry.phone_number_id, 0) + 1
        return {
            "count": len(self.entries),
            "distinct_callback_ids": len(self.callbacks),
            "without_callback_id": len(self.entries) - sum(self.callbacks.values()),
            "duplicates": [{"biz_opaque_callback_data": key, "times": times} for key, times in duplicates.items()],
            "by_phone": by_phone,
        }

    def clear(self) -> None:
        """Forget everything; ``seq`` starts at 1 again."""
        self.__init__()  # type: ignore[misc]  # the empty state is what the constructor makes


def _row(entry: Entry, bodies: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "seq": entry.seq,
        "at": entry.at,
        "phone_number_id": entry.phone_number_id,
        "to": entry.to,
        "type": entry.type,
        "biz_opaque_callback_data": entry.biz_opaque_callback_data,
        "wamid": entry.wamid,
    }
    if bodies and entry.body is not None:
        row["body"] = orjson.Fragment(entry.body)
    return row
