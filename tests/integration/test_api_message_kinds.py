"""Every kind of message through a real gunicorn: its body becomes its payload, and names exactly its message."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx
import pytest

from bisnes_api.kinds import FORMS
from bisnes_core.message import PAYLOADS
from tests.fixtures.api import LOOPBACK, Api, Company, store


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
