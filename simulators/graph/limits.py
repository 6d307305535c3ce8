"""Meta's buckets: throughput of a number (130429) and the pair limit (131056)."""

from __future__ import annotations

from time import monotonic

from simulators.graph.errors import GraphError
from simulators.graph.settings import Settings

#: The pair bucket: so many at once, then one per this time.
#: Source: developers.facebook.com/docs/whatsapp/cloud-api/overview (pair rate limits), read 2026-09.
PAIR_BURST = 45
PAIR_REFILL_S = 6.0


class Bucket:
    """A token bucket that starts full."""

    __slots__ = ("at", "tokens")

    def __init__(self, capacity: float) -> None:
        self.tokens = capacity
        self.at = monotonic()

    def take(self, capacity: float, refill_per_s: float) -> bool:
        """Take one token if there is one."""
        now = monotonic()
        self.tokens = min(capacity, self.tokens + (now - self.at) * refill_per_s)
        self.at = now
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True


class Limits:
    """All buckets."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._phones: dict[str, Bucket] = {}
        self._pairs: dict[tuple[str, str], Bucket] = {}

    def check(self, phone_id: str, to: str) -> None:
        """Count one message to ``to``.

        Raises:
            GraphError: 130429 or 131056 when a bucket is empty.
        """
        settings = self._settings
        if settings.rate_per_s and not self._phone(phone_id).take(settings.rate_per_s, settings.rate_per_s):
            raise GraphError(130429)
        if settings.pair_limit:
            pair = self._pairs.setdefault((phone_id, to), Bucket(PAIR_BURST))
            if not pair.take(PAIR_BURST, 1.0 / max(PAIR_REFILL_S * settings.pair_scale, 1e-6)):
                raise GraphError(131056)

    def count_inbound(self, phone_id: str) -> None:
        """Inbound messages use up throughput too."""
        if self._settings.rate_per_s:
            self._phone(phone_id).take(self._settings.rate_per_s, self._settings.rate_per_s)

    def clear(self) -> None:
        """Fill all buckets."""
        self._phones.clear()
        self._pairs.clear()

    def _phone(self, phone_id: str) -> Bucket:
        found = self._phones.get(phone_id)
        if found is None:
            found = self._phones[phone_id] = Bucket(self._settings.rate_per_s)
        return found
