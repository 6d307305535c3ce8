"""What Meta's and 360dialog's refusals mean: one row per code of Meta's list, and the rules for everything else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bisnes_core.errors import (
    AuthRequired,
    Permanent,
    RateLimited,
    Restricted,
    Retryable,
    Scope,
    SendError,
    UnknownOutcome,
)
from plugins.meta.classify import RULES, classify
from tests.fixtures.meta import vector

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def answer(
    code: object = None,
    http: int = 400,
    headers: Mapping[str, str] | None = None,
    secrets: tuple[str, ...] = (),
    **error: Any,
) -> SendError:
    """The error for an answer in Meta's form."""
    body = {
        "error": {"message": f"(#{code}) words", "type": "OAuthException", "code": code, "fbtrace_id": "Az8"} | error
    }
    return classify(http, headers or {}, json.dumps(body).encode(), secrets=secrets, now=NOW)


# The list's letters: B retry, P pause the pair, N the number, A the app, F and R fail, T stop, C configuration.
B, P, N, A, F, R, T, C = "BPNAFRTC"
LISTED: list[tuple[int, str, int]] = [
    (0, T, 401),
    (1, B, 500),
    (2, B, 503),
    (3, T, 500),
    (4, A, 400),
    (10, T, 403),
    (17, A, 400),
    (32, A, 429),
    (613, A, 400),
    (33, T, 404),
    (100, F, 400),
    (102, T, 401),
    (104, T, 401),
    (190, T, 401),
    (200, T, 403),
    (210, T, 403),
    (299, T, 403),
    (368, N, 403),
    (803, F, 404),
    (80007, A, 429),
    (130403, R, 400),
    (130429, N, 429),
    (130472, R, 400),
    (130497, R, 403),
    (131000, B, 500),
    (131005, T, 403),
    (131008, F, 400),
    (131009, F, 400),
    (131016, B, 500),
    (131020, F, 400),
    (131041, F, 400),
    (131021, F, 400),
    (131026, R, 400),
    (131030, R, 400),
    (131031, T, 403),
    (131037, T, 400),
    (131042, T, 400),
    (131045, T, 500),
    (131047, R, 400),
    (131048, N, 400),
    (131049, R, 400),
    (131050, R, 400),
    (131051, F, 400),
    (131052, F, 400),
    (131053, F, 400),
    (131055, F, 400),
    (131056, P, 400),
    (131057, N, 500),
    (131062, F, 400),
    (131063, F, 400),
    (131064, N, 400),
    (132000, F, 400),
    (132005, F, 400),
    (132012, F, 400),
    (132018, F, 400),
    (132001, F, 404),
    (132007, F, 400),
    (132015, F, 400),
    (132016, F, 400),
    (132068, F, 400),
    (132069, B, 400),
    (133000, C, 500),
    (133004, C, 503),
    (133005, C, 400),
    (133006, C, 400),
    (133008, C, 400),
    (133009, C, 400),
    (133010, T, 400),
    (133015, C, 400),
    (133016, C, 400),
    (134011, F, 400),
    (134100, F, 400),
    (134101, B, 400),
    (134102, F, 500),
    (135000, F, 400),
    (136024, C, 400),
    (136025, C, 400),
    (137000, R, 400),
    (2593107, C, 400),
    (2593108, C, 400),
    (2593109, C, 400),
]
MEANS: dict[str, tuple[type[SendError], ...]] = {
    B: (Retryable,),
    P: (RateLimited,),
    N: (RateLimited, Restricted),
    A: (RateLimited,),
    F: (Permanent,),
    R: (Permanent,),
    T: (AuthRequired,),
    C: (Permanent,),
}
SCOPES = {P: Scope.PAIR, N: Scope.PHONE, A: Scope.APP}


@pytest.mark.parametrize(("code", "letter", "http"), LISTED)
@pytest.mark.parametrize("published", [True, False])
def test_every_listed_code(code: int, letter: str, http: int, published: bool) -> None:
    """Under the status that Meta published for it, and under another: codes decide, not the status."""
    error = answer(code, http if published else 429 if http == 400 else 400)
    assert isinstance(error, MEANS[letter])
    assert error.code == f"meta:{code}"
    assert error.trace["fbtrace_id"] == "Az8"
    if isinstance(error, RateLimited):
        assert error.scope is SCOPES[letter]


def test_the_table_knows_no_code_that_is_not_listed() -> None:
    assert {code for code in RULES if not 200 <= code <= 299} == {
        code for code, _, _ in LISTED if not 200 <= code <= 299
    }
    assert set(range(200, 300)) <= set(RULES)


