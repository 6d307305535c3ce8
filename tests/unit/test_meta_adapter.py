"""Meta's adapter against a provider that misbehaves on demand: what was sent, what may have been, what was not."""

from __future__ import annotations

import asyncio
import inspect
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import client

from bisnes_core.channel import Evidence, NotSent, Sent, StillUnknown
from bisnes_core.errors import AuthRequired, Permanent, RateLimited, Retryable, SendError, UnknownOutcome
from bisnes_core.message import Kind, OutboundMessage
from bisnes_core.phone import Phone
from bisnes_core.settings import Settings
from plugins.meta.adapter import MetaAdapter
from tests.fixtures.meta import PHONE_NUMBER_ID, WAMID, meta_phone, outbound
from tests.fixtures.provider import CLOSE, HANG, RESET, Call, Provider, accepted, http, provider

Answer = Callable[[Call], bytes]


@asynccontextmanager
async def meta(answer: Answer = accepted, **settings: Any) -> AsyncIterator[tuple[MetaAdapter, Provider]]:
    """A started adapter and the provider it speaks to."""
    async with provider(answer) as there:
        adapter = MetaAdapter(adapter_settings(there.url, **settings))
        await adapter.start()
        try:
            yield adapter, there
        finally:
            await adapter.stop()


def adapter_settings(url: str, **settings: Any) -> Settings:
    return Settings(meta_graph_url=url, meta_360dialog_url=f"{url}/d360", home=Path("/nowhere"), **settings)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 20))


def send_once(
    answer: Answer, message: OutboundMessage | None = None, **settings: Any
) -> tuple[Sent | SendError, Provider]:
    """One send; what came of it, and the provider with its calls."""

    async def scenario() -> tuple[Sent | SendError, Provider]:
        async with meta(answer, **settings) as (adapter, there):
            try:
                return await adapter.send(meta_phone(), message or outbound()), there
            except SendError as error:
                return error, there

    return asyncio.run(asyncio.wait_for(scenario(), 20))


# -- where to, and with what -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("phone", "line", "header"),
    [
        (
            meta_phone("meta_direct"),
            f"POST /v25.0/{PHONE_NUMBER_ID}/messages HTTP/1.1",
            ("authorization", "Bearer EAAmadeup"),
        ),
        (meta_phone("meta_embedded", graph_version="v26.0"), f"POST /v26.0/{PHONE_NUMBER_ID}/messages HTTP/1.1", None),
        (meta_phone("360dialog"), "POST /d360/messages HTTP/1.1", ("d360-api-key", "made-up-key")),
        (meta_phone("official"), "POST /d360/messages HTTP/1.1", ("d360-api-key", "made-up-key")),
    ],
)
def test_every_connection_type_has_its_address_and_header(
    phone: Phone, line: str, header: tuple[str, str] | None
) -> None:
    async def scenario() -> None:
        async with meta() as (adapter, there):
            message = outbound()
            assert await adapter.send(phone, message) == Sent(f"wamid.{message.id}")
        [call] = there.calls
        assert call.line == line
        assert call.headers["content-type"] == "application/json"
        assert ("authorization" in call.headers) != ("d360-api-key" in call.headers)
        if header:
            assert call.headers[header[0]] == header[1]
        assert call.json()["biz_opaque_callback_data"] == str(message.id)

    run(scenario)


@pytest.mark.parametrize("connection_type", ["meta_direct", "360dialog"])
def test_a_phones_own_address_wins(connection_type: str) -> None:
    async def scenario() -> None:
        async with meta() as (adapter, usual), provider() as own:
            await adapter.send(meta_phone(connection_type, base_url=f"{own.url}/proxy/"), outbound())
            assert not usual.calls
            assert own.calls[0].line.startswith("POST /proxy/")
            assert "//" not in own.calls[0].line

    run(scenario)


@pytest.mark.parametrize(
    "phone",
    [
        Phone("42", 0, "meta_direct", {"phone_number_id": "1"}, {}),
        Phone("42", 0, "meta_direct", {}, {"access_token": "x"}),
        Phone("42", 0, "360dialog", {}, {"access_token": "x"}),
        Phone("42", 0, "meta_direct", {"phone_number_id": "1"}, {"access_token": "x\r\nHost: elsewhere"}),
        meta_phone(base_url="https://host:99999"),
        meta_phone(base_url="no address"),
        meta_phone(base_url="ftp://host"),
    ],
)
def test_a_phone_that_cannot_work_stops_and_keeps_its_queue(phone: Phone) -> None:
    async def scenario() -> None:
        async with meta() as (adapter, there):
            with pytest.raises(AuthRequired) as refused:
                await adapter.send(phone, outbound())
            assert refused.value.code == "meta:config"
            assert not there.calls

    run(scenario)


