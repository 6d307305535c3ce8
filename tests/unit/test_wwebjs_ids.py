"""Ids that we choose, and the keys under which WhatsApp Web's page keeps messages."""

from __future__ import annotations

import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.wwebjs.ids import Key, is_ours, read_key, web_id


@given(st.uuids())
def test_an_id_is_always_the_same_has_whatsapp_webs_form_and_is_known_as_ours(message_id: UUID) -> None:
    made = web_id(message_id)
    assert made == web_id(UUID(str(message_id)))
    assert re.fullmatch(r"3EB0[0-9A-F]{18}", made)
    assert is_ours(made)


@given(st.lists(st.uuids(), unique=True, min_size=2, max_size=50))
def test_different_messages_have_different_ids(message_ids: list[UUID]) -> None:
    assert len({web_id(message_id) for message_id in message_ids}) == len(message_ids)


@pytest.mark.parametrize(
    "other",
    ["", "3EB0", "3EB0" + "0" * 18, "3EB0A1B2C3D4E5F60718293A", "AC4F0B1E2D3C4B5A69788796A5B4C3D2", "3A" + "F" * 18],
)
def test_ids_of_telephones_and_other_web_clients_are_not_ours(other: str) -> None:
    assert not is_ours(other)


@pytest.mark.parametrize(
    ("text", "key", "shown"),
    [
        ("true_60123@c.us_3EB0AA", Key(True, "60123@c.us", "3EB0AA"), "true_60123@c.us_3EB0AA"),
        ("false_9876@lid_AC12", Key(False, "9876@lid", "AC12"), "false_9876@lid_AC12"),
        (
            "false_120363-1@g.us_AC12_60123@c.us",
            Key(False, "120363-1@g.us", "AC12", "60123@c.us"),
            "false_120363-1@g.us_AC12_60123@c.us",
        ),
        # Our own are told without the participant, who is always us.
        ("true_120363@g.us_3EB0AA_9876@lid", Key(True, "120363@g.us", "3EB0AA", "9876@lid"), "true_120363@g.us_3EB0AA"),
    ],
)
def test_a_key_is_taken_apart_and_shown_as_the_provider_id(text: str, key: Key, shown: str) -> None:
    assert read_key(text) == key
    assert str(key) == shown


@pytest.mark.parametrize("text", ["", "true", "true_60123@c.us", "maybe_60123@c.us_A", "true_x@y_A", "true_1@c.us_A_B"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no key"):
        read_key(text)
