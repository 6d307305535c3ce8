"""Meta's webhooks: who is let in, by its verification request and by its signature."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bisnes_core.channel import WebhookRequest
from plugins.meta.webhook import challenge, verify
from tests.fixtures.meta import BODY, SECRET, signed


# -- verification request ----------------------------------------------------------------------------------------------
def ask(**query: str) -> str | None:
    asked = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": "right"} | {
        f"hub.{name}": value for name, value in query.items()
    }
    return challenge(WebhookRequest("GET", asked, {}), ["other", "right"])


def test_challenge_is_echoed_to_who_knows_one_of_the_tokens() -> None:
    assert ask() == "1158201444"


@pytest.mark.parametrize(
    "query",
    [
        {"verify_token": "wrong"},
        {"verify_token": ""},
        {"verify_token": "rightt"},
        {"verify_token": "ünicode"},
        {"verify_token": "\ud800"},
        {"mode": "unsubscribe"},
        {"challenge": ""},
        {"challenge": "1" * 201},
    ],
)
def test_challenge_refuses(query: dict[str, str]) -> None:
    assert ask(**query) is None


@pytest.mark.parametrize("tokens", [[], [""]])
def test_challenge_refuses_everything_without_a_token(tokens: list[str]) -> None:
    query = {"hub.mode": "subscribe", "hub.challenge": "1", "hub.verify_token": ""}
    assert challenge(WebhookRequest("GET", query, {}), tokens) is None
    assert challenge(WebhookRequest("GET", {}, {}), ["right"]) is None


# -- signature ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["x-hub-signature-256", "x-360dialog-signature"])
def test_signature_by_any_of_the_secrets_is_authentic(header: str) -> None:
    request = signed(BODY, header=header)
    assert verify(request, [SECRET])
    assert verify(request, ["another app's", "", SECRET])


def test_360dialog_may_leave_the_prefix_out_and_meta_may_not() -> None:
    digest = signed(BODY).headers["x-hub-signature-256"].removeprefix("sha256=")
    assert verify(WebhookRequest("POST", {}, {"x-360dialog-signature": digest}, BODY), [SECRET])
    assert not verify(WebhookRequest("POST", {}, {"x-hub-signature-256": digest}, BODY), [SECRET])


@pytest.mark.parametrize("secrets", [[], [""], ["wrong"]])
def test_signature_is_refused_without_the_secret(secrets: list[str]) -> None:
    assert not verify(signed(BODY), secrets)


def test_signature_with_the_empty_key_is_refused() -> None:
    assert not verify(signed(BODY, secret=""), ["", SECRET])


def test_signature_covers_the_raw_bytes() -> None:
    request = signed(BODY)
    rewritten = json.dumps(json.loads(BODY)).encode()
    assert not verify(WebhookRequest("POST", {}, request.headers, rewritten), [SECRET])


@pytest.mark.parametrize(
    "value",
    [
        "",
        "sha256=",
        "sha256=0",
        "sha1=" + "0" * 40,
        "sha256=" + "g" * 64,
        "sha256=" + "é" * 64,
        "sha256=" + "٣" * 64,
        "\udcff",
    ],
)
def test_malformed_signature_is_refused(value: str) -> None:
    assert not verify(WebhookRequest("POST", {}, {"x-hub-signature-256": value}, BODY), [SECRET])


def test_upper_case_and_trailing_line_feed_are_refused() -> None:
    right = signed(BODY).headers["x-hub-signature-256"]
    for value in (right.upper(), right + "\n", " " + right):
        assert not verify(WebhookRequest("POST", {}, {"x-hub-signature-256": value}, BODY), [SECRET])


@given(st.binary(max_size=300), st.text(max_size=90), st.lists(st.text(max_size=20), max_size=3))
def test_verify_never_raises_and_never_accepts_noise(body: bytes, value: str, secrets: list[str]) -> None:
    assert not verify(WebhookRequest("POST", {}, {"x-hub-signature-256": value}, body), secrets)