# -- accepted ----------------------------------------------------------------------------------------------------------
def test_read_mark_has_no_id() -> None:
    sent, _ = send_once(accepted, outbound(Kind.READ, message_id=WAMID))
    assert sent == Sent(None)


def test_acceptance_keeps_the_canonical_number_and_what_holds_it_back() -> None:
    body = {
        "contacts": [{"input": "+5511999999999", "wa_id": "551199999999"}],
        "messages": [{"id": WAMID, "message_status": "held_for_quality_assessment"}],
    }
    sent, _ = send_once(lambda call: http(200, body))
    assert sent == Sent(WAMID, {"wa_id": "551199999999", "message_status": "held_for_quality_assessment"})


def test_connections_are_kept_and_shared() -> None:
    async def scenario() -> None:
        async with meta() as (adapter, there):
            for _ in range(5):
                await adapter.send(meta_phone(), outbound())
            assert there.connections == 1
            messages = [outbound() for _ in range(50)]
            sent = await asyncio.gather(*(adapter.send(meta_phone(), message) for message in messages))
            assert [one.provider_message_id for one in sent] == [f"wamid.{message.id}" for message in messages]

    run(scenario)


# -- refused, or nobody knows ------------------------------------------------------------------------------------------
ERROR = {"error": {"message": "(#131026) no", "code": 131026, "fbtrace_id": "A"}}
HTML = b"<html>Sorry, something went wrong</html>"


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (http(400, ERROR), Permanent, "meta:131026"),
        (http(200, ERROR), Permanent, "meta:131026"),
        (http(500, {"error": {"code": 2}}), Retryable, "meta:2"),
        (http(429, HTML), RateLimited, "meta:http_429"),
        (http(401, {"error": {"code": 190}}), AuthRequired, "meta:190"),
        (http(502, HTML), UnknownOutcome, "meta:http_502"),
        (http(200, HTML), UnknownOutcome, "meta:http_200"),
        (http(200, {"messages": []}), UnknownOutcome, "meta:http_200"),
        (http(200, {"messages": [{"id": ""}]}), UnknownOutcome, "meta:http_200"),
        (http(200, {"success": True}), UnknownOutcome, "meta:http_200"),
        (RESET, UnknownOutcome, "meta:no_answer"),
        (CLOSE, UnknownOutcome, "meta:no_answer"),
        (b"rubbish\r\n\r\n", UnknownOutcome, "meta:no_answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{", UnknownOutcome, "meta:no_answer"),
    ],
)
def test_every_answer_has_its_meaning(answer: bytes, kind: type[SendError], code: str) -> None:
    def cut(call: Call) -> bytes:
        return answer

    error, there = send_once(cut, deliver_timeout_s=1.0)
    assert type(error) is kind
    assert error.code == code
    assert len(there.calls) == 1, "a POST is never repeated by the HTTP library"


def test_silence_ends_at_the_deadline_and_is_an_unknown_outcome() -> None:
    error, _ = send_once(lambda call: HANG, deliver_timeout_s=0.3)
    assert isinstance(error, UnknownOutcome)


@pytest.mark.parametrize("answer", [RESET, CLOSE, http(502, HTML)])
def test_read_mark_may_be_repeated_when_nobody_knows(answer: bytes) -> None:
    error, _ = send_once(lambda call: answer, outbound(Kind.READ, message_id=WAMID))
    assert isinstance(error, Retryable)


def test_a_kept_connection_that_dies_under_the_request_is_not_used_to_send_twice() -> None:
    async def scenario() -> None:
        async with meta() as (adapter, there):
            await adapter.send(meta_phone(), outbound())
            there.answer = lambda call: CLOSE
            with pytest.raises(UnknownOutcome):
                await adapter.send(meta_phone(), outbound())
            assert len(there.calls) == 2
            there.answer = accepted
            await adapter.send(meta_phone(), outbound())

    run(scenario)


def test_the_http_library_repeats_idempotent_methods_only() -> None:
    assert "POST" not in client.IDEMPOTENT_METHODS
    assert "method in IDEMPOTENT_METHODS" in inspect.getsource(aiohttp.ClientSession._request)


