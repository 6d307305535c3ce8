"""Provider webhooks: verified over the raw bytes, stored raw, fail closed."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.fixtures.api import VERIFY_TOKEN, Api, running_api, sign
from tests.fixtures.eventually import eventually


def stored(api: Api, body: bytes) -> int:
    return int(api.sql("SELECT count(*) FROM provider_events WHERE body = %s AND channel = 'meta'", body)[0][0])


def fresh_body() -> bytes:
    return b'{"object": "whatsapp_business_account", "entry": [], "x": "%s"}' % uuid4().hex.encode()


@pytest.mark.parametrize("path", ["/webhooks/meta", "/webhook/meta"])
def test_the_verification_request_is_answered(api: Api, path: str) -> None:
    query = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1158201444"}
    answer = api.client.get(path, params=query)
    assert (answer.status_code, answer.text) == (200, "1158201444")
    assert answer.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize("path", ["/webhooks/meta", "/webhook/meta"])
def test_an_authentic_event_is_stored_exactly_as_it_came(api: Api, path: str) -> None:
    body = fresh_body() + b" \n"
    answer = api.client.post(path, content=body, headers=sign(body))
    assert (answer.status_code, answer.text) == (200, "OK")
    assert stored(api, body) == 1


def test_a_repeated_event_is_stored_again_for_the_events_worker_to_tell(api: Api) -> None:
    body = fresh_body()
    for _ in range(2):
        assert api.client.post("/webhooks/meta", content=body, headers=sign(body)).status_code == 200
    assert stored(api, body) == 2


def test_what_is_authentic_is_stored_even_when_it_is_no_json(api: Api) -> None:
    body = b'{"entry": [' + uuid4().bytes
    assert api.client.post("/webhooks/meta", content=body, headers=sign(body)).status_code == 200
    assert stored(api, body) == 1


def test_three_megabytes_are_taken(api: Api) -> None:
    body = fresh_body().ljust(3_000_000)
    assert api.client.post("/webhooks/meta", content=body, headers=sign(body)).status_code == 200
    assert stored(api, body) == 1


def test_a_phone_may_bring_its_own_secret(api: Api) -> None:
    secret = uuid4().hex
    api.company(phone={"secrets": {"access_token": "EAAx", "app_secret": secret}})
    body = fresh_body()

    def answer(path: str, headers: dict[str, str]) -> int:
        return api.client.post(path, content=body, headers=headers).status_code

    # What the session's API knows of secrets may be 5 s old.
    eventually(lambda: answer("/webhooks/meta", sign(body, secret)) == 200, 7, "the new secret to count")
    digest = sign(body, secret)["X-Hub-Signature-256"].removeprefix("sha256=")
    assert answer("/webhook/360dialog", {"X-360dialog-Signature": digest}) == 200
    assert answer("/webhooks/meta", sign(body, "another")) == 403
    assert stored(api, body) == 2


def test_a_secret_that_cannot_be_opened_costs_only_itself(api: Api) -> None:
    """Sealed with an older ENCRYPTION_KEY, say: the installation's own secret goes on working."""
    company = api.company()
    api.sql('UPDATE phone_configs SET secrets = \'{"app_secret": "00:11:22"}\' WHERE company_id = %s', company.id)
    body = fresh_body()
    with running_api(api.settings) as fresh:
        assert fresh.client.post("/webhooks/meta", content=body, headers=sign(body)).status_code == 200
    api.sql("UPDATE phone_configs SET secrets = '{}' WHERE company_id = %s", company.id)
