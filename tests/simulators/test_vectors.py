"""Meta's published examples: every send body is taken, errors and webhooks have the published shape."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.simulators.support import PHONE, USER, VECTORS, Receiver, Simulator, error_of, many

pytestmark = pytest.mark.skipif(not VECTORS.exists(), reason=f"the published vectors are not at {VECTORS}")

PLACEHOLDER = re.compile(r"<[^<>]*>|\{\{[^{}]*\}\}")
URL_PLACEHOLDER = re.compile(r"<?http\(s\)://[^<>]*>?")


def load(name: str) -> Any:
    return json.loads((VECTORS / name).read_text())


def fill(value: Any, media_id: str, key: str = "") -> Any:
    """Return an example with something real in the place of its placeholders."""
    if isinstance(value, dict):
        return {fill(name, media_id): fill(item, media_id, name) for name, item in value.items()}
    if isinstance(value, list):
        return [fill(item, media_id, key) for item in value]
    if not isinstance(value, str):
        return value
    if URL_PLACEHOLDER.fullmatch(value):
        return "https://example.com/file"
    if key == "to" and PLACEHOLDER.search(value):
        return f"+{USER}"
    if key == "id" and "OBJECT_ID" in value:
        return media_id
    if value == "<HEADER_TYPE>":
        return "text"
    # As short as the strictest limit, and distinct where the placeholders are.
    return PLACEHOLDER.sub(lambda match: match[0].strip("<>{}")[-20:], value)


def test_all_published_send_bodies_are_accepted(simulator: Simulator) -> None:
    files = {"file": ("a.pdf", b"%PDF", "application/pdf"), "messaging_product": (None, "whatsapp")}
    media_id = simulator.call("POST", f"/{PHONE}/media", files=files).json()["id"]
    bodies = load("send_messages.json")
    assert len(bodies) == 50
    refused = {}
    for name, body in bodies.items():
        response = simulator.call("POST", f"/v23.0/{PHONE}/messages", json=fill(body, media_id))
        if response.status_code != 200:
            refused[name] = error_of(response)
    assert refused == {}
    assert len(simulator.ledger()) == len(bodies) - 1, "the read mark is no message"


def test_errors_have_the_published_members(simulator: Simulator) -> None:
    published = [row["body"]["error"] for row in load("errors.json")]
    members = set().union(*published) | {"error_data"}
    types = {error["type"] for error in published}
    for code in sorted({error["code"] for error in published} | {130429, 131026, 131056}):
        simulator.fault(count=1, effect={"code": code})
        error = error_of(simulator.send())
        assert set(error) <= members
        assert {"message", "type", "code", "fbtrace_id"} <= set(error)
        assert error["type"] in types
        assert (error["code"], type(error["message"])) == (code, str)


@pytest.mark.parametrize(
    ("http", "code", "subcode", "call"),
    [
        (401, 104, None, {"token": None}),
        (401, 190, None, {"token": "nonsense"}),
    ],
)
def test_refused_tokens_answer_as_published(
    simulator: Simulator, http: int, code: int, subcode: int | None, call: dict[str, Any]
) -> None:
    published = [row for row in load("errors.json") if row["body"]["error"]["code"] == code and row["http"] == http]
    assert published
    response = simulator.call("GET", f"/v25.0/{PHONE}", **call)
    error = error_of(response)
    assert (response.status_code, error["code"], error.get("error_subcode")) == (http, code, subcode)


def shape(value: Any) -> Any:
    """Return the value with types in the place of scalars; a list has the shape of its items."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return type(value).__name__


def contains(ours: Any, published: Any, path: str = "$") -> list[str]:
    """Return where ``ours`` lacks something of ``published``; what 2026 added on top is allowed."""
    if isinstance(published, dict):
        if not isinstance(ours, dict):
            return [f"{path}: {ours!r}"]
        found = [f"{path}.{name} is missing" for name in published.keys() - ours.keys()]
        return found + [
            row
            for name in published.keys() & ours.keys()
            for row in contains(ours[name], published[name], f"{path}.{name}")
        ]
    if isinstance(published, list):
        if not isinstance(ours, list) or len(ours) != len(published):
            return [f"{path}: {ours!r}"]
        return [row for i, item in enumerate(published) for row in contains(ours[i], item, f"{path}[{i}]")]
    return [] if ours == published else [f"{path}: {ours!r} instead of {published!r}"]


#: webhook of the vectors -> what the simulator is asked to emit, beside what it takes from the example
EMITTED: dict[str, dict[str, Any]] = {
    "text_message": {"type": "text"},
    "text_message_from_click_to_whatsapp_ad": {"type": "text"},
    "text_message_with_context_product_inquiry": {"type": "text"},
    "image_message": {"type": "image", "caption": "Taj Mahal"},
    "reaction_message": {"type": "reaction"},
    "location_message": {"type": "location"},
    "contact_sharing_message": {"type": "contacts"},
    "button_message": {"type": "button"},
    "interactive_button_reply_message": {"type": "interactive"},
    "interactive_list_reply_message": {"type": "interactive"},
    "order_message": {"type": "order"},
    "unsupported_message": {"type": "unsupported"},
    "system_message": {"type": "system", "contacts": False},
}
TAKEN_OVER = ("context", "referral")


def test_inbound_webhooks_have_the_published_shape(simulator: Simulator, receiver: Receiver) -> None:
    for number, (name, spec) in enumerate(EMITTED.items(), 1):
        published = load(f"webhooks/{name}.json")
        value = published["entry"][0]["changes"][0]["value"]
        message = value["messages"][0]
        kind = str(spec["type"])
        extra = {key: message[key] for key in TAKEN_OVER if key in message}
        wish = {"phone": PHONE, "from": message["from"], "content": message.get(kind), "extra": extra, **spec}
        if kind == "text":
            wish["text"] = message["text"]["body"]
        simulator.admin("POST", "inbound", wish)
        webhook = many(receiver.posts, number)[-1]
        assert contains(shape(webhook.json), shape(published)) == [], name
        assert webhook.is_signed()


def test_other_fields_are_emitted_as_given(simulator: Simulator, receiver: Receiver) -> None:
    names = ("group_create_message", "group_remove_participants", "group_settings_update")
    for number, name in enumerate(names, 1):
        published = load(f"webhooks/{name}.json")
        simulator.admin("POST", "raw", published)
        webhook = many(receiver.posts, number)[-1]
        assert webhook.json == published
        assert webhook.is_signed()
