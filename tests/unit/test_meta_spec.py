"""What Meta's channel refuses before queueing, and the configuration it takes."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from bisnes_core.errors import Permanent, Unsupported
from bisnes_core.message import Kind
from plugins.meta.spec import SPEC
from tests.fixtures.meta import WAMID

PERSON = "60123456789@c.us"


@pytest.mark.parametrize(
    ("kind", "chat_id", "payload"),
    [
        (Kind.TEXT, PERSON, {"text": "x"}),
        (Kind.TEXT, PERSON, {"text": "😀" * 4096}),
        (Kind.TEXT, PERSON, {"text": "x", "reply_to": WAMID, "preview_url": True}),
        (Kind.TEXT, PERSON, {"text": "x", "reply_to": None, "preview_url": None}),
        (Kind.TEXT, "US.13491208655302741918", {"text": "x"}),
        (Kind.REACTION, PERSON, {"message_id": WAMID, "emoji": ""}),
        (Kind.REACTION, PERSON, {"message_id": WAMID, "emoji": "👩🏽‍❤️‍💋‍👨🏽"}),
        (Kind.READ, PERSON, {"message_id": WAMID}),
        (Kind.READ, PERSON, {"message_id": WAMID, "typing": True}),
    ],
)
def test_check_lets_pass(kind: Kind, chat_id: str, payload: dict[str, Any]) -> None:
    SPEC.check(kind, chat_id, payload)


@pytest.mark.parametrize(
    ("kind", "payload", "code"),
    [
        (Kind.TEXT, {}, "invalid_field"),
        (Kind.TEXT, {"text": None}, "invalid_field"),
        (Kind.TEXT, {"text": 7}, "invalid_field"),
        (Kind.TEXT, {"text": ""}, "invalid_field"),
        (Kind.TEXT, {"text": "half \ud83d"}, "invalid_field"),
        (Kind.TEXT, {"text": "x" * 4097}, "over_limit"),
        (Kind.TEXT, {"text": "x", "reply_to": "7"}, "invalid_field"),
        (Kind.TEXT, {"text": "x", "reply_to": 7}, "invalid_field"),
        (Kind.TEXT, {"text": "x", "preview_url": "yes"}, "invalid_field"),
        (Kind.REACTION, {"message_id": WAMID}, "invalid_field"),
        (Kind.REACTION, {"emoji": "x"}, "invalid_field"),
        (Kind.REACTION, {"message_id": "true_60123@c.us_3EB0", "emoji": "x"}, "invalid_field"),
        (Kind.REACTION, {"message_id": WAMID, "emoji": "x" * 33}, "over_limit"),
        (Kind.REACTION, {"message_id": WAMID, "emoji": "x", "reply_to": WAMID}, "invalid_field"),
        (Kind.READ, {}, "invalid_field"),
        (Kind.READ, {"message_id": WAMID + "\n"}, "invalid_field"),
        (Kind.READ, {"message_id": WAMID, "typing": 1}, "invalid_field"),
    ],
)
def test_check_refuses_payloads(kind: Kind, payload: dict[str, Any], code: str) -> None:
    with pytest.raises(Permanent) as refused:
        SPEC.check(kind, PERSON, payload)
    assert refused.value.code == code


@pytest.mark.parametrize("chat_id", ["120363419@g.us", "13491208655@lid"])
def test_check_refuses_chats_that_the_cloud_api_does_not_reach(chat_id: str) -> None:
    with pytest.raises(Unsupported) as refused:
        SPEC.check(Kind.TEXT, chat_id, {"text": "x"})
    assert refused.value.code == "unsupported_chat"


@pytest.mark.parametrize("kind", sorted(set(Kind) - SPEC.kinds))
def test_check_refuses_kinds_not_built_yet(kind: Kind) -> None:
    with pytest.raises(Unsupported) as refused:
        SPEC.check(kind, PERSON, {"text": "x"})
    assert refused.value.code == "unsupported_kind"


DIRECT = {"phone_number_id": "106540352242922", "access_token": "EAA"}


@pytest.mark.parametrize(
    ("config", "valid"),
    [
        (DIRECT, True),
        ({**DIRECT, "waba_id": "419561257915477", "app_secret": "x", "graph_version": "v26.0"}, True),
        ({**DIRECT, "base_url": "https://proxy.example/graph"}, True),
        ({"api_key": "key"}, True),
        ({"api_key": "key", "phone_number_id": "106540352242922"}, True),
        ({}, False),
        ({"phone_number_id": "106540352242922"}, False),
        ({"access_token": "EAA"}, False),
        ({**DIRECT, "api_key": "key"}, False),
        ({**DIRECT, "phone_number_id": 106540352242922}, False),
        ({**DIRECT, "phone_number_id": "1/../2"}, False),
        ({**DIRECT, "access_token": ""}, False),
        ({**DIRECT, "base_url": "http://plain.example"}, False),
        ({**DIRECT, "base_url": "https://user@host"}, False),
        ({**DIRECT, "graph_version": "latest"}, False),
        ({**DIRECT, "acces_token": "misspelled"}, False),
    ],
)
def test_configuration(config: dict[str, Any], valid: bool) -> None:
    assert Draft202012Validator(SPEC.config_schema).is_valid(config) is valid


def test_secrets_are_marked() -> None:
    assert SPEC.secret_fields == {"access_token", "app_secret", "api_key"}
