"""Sending and reading messages through a real gunicorn: what is accepted, repeated, waited for and answered."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from bisnes_core.ids import new_id
from tests.fixtures.api import Api, Company
from tests.fixtures.eventually import eventually


def store(
    company: Company, direction: str = "inbound", external_id: str | None = None, status: str = "received"
) -> UUID:
    """A message that is there already."""
    message_id = new_id()
    company.api.sql(
        "INSERT INTO messages (id, company_id, phone_index, chat_id, direction, message_type, provider, status, "
        "external_id) VALUES (%s, %s, 0, '60123456789@c.us', %s, 'text', 'meta', %s, %s)",
        *(message_id, company.id, direction, status, external_id),
    )
    return message_id


def settle(company: Company, message_id: str, status: str, **columns: Any) -> None:
    """What a worker would write."""
    company.api.sql(
        "UPDATE messages SET status = %s, external_id = %s, error_code = %s, error = %s WHERE id = %s",
        *(status, columns.get("external_id"), columns.get("error_code"), columns.get("error"), message_id),
    )


# -- accepting --------------------------------------------------------------------------------------------------------
def test_an_accepted_text_is_queued_and_can_be_read_at_its_location(company: Company) -> None:
    answer = company.send("Good morning", userName="Ana", quotedMessageId="wamid.HBgLNjAxMjM0NQ==", priority="bulk")
    assert answer.status_code == 202
    body = answer.json()
    assert body == {"success": True, "messageId": body["messageId"], "status": "queued"}
    message = company.ask("GET", answer.headers["Location"]).json()
    assert message["status"] == "queued"
    assert (message["content"], message["chatId"], message["attempts"]) == ("Good morning", "60123456789@c.us", 0)
    row = company.api.sql("SELECT author, payload, priority FROM messages WHERE id = %s", body["messageId"])[0]
    assert row == ("Ana", {"text": "Good morning", "reply_to": "wamid.HBgLNjAxMjM0NQ=="}, 5)


@pytest.mark.parametrize(
    "index", [{}, {"phoneIndex": None}, {"phoneIndex": ""}, {"phoneIndex": "0"}, {"phoneIndex": 0}]
)
def test_forms_of_phone_zero(company: Company, index: dict[str, Any]) -> None:
    assert company.send(**index).status_code == 202


def test_the_old_name_of_the_phone_index_counts(company: Company) -> None:
    assert company.send(specificPhoneIndex=7).json()["code"] == "phone_not_found"


@pytest.mark.parametrize("chat", ["60123456789@c.us", "+60123456789@c.us", "+60123456789", "60123456789"])
def test_forms_of_one_chat_are_kept_as_one(company: Company, chat: str) -> None:
    assert company.send(chat=chat).status_code == 202
    assert company.api.sql("SELECT chat_id FROM messages WHERE company_id = %s", company.id) == [("60123456789@c.us",)]


def test_unknown_fields_are_ignored(company: Company) -> None:
    assert company.send(phoneNumber="+60123", fileSize=3, nested={"a": [1]}).status_code == 202


def test_our_id_of_a_quoted_message_becomes_the_providers(company: Company) -> None:
    quoted = store(company, external_id="wamid.HBgLNjAxMjM0NQ==")
    answer = company.send(quotedMessageId=str(quoted)).json()
    payload = company.api.sql("SELECT payload FROM messages WHERE id = %s", answer["messageId"])[0][0]
    assert payload["reply_to"] == "wamid.HBgLNjAxMjM0NQ=="
    assert company.send(quotedMessageId=str(uuid4())).json()["field"] == "quotedMessageId"


def test_a_phone_that_needs_a_person_keeps_its_queue_but_nobody_waits_for_it(api: Api) -> None:
    company = api.company()
    api.sql("UPDATE phone_configs SET status = 'auth_required' WHERE company_id = %s", company.id)
    assert company.send().json()["phoneStatus"] == "auth_required"
    refused = company.send(headers={"Prefer": "wait=5"})
    assert (refused.status_code, refused.json()["code"]) == (409, "phone_not_connected")
    assert company.count() == 1


def test_a_phone_of_a_channel_that_is_not_enabled(api: Api) -> None:
    company = api.company(phone={"channel": "pigeon", "connection_type": "pigeon"})
    answer = company.send()
    assert (answer.status_code, answer.json()["code"]) == (422, "channel_not_enabled")


# -- reactions, read --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("field", ["reaction", "emoji"])
@pytest.mark.parametrize("by", ["ours", "theirs"])
def test_a_reaction_finds_chat_and_phone_of_its_message(company: Company, field: str, by: str) -> None:
    wamid = f"wamid.HBgL/{uuid4().hex}+/x=="
    ours = store(company, external_id=wamid)
    path = f"/api/messages/react/{company.id}/{ours if by == 'ours' else wamid}"
    answer = company.ask("POST", path, json={field: "👍"})
    assert answer.status_code == 202
    row = company.api.sql(
        "SELECT message_type, chat_id, payload FROM messages WHERE id = %s", answer.json()["messageId"]
    )
    assert row == [("reaction", "60123456789@c.us", {"message_id": wamid, "emoji": "👍"})]


def test_ids_with_slashes_are_found_escaped_and_raw(company: Company) -> None:
    wamid = f"wamid.A//B/{uuid4().hex}=="
    store(company, external_id=wamid)
    for path in (wamid, wamid.replace("/", "%2F").replace("=", "%3D")):
        assert company.ask("GET", f"/api/v2/messages/{company.id}/{path}").json()["providerMessageId"] == wamid


def test_reading_with_typing_and_without_a_body(company: Company) -> None:
    inbound = store(company, external_id="wamid.HBgLNjAxMjM0NQ==")
    path = f"/api/v2/messages/read/{company.id}/{inbound}"
    for content, typing in ((b'{"typing": true}', {"typing": True}), (b"", {})):
        headers = {"Content-Type": "application/json"} if content else {}
        answer = company.ask("POST", path, content=content, headers=headers)
        payload = company.api.sql("SELECT payload FROM messages WHERE id = %s", answer.json()["messageId"])[0][0]
        assert payload == {"message_id": "wamid.HBgLNjAxMjM0NQ=="} | typing
    sent = store(company, "outbound", "wamid.HBgLNjAxMjM0NR==", "sent")
    assert company.ask("POST", f"/api/v2/messages/read/{company.id}/{sent}").json()["field"] == "messageId"


def test_what_the_provider_does_not_know_cannot_be_reacted_to(company: Company) -> None:
    queued = store(company, "outbound", None, "queued")
    answer = company.ask("POST", f"/api/messages/react/{company.id}/{queued}", json={"reaction": "👍"})
    assert (answer.status_code, answer.json()["code"]) == (409, "message_not_sent")


# -- repeats ----------------------------------------------------------------------------------------------------------
def test_same_key_and_body_give_the_same_answer_even_when_the_phone_is_gone(company: Company) -> None:
    key = {"Idempotency-Key": "order 17"}
    first = company.send(headers=key)
    again = company.ask(
        "POST",
        f"/api/v2/messages/text/{company.id}/60123456789@c.us",
        headers=key | {"Content-Type": "application/json"},
        content=b'{ "message" : "hello" }',
    )
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    company.ask("DELETE", f"/api/v2/phones/{company.id}/0")
    assert company.send(headers=key).json()["messageId"] == first.json()["messageId"]
    assert company.send().json()["code"] == "phone_not_found"
    assert company.count() == 1


def test_same_key_with_another_request_is_refused(company: Company) -> None:
    key = {"Idempotency-Key": "order 18"}
    assert company.send("one", headers=key).status_code == 202
    for other in (company.send("two", headers=key), company.send("one", chat="60199999999@c.us", headers=key)):
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
    assert company.count() == 1


def test_keys_of_two_companies_do_not_meet(api: Api) -> None:
    one, two = api.company(), api.company()
    assert len({c.send(headers={"Idempotency-Key": "k"}).json()["messageId"] for c in (one, two)}) == 2


def test_simultaneous_repeats_make_one_message(company: Company) -> None:
    with ThreadPoolExecutor(20) as callers:
        answers = list(callers.map(lambda _: company.send(headers={"Idempotency-Key": "race"}), range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["messageId"] for answer in answers}) == 1
    assert company.count() == 1


# -- waiting ----------------------------------------------------------------------------------------------------------
def wait_for(company: Company, settled: dict[str, Any], status: str) -> httpx.Response:
    with ThreadPoolExecutor(1) as caller:
        answer = caller.submit(company.send, headers={"Prefer": "respond-async, wait=20"})
        rows = "SELECT id FROM messages WHERE company_id = %s"
        message_id = eventually(lambda: company.api.sql(rows, company.id), 5, "the message")[0][0]
        settle(company, str(message_id), status, **settled)
        return answer.result(5)


def test_a_waiting_caller_gets_the_providers_id(company: Company) -> None:
    answer = wait_for(company, {"external_id": "wamid.HBgLX"}, "sent")
    assert answer.status_code == 200
    assert answer.headers["Preference-Applied"] == "wait=20"
    assert (answer.json()["providerMessageId"], answer.json()["status"]) == ("wamid.HBgLX", "sent")


def test_a_waiting_caller_hears_of_a_failure(company: Company) -> None:
    answer = wait_for(company, {"error_code": "meta:131026", "error": "Message undeliverable"}, "failed")
    assert (answer.status_code, answer.json()["code"]) == (502, "send_failed")
    assert answer.json()["errorCode"] == "meta:131026"
    assert company.ask("GET", answer.headers["Location"]).json()["status"] == "failed"


def test_a_wait_that_runs_out_is_a_plain_acceptance(company: Company) -> None:
    answer = company.send(headers={"Prefer": "wait=1"})
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert "Preference-Applied" not in answer.headers
    assert answer.elapsed.total_seconds() >= 1


@pytest.mark.parametrize("prefer", ["wait=x", "wait", "wait=-1", "handling=strict", ";;,,=", "wait=0"])
def test_preferences_that_make_no_sense_are_ignored(company: Company, prefer: str) -> None:
    assert company.send(headers={"Prefer": prefer}).status_code == 202


# -- reading ----------------------------------------------------------------------------------------------------------
def test_pages_go_back_in_time_without_gaps(company: Company) -> None:
    sent = [company.send(str(number)).json()["messageId"] for number in range(5)]
    seen, query = [], "?limit=2&status=queued"
    while query:
        page = company.ask("GET", f"/api/v2/messages/{company.id}{query}").json()
        seen += [message["messageId"] for message in page["messages"]]
        query = f"?limit=2&status=queued&cursor={page['next']}" if page["next"] else ""
    assert seen == sent[::-1]
    assert company.ask("GET", f"/api/v2/messages/{company.id}?status=failed").json()["messages"] == []


def test_attempts_are_shown(company: Company) -> None:
    message_id = store(company, "outbound", "wamid.HBgLY", "failed")
    company.api.sql(
        "UPDATE messages SET attempts = 2, error_code = 'meta:1', error = 'no', attempt_log = %s::jsonb WHERE id = %s",
        *('[{"attempt": 1, "code": "meta:1"}]', message_id),
    )
    message = company.ask("GET", f"/api/v2/messages/{company.id}/{message_id}").json()
    assert (message["attempts"], message["error"]) == (2, {"code": "meta:1", "detail": "no"})
    assert message["trace"] == [{"attempt": 1, "code": "meta:1"}]


# -- decisions of a person --------------------------------------------------------------------------------------------
def decide(company: Company, message_id: object, decision: str, **headers: str) -> httpx.Response:
    return company.ask("POST", f"/api/v2/messages/{company.id}/{message_id}/{decision}", headers=headers)


@pytest.mark.parametrize(
    ("status", "held", "decision", "becomes"),
    [
        ("failed", False, "retry", "queued"),
        ("unconfirmed", True, "retry", "queued"),
        ("queued", False, "cancel", "cancelled"),
        ("unconfirmed", True, "cancel", "cancelled"),
        ("unconfirmed", False, "retry", None),
        ("unconfirmed", False, "cancel", None),
        ("sending", False, "retry", None),
        ("sending", False, "cancel", None),
        ("delivered", False, "retry", None),
        ("delivered", False, "cancel", None),
    ],
)
def test_a_person_decides_only_where_nothing_is_under_way(
    company: Company, status: str, held: bool, decision: str, becomes: str | None
) -> None:
    message = store(company, "outbound", status=status)
    company.api.sql("UPDATE messages SET held = %s WHERE id = %s", held, message)
    answer = decide(company, message, decision)
    assert answer.status_code == (200 if becomes else 409)
    assert answer.json().get("status" if becomes else "code") == (becomes or "message_not_open")
    assert company.api.sql("SELECT status FROM messages WHERE id = %s", message) == [(becomes or status,)]


def test_a_decision_repeated_under_its_key_is_answered_alike(company: Company) -> None:
    message = store(company, "outbound", status="failed")
    answers = [decide(company, message, "retry", **{"Idempotency-Key": "once"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert decide(company, message, "cancel", **{"Idempotency-Key": "once"}).json()["code"] == "idempotency_conflict"


def test_nobody_decides_about_another_companys_message(company: Company) -> None:
    assert decide(company, uuid4(), "retry").json()["code"] == "message_not_found"
