"""What waits never starves what sends: a hanging provider and two hundred waiting callers cost only their company."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from dataclasses import dataclass

import aiohttp
import pytest

from tests.fixtures.eventually import eventually
from tests.fixtures.gateway import PHONE_NUMBER_ID, Gateway
from tests.fixtures.load import ledger

pytestmark = pytest.mark.alone

CALLERS = 200
SINGLES = 40
#: A single send beside the waiting callers against one without them; two cores serve the callers' requests as well.
RATIO_MAX = 4.0
#: Below this a ratio says nothing on a noisy machine.
NOISE_S = 0.03


@dataclass(frozen=True)
class Timed:
    """One single send: seconds to its 202, and to its arrival at the provider."""

    accepted_s: float
    arrived_s: float


def other_company(gateway: Gateway) -> tuple[str, str]:
    """A second company with a phone of its own; answers its name and key."""
    company = f"beta{time.monotonic_ns()}"
    key = str(json.loads(gateway.cli("keys", "create", company, "--json").stdout)["key"])
    config = {"phone_number_id": str(time.monotonic_ns()), "waba_id": "300000000000042", "access_token": "EAAtests"}
    answer = gateway.http.post(
        f"{gateway.base_url}/api/v2/phones/{company}",
        json={"phoneIndex": 0, "connectionType": "meta_direct", "config": config},
        headers={"Authorization": f"Bearer {key}"},
    )
    assert answer.status_code == 201, answer.text
    return company, key


async def send_singles(gateway: Gateway, company: str, key: str) -> list[Timed]:
    """Single messages one after another; arrivals are read from the ledger's own clock."""
    sent: dict[str, tuple[float, float]] = {}
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session:
        for number in range(SINGLES):
            url = f"{gateway.base_url}/api/v2/messages/text/{company}/64{number:09d}"
            began, began_at = time.monotonic(), time.time()
            async with session.post(url, json={"message": "single"}) as answer:
                assert answer.status == 202, await answer.text()
                sent[(await answer.json())["messageId"]] = (time.monotonic() - began, began_at)
            await asyncio.sleep(0.05)
    arrived = await asyncio.to_thread(eventually, lambda: arrivals(gateway, set(sent)), 20, "all single messages")
    return [Timed(accepted_s, arrived[key] - began_at) for key, (accepted_s, began_at) in sent.items()]


def arrivals(gateway: Gateway, ids: set[str]) -> dict[str, float]:
    found = {
        str(entry["biz_opaque_callback_data"]): float(entry["at"])
        for entry in ledger(gateway)
        if entry["biz_opaque_callback_data"] in ids
    }
    return found if found.keys() == ids else {}


async def singles_beside_waiting_callers(gateway: Gateway, company: str, key: str) -> tuple[list[Timed], list[int]]:
    headers = {"Authorization": f"Bearer {gateway.key}", "Prefer": "wait=30"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:

        async def call(number: int) -> int:
            url = f"{gateway.base_url}/api/v2/messages/text/acme/65{number:09d}"
            async with session.post(url, json={"message": "waits"}) as answer:
                await answer.read()
                return answer.status

        callers = [asyncio.create_task(call(number)) for number in range(CALLERS)]
        await asyncio.sleep(1)  # let them all arrive; what they do afterwards is wait
        assert any(not caller.done() for caller in callers), "some callers must be waiting"
        singles = await send_singles(gateway, company, key)
        assert any(not caller.done() for caller in callers), "they must wait beside all the single sends"
        return singles, list(await asyncio.gather(*callers))


def test_waiting_callers_of_a_hanging_phone_leave_other_companies_their_latency(gateway: Gateway) -> None:
    company, key = other_company(gateway)
    asyncio.run(send_singles(gateway, company, key))  # opens connections, fills caches
    alone = asyncio.run(send_singles(gateway, company, key))
    gateway.simulator("POST", "faults", {"phone": PHONE_NUMBER_ID, "effect": {"hang_before_s": 30}})
    beside, statuses = asyncio.run(singles_beside_waiting_callers(gateway, company, key))
    assert set(statuses) == {202}, "nobody's message left within its wait, nobody was refused"
    for measure in ("accepted_s", "arrived_s"):
        before = statistics.median(getattr(one, measure) for one in alone)
        during = statistics.median(getattr(one, measure) for one in beside)
        assert during <= max(RATIO_MAX * before, NOISE_S), (measure, before, during)
