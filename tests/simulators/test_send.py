"""Sending: what is accepted, what it answers, and what stands in the ledger."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from tests.simulators.support import PHONE, TOKEN, USER, Simulator, error_of

TEXT = {"messaging_product": "whatsapp", "to": f"+{USER}", "type": "text", "text": {"body": "héllo 😀"}}


def test_a_text_is_accepted_and_stands_in_the_ledger(simulator: Simulator) -> None:
    response = simulator.send(biz_opaque_callback_data="our-id")
    assert response.status_code == 200
    answer = response.json()
    assert answer["messaging_product"] == "whatsapp"
    assert answer["contacts"] == [{"input": f"+{USER}", "wa_id": USER}]
    wamid = answer["messages"][0]["id"]
    assert wamid.startswith("wamid.")
    (entry,) = simulator.ledger()
    assert entry["at"] > 1_700_000_000
    expected = {
        "seq": 1,
        "phone_number_id": PHONE,
        "to": USER,
        "type": "text",
        "biz_opaque_callback_data": "our-id",
        "wamid": wamid,
    }
    assert expected.items() <= entry.items()
    assert entry["body"]["text"] == {"body": "hello"}


def test_answers_carry_the_headers_of_graph(simulator: Simulator) -> None:
    good = simulator.send()
    bad = simulator.send(token=None)
    for response in (good, bad):
        assert response.headers["content-type"] == "application/json; charset=UTF-8"
        assert response.headers["facebook-api-version"] == "v25.0"
        assert {"x-fb-trace-id", "x-fb-request-id", "x-fb-rev"} <= set(response.headers)
    assert bad.headers["www-authenticate"].startswith("OAuth")


def test_what_the_real_endpoint_tolerates_is_tolerated(simulator: Simulator) -> None:
    form = {"messaging_product": "whatsapp", "to": USER, "type": "text", "text": json.dumps({"body": "hi"})}
    stringly = {**TEXT, "text": json.dumps({"body": "hi"}), "context": None, "unknown": {"a": None}}
    contacts = json.dumps([{"name": {"formatted_name": "Jo", "first_name": "Jo"}, "phones": [{"phone": "+1"}]}])

    def chunks() -> Any:
        raw = json.dumps(TEXT).encode()
        yield raw[:20]
        yield raw[20:]

    calls: list[tuple[str, dict[str, Any]]] = [
        (f"/v25.0/{PHONE}/messages", {"json": TEXT}),
        (f"/{PHONE}/messages", {"json": TEXT}),
        (f"/v99.0/{PHONE}/messages/", {"json": TEXT}),
        (f"/v21.0/{PHONE}/messages", {"data": form}),
        (f"/v21.0/{PHONE}/messages", {"json": stringly}),
        (f"/v21.0/{PHONE}/messages", {"json": {**TEXT, "type": "contacts", "contacts": contacts}}),
        (f"/v21.0/{PHONE}/messages", {"content": chunks(), "headers": {"Content-Type": "application/json"}}),
        (f"/v21.0/{PHONE}/messages?access_token={TOKEN}", {"json": TEXT, "token": None}),
        (f"/v21.0/{PHONE}/messages", {"json": {**TEXT, "to": f"+1 (650) 555-{USER[-4:]}"}}),
        (f"/v21.0/{PHONE}/messages", {"json": {**TEXT, "to": int(USER)}}),
        (f"/v21.0/{PHONE}/messages", {"json": {key: TEXT[key] for key in ("messaging_product", "to", "text")}}),
        (f"/v21.0/{PHONE}/messages", {"files": {key: (None, value) for key, value in form.items()}}),
        (f"/v21.0/{PHONE}/messages", {"json": TEXT, "headers": {"User-Agent": ""}}),
    ]
    for path, kwargs in calls:
        response = simulator.call("POST", path, **kwargs)
        assert response.status_code == 200, (path, kwargs, response.text)
    entries = simulator.ledger()
    assert len(entries) == len(calls)
    assert {entry["to"] for entry in entries} == {USER}


def test_a_user_id_and_a_group_can_be_written_to(simulator: Simulator) -> None:
    bsuid = "US.13491208655302741918"
    answer = simulator.send(to=None, recipient=bsuid).json()
    assert answer["contacts"] == [{"input": bsuid, "user_id": bsuid}]
    both = simulator.send(recipient=bsuid).json()
    assert both["contacts"] == [{"input": f"+{USER}", "wa_id": USER}]
    group = "Y2FwaV9ncm91cDoxNzA1NTU1MDEzOToxMjAzNjM0MDQ2OTQyMzM4MjAZD"
    answer = simulator.send(to=group, recipient_type="group").json()
    assert answer["messages"][0]["group_id"] == group
    assert [entry["to"] for entry in simulator.ledger()] == [bsuid, USER, group]


def test_the_canonical_id_differs_for_mexico_and_brazil(simulator: Simulator) -> None:
    found = {to: simulator.send(to=f"+{to}").json()["contacts"][0]["wa_id"] for to in ("525512345678", "5531987654321")}
    assert found == {"525512345678": "5215512345678", "5531987654321": "553187654321"}


@pytest.mark.parametrize(
    ("members", "http", "code"),
    [
        ({"messaging_product": None}, 400, 100),
        ({"messaging_product": "sms"}, 400, 100),
        ({"to": None}, 400, 100),
        ({"to": "not a number"}, 400, 100),
        ({"to": None, "recipient": "nonsense"}, 400, 131009),
        ({"recipient_type": "crowd"}, 400, 131009),
        ({"type": "telegram"}, 400, 100),
        ({"type": "hsm", "hsm": {}}, 400, 131051),
        ({"type": "text"}, 400, 131008),
        ({"type": "text", "text": {}}, 400, 131008),
        ({"type": "text", "text": {"body": ""}}, 400, 131008),
        ({"type": "text", "text": {"body": "x" * 4097}}, 400, 100),
        ({"type": "text", "text": {"body": ["x"]}}, 400, 100),
        ({"type": "text", "text": "bare"}, 400, 100),
        ({"context": {}}, 400, 131008),
        ({"biz_opaque_callback_data": "x" * 513}, 400, 100),
        ({"type": "image", "image": {}}, 400, 100),
        ({"type": "image", "image": {"id": "1", "link": "https://a/b.jpg"}}, 400, 100),
        ({"type": "image", "image": {"id": "4711"}}, 400, 100),
        ({"type": "image", "image": {"link": "ftp://a/b.jpg"}}, 400, 100),
        ({"type": "image", "image": {"link": "https://a/b.jpg", "caption": "x" * 1025}}, 400, 100),
        ({"type": "location", "location": {"latitude": 1}}, 400, 131008),
        ({"type": "location", "location": {"latitude": 91, "longitude": 0}}, 400, 131009),
        ({"type": "location", "location": {"latitude": "north", "longitude": 0}}, 400, 131009),
        ({"type": "contacts", "contacts": []}, 400, 131009),
        ({"type": "contacts", "contacts": [{"name": {"formatted_name": "Jo"}}]}, 400, 131008),
        ({"type": "reaction", "reaction": {"emoji": "x"}}, 400, 131008),
        ({"type": "template", "template": {"language": {"code": "en"}}}, 400, 100),
        ({"type": "template", "template": {"name": "a"}}, 400, 131008),
        ({"type": "pin", "pin": {"type": "pin", "message_id": "wamid.x"}}, 400, 131009),
        ({"status": "seen", "message_id": "wamid.x", "type": None}, 400, 131009),
        ({"status": "read", "message_id": "nonsense", "type": None}, 400, 131009),
        ({"status": "read", "type": None}, 400, 131008),
    ],
    scope="module",
)
class TestRefusals:
    """One process for the whole table: nothing that is refused leaves a trace."""

    def test_refused(self, one: Simulator, members: dict[str, Any], http: int, code: int) -> None:
        response = one.send(**members)
        error = error_of(response)
        assert (response.status_code, error["code"]) == (http, code), error
        assert error["type"] == "OAuthException"
        assert len(error["fbtrace_id"]) == 23
        if code >= 131000:
            assert error["error_data"]["messaging_product"] == "whatsapp"
            assert error["message"].startswith(f"(#{code}) ")
        assert one.ledger() == []


@pytest.fixture(scope="module")
def one() -> Any:
    from tests.simulators.support import running

    with running() as simulator:
        yield simulator


def test_sender_and_recipient_must_differ(simulator: Simulator) -> None:
    simulator.admin("POST", "phones", {"id": "1001", "display": "15550001001"})
    assert error_of(simulator.send("1001", to="+15550001001"))["code"] == 131021


def test_broken_json_and_other_shapes_are_refused(simulator: Simulator) -> None:
    for content in (b"{", b"[]", b"\xff\xfe", b'"text"', b""):
        response = simulator.call(
            "POST", f"/{PHONE}/messages", content=content, headers={"Content-Type": "application/json"}
        )
        assert error_of(response)["code"] == 100, content


def test_read_marks_are_noted_and_are_no_messages(simulator: Simulator) -> None:
    inbound = simulator.admin("POST", "inbound", {"phone": PHONE, "from": USER})["id"]
    body = {"messaging_product": "whatsapp", "status": "read", "message_id": inbound}
    for members in ({}, {"typing_indicator": {"type": "text"}}):
        response = simulator.call("POST", f"/v25.0/{PHONE}/messages", json={**body, **members})
        assert response.json() == {"success": True}
    marks = simulator.admin("GET", "marks")["marks"]
    assert [(mark["message_id"], mark["typing"]) for mark in marks] == [(inbound, False), (inbound, True)]
    assert simulator.ledger() == []


def test_pipelined_requests_are_answered_in_order(simulator: Simulator) -> None:
    simulator.fault(count=1, effect={"latency_s": 0.1})
    with socket.create_connection(("127.0.0.1", simulator.port), timeout=5) as connection:
        for number in range(3):
            body = json.dumps({**TEXT, "biz_opaque_callback_data": str(number)}).encode()
            head = f"POST /{PHONE}/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)
        received = b""
        while received.count(b"wamid.") < 3:
            received += connection.recv(65_536)
    wamids = [entry["wamid"] for entry in simulator.ledger()]
    assert [entry["biz_opaque_callback_data"] for entry in simulator.ledger()] == ["0", "1", "2"]
    positions = [received.index(wamid.encode()) for wamid in wamids]
    assert positions == sorted(positions)


def test_the_ledger_is_paged_filtered_and_summed_up(simulator: Simulator) -> None:
    for number in range(5):
        simulator.send("1001" if number % 2 else "1002", biz_opaque_callback_data=f"id-{number % 4}")
    first = simulator.admin("GET", "ledger", params={"limit": 2})
    assert [entry["seq"] for entry in first["entries"]] == [1, 2]
    assert "body" not in first["entries"][0]
    rest = simulator.admin("GET", "ledger", params={"after": first["next_after"]})
    assert [entry["seq"] for entry in rest["entries"]] == [3, 4, 5]
    assert [entry["seq"] for entry in simulator.ledger(phone="1001")] == [2, 4]
    summary = simulator.admin("GET", "ledger/summary")
    assert summary == {
        "count": 5,
        "distinct_callback_ids": 4,
        "without_callback_id": 0,
        "duplicates": [{"biz_opaque_callback_data": "id-0", "times": 2}],
        "by_phone": {"1002": 3, "1001": 2},
    }
    simulator.admin("POST", "reset")
    assert simulator.ledger() == []
