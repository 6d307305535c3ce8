"""Answers of the database that may be a few seconds old, so that the hot path asks it only to store."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

#: Entries kept; past it all are forgotten, which costs one look-up each. Far above the phones and keys of one gateway.
ENTRIES_MAX = 20_000


class Fresh(Generic[K, V]):
    """Remembers what `look_up` found, for `age_s` seconds; what it did not find is looked up again each time.

    Safe to use from several threads: two may look up the same key at once, none sees half an entry.
    """

    def __init__(self, look_up: Callable[[K], V | None], age_s: float) -> None:
        self._look_up = look_up
        self._age_s = age_s
        self._entries: dict[K, tuple[float, V]] = {}

    def get(self, key: K) -> V | None:
        """The value of a key, at most `age_s` old."""
        entry = self._entries.get(key)
        now = time.monotonic()
        if entry is not None and entry[0] > now:
            return entry[1]
        value = self._look_up(key)
        if value is None:
            self._entries.pop(key, None)
            return None
        if len(self._entries) >= ENTRIES_MAX:
            self._entries.clear()
        self._entries[key] = (now + self._age_s, value)
        return value

    def forget(self, key: K) -> None:
        """Drops a key, after a change made in this process."""
        self._entries.pop(key, None)
