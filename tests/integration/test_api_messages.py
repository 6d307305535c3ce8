"""Sending and reading messages through a real gunicorn: what is accepted, repeated and answered."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from tests.fixtures.api import Api, Company, store


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