def test_nothing_left_when_no_connection_stood() -> None:
    async def scenario() -> None:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
            adapter = MetaAdapter(adapter_settings(f"http://127.0.0.1:{nobody.getsockname()[1]}"))
            await adapter.start()
            with pytest.raises(Retryable) as refused:
                await adapter.send(meta_phone(), outbound())
            assert refused.value.code == "meta:unreachable"
            await adapter.stop()

    # A name that nobody knows fails the same way; asking for one would leave the machine.
    assert issubclass(aiohttp.ClientConnectorDNSError, aiohttp.ClientConnectorError)

    run(scenario)


def test_nothing_left_when_tls_fails() -> None:
    async def scenario() -> None:
        async with meta() as (adapter, there):
            with pytest.raises(Retryable):
                await adapter.send(meta_phone(base_url=there.url.replace("http:", "https:")), outbound())
            assert not there.calls

    run(scenario)


def test_nothing_left_when_the_connection_takes_too_long() -> None:
    async def scenario() -> None:
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            address = full.getsockname()
            with socket.socket() as first, socket.socket() as second:
                for filler in (first, second):  # the backlog is full: the next one is not answered at all
                    filler.setblocking(False)
                    filler.connect_ex(address)
                adapter = MetaAdapter(adapter_settings(f"http://127.0.0.1:{address[1]}", deliver_timeout_s=0.6))
                await adapter.start()
                with pytest.raises(Retryable):
                    await adapter.send(meta_phone(), outbound())
                await adapter.stop()

    run(scenario)


def test_the_token_follows_no_redirect() -> None:
    async def scenario() -> None:
        async with provider() as elsewhere, meta(lambda call: http(307, Location=elsewhere.url)) as (adapter, there):
            with pytest.raises(AuthRequired):
                await adapter.send(meta_phone(), outbound())
            assert len(there.calls) == 1
            assert not elsewhere.calls

    run(scenario)


def test_no_cookie_is_kept() -> None:
    async def scenario() -> None:
        async with meta(lambda call: accepted(call).replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b\r\n\r\n", 1)) as (
            adapter,
            there,
        ):
            for _ in range(2):
                await adapter.send(meta_phone(), outbound())
            assert all("cookie" not in call.headers for call in there.calls)

    run(scenario)


def test_sends_need_a_started_adapter() -> None:
    async def scenario() -> None:
        adapter = MetaAdapter(adapter_settings("http://127.0.0.1:9"))
        with pytest.raises(Retryable):
            await adapter.send(meta_phone(), outbound())
        assert not (await adapter.health()).ok
        await adapter.stop()

    run(scenario)


# -- health ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("status", [200, 400, 404, 500])
def test_any_answer_means_that_the_provider_is_there(status: int) -> None:
    async def scenario() -> None:
        async with meta(lambda call: http(status)) as (adapter, there):
            assert (await adapter.health()).ok
            [call] = there.calls
            assert call.line.startswith("GET / ")
            assert "authorization" not in call.headers

    run(scenario)


def test_health_names_the_host_that_does_not_answer() -> None:
    async def scenario() -> None:
        async with meta() as (adapter, there):
            await adapter.send(meta_phone("360dialog"), outbound())
            await adapter.send(meta_phone(), outbound())
            there.answer = lambda call: http(404) if "d360" in call.line else RESET
            health = await adapter.health()
            assert not health.ok
            assert there.url in health.detail
            assert "d360" not in health.detail

    run(scenario)


# -- find_sent ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("evidence", "finding"),
    [
        (Evidence(WAMID, 0.1, 6.0, receipts_flow=False), Sent(WAMID)),
        (Evidence(None, 5.9, 6.0, receipts_flow=True), StillUnknown()),
        (Evidence(None, 60.0, 6.0, receipts_flow=False), StillUnknown()),
    ],
)
def test_find_sent_knows_only_by_receipts(evidence: Evidence, finding: Sent | StillUnknown) -> None:
    async def scenario() -> None:
        adapter = MetaAdapter(adapter_settings("http://127.0.0.1:9"))
        assert await adapter.find_sent(meta_phone(), outbound(), evidence) == finding

    run(scenario)


def test_find_sent_says_not_sent_when_only_this_receipt_is_missing() -> None:
    async def scenario() -> None:
        adapter = MetaAdapter(adapter_settings("http://127.0.0.1:9"))
        missing = Evidence(None, 6.0, 6.0, receipts_flow=True)
        assert isinstance(await adapter.find_sent(meta_phone(), outbound(), missing), NotSent)
        mark = outbound(Kind.READ, message_id=WAMID)
        assert isinstance(
            await adapter.find_sent(meta_phone(), mark, Evidence(None, 0, 6, receipts_flow=False)), NotSent
        )

    run(scenario)
