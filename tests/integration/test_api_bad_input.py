"""Bad input, as a table: the documented status and code for each, never a 500, and nothing half-written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bisnes_api.problem import PROBLEMS
from tests.fixtures.api import LOOPBACK, Api, Company, store
from tests.fixtures.bad_input import HELLO, OURS, PHONES, TABLE, TEXT, THEIRS, Bad, rows


def chunks(content: bytes) -> Iterator[bytes]:
    yield from (content[start : start + 65_536] for start in range(0, len(content), 65_536))


@pytest.fixture(scope="module")
def target(api: Api) -> Company:
    return api.company()


@pytest.fixture(scope="module")
def other(api: Api) -> Company:
    return api.company()


@pytest.fixture(scope="module")
def loopback(api: Api) -> Company:
    """A company whose phone sends every kind, with one message of each direction."""
    company = api.company(phone=LOOPBACK)
    store(company, "outbound", OURS, "sent")
    store(company, "inbound", THEIRS)
    return company


@pytest.mark.parametrize("bad", TABLE, ids=lambda bad: bad.name)
def test_bad_input_is_refused_as_documented(
    api: Api, target: Company, loopback: Company, other: Company, bad: Bad
) -> None:
    before = rows(api)
    if bad.channel == "loopback":
        target = loopback
    path = bad.path.replace("{company}", target.id).replace("{other}", other.id)
    headers = dict(bad.headers)
    if bad.key:
        headers["Authorization"] = "Bearer " + bad.key.replace("{key}", target.key)
    body = bad.body
    if headers.pop("X-Chunked", None):
        body = {"content": chunks(body["content"])}
    answer = api.client.request(bad.method, path, headers=headers, **body)
    assert answer.headers["Content-Type"] == "application/problem+json"
    document = answer.json()
    assert (answer.status_code, document["code"]) == (PROBLEMS[bad.code][0], bad.code), document
    assert document["status"] == answer.status_code
    if bad.field:
        assert document["field"] == bad.field
    assert answer.status_code != 401 or "Bearer" in answer.headers["WWW-Authenticate"]
    assert rows(api) == before


@pytest.mark.parametrize(
    ("scopes", "method", "path"),
    [
        (["read", "phones"], "POST", TEXT),
        (["send", "phones"], "GET", "/api/v2/messages/{company}"),
        (["send", "read"], "GET", PHONES),
        (["send", "read"], "POST", PHONES),
        (["send", "read"], "DELETE", PHONES + "/0"),
    ],
)
def test_a_key_without_the_scope_is_refused(api: Api, scopes: list[str], method: str, path: str) -> None:
    company = api.company(*scopes)
    answer = company.ask(method, path.replace("{company}", company.id), json=HELLO if method == "POST" else None)
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


def test_no_answer_repeats_a_secret_or_a_text(target: Company) -> None:
    config = {"phone_number_id": "1234567", "access_token": "EAA-very-secret" * 200}
    answers = [
        target.ask("POST", f"/api/v2/phones/{target.id}", json={"connectionType": "meta_direct", "config": config}),
        target.ask("POST", f"/api/v2/messages/text/{target.id}/1", json={"message": ["my-private-text"]}),
    ]
    for answer in answers:
        assert answer.status_code == 422
        assert "secret" not in answer.text
        assert "private" not in answer.text