@pytest.mark.parametrize(
    ("code", "wait_s", "growth"),
    [(131056, 4.0, 4.0), (130429, 1.0, 1.0), (131057, 60.0, 1.0), (4, 60.0, 2.0), (80007, 60.0, 2.0)],
)
def test_throttles_pause_as_long_as_the_limit_needs(code: int, wait_s: float, growth: float) -> None:
    error = answer(code)
    assert isinstance(error, RateLimited)
    assert (error.retry_after_s, error.growth) == (wait_s, growth)


@pytest.mark.parametrize(("code", "hours"), [(131048, 2), (131064, 2), (368, 1)])
def test_restrictions_last_hours(code: int, hours: int) -> None:
    error = answer(code)
    assert isinstance(error, Restricted)
    assert error.until == NOW + timedelta(hours=hours)


@pytest.mark.parametrize(("code", "attempts"), [(1, 2), (131000, 2), (2, None), (131016, None)])
def test_faults_that_seldom_mend_are_tried_less_often(code: int, attempts: int | None) -> None:
    error = answer(code, 500)
    assert isinstance(error, Retryable)
    assert error.attempts_max == attempts


@pytest.mark.parametrize("code", [132069, 134101])
def test_slow_retries_wait_ten_minutes(code: int) -> None:
    error = answer(code)
    assert isinstance(error, Retryable)
    assert error.retry_after_s == 600.0


def test_a_node_that_is_not_there_stops_the_phone() -> None:
    assert isinstance(answer(100, error_subcode=33), AuthRequired)
    assert isinstance(answer(100, error_subcode=2494010), Permanent)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"http": 400}, Permanent),
        ({"http": 500}, Retryable),
        ({"http": 503}, Retryable),
        ({"http": 400, "is_transient": True}, Retryable),
        ({"http": 400, "is_transient": "yes"}, Permanent),
        ({"http": 429}, RateLimited),
        ({"http": 403}, Permanent),
    ],
)
def test_unknown_code(error: dict[str, Any], kind: type[SendError]) -> None:
    found = answer(999_999, **error)
    assert type(found) is kind
    assert found.code == "meta:999999"
    assert "words" in found.detail


@pytest.mark.parametrize(
    ("http", "kind"),
    [(400, Permanent), (401, AuthRequired), (403, AuthRequired), (429, RateLimited), (500, Retryable)],
)
@pytest.mark.parametrize("code", [None, True, "abc", 1.5, {}, "9" * 400])
def test_error_object_without_a_usable_code(http: int, kind: type[SendError], code: object) -> None:
    found = answer(code, http)
    assert type(found) is kind
    assert found.code == f"meta:http_{http}"


def test_code_written_as_a_string_counts() -> None:
    assert answer("131026").code == "meta:131026"


# -- words -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("members", "detail"),
    [
        ({"message": "(#1) a", "error_data": {"details": "why"}}, "(#1) a: why"),
        ({"message": "a", "error_data": "plain"}, "a: plain"),
        ({"message": "a", "error_data": {"details": 7}}, "a"),
        ({"message": "a", "error_data": None, "error_user_msg": "for people"}, "a: for people"),
        ({"message": "a", "error_data": "a"}, "a"),
        ({"message": None}, ""),
        ({"message": "x" * 9000}, "x" * 500),
    ],
)
def test_detail_is_what_meta_says(members: dict[str, Any], detail: str) -> None:
    assert answer(131026, **members).detail == detail


def test_no_secret_gets_into_an_error() -> None:
    token, odd = "EAAG" + "x" * 40, "odd-form-of-a-key"
    error = answer(
        190,
        401,
        secrets=(odd, ""),
        message=f"Malformed access token {token}",
        error_data={"details": f"{odd} https://graph.facebook.com/v25.0/1?access_token=abc%7Cdef&x=1 Bearer abc.def"},
        error_user_title=f"token {odd}",
        fbtrace_id="Az8or2yhqkZfEZ-_4Qn_Bam",
    )
    told = f"{error!r} {error.detail} {error.trace}"
    for secret in (token, odd, "abc%7Cdef", "abc.def"):
        assert secret not in told
    assert error.trace["fbtrace_id"] == "Az8or2yhqkZfEZ-_4Qn_Bam"
    assert "Malformed access token" in error.detail


# -- waits that the provider names -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("7", 60.0),
        ("120", 120.0),
        ("999999", 3600.0),
        ("Mon, 23 Nov 2026 12:05:00 GMT", 300.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 60.0),
        ("soon", 60.0),
        ("", 60.0),
        ("-5", 60.0),
        ("Mon, 99 Nov 2026", 60.0),
    ],
)
def test_retry_after_is_a_lower_bound(header: str, wait_s: float) -> None:
    error = answer(4, 429, {"retry-after": header})
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == wait_s


