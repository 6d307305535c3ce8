"""All parts of one simulator, put together."""

from __future__ import annotations

from collections import deque
from random import Random
from time import process_time
from typing import Any

from simulators.graph.faults import Faults
from simulators.graph.ledger import Ledger
from simulators.graph.limits import Limits
from simulators.graph.media import MediaStore
from simulators.graph.receipts import Receipts
from simulators.graph.registry import Callback, Registry
from simulators.graph.send import Sending
from simulators.graph.settings import Settings
from simulators.graph.webhooks import WebhookSender

#: So many of the latest answer times make up median and p99.
TIMES_KEPT = 20_000


class Simulation:
    """The state of the simulated world and the parts that act on it."""

    def __init__(self, settings: Settings, *, webhook_url: str, app_secret: str, verify_token: str, seed: int) -> None:
        self.settings = settings
        self.app_secret = app_secret
        self.verify_token = verify_token
        self.registry = Registry()
        self.ledger = Ledger()
        self.faults = Faults(seed)
        self.limits = Limits(settings)
        self.media = MediaStore()
        random = Random(seed + 1)
        self.sender = WebhookSender(settings, Callback(webhook_url), app_secret, verify_token, random)
        self.receipts = Receipts(settings, self.registry, self.sender, random)
        self.sending = Sending(self)
        self.inbound_ids: set[str] = set()
        self.times: deque[float] = deque(maxlen=TIMES_KEPT)

    def reset(self) -> None:
        """Forget messages, faults, media and planned statuses; keep numbers, templates and settings."""
        self.ledger.clear()
        self.faults.clear()
        self.limits.clear()
        self.media.clear()
        self.receipts.clear()
        self.inbound_ids.clear()
        self.times.clear()
        for phone in self.registry.phones.values():
            phone.windows.clear()

    def stats(self) -> dict[str, Any]:
        """Return counters and times."""
        times = sorted(self.times)
        return {
            "sends": len(self.ledger.entries),
            "cpu_s": process_time(),
            "statuses_emitted": self.receipts.emitted,
            "statuses_waiting": self.receipts.waiting,
            "webhooks_delivered": self.sender.delivered,
            "webhooks_refused": self.sender.refused,
            "webhooks_pending_redelivery": self.sender.pending_redelivery,
            "webhooks_in_flight": self.sender.in_flight,
            "last_refusal": self.sender.last_refusal,
            "answer_median_s": times[len(times) // 2] if times else None,
            "answer_p99_s": times[int(len(times) * 0.99)] if times else None,
        }
