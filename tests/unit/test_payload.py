"""The shape of payloads: what is good passes, and every other thing is refused with its field named."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bisnes_core.errors import Permanent, Unsupported
from bisnes_core.message import PAYLOADS, Kind
from bisnes_core.payload import CONTACTS_MAX, check_payload

URL = "https://files.example/a.bin"
FILE = {"url": URL, "caption": "", "name": "a.bin", "mime_type": "image/png", "reply_to": "x"}
GOOD: dict[Kind, dict[str, Any]] = {
    Kind.TEXT: {"text": "hello", "reply_to": "x", "preview_url": True},
    Kind.IMAGE: FILE,
    Kind.VIDEO: FILE,
    Kind.DOCUMENT: FILE,
    Kind.STICKER: FILE,
    Kind.AUDIO: {"url": "HTTP://files.example/a", "voice": False},
    Kind.LOCATION: {"latitude": -90, "longitude": 180.0, "name": "a", "address": "b"},
    Kind.CONTACTS: {"contacts": [{"name": "Ana", "phone": "60123456789", "organisation": "Bo Ltd"}]},
    Kind.POLL: {"question": "?", "options": ["a", "b"], "choices_max": 2},
    Kind.FORWARD: {"message_id": "x"},
    Kind.REACTION: {"message_id": "x", "emoji": ""},
    Kind.EDIT: {"message_id": "x", "text": "y"},
    Kind.DELETE: {"message_id": "x", "for_everyone": False},
    Kind.READ: {"message_id": "x", "typing": True},
    Kind.TYPING: {"sign": "paused", "seconds": 25},
}


def verdict(kind: Kind, payload: dict[str, Any]) -> Permanent | None:
    try:
        check_payload(kind, payload)
    except Permanent as error:
        return error
    return None


def refusal(kind: Kind, payload: dict[str, Any]) -> Permanent:
    error = verdict(kind, payload)
    assert error is not None, payload
    return error


def test_there_is_a_sample_of_every_kind() -> None:
    assert GOOD.keys() == PAYLOADS.keys()


@pytest.mark.parametrize("kind", GOOD)
def test_good_payloads_pass_with_and_without_what_is_optional(kind: Kind) -> None:
    check_payload(kind, GOOD[kind])
    check_payload(kind, {name: value for name, value in GOOD[kind].items() if name in PAYLOADS[kind]})
    optional = {name.rstrip("?"): None for name in PAYLOADS[kind] if name.endswith("?")}
    check_payload(kind, GOOD[kind] | optional)


@pytest.mark.parametrize("kind", GOOD)
def test_each_field_refuses_other_types_by_its_name(kind: Kind) -> None:
    for name, good in GOOD[kind].items():
        for wrong in (5, "", [], {}, object(), True, "\ud83d"):
            if type(wrong) is type(good) and wrong not in ("", [], "\ud83d"):
                continue
            if (wrong == 5 and isinstance(good, float)) or (wrong == "" and name in ("emoji", "caption")):
                continue
            assert refusal(kind, GOOD[kind] | {name: wrong}).detail.partition(" ")[0] == name


@pytest.mark.parametrize("kind", GOOD)
def test_each_needed_field_is_missed_and_strangers_are_refused(kind: Kind) -> None:
    for name in (name for name in PAYLOADS[kind] if not name.endswith("?")):
        left = {key: value for key, value in GOOD[kind].items() if key != name}
        assert refusal(kind, left).detail.startswith(f"{name} must ")
    assert refusal(kind, GOOD[kind] | {"colour": 1}).detail.startswith("colour must be absent")


@pytest.mark.parametrize("kind", sorted(set(Kind) - PAYLOADS.keys()))
def test_a_kind_without_a_shape_is_unsupported(kind: Kind) -> None:
    with pytest.raises(Unsupported):
        check_payload(kind, {})


@pytest.mark.parametrize(
    ("kind", "change", "code", "words"),
    [
        (Kind.TEXT, {"text": " \n"}, "invalid_field", "text must not be empty"),
        (Kind.IMAGE, {"url": "ftp://x"}, "invalid_field", "url must be an address"),
        (Kind.IMAGE, {"url": "https://x/\r\nHost: y"}, "invalid_field", "url must be an address"),
        (Kind.IMAGE, {"url": URL + "x" * 9000}, "over_limit", "url must have at most"),
        (Kind.IMAGE, {"name": "n" * 256}, "over_limit", "name must have at most 255"),
        (Kind.LOCATION, {"latitude": 90.5}, "invalid_field", "latitude must be a number from -90 to 90"),
        (Kind.LOCATION, {"longitude": float("nan")}, "invalid_field", "longitude must"),
        (Kind.LOCATION, {"longitude": float("inf")}, "invalid_field", "longitude must"),
        (Kind.CONTACTS, {"contacts": [{}]}, "invalid_field", "contacts.0.name must be a string"),
        (Kind.CONTACTS, {"contacts": [{"name": "a", "phone": "+60123"}]}, "invalid_field", "contacts.0.phone must be"),
        (Kind.CONTACTS, {"contacts": [7]}, "invalid_field", "contacts.0 must be an object"),
        (Kind.CONTACTS, {"contacts": [{}] * (CONTACTS_MAX + 1)}, "over_limit", "contacts must be at most"),
        (Kind.POLL, {"options": ["a", "b", "a"]}, "invalid_field", "options must differ"),
        (Kind.POLL, {"options": ["a", 5]}, "invalid_field", "options.1 must be a string"),
        (Kind.POLL, {"choices_max": 3}, "invalid_field", "choices_max must be at most"),
        (Kind.POLL, {"choices_max": 1.0}, "invalid_field", "choices_max must be a whole number"),
        (Kind.REACTION, {"emoji": "x" * 33}, "over_limit", "emoji must have at most 32"),
        (Kind.REACTION, {"reply_to": "x"}, "invalid_field", "reply_to must be absent"),
        (Kind.TYPING, {"sign": "dancing"}, "invalid_field", "sign must be one of typing, recording, paused"),
        (Kind.TYPING, {"seconds": 26}, "invalid_field", "seconds must be a number from 0 to 25"),
    ],
)
def test_limits(kind: Kind, change: dict[str, Any], code: str, words: str) -> None:
    error = refusal(kind, GOOD[kind] | change)
    assert error.code == code
    assert error.detail.startswith(words)


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.data())
def test_any_json_passes_or_is_refused_by_the_name_of_a_field(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(PAYLOADS)))
    names = st.sampled_from([name.rstrip("?") for name in PAYLOADS[kind]])
    payload = data.draw(st.dictionaries(names, _JSON))
    error = verdict(kind, payload)
    if error is not None:
        assert error.detail.partition(" ")[0].partition(".")[0] in {name.rstrip("?") for name in PAYLOADS[kind]}
        assert error.code in ("invalid_field", "over_limit")
