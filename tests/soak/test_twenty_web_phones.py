"""Twenty WhatsApp Web phones on one machine: memory, CPU, every message, staggered starts, and the API beside them.

`make soak ARGS="-k twenty -s"`; `SOAK_DURATION_S` replaces the ten minutes of traffic. Needs 8 GB of memory.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import psutil
import pytest

from plugins.wwebjs.adapter import starts_at_once
from tests.fixtures.eventually import eventually
from tests.fixtures.gateway import Gateway
from tests.fixtures.load import Load, reckon
from tests.fixtures.paired_phones import PairedPhones, start_paired_phones
from tests.fixtures.services import ROOT
from tests.fixtures.whatsapp_web import WhatsApp
from tests.isolation.traffic import p99
from tests.soak.browsers import Watch, most_at_once, starts

pytestmark = [pytest.mark.soak, pytest.mark.timeout(5400)]

DURATION_S = float(os.environ.get("SOAK_DURATION_S", "600"))
PHONES = range(10, 30)
CORES = os.cpu_count() or 1
#: Twenty browsers take 3.3 GB of the 4G of circus.ini, with nothing to spare. The second is below nine tenths of the
#: first, at which the whole process would be replaced.
LIMIT, MEMORY_TOTAL_BYTES = "8G", 7_000_000_000
#: Messages a second of all phones together, both ways.
RATE_PER_S = 8.0
CHATS_OF_A_PHONE = 5
#: The API is asked for this many messages a second (on a Cloud API phone); without browsers for so long, before and
#: after: what else the machine does drifts.
API_RATE_PER_S, CALM_S = 20.0, 45.0
#: The promised ratio of p99 latencies, and the spread of a p99 between two calm stretches.
RATIO_MAX, NOISE_S = 1.2, 0.02
#: All twenty after the death of their process: its delay (5 s), then as many starts at once as there are cores.
ALL_READY_S = 420.0
SETTLED_S = 120.0
RESULTS = ROOT / "benchmarks" / "results" / "twenty_web_phones.json"
SEED = 20


def raise_limit(home: Path) -> None:
    """Gives the home a circus.ini of its own, as an operator with many phones would."""
    shutil.copytree(ROOT / "circus.d", home / "circus.d")
    text = (ROOT / "circus.ini").read_text()
    raised, times = re.subn(r"(\[watcher:wwebjs\][^\[]*?max_memory_restart = )\w+", rf"\g<1>{LIMIT}", text)
    assert times == 1
    (home / "circus.ini").write_text(raised)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PairedPhones]:
    """A gateway for twenty phones, without one yet."""
    home = tmp_path_factory.mktemp("twenty")
    raise_limit(home)
    with closing(WhatsApp()) as web:
        settings = {"BISNES_WWEBJS_MEMORY_TOTAL_BYTES": str(MEMORY_TOTAL_BYTES)}
        with start_paired_phones(home, web, settings) as made:
            yield made


@dataclass
class Talk:
    """Random messages both ways, in a thread, while the block lasts.

    Attributes:
        sent: texts that the API accepted, with the phone's number and the instant (Unix time).
        written: texts that people wrote to a phone.
    """

    site: PairedPhones
    sent: dict[str, tuple[str, float]] = field(default_factory=dict)
    written: set[str] = field(default_factory=set)
    failure: BaseException | None = None

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Talk:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._over.set()
        self._thread.join(60)
        if kind is None and self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        chance = random.Random(SEED)
        try:
            while not self._over.wait(chance.expovariate(RATE_PER_S)):
                phone = chance.choice(PHONES)
                chat = f"62{phone}{chance.randrange(CHATS_OF_A_PHONE):08d}"
                if chance.random() < 0.5:
                    self._send(phone, chat)
                else:
                    self._write(self.site.numbers[phone], chat)
        except BaseException as failure:  # noqa: BLE001 - carried to the test's thread, raised there
            self.failure = failure

    def _send(self, phone: int, chat: str) -> None:
        text, began_at = f"to {chat} {uuid4().hex}", time.time()
        self.site.gateway.send(text, chat=chat, phone=phone)
        self.sent[text] = (self.site.numbers[phone], began_at)

    def _write(self, number: str, chat: str) -> None:
        text = f"from {chat} {uuid4().hex}"
        self.site.web.write(number, **{"from": chat, "text": text})
        self.written.add(text)

    def arrivals(self) -> dict[str, list[float]]:
        """At which instants each text came to WhatsApp's server as a message of its own."""
        found: dict[str, list[float]] = {}
        for number in self.site.numbers.values():
            for row in self.site.web.ledger(number):
                found.setdefault(row["body"], []).append(float(row["arrivals"][0]["at"]))
        return found

    def stored(self) -> Counter[str]:
        """How often each written text is in the database."""
        rows = self.site.gateway.rows("SELECT content FROM messages WHERE direction = 'inbound'")
        return Counter(str(content) for (content,) in rows)


