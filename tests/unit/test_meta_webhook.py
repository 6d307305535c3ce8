"""Meta's webhooks: what comes out of a body as a whole, whatever it holds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bisnes_core.channel import Ignored, Inbound, Quarantined, Receipt
from plugins.meta.webhook import FIELDS_IGNORED, LEVELS_MAX, parse
from tests.fixtures.meta import (
    BODY,
    PHONE_NUMBER_ID,
    STATUS,
    TEXT,
    VECTORS,
    WAMID,
    parse_text,
    vector,
    webhook_body,
    webhook_value,
)


# -- the body as a whole -----------------------------------------------------------------------------------------------
def test_all_items_of_all_entries_come_out() -> None:
    value = webhook_value(messages=[TEXT, TEXT])
    body = json.loads(webhook_body(value, webhook_value(statuses=[STATUS])))
    body["entry"] *= 2
    kinds = [type(item) for item in parse(json.dumps(body).encode())]
    assert kinds == [Inbound, Inbound, Receipt] * 2


def test_one_bad_item_costs_none_of_its_siblings() -> None:
    bad: list[Any] = [7, None, {}, {**TEXT, "timestamp": "soon"}, {**TEXT, "text": None}]
    items = parse(webhook_body(webhook_value(messages=[TEXT, *bad, TEXT], statuses=[STATUS, {"id": 1}, STATUS])))
    kinds = [type(item) for item in items]
    assert kinds == [Inbound, *[Quarantined] * 5, Inbound, Receipt, Quarantined, Receipt]


def test_quarantined_item_keeps_what_is_needed_to_read_it_again() -> None:
    parsed = parse_text(timestamp="soon")
    assert parsed.item["item"]["id"] == WAMID
    assert parsed.item["metadata"]["phone_number_id"] == PHONE_NUMBER_ID
    assert "soon" in parsed.reason


def test_360dialogs_form_has_the_value_at_the_top() -> None:
    messages, statuses = webhook_value(messages=[TEXT]), webhook_value(statuses=[STATUS])
    assert isinstance(parse(json.dumps(messages).encode())[0], Inbound)
    assert isinstance(parse(json.dumps(statuses).encode())[0], Receipt)
    event = {"event": "channel_created", "data": {"channel_id": "x"}}
    assert parse(json.dumps(event).encode()) == [Ignored("dialog360_channel_event")]


@pytest.mark.parametrize("field", sorted(FIELDS_IGNORED))
def test_other_fields_are_ignored_by_name(field: str) -> None:
    assert parse(webhook_body({"event": "whatever"}, field=field)) == [Ignored(field)]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (webhook_body({}, field="made_up"), "unknown_field"),
        (webhook_body(webhook_value(errors=[{"code": 130429}])), "account_errors"),
        (webhook_body(webhook_value(messages=[])), "empty"),
        (b'{"entry":[]}', "empty"),
    ],
)
def test_ignored_words(body: bytes, word: str) -> None:
    assert parse(body) == [Ignored(word)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe\x00",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        BODY[:-3],
        b'{"entry":7}',
        b'{"entry":[7]}',
        b'{"entry":[{"id":"1"}]}',
        b'{"entry":[{"changes":{}}]}',
        b'{"entry":[{"changes":[{"field":"messages","value":7}]}]}',
        b'{"messages":{}}',
        b'{"a":NaN}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":"\\ud800","b":' + b"9" * 30 + b"}",
        b'{"a":"\\ud800","b":Infinity}',
        b"[" * 100_000,
        b"[" * 300 + b"]" * 300,
    ],
)
def test_what_is_not_understood_is_quarantined_once(body: bytes) -> None:
    [item] = parse(body)
    assert isinstance(item, Quarantined)
    json.dumps(item.item)


def test_deep_nesting_is_told_from_many_items() -> None:
    value = webhook_value(messages=[TEXT] * (LEVELS_MAX + 1))
    assert {type(item) for item in parse(webhook_body(value))} == {Inbound}


def test_half_a_surrogate_pair_and_nul_are_made_storable() -> None:
    for broken in ("cut \\ud83d", "nul \\u0000"):
        body = webhook_body(webhook_value(messages=[TEXT])).replace(b'"hi"', f'"{broken}"'.encode())
        [item] = parse(body)
        assert isinstance(item, Inbound)
        assert item.text
        assert "\0" not in item.text
        item.text.encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["entry", "changes", "field", "value", "messages", "statuses", "errors", "metadata", "id", "type"]
            )
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)
#: Values that differ from a good item in some members only: the depth where most readers break.
NEARLY = st.fixed_dictionaries(
    {},
    optional={
        name: JSON | st.just(value)
        for name, value in {
            **TEXT,
            **STATUS,
            "type": "interactive",
            "contacts": [{"wa_id": "1", "profile": {}}],
            "context": {"id": WAMID},
            "interactive": {"button_reply": {"title": "x"}},
            "errors": [{"code": 1}],
        }.items()
    },
)


@given(JSON)
def test_parse_never_raises_for_any_json_value(value: Any) -> None:
    items = parse(json.dumps(value).encode())
    assert items
    assert all(isinstance(item, Quarantined | Ignored) for item in items)


@given(st.lists(NEARLY, min_size=1, max_size=3), st.lists(NEARLY, max_size=3), JSON)
def test_parse_answers_one_item_per_item(messages: list[Any], statuses: list[Any], contacts: Any) -> None:
    value = webhook_value(messages=messages, statuses=statuses, contacts=contacts)
    assert len(parse(json.dumps({"entry": [{"changes": [{"value": value}]}]}).encode())) == len(messages) + len(
        statuses
    )


@given(st.binary(max_size=200))
def test_parse_never_raises_for_random_bytes(body: bytes) -> None:
    items = parse(body)
    assert items
    assert all(isinstance(item, Quarantined | Ignored) for item in items)


# -- what Meta published -----------------------------------------------------------------------------------------------
def published() -> list[str]:
    return sorted(path.name for path in (VECTORS / "webhooks").glob("*.json")) or ["text_message.json"]


@pytest.mark.parametrize("name", published())
def test_published_webhooks_are_understood(name: str) -> None:
    body = json.dumps(vector(f"webhooks/{name}")).encode()
    [item] = parse(body)
    if name.startswith("group_"):
        assert isinstance(item, Ignored)
        assert item.word in FIELDS_IGNORED
    else:
        assert isinstance(item, Inbound), item
        assert item.chat_id == "16505551234@c.us"
        assert item.at.year == 2025
