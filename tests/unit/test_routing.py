"""Chat ids: one form per chat, whatever the caller writes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bisnes_core.routing import InvalidChat, chat_kind, chat_number, normalise_chat


@pytest.mark.parametrize(
    ("raw", "chat_id", "kind"),
    [
        ("60123456789@c.us", "60123456789@c.us", "c.us"),
        ("+60123456789@c.us", "60123456789@c.us", "c.us"),
        ("60123456789@s.whatsapp.net", "60123456789@c.us", "c.us"),
        ("+60123456789", "60123456789@c.us", "c.us"),
        (" 60123456789 ", "60123456789@c.us", "c.us"),
        ("120363419@g.us", "120363419@g.us", "g.us"),
        ("60123456789-1612345678@g.us", "60123456789-1612345678@g.us", "g.us"),
        ("13491208655@lid", "13491208655@lid", "lid"),
        ("US.13491208655302741918", "US.13491208655302741918", "user"),
        ("US.ENT.13491208655302741918", "US.ENT.13491208655302741918", "user"),
    ],
)
def test_forms_of_a_chat(raw: str, chat_id: str, kind: str) -> None:
    assert normalise_chat(raw) == chat_id
    assert chat_kind(chat_id) == kind
    assert chat_id.startswith(chat_number(chat_id))


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "@",
        "1234",
        "1" * 21,
        "٦٠١٢٣٤٥٦٧",
        "60123@x.us",
        "a@c.us",
        "60123456789@c.us@c.us",
        "us.13491208655",
        "US.1",
        "++60123456789",
        "60123456789@",
        "60123 456789",
        "60123456789@C.US",
        "60123456789\n60123456789",
        "x/../y@g.us",
    ],
)
def test_other_forms_are_refused(raw: str) -> None:
    with pytest.raises(InvalidChat):
        normalise_chat(raw)


@given(st.text(max_size=30) | st.from_regex(r"\+?[0-9]{3,24}(@(c\.us|g\.us|lid))?", fullmatch=True))
def test_a_normalised_id_stays_as_it_is(raw: str) -> None:
    try:
        chat_id = normalise_chat(raw)
    except InvalidChat:
        return
    assert normalise_chat(chat_id) == chat_id