def pair_all(site: PairedPhones) -> None:
    with ThreadPoolExecutor(CORES) as pool:
        for done in [pool.submit(site.pair, phone) for phone in PHONES]:
            done.result()


def restart_all(site: PairedPhones) -> tuple[float, list[tuple[float, float]]]:
    """Kills the process and waits for every phone; seconds until then, and the spans of the starts."""
    gateway = site.gateway
    died_at = time.time()
    pid = gateway.kill("wwebjs")
    gateway.wait_for_successor("wwebjs", pid, 1, 60)

    def all_ready() -> bool:
        # A session says that it begins before it starts its browser: with all browsers up no state is of before.
        return all(site.states(phone)[-1] == "ready" for phone in PHONES) and len(starts(gateway)) >= len(PHONES)

    eventually(all_ready, ALL_READY_S, "every phone to be ready again")
    return time.time() - died_at, starts(gateway)


def without_browsers(gateway: Gateway) -> list[float]:
    """What `accept_latencies` says of a calm stretch."""
    with Load(gateway, API_RATE_PER_S, CALM_S) as load:
        pass
    return accept_latencies(gateway, load)


def accept_latencies(gateway: Gateway, load: Load) -> list[float]:
    """Seconds to each 202, sorted; nothing of the load is lost or refused."""
    reckoning = reckon(gateway, load, SETTLED_S)
    assert (reckoning.lost, reckoning.repeated, dict(load.retries)) == ([], [], {})
    return sorted(one.latency_s for one in load.accepted)


def test_twenty_phones_share_one_machine(site: PairedPhones, capsys: pytest.CaptureFixture[str]) -> None:
    gateway = site.gateway
    before = without_browsers(gateway)
    pair_all(site)
    ready_s, spans = restart_all(site)

    watch = Watch(gateway)
    with Load(gateway, API_RATE_PER_S, DURATION_S) as load, Talk(site) as talk:
        watch.until(time.monotonic() + DURATION_S)
    beside = accept_latencies(gateway, load)
    eventually(lambda: talk.arrivals().keys() >= talk.sent.keys(), SETTLED_S, "every accepted message at WhatsApp Web")
    eventually(lambda: talk.stored().keys() >= talk.written, SETTLED_S, "every written message in the database")
    arrivals, stored = talk.arrivals(), talk.stored()
    gateway.circus("stop", name="wwebjs", waiting=True)
    calm = sorted(before + without_browsers(gateway))

    report = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cores": CORES, "memory_gb": round(psutil.virtual_memory().total / 2**30)},
        "traffic_s": DURATION_S,
        "phones": len(PHONES),
        "starts": {"all_ready_s": round(ready_s, 1), "at_once_max": most_at_once(spans)},
        "memory_mib": memory_of(watch),
        "cpu_cores": {
            "mean": round(statistics.mean(one.cores for one in watch.samples), 2),
            "max": round(max(one.cores for one in watch.samples), 2),
        },
        "ledger": {
            "sent": len(talk.sent),
            "sent_twice": sum(1 for text in talk.sent if len(arrivals[text]) > 1),
            "written": len(talk.written),
            "stored_twice": sum(1 for text in talk.written if stored[text] > 1),
        },
        "to_whatsapp_ms": spread([arrivals[text][0] - began_at for text, (_, began_at) in talk.sent.items()]),
        "accept_ms": {"calm": spread(calm), "beside_twenty": spread(beside)},
    }
    keep(report)
    with capsys.disabled():
        print(f"\n{orjson.dumps(report, option=orjson.OPT_INDENT_2).decode()}")  # noqa: T201 - what a soak is run for

    assert len(spans) == len(PHONES)
    assert most_at_once(spans) <= starts_at_once(CORES)
    assert {text: times for text, times in arrivals.items() if len(times) != 1} == {}
    assert {text: times for text, times in stored.items() if times != 1} == {}
    assert p99(beside) <= RATIO_MAX * p99(calm) + NOISE_S, (p99(calm), p99(beside))


def memory_of(watch: Watch) -> dict[str, Any]:
    """Over time, whole tree; and what a phone takes at the end."""
    sizes = [round(one.pss_bytes / 2**20) for one in watch.samples]
    last = watch.samples[-1]
    return {
        "tree": sizes,
        "max": max(sizes),
        "worker": round(last.worker_bytes / 2**20),
        "per_phone": round((last.pss_bytes - last.worker_bytes) / 2**20 / len(PHONES)),
        "processes": last.processes,
    }


def spread(seconds: list[float]) -> dict[str, float]:
    """Median and 99th percentile in milliseconds."""
    ordered = sorted(seconds)
    return {"median": round(statistics.median(ordered) * 1000, 1), "p99": round(p99(ordered) * 1000, 1)}


def keep(report: dict[str, Any]) -> None:
    """Adds a run to the results."""
    runs = orjson.loads(RESULTS.read_bytes()) if RESULTS.exists() else []
    RESULTS.write_bytes(orjson.dumps([*runs, report], option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
