"""Faults on demand: every published code, lost answers, resets, hangs, and who they hit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from simulators.graph.errors import PUBLISHED
from tests.simulators.support import PHONE, Receiver, Simulator, error_of, eventually, many

CODES = [code for code in PUBLISHED if not 200 < code < 300]


def test_every_published_code_can_be_answered(simulator: Simulator) -> None:
    for code in CODES:
        simulator.fault(count=1, effect={"code": code})
        response = simulator.send()
        error = error_of(response)
        assert (response.status_code, error["code"]) == (PUBLISHED[code].http, code)
        assert error["message"]
    assert simulator.ledger() == []


def test_every_published_code_can_come_later(simulator: Simulator, receiver: Receiver) -> None:
    for code in CODES:
        simulator.fault(count=1, effect={"code": code, "async": True})
        assert simulator.send(biz_opaque_callback_data=str(code)).status_code == 200
    statuses = many(receiver.statuses, len(CODES))
    for status in statuses:
        code = int(status["biz_opaque_callback_data"])
        assert status["status"] == "failed"
        assert status["errors"][0]["code"] == code
        assert status["errors"][0]["title"] == PUBLISHED[code].title
        assert "pricing" not in status
    assert len(simulator.ledger()) == len(CODES)


def test_status_details_and_headers_can_be_dictated(simulator: Simulator) -> None:
    effect = {"code": 130429, "http": 429, "details": "slow down", "subcode": 2494055, "headers": {"Retry-After": "7"}}
    simulator.fault(count=1, effect=effect)
    response = simulator.send()
    error = error_of(response)
    assert response.status_code == 429
    assert response.headers["retry-after"] == "7"
    assert error["error_data"] == {"messaging_product": "whatsapp", "details": "slow down"}
    assert error["error_subcode"] == 2494055


def test_an_edge_answers_html_or_anything(simulator: Simulator) -> None:
    simulator.fault(count=1, effect={"html": 502})
    response = simulator.send()
    assert (response.status_code, response.headers["content-type"]) == (502, "text/html; charset=utf-8")
    assert response.text.startswith("<!DOCTYPE html>")
    simulator.fault(count=1, effect={"status": 503})
    assert simulator.send().content == b""
    simulator.fault(count=1, effect={"status": 418, "body": {"odd": True}})
    assert simulator.send().json() == {"odd": True}
    assert simulator.ledger() == []


def test_a_lost_answer_was_accepted_and_its_receipts_come(simulator: Simulator, receiver: Receiver) -> None:
    simulator.fault(count=1, effect={"lose_answer": True})
    with pytest.raises(httpx.ReadError):
        simulator.send(biz_opaque_callback_data="lost")
    assert [entry["biz_opaque_callback_data"] for entry in simulator.ledger()] == ["lost"]
    eventually(lambda: [status["status"] for status in receiver.statuses()] == ["sent", "delivered"])


def test_a_reset_before_acceptance_leaves_no_trace(simulator: Simulator) -> None:
    simulator.fault(count=1, effect={"reset_before": True})
    with pytest.raises(httpx.ReadError):
        simulator.send()
    assert simulator.ledger() == []


def test_a_hang_before_acceptance_ends_without_an_answer(simulator: Simulator) -> None:
    simulator.fault(count=1, effect={"hang_before_s": 0.2})
    began = time.monotonic()
    with pytest.raises(httpx.RemoteProtocolError):
        simulator.send()
    assert time.monotonic() - began >= 0.2
    assert simulator.ledger() == []


def test_a_hang_after_acceptance_delays_only_the_answer(simulator: Simulator) -> None:
    simulator.fault(count=1, effect={"hang_after_s": 0.5})
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(simulator.send().status_code))
    thread.start()
    with httpx.Client(base_url=simulator.base) as other:
        eventually(lambda: other.get("/_sim/ledger/summary").json()["count"] == 1)
    assert answers == []
    thread.join()
    assert answers == [200]


def test_latency_is_added_to_whatever_follows(simulator: Simulator) -> None:
    simulator.fault(effect={"latency_s": [0.1, 0.15]})
    simulator.fault(count=1, effect={"code": 131000})
    for wanted in (500, 200):
        began = time.monotonic()
        assert simulator.send().status_code == wanted
        assert 0.1 <= time.monotonic() - began < 5.0


def test_rules_hit_only_their_scope(simulator: Simulator) -> None:
    table: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
        ({"phone": "1001"}, {"phone": "1001"}, {"phone": "1002"}),
        ({"recipient": "+15550001111"}, {"to": "+1 555 000 1111"}, {"to": "+15550002222"}),
        ({"callback_prefix": "bulk-"}, {"biz_opaque_callback_data": "bulk-1"}, {"biz_opaque_callback_data": "one"}),
        ({"type": "location"}, {"type": "location", "location": {"latitude": 0, "longitude": 0}}, {}),
    ]
    for scope, hit, miss in table:
        simulator.fault(**scope, effect={"code": 131000})
        assert simulator.send(**hit).status_code == 500, scope
        assert simulator.send(**miss).status_code == 200, scope
        simulator.admin("DELETE", "faults")
        assert simulator.send(**hit).status_code == 200, scope


def test_counts_and_skips_are_kept(simulator: Simulator) -> None:
    simulator.fault(skip=1, count=2, effect={"code": 131016})
    assert [simulator.send().status_code for _ in range(4)] == [200, 500, 500, 200]
    (rule,) = simulator.admin("GET", "faults")["rules"]
    assert rule["hits"] == 2


def test_chances_follow_the_seed(simulator: Simulator) -> None:
    def run() -> list[int]:
        simulator.admin("DELETE", "faults")
        simulator.admin("POST", "faults", {"seed": 7, "rules": [{"probability": 0.5, "effect": {"code": 131000}}]})
        return [simulator.send().status_code for _ in range(30)]

    first = run()
    assert set(first) == {200, 500}
    assert run() == first


def test_maintenance_ends_by_itself(simulator: Simulator) -> None:
    simulator.fault(effect={"maintenance_s": 0.8})
    assert error_of(simulator.send())["code"] == 131057
    eventually(lambda: simulator.send().status_code == 200)


def test_a_token_can_be_revoked_in_mid_run(simulator: Simulator) -> None:
    simulator.send()
    simulator.admin("POST", "tokens/revoke", {"token": "EAAsimulated"})
    for response in (simulator.send(), simulator.call("GET", f"/{PHONE}")):
        error = error_of(response)
        assert (response.status_code, error["code"], error["error_subcode"]) == (401, 190, 460)
    assert simulator.send(token="EAAother").status_code == 200
    simulator.admin("POST", "tokens/restore", {"token": "EAAsimulated"})
    assert simulator.send().status_code == 200
    simulator.fault(phone=PHONE, effect={"revoke_token": True})
    assert error_of(simulator.call("GET", f"/{PHONE}"))["code"] == 190


def test_other_calls_can_go_wrong_too(simulator: Simulator) -> None:
    simulator.send()
    simulator.fault(on="management", effect={"code": 80007})
    assert error_of(simulator.call("GET", f"/{PHONE}"))["code"] == 80007
    assert simulator.send().status_code == 200
    simulator.admin("DELETE", "faults")
    simulator.fault(on="media", effect={"code": 131016})
    assert error_of(simulator.call("POST", f"/{PHONE}/media", data={}))["code"] == 131016


def test_nonsense_is_refused_with_a_reason(simulator: Simulator) -> None:
    rules: list[dict[str, Any]] = [
        {"effect": {}},
        {"effect": {"explode": True}},
        {"effect": {"async": True}},
        {"where": 1, "effect": {"html": 500}},
        {"on": "sundays", "effect": {"html": 500}},
        {"count": "many", "effect": {"html": 500}},
    ]
    for rule in rules:
        response = simulator.http.post("/_sim/faults", json=rule)
        assert response.status_code == 400, rule
        assert response.json()["error"]
    assert simulator.http.post("/_sim/settings", json={"nonsense": 1}).status_code == 400
    assert simulator.http.post("/_sim/settings", json={"receipt_delay_s": "soon"}).status_code == 400
    assert simulator.http.get("/_sim/nonsense").status_code == 404


def test_idle_connections_can_be_closed_under_a_client(start: Callable[..., Simulator]) -> None:
    simulator = start()
    with httpx.Client(base_url=simulator.base) as other:
        other.get("/_sim/ready")
        assert simulator.admin("POST", "disconnect")["closed"] >= 1
        assert other.get("/_sim/ready").json() == {"ready": True}