def test_retry_after_counts_for_faults_too() -> None:
    error = answer(2, 503, {"retry-after": "30"})
    assert isinstance(error, Retryable)
    assert error.retry_after_s == 30.0


@pytest.mark.parametrize(
    ("usage", "wait_s"),
    [
        ('{"1":[{"type":"whatsapp","call_count":100,"estimated_time_to_regain_access":5}]}', 300.0),
        ('{"1":[{"estimated_time_to_regain_access":0}],"2":[{"estimated_time_to_regain_access":2}]}', 120.0),
        ('{"1":[{"estimated_time_to_regain_access":"99999"}]}', 3600.0),
        ('{"1":7,"2":[7]}', 60.0),
        ("not json", 60.0),
        ("", 60.0),
    ],
)
def test_account_limits_wait_as_the_usage_header_says(usage: str, wait_s: float) -> None:
    error = answer(80007, 400, {"x-business-use-case-usage": usage})
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == wait_s


# -- answers without Meta's error object -------------------------------------------------------------------------------
@pytest.mark.parametrize("body", [b"", b"<html>oops</html>", b"[]", b'{"error":"text"}', b'{"ok":true}', b"\xff\x00"])
@pytest.mark.parametrize(
    ("http", "kind"),
    [
        (200, UnknownOutcome),
        (302, AuthRequired),
        (400, Retryable),
        (401, AuthRequired),
        (403, AuthRequired),
        (404, AuthRequired),
        (407, AuthRequired),
        (408, UnknownOutcome),
        (413, Retryable),
        (429, RateLimited),
        (500, UnknownOutcome),
        (502, UnknownOutcome),
        (503, UnknownOutcome),
        (504, UnknownOutcome),
    ],
)
def test_unreadable_answer(http: int, kind: type[SendError], body: bytes) -> None:
    error = classify(http, {}, body, now=NOW)
    assert type(error) is kind
    assert error.code == f"meta:http_{http}"


@pytest.mark.parametrize(
    ("http", "text", "kind"),
    [
        (401, "Invalid api_key", AuthRequired),
        (403, "Endpoint blocked", AuthRequired),
        (404, "Channel not found", AuthRequired),
        (400, "Your account is disabled", AuthRequired),
        (400, "Subscription unpaid", AuthRequired),
        (400, "Endpoint limit reached", RateLimited),
        (400, "Bad request", Permanent),
        (429, "Too many requests", RateLimited),
        (503, "Throttled", RateLimited),
        (500, "Internal error", UnknownOutcome),
        (502, "Bad gateway", UnknownOutcome),
    ],
)
@pytest.mark.parametrize("names", [("httpCode", "developerMessage"), ("http_code", "developer_message")])
def test_360dialogs_own_refusals(http: int, text: str, kind: type[SendError], names: tuple[str, str]) -> None:
    body = {"meta": {names[0]: http, names[1]: text, "success": False}}
    error = classify(http, {}, json.dumps(body).encode(), secrets=("made-up-key",), now=NOW)
    assert type(error) is kind
    assert (error.code, error.detail) == (f"360dialog:{http}", text)


def test_360dialogs_refusal_without_words() -> None:
    error = classify(401, {}, b'{"meta":{}}', now=NOW)
    assert isinstance(error, AuthRequired)
    assert error.code == "360dialog:401"


# -- everything else ---------------------------------------------------------------------------------------------------
def test_all_published_error_examples_are_classified_by_code() -> None:
    examples = vector("errors.json")
    assert len(examples) == 529
    for example in examples:
        error = classify(example["http"], {}, json.dumps(example["body"]).encode(), now=NOW)
        assert error.code == f"meta:{example['body']['error']['code']}"
        assert not isinstance(error, UnknownOutcome), "a parsed error means that nothing was sent"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "meta", "code", "message", "error_data", "details"]), inner, max_size=5
        )
    ),
    max_leaves=15,
)


@given(st.integers(100, 599), JSON, st.dictionaries(st.sampled_from(["retry-after"]), st.text(max_size=12)))
def test_no_answer_raises(http: int, body: Any, headers: dict[str, str]) -> None:
    assert isinstance(classify(http, headers, json.dumps(body).encode(), now=NOW), SendError)
    assert isinstance(classify(http, headers, json.dumps({"error": body}).encode(), now=NOW), SendError)
