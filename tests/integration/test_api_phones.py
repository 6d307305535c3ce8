"""Phones through the API: secrets go in and never come out."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from bisnes_core.sealing import Sealer
from tests.fixtures.api import ENCRYPTION_KEY, Api, Company, running_api


def meta(**config: Any) -> dict[str, Any]:
    """A body for a phone at Meta."""
    return {
        "connectionType": "meta_direct",
        "config": {"phone_number_id": str(uuid4().int)[:15], "access_token": "EAAsecret"} | config,
    }


def test_a_phone_is_added_shown_replaced_and_removed(company: Company) -> None:
    path = f"/api/v2/phones/{company.id}"
    added = company.ask("POST", path, json=meta() | {"onUnconfirmed": "hold"})
    assert added.status_code == 201
    assert added.headers["Location"] == f"{path}/1"
    phone = added.json()["phone"]
    assert (phone["phoneIndex"], phone["channel"], phone["status"]) == (1, "meta", "ready")
    assert (phone["onUnconfirmed"], phone["config"]["access_token"]) == ("hold", "***")
    assert [p["phoneIndex"] for p in company.ask("GET", path).json()["phones"]] == [0, 1]

    number = str(uuid4().int)[:15]
    replaced = company.ask("PUT", f"{path}/1", json=meta(phone_number_id=number, access_token="***"))
    assert replaced.json()["phone"]["config"] == {"phone_number_id": number, "access_token": "***"}
    sealed = "SELECT meta_access_token_encrypted FROM phone_configs WHERE company_id = %s AND phone_index = 1"
    assert Sealer(ENCRYPTION_KEY).open(company.api.sql(sealed, company.id)[0][0]) == "EAAsecret"

    assert company.ask("DELETE", f"{path}/1").json() == {"success": True}
    assert company.ask("GET", f"{path}/1").json()["code"] == "phone_not_found"


def test_a_replaced_phone_is_used_at_once_by_the_process_that_replaced_it(company: Company) -> None:
    assert company.send().status_code == 202
    company.api.sql("UPDATE phone_configs SET status = 'auth_required' WHERE company_id = %s", company.id)
    company.ask("PUT", f"/api/v2/phones/{company.id}/0", json=meta())
    assert "phoneStatus" not in company.send().json()


def test_a_removed_phone_ends_its_queue_with_a_reason(company: Company) -> None:
    message = company.send().json()
    company.ask("DELETE", f"/api/v2/phones/{company.id}/0")
    found = company.ask("GET", f"/api/v2/messages/{company.id}/{message['messageId']}").json()
    assert (found["status"], found["error"]["code"]) == ("failed", "phone_removed")


def test_a_number_belongs_to_one_phone(company: Company, api: Api) -> None:
    number = str(uuid4().int)[:15]
    path = f"/api/v2/phones/{company.id}"
    assert company.ask("POST", path, json=meta(phone_number_id=number)).status_code == 201
    other = api.company()
    taken = other.ask("POST", f"/api/v2/phones/{other.id}", json=meta(phone_number_id=number))
    assert (taken.status_code, taken.json()["code"]) == (409, "phone_exists")
    moved = company.ask("PUT", f"{path}/0", json=meta(phone_number_id=number))
    assert (moved.status_code, moved.json()["code"]) == (409, "phone_exists")


def test_repeats_with_a_key_add_one_phone(company: Company) -> None:
    path, key, body = f"/api/v2/phones/{company.id}", {"Idempotency-Key": "add"}, meta()
    first, again = (company.ask("POST", path, json=body, headers=key) for _ in range(2))
    assert (again.status_code, again.json(), again.headers["Location"]) == (
        201,
        first.json(),
        first.headers["Location"],
    )
    other = company.ask("POST", path, json=meta(), headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
    assert company.count("phone_configs") == 2


def test_a_refused_request_leaves_its_key_free(company: Company) -> None:
    path, key = f"/api/v2/phones/{company.id}", {"Idempotency-Key": "add"}
    assert company.ask("POST", path, json=meta() | {"phoneIndex": 0}, headers=key).status_code == 409
    assert company.ask("POST", path, json=meta(), headers=key).status_code == 201


@pytest.mark.parametrize("connection_type", ["meta_direct", "meta_embedded", "loopback"])
def test_connection_types_lead_to_their_channel(company: Company, connection_type: str) -> None:
    config = {} if connection_type == "loopback" else meta()["config"]
    body = {"connectionType": connection_type, "config": config}
    answer = company.ask("POST", f"/api/v2/phones/{company.id}", json=body).json()
    assert answer["phone"]["channel"] == connection_type.partition("_")[0]


def test_without_an_encryption_key_secrets_are_refused(api: Api) -> None:
    company = api.company()
    with running_api(api.settings, environment={"ENCRYPTION_KEY": ""}) as keyless:
        answer = Company(keyless, company.id, company.key).ask("POST", f"/api/v2/phones/{company.id}", json=meta())
    assert (answer.status_code, answer.json()["code"]) == (503, "secrets_unavailable")
    assert company.count("phone_configs") == 1
