"""Nothing waits where it may starve others: waiting callers, idle connections, slow bodies."""

from __future__ import annotations

import asyncio
import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack

import aiohttp
import httpx
import pytest

from tests.fixtures.api import Api, Company, running_api
from tests.fixtures.stores import Stores

pytestmark = pytest.mark.alone

WAITING = 200
PROBES = 100


@pytest.fixture(scope="module")
def pair(stores: Stores) -> Iterator[Api]:
    """Two API processes on one socket, as in circus.ini."""
    with running_api(stores.settings, processes=2) as running:
        yield running


async def latencies_s(session: aiohttp.ClientSession, company: Company) -> list[float]:
    """Latency of single plain sends, one after the other."""
    taken = []
    for number in range(PROBES):
        began = time.perf_counter()
        async with send(session, company, str(number)) as answer:
            assert answer.status == 202
        taken.append(time.perf_counter() - began)
    return taken


def send(
    session: aiohttp.ClientSession, company: Company, text: str, wait_s: int = 0
) -> aiohttp.client._RequestContextManager:
    headers = {"Authorization": f"Bearer {company.key}"} | ({"Prefer": f"wait={wait_s}"} if wait_s else {})
    url = f"{company.api.url}/api/v2/messages/text/{company.id}/60123456789"
    return session.post(url, json={"message": text}, headers=headers)


async def compare(pair: Api) -> tuple[list[float], list[float], int]:
    """Latency without and with callers of another company that wait, and how many of those were sent off at once."""
    waiting, sending = pair.company(), pair.company()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as crowd, aiohttp.ClientSession() as session:
        alone = await latencies_s(session, sending)
        dismissed = 0
        all_dismissed = asyncio.Event()

        async def wait() -> None:
            nonlocal dismissed
            async with send(crowd, waiting, "stalled", wait_s=30) as answer:
                dismissed += answer.status == 202
                if dismissed == WAITING - 12:
                    all_dismissed.set()

        callers = [asyncio.create_task(wait()) for _ in range(WAITING)]
        async with asyncio.timeout(10):
            await all_dismissed.wait()
        beside = await latencies_s(session, sending)
        sent_off = dismissed
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
        return alone, beside, sent_off


def test_waiting_callers_leave_the_latency_of_another_company_as_it_is(pair: Api) -> None:
    alone, beside, sent_off = asyncio.run(compare(pair))
    # One company's share of two processes is 2 x 6 places; the others had their 202 at once.
    assert sent_off == WAITING - 12
    report = f"alone {describe(alone)}, beside {WAITING} waiting callers {describe(beside)}"
    assert statistics.median(beside) < 2 * statistics.median(alone) + 0.005, report
    assert quantile(beside) < 2 * quantile(alone) + 0.05, report


def describe(latencies: list[float]) -> str:
    return f"{statistics.median(latencies) * 1000:.1f} ms (p95 {quantile(latencies) * 1000:.1f} ms)"


def quantile(latencies: list[float]) -> float:
    return statistics.quantiles(latencies, n=20)[-1]


def test_silent_connections_and_slow_bodies_take_no_thread_for_long(api: Api) -> None:
    company = api.company()
    with ExitStack() as stack:
        for number in range(100):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", int(api.url.rsplit(":", 1)[1]))))
            if number >= 90:
                sock.sendall(b"POST /webhooks/meta HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        answers = [httpx.get(api.url + "/health/live", timeout=2).status_code for _ in range(5)]
        assert answers == [200] * 5
        assert company.send().status_code == 202
