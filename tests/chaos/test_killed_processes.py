"""Under load, any process may be killed at any time: nothing accepted is lost, repeated or out of order."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter

import pytest
import redis

from tests.fixtures.eventually import eventually
from tests.fixtures.gateway import COMPANY, Gateway
from tests.fixtures.load import Load, ledger, reckon

RATE_PER_S = 100
DURATION_S = 10
#: Delivery flows again this soon after the victim's return.
FLOWS_WITHIN_S = 5.0


def assert_nothing_lost(gateway: Gateway, load: Load) -> None:
    reckoning = reckon(gateway, load)
    assert reckoning.accepted == RATE_PER_S * DURATION_S
    assert (reckoning.lost, reckoning.repeated, reckoning.out_of_order) == ([], [], []), dict(load.retries)


def assert_delivery_flows(gateway: Gateway) -> None:
    """A message accepted now arrives within the promised time."""
    began, known = time.monotonic(), gateway.simulator("GET", "ledger?limit=0")["count"]
    message_id = eventually(lambda: accepted_now(gateway), FLOWS_WITHIN_S, "an accepted message")
    left_s = FLOWS_WITHIN_S - (time.monotonic() - began)
    eventually(lambda: is_in_ledger(gateway, message_id, known), left_s, "the message at the provider")


def accepted_now(gateway: Gateway) -> str:
    chat = f"61{time.monotonic_ns() % 10**10:010d}"
    answer = gateway.request("POST", f"/api/v2/messages/text/{COMPANY}/{chat}", json={"message": "does it flow?"})
    return str(answer.json()["messageId"]) if answer.status_code == 202 else ""


def is_in_ledger(gateway: Gateway, message_id: str, after: int) -> bool:
    return any(entry["biz_opaque_callback_data"] == message_id for entry in ledger(gateway, after))


def flush_valkey(gateway: Gateway) -> None:
    client = redis.Redis.from_url(f"unix://{gateway.run_dir}/valkey.sock")
    client.flushall()
    client.close()


def add_meta_phone(gateway: Gateway, policy: str) -> int:
    """Another phone at the simulator; answers its index."""
    config = {"phone_number_id": str(time.monotonic_ns()), "waba_id": "200000000000042", "access_token": "EAAtests"}
    phone = {"connectionType": "meta_direct", "config": config, "onUnconfirmed": policy}
    answer = gateway.request("POST", f"/api/v2/phones/{COMPANY}", json=phone)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["phone"]["phoneIndex"])


@pytest.mark.parametrize(("process", "instances"), [("meta", 2), ("api", 2), ("relay", 1), ("events", 2)])
def test_killing_each_instance_in_turn(gateway: Gateway, process: str, instances: int) -> None:
    with Load(gateway, RATE_PER_S, DURATION_S) as load:
        for instance in range(instances):
            load.has_accepted(150 + 300 * instance)
            pid = gateway.kill(process, 0)
            gateway.wait_for_successor(process, pid, instances)
            assert_delivery_flows(gateway)
    assert_nothing_lost(gateway, load)


def test_killing_valkey(gateway: Gateway) -> None:
    with Load(gateway, RATE_PER_S, DURATION_S) as load:
        load.has_accepted(200)
        pid = gateway.kill("valkey")
        gateway.wait_for_successor("valkey", pid, 1)
        assert_delivery_flows(gateway)
    assert_nothing_lost(gateway, load)


def test_deleting_all_that_valkey_holds(gateway: Gateway) -> None:
    with Load(gateway, RATE_PER_S, DURATION_S) as load:
        for flushed in range(3):
            load.has_accepted(150 + 250 * flushed)
            flush_valkey(gateway)
        assert_delivery_flows(gateway)
    assert_nothing_lost(gateway, load)


@pytest.mark.alone
def test_without_valkey_the_api_accepts_at_its_usual_latency(gateway: Gateway) -> None:
    away_s = 20
    with Load(gateway, RATE_PER_S / 2, away_s + 8) as load:
        load.has_accepted(150)
        stopped = time.monotonic()
        begin = stopped - 3
        gateway.circus("stop", name="valkey", waiting=True)
        load.has_accepted(len(load.accepted) + int(RATE_PER_S / 2 * away_s))
        started = time.monotonic()
        gateway.circus("start", name="valkey", waiting=True)
        assert_delivery_flows(gateway)
    before, during = load.latencies_between(begin, stopped), load.latencies_between(stopped + 1, started)
    assert started - stopped >= away_s
    assert median(during) <= 3 * median(before) + 0.005, (median(before), median(during))
    assert during[int(len(during) * 0.99)] < 0.5
    assert not load.retries
    reckoning = reckon(gateway, load)
    assert (reckoning.lost, reckoning.repeated, reckoning.out_of_order) == ([], [], [])


def median(values: list[float]) -> float:
    return values[len(values) // 2]


def test_postgresql_shut_down_at_once_and_back_after_three_seconds(gateway: Gateway) -> None:
    away_s = 3.0
    with Load(gateway, RATE_PER_S, DURATION_S) as load:
        load.has_accepted(300)
        gateway.kill("postgres", number=signal.SIGQUIT)  # immediate shutdown: no checkpoint, clients are cut off
        gateway.circus("stop", name="postgres", waiting=True)
        assert not threading.Event().wait(away_s)
        gateway.circus("start", name="postgres", waiting=True)
        eventually(lambda: is_ready(gateway), 20, "PostgreSQL to answer")
        assert_delivery_flows(gateway)
    assert_nothing_lost(gateway, load)


def is_ready(gateway: Gateway) -> bool:
    return gateway.request("GET", "/health/ready").status_code == 200


@pytest.mark.parametrize("fault", ["lose_answer", "reset_before"])
def test_a_provider_that_loses_some_of_its_answers(gateway: Gateway, fault: str) -> None:
    gateway.simulator("POST", "faults", {"probability": 0.05, "effect": {fault: True}})
    with Load(gateway, RATE_PER_S, DURATION_S) as load:
        pass
    assert_nothing_lost(gateway, load)


def test_a_process_killed_with_messages_in_its_hands_is_cleared_up_within_fifteen_seconds(gateway: Gateway) -> None:
    gateway.simulator("POST", "settings", {"receipt_delay_s": 2})
    held = hold_in_flight(gateway, 0, "hang_after_s")
    begin = kill_all_meta(gateway)
    gateway.simulator("DELETE", "faults")
    for message_id in held:
        gateway.wait_for_status(message_id, "sent", "delivered", "read", deadline_s=15 - (time.monotonic() - begin))
    assert times_taken(gateway, held) == [1] * len(held)


def test_what_had_not_left_is_sent_again_within_fifteen_seconds(gateway: Gateway) -> None:
    held = hold_in_flight(gateway, 0, "hang_before_s")
    begin = kill_all_meta(gateway)
    gateway.simulator("DELETE", "faults")

    def requeued() -> bool:
        logs = [gateway.message(message_id) for message_id in held]
        return all(log["status"] not in ("sending", "unconfirmed") for log in logs)

    eventually(requeued, 15 - (time.monotonic() - begin), "all to be queued again or sent")
    for message_id in held:
        gateway.wait_for_status(message_id, "delivered")
    assert times_taken(gateway, held) == [1] * len(held)
    reasons = gateway.rows(f"SELECT attempt_log::text FROM messages WHERE id IN {tuple(held)!r}")
    assert all("found_not_sent" in str(row[0]) for row in reasons), "by evidence, not by luck"


@pytest.mark.parametrize(("policy", "ends"), [("resend", "sent"), ("hold", "unconfirmed")])
def test_without_receipts_the_phones_policy_decides(gateway: Gateway, policy: str, ends: str) -> None:
    phone = add_meta_phone(gateway, policy)
    gateway.simulator("POST", "settings", {"receipts": False})
    held = hold_in_flight(gateway, phone, "hang_before_s")
    kill_all_meta(gateway)
    gateway.simulator("DELETE", "faults")
    for message_id in held:
        gateway.wait_for_status(message_id, ends, deadline_s=30)
    assert times_taken(gateway, held) == [1 if policy == "resend" else 0] * len(held)
    if policy == "hold":
        eventually(lambda: all(gateway.message(message_id)["held"] for message_id in held), 30, "all to be held")
        for message_id in held:
            answer = gateway.request("POST", f"/api/v2/messages/{COMPANY}/{message_id}/retry")
            assert answer.status_code == 200, answer.text
            gateway.wait_for_status(message_id, "sent")
        assert times_taken(gateway, held) == [1] * len(held)


def times_taken(gateway: Gateway, ids: list[str]) -> list[int]:
    """How often the provider took each message."""
    taken = Counter(entry["biz_opaque_callback_data"] for entry in ledger(gateway))
    return [taken[message_id] for message_id in ids]


def hold_in_flight(gateway: Gateway, phone: int, effect: str, messages: int = 10) -> list[str]:
    """Messages that hang in a meta process's hands, one per chat."""
    # Receipts of this phone flow (or, switched off, do not) before anything goes wrong.
    first = gateway.send("before", chat=f"62{time.monotonic_ns() % 10**10:010d}", phone=phone)
    gateway.wait_for_status(first, "sent", "delivered", "read")
    gateway.simulator("POST", "faults", {"effect": {effect: 60}})
    chats = [f"63{(time.monotonic_ns() + n) % 10**10:010d}" for n in range(messages)]
    held = [gateway.send("held", chat=chat, phone=phone) for chat in chats]
    for message_id in held:
        gateway.wait_for_status(message_id, "sending", "delivered")
    return held


def kill_all_meta(gateway: Gateway) -> float:
    """Kills every meta process; answers when."""
    for _ in range(2):
        pid = gateway.kill("meta", 0)
        gateway.wait_for_successor("meta", pid, 2)
    return time.monotonic()
