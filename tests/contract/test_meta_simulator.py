"""Meta's channel against the Graph simulator: every error code over the wire, and webhooks as they are sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from bisnes_core.channel import Evidence, Inbound, Receipt, Sent, StillUnknown, WebhookRequest
from bisnes_core.errors import AuthRequired, RateLimited, Retryable, SendError, UnknownOutcome
from bisnes_core.message import Kind, OutboundMessage
from bisnes_core.phone import Phone
from bisnes_core.settings import Settings
from bisnes_core.status import Status
from plugins.meta.adapter import MetaAdapter
from plugins.meta.classify import RULES, Act
from plugins.meta.spec import SPEC
from tests.fixtures.eventually import eventually
from tests.fixtures.meta import PHONE_NUMBER_ID, WAMID, meta_phone, outbound
from tests.simulators.support import SECRET, Receiver, Simulator, Webhook, running

PHONE = meta_phone()
#: Acts whose error class is the same for each of their codes.
MEANS = {
    Act.RETRY: "Retryable",
    Act.PAIR: "RateLimited",
    Act.PHONE: "RateLimited",
    Act.APP: "RateLimited",
    Act.RESTRICT: "Restricted",
    Act.FAIL: "Permanent",
    Act.STOP: "AuthRequired",
}


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    it = Receiver()
    yield it
    it.close()


@pytest.fixture(scope="module")
def shared(receiver: Receiver) -> Iterator[Simulator]:
    options = ("--rate-per-s", "0", "--receipt-delay-s", "0.01", "--read", "on")
    with running(*options, webhook_url=receiver.url) as simulator:
        yield simulator


@pytest.fixture
def graph(shared: Simulator, receiver: Receiver) -> Simulator:
    shared.admin("POST", "reset")
    receiver.webhooks.clear()
    return shared


def send(graph: Simulator, *messages: OutboundMessage, phone: Phone = PHONE) -> list[Sent | SendError]:
    """Sends one after the other; what came of each."""

    async def scenario() -> list[Sent | SendError]:
        adapter = MetaAdapter(Settings(meta_graph_url=graph.base, meta_360dialog_url=graph.base, deliver_timeout_s=2.0))
        await adapter.start()
        outcomes: list[Sent | SendError] = []
        for message in messages:
            try:
                outcomes.append(await adapter.send(phone, message))
            except SendError as error:
                outcomes.append(error)
        await adapter.stop()
        return outcomes

    return asyncio.run(scenario())


# -- errors as they come over the wire --------------------------------------------------------------------------------
def test_every_code_of_the_table(graph: Simulator) -> None:
    codes = sorted(RULES)
    for code in codes:
        graph.fault(effect={"code": code}, count=1)
    for code, outcome in zip(codes, send(graph, *(outbound() for _ in codes)), strict=True):
        assert isinstance(outcome, SendError)
        assert (outcome.code, type(outcome).__name__) == (f"meta:{code}", MEANS[RULES[code].act])
        assert outcome.trace["fbtrace_id"]
    assert graph.ledger() == []


@pytest.mark.parametrize(
    ("effect", "kind", "accepted"),
    [
        ({"code": 999_999, "http": 500}, Retryable, 0),
        ({"html": 502}, UnknownOutcome, 0),
        ({"status": 503, "body": ""}, UnknownOutcome, 0),
        ({"status": 429, "body": "<html>", "headers": {"Retry-After": "90"}}, RateLimited, 0),
        ({"reset_before": True}, UnknownOutcome, 0),
        ({"lose_answer": True}, UnknownOutcome, 1),
        ({"hang_before_s": 0.2}, UnknownOutcome, 0),
        ({"hang_after_s": 30.0}, UnknownOutcome, 1),
        ({"revoke_token": True}, AuthRequired, 0),
    ],
)
def test_what_breaks(graph: Simulator, effect: dict[str, Any], kind: type[SendError], accepted: int) -> None:
    graph.fault(effect=effect)
    [outcome] = send(graph, outbound())
    assert type(outcome) is kind
    assert len(graph.ledger()) == accepted
    if isinstance(outcome, RateLimited):
        assert outcome.retry_after_s == 90.0


def test_a_wrong_key_of_360dialog_stops_the_phone() -> None:
    with running("--open", "off", "--d360-phone", "106540352242922:102290129340398:right") as graph:
        [refused] = send(graph, outbound(), phone=meta_phone("360dialog"))
    assert isinstance(refused, AuthRequired)
    assert refused.code == "360dialog:401"


# -- what is accepted ------------------------------------------------------------------------------------------------
def test_every_kind_is_as_meta_wants_it(graph: Simulator) -> None:
    messages = [
        outbound(text="x" * 4096, reply_to=WAMID, preview_url=True),
        outbound(Kind.REACTION, message_id=WAMID, emoji="😀"),
        outbound(Kind.REACTION, message_id=WAMID, emoji=""),
        outbound(chat_id="US.13491208655302741918"),
    ]
    outcomes = send(graph, *messages)
    assert all(isinstance(outcome, Sent) for outcome in outcomes), outcomes
    entries = graph.ledger()
    assert [entry["biz_opaque_callback_data"] for entry in entries] == [str(message.id) for message in messages]
    assert [entry["wamid"] for entry in entries] == [
        outcome.provider_message_id for outcome in outcomes if isinstance(outcome, Sent)
    ]


def test_an_inbound_message_is_read_answered_and_reacted_to(graph: Simulator, receiver: Receiver) -> None:
    graph.admin("POST", "inbound", {"phone": PHONE_NUMBER_ID, "from": "60123456789", "text": "hi"})
    [webhook] = eventually(receiver.posts, 10, "the inbound webhook")
    [inbound] = items(webhook)
    assert isinstance(inbound, Inbound)
    assert (inbound.chat_id, inbound.text) == ("60123456789@c.us", "hi")
    outcomes = send(
        graph,
        outbound(Kind.READ, message_id=inbound.provider_message_id, typing=True),
        outbound(text="hello", reply_to=inbound.provider_message_id),
        outbound(Kind.REACTION, message_id=inbound.provider_message_id, emoji="👍"),
    )
    assert outcomes[0] == Sent(None)
    assert all(isinstance(outcome, Sent) for outcome in outcomes), outcomes


# -- webhooks as they are sent -----------------------------------------------------------------------------------------
def items(webhook: Webhook) -> list[Any]:
    """What the channel makes of a webhook that came; it must be authentic."""
    request = WebhookRequest(webhook.method, {}, webhook.headers, webhook.raw)
    assert SPEC.webhook is not None
    assert SPEC.webhook.verify(request, ["another app's", SECRET])
    assert not SPEC.webhook.verify(request, ["another app's"])
    return SPEC.webhook.parse(webhook.raw)


def receipts(receiver: Receiver, message: OutboundMessage, status: Status) -> list[Receipt]:
    """Receipts of a message, once that status is among them."""

    def known() -> list[Receipt]:
        found = [item for webhook in list(receiver.posts()) for item in items(webhook)]
        mine = [item for item in found if isinstance(item, Receipt) and item.message_id == str(message.id)]
        return mine if any(item.status is status for item in mine) else []

    return eventually(known, 10, f"a receipt that says {status}")


def test_receipts_bring_our_id_back_even_when_the_answer_was_lost(graph: Simulator, receiver: Receiver) -> None:
    graph.fault(effect={"lose_answer": True})
    message = outbound()
    [lost] = send(graph, message)
    assert isinstance(lost, UnknownOutcome)
    told = receipts(receiver, message, Status.READ)
    [wamid] = {receipt.provider_message_id for receipt in told}
    assert wamid == graph.ledger()[0]["wamid"]
    assert {receipt.provider_phone_id for receipt in told} == {PHONE_NUMBER_ID}

    async def ask() -> list[object]:
        adapter = MetaAdapter(Settings(meta_graph_url=graph.base))
        evidence = [Evidence(known, 0.0, 6.0, receipts_flow=True) for known in (None, wamid)]
        return [await adapter.find_sent(PHONE, message, one) for one in evidence]

    assert asyncio.run(ask()) == [StillUnknown(), Sent(wamid)]


def test_a_message_that_fails_later_says_why(graph: Simulator, receiver: Receiver) -> None:
    graph.fault(effect={"code": 131047, "async": True})
    message = outbound()
    [sent] = send(graph, message)
    assert isinstance(sent, Sent)
    [failed] = [one for one in receipts(receiver, message, Status.FAILED) if one.status is Status.FAILED]
    assert failed.error_code == "meta:131047"
    assert failed.error
