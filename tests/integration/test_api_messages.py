"""Sending and reading messages through a real gunicorn: what is accepted, repeated, waited for and answered."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from bisnes_api.kinds import FORMS
from bisnes_core.ids import new_id
from bisnes_core.message import PAYLOADS
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


# -- every kind -------------------------------------------------------------------------------------------------------
LOOPBACK: dict[str, Any] = {
    "channel": "loopback",
    "connection_type": "loopback",
    "config": {},
    "secrets": {},
    "provider_phone_id": None,
}
URL = "https://files.example/a%20b.bin?sig=1"
ID = "true_60123456789@c.us_3EB0/=="


@pytest.fixture(scope="module")
def anywhere(api: Api) -> Company:
    """A company whose phone sends every kind."""
    return api.company(phone=LOOPBACK)


def stored(company: Company, answer: httpx.Response) -> dict[str, Any]:
    """What was accepted."""
    assert answer.status_code == 202, answer.text
    columns = ("message_type", "chat_id", "phone_index", "payload", "content", "author", "priority")
    row = company.api.sql(f"SELECT {', '.join(columns)} FROM messages WHERE id = %s", answer.json()["messageId"])[0]
    return dict(zip(columns, row, strict=True))


#: Kind -> a body as callers send it, the payload made of it, and the readable text.
NEW: list[tuple[str, dict[str, Any], dict[str, Any], str | None]] = [
    ("text", {"message": "hi", "previewUrl": True}, {"text": "hi", "preview_url": True}, "hi"),
    ("image", {"imageUrl": URL, "caption": "Look"}, {"url": URL, "caption": "Look"}, "Look"),
    ("image", {"imageUrl": URL, "caption": "", "quotedMessageId": ""}, {"url": URL}, None),
    ("video", {"videoUrl": URL, "mimeType": "video/mp4"}, {"url": URL, "mime_type": "video/mp4"}, None),
    ("audio", {"audioUrl": URL}, {"url": URL, "voice": True}, None),
    ("audio", {"audioUrl": URL, "voice": False, "caption": None}, {"url": URL}, None),
    ("document", {"documentUrl": URL, "filename": "Offer.pdf"}, {"url": URL, "name": "Offer.pdf"}, "Offer.pdf"),
    ("document", {"documentUrl": URL, "fileName": "Offer.pdf"}, {"url": URL, "name": "Offer.pdf"}, "Offer.pdf"),
    ("sticker", {"stickerUrl": URL}, {"url": URL}, None),
    (
        "location",
        {"latitude": 0, "longitude": -101.5, "name": "Office", "address": "1 Main Street"},
        {"latitude": 0, "longitude": -101.5, "name": "Office", "address": "1 Main Street"},
        "Office",
    ),
    (
        "contacts",
        {"contacts": [{"name": "Ana", "phone": "+60 12-345 6789", "x": 1}, {"name": "Bo", "phone": "60123456780"}]},
        {"contacts": [{"name": "Ana", "phone": "60123456789"}, {"name": "Bo", "phone": "60123456780"}]},
        "Ana, Bo",
    ),
    (
        "poll",
        {"question": "When?", "options": ["Now", "Later"], "choicesMax": 0},
        {"question": "When?", "options": ["Now", "Later"], "choices_max": 0},
        "When?",
    ),
    ("typing", {}, {"sign": "typing"}, None),
    ("typing", {"sign": "recording", "seconds": 2.5}, {"sign": "recording", "seconds": 2.5}, None),
]
QUOTING = ("text", "image", "video", "audio", "document", "sticker", "location", "contacts")


@pytest.mark.parametrize(("kind", "body", "payload", "content"), NEW)
def test_every_kind_is_accepted_as_its_payload(
    anywhere: Company, kind: str, body: dict[str, Any], payload: dict[str, Any], content: str | None
) -> None:
    path = f"/api/v2/messages/{kind}/{anywhere.id}/+60123456789@c.us"
    more = {"userName": "Ana", "priority": "bulk", "phoneIndex": "0", "fileSize": 7}
    found = stored(anywhere, anywhere.ask("POST", path, json=body | more))
    assert (found["message_type"], found["payload"], found["content"]) == (kind, payload, content)
    assert (found["chat_id"], found["author"], found["priority"]) == ("60123456789@c.us", "Ana", 5)


@pytest.mark.parametrize("kind", QUOTING)
def test_every_kind_that_can_quote_does(anywhere: Company, kind: str) -> None:
    wamid = f"wamid.{uuid4().hex}/="
    quoted = store(anywhere, external_id=wamid)
    body = next(body for name, body, _, _ in NEW if name == kind) | {"quotedMessageId": str(quoted)}
    path = f"/api/v2/messages/{kind}/{anywhere.id}/60123456789"
    assert stored(anywhere, anywhere.ask("POST", path, json=body))["payload"]["reply_to"] == wamid


def test_a_forwarded_message_leaves_by_the_phone_that_has_it(anywhere: Company) -> None:
    wamid = f"wamid.{uuid4().hex}/="
    store(anywhere, external_id=wamid)
    path = f"/api/v2/messages/forward/{anywhere.id}/60199999999"
    found = stored(anywhere, anywhere.ask("POST", path, json={"messageId": wamid, "phoneIndex": 5}))
    assert (found["message_type"], found["chat_id"], found["phone_index"]) == ("forward", "60199999999@c.us", 0)
    assert found["payload"] == {"message_id": wamid}


def test_typing_needs_no_body(anywhere: Company) -> None:
    found = stored(anywhere, anywhere.ask("POST", f"/api/v2/messages/typing/{anywhere.id}/60123456789"))
    assert found["payload"] == {"sign": "typing"}


def test_an_audio_without_address_is_refused_as_ever(anywhere: Company) -> None:
    for body in ({}, {"audioUrl": ""}, {"audioUrl": None}):
        answer = anywhere.ask("POST", f"/api/v2/messages/audio/{anywhere.id}/60123456789", json=body)
        assert (answer.status_code, answer.json()["error"]) == (400, "No audio URL provided")


@pytest.mark.parametrize("field", ["newMessage", "newText"])
@pytest.mark.parametrize("by", ["ours", "theirs", "escaped"])
def test_an_edit_names_exactly_its_message(anywhere: Company, field: str, by: str) -> None:
    theirs = f"{ID}{uuid4().hex}"
    ours = store(anywhere, "outbound", theirs, "sent")
    store(anywhere, "outbound", f"{ID}{uuid4().hex}", "sent")
    name = {"ours": str(ours), "theirs": theirs, "escaped": theirs.replace("/", "%2F").replace("=", "%3D")}[by]
    path = f"/api/v2/messages/{anywhere.id}/+60123456789@c.us/{name}"
    found = stored(anywhere, anywhere.ask("PUT", path, json={field: "New", "messageId": "another"}))
    assert (found["message_type"], found["chat_id"], found["content"]) == ("edit", "60123456789@c.us", "New")
    assert found["payload"] == {"message_id": theirs, "text": "New"}


@pytest.mark.parametrize(
    ("direction", "body", "for_everyone"),
    [
        ("outbound", None, False),
        ("outbound", {}, False),
        ("outbound", {"deleteForEveryone": None}, False),
        ("outbound", {"deleteForEveryone": True, "phoneIndex": "3", "messageId": "x", "chatId": "y"}, True),
        ("inbound", {"deleteForEveryone": True}, False),
    ],
)
def test_a_deletion_is_for_everyone_only_where_it_can_be(
    anywhere: Company, direction: str, body: dict[str, Any] | None, for_everyone: bool
) -> None:
    theirs = f"{ID}{uuid4().hex}"
    store(anywhere, direction, theirs, "sent")
    path = f"/api/v2/messages/{anywhere.id}/60123456789@c.us/{theirs}"
    answer = anywhere.ask("DELETE", path, **({} if body is None else {"json": body}))
    found = stored(anywhere, answer)
    assert (found["message_type"], found["phone_index"]) == ("delete", 0)
    assert found["payload"] == {"message_id": theirs, "for_everyone": for_everyone}


def test_what_the_provider_does_not_know_cannot_be_edited_deleted_or_forwarded(anywhere: Company) -> None:
    queued = store(anywhere, "outbound", None, "queued")
    path = f"/api/v2/messages/{anywhere.id}/60123456789/{queued}"
    for answer in (
        anywhere.ask("PUT", path, json={"newMessage": "x"}),
        anywhere.ask("DELETE", path),
        anywhere.ask("POST", f"/api/v2/messages/forward/{anywhere.id}/60123456789", json={"messageId": str(queued)}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "message_not_sent")


@pytest.mark.parametrize(("kind", "body"), [(kind, body) for kind, body, _, _ in NEW if kind != "text"])
def test_a_kind_that_the_channel_does_not_send_is_refused(company: Company, kind: str, body: dict[str, Any]) -> None:
    answer = company.ask("POST", f"/api/v2/messages/{kind}/{company.id}/60123456789", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "kind_unsupported")


def test_the_document_shows_every_kind(api: Api) -> None:
    paths = api.client.get("/openapi.json").json()["paths"]
    for form in FORMS:
        path = form.rule.replace("<path:message_id>", "{message_id}").replace("<", "{").replace(">", "}")
        operation = paths[path][form.method.lower()]
        assert (operation["operationId"], operation["summary"]) == (form.name, form.summary)
        assert form.body.__name__ in str(operation["requestBody"])


def test_every_kind_with_a_payload_can_be_sent() -> None:
    assert sorted(form.kind for form in FORMS) == sorted(PAYLOADS)


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
