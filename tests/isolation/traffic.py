"""A steady load on Cloud API and WhatsApp Web phones together, and what became of it at the two providers."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from tests.fixtures.eventually import eventually
from tests.fixtures.gateway import COMPANY, Gateway
from tests.fixtures.load import ledger as graph_ledger
from tests.fixtures.whatsapp_web import WhatsApp

#: Messages a second of each Cloud API phone and of each WhatsApp Web phone.
META_RATE_PER_S, WWEBJS_RATE_PER_S = 20.0, 1.0


@dataclass(frozen=True)
class Accepted:
    """One accepted message; `began_at` is the instant (Unix time) at which its request began."""

    message_id: str
    phone: int
    text: str
    began_at: float


@dataclass
class Stream:
    """Messages of one phone at a fixed rate, in a thread; each chat gets the next one in turn."""

    gateway: Gateway
    phone: int
    rate_per_s: float
    accepted: list[Accepted] = field(default_factory=list)
    failure: BaseException | None = None

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Stream:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._over.set()
        self._thread.join(20)
        if kind is None and self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        begin, place = time.monotonic(), 0
        try:
            with httpx.Client(headers={"Authorization": f"Bearer {self.gateway.key}"}, timeout=10) as http:
                while not self._over.wait(max(0.0, begin + place / self.rate_per_s - time.monotonic())):
                    self.accepted.append(self._send(http, place))
                    place += 1
        except BaseException as failure:  # noqa: BLE001 - carried to the test's thread, raised there
            self.failure = failure

    def _send(self, http: httpx.Client, place: int) -> Accepted:
        chat, text = f"6{self.phone}{place % 20:09d}", f"phone {self.phone} {uuid4().hex}"
        began_at = time.time()
        answer = http.post(
            f"{self.gateway.base_url}/api/v2/messages/text/{COMPANY}/{chat}",
            json={"message": text, "phoneIndex": self.phone},
        )
        assert answer.status_code == 202, answer.text
        return Accepted(answer.json()["messageId"], self.phone, text, began_at)


def meta_latencies(gateway: Gateway, accepted: list[Accepted]) -> list[float]:
    """Seconds from the begin of the request to the arrival at the Graph simulator, sorted; waits for all."""
    ids = {one.message_id for one in accepted}

    def arrivals() -> dict[str, float] | None:
        rows = graph_ledger(gateway)
        found = {row["biz_opaque_callback_data"]: float(row["at"]) for row in rows}
        return found if found.keys() >= ids else None

    found = eventually(arrivals, 20, "every message at the Cloud API")
    assert found is not None
    return sorted(found[one.message_id] - one.began_at for one in accepted)


def web_arrivals(web: WhatsApp) -> dict[str, list[dict[str, Any]]]:
    """What the simulated WhatsApp Web got, by text."""
    by_text: dict[str, list[dict[str, Any]]] = {}
    for row in web.call("GET", "/ledger")["messages"]:
        by_text.setdefault(row["body"], []).append(row)
    return by_text


def web_latencies(web: WhatsApp, accepted: list[Accepted], deadline_s: float) -> list[float]:
    """As `meta_latencies`, of messages of WhatsApp Web phones."""

    def arrivals() -> dict[str, float] | None:
        by_text = web_arrivals(web)
        found = {text: float(rows[0]["arrivals"][0]["at"]) for text, rows in by_text.items() if rows[0]["arrivals"]}
        return found if found.keys() >= {one.text for one in accepted} else None

    found = eventually(arrivals, deadline_s, "every message at WhatsApp Web")
    assert found is not None
    return sorted(found[one.text] - one.began_at for one in accepted)


def assert_nothing_lost_or_doubled(gateway: Gateway, web: WhatsApp, accepted: list[Accepted]) -> None:
    """Every accepted message is at its provider, as one message."""
    meta = Counter(row["biz_opaque_callback_data"] for row in graph_ledger(gateway))
    texts = web_arrivals(web)
    times = {one.text: len(texts.get(one.text, ())) or meta[one.message_id] for one in accepted}
    assert {text: found for text, found in times.items() if found != 1} == {}


def p99(values: list[float]) -> float:
    """The 99th percentile of sorted values."""
    return values[min(len(values) - 1, int(len(values) * 0.99))]
