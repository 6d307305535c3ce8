"""A caller who waits hears what became of the message, as long as it is willing to wait."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.fixtures.api import Company
from tests.fixtures.eventually import eventually


def settle(company: Company, message_id: str, status: str, **columns: Any) -> None:
    """What a worker would write."""
    company.api.sql(
        "UPDATE messages SET status = %s, external_id = %s, error_code = %s, error = %s WHERE id = %s",
        *(status, columns.get("external_id"), columns.get("error_code"), columns.get("error"), message_id),
    )


def wait_for(company: Company, settled: dict[str, Any], status: str) -> httpx.Response:
    with ThreadPoolExecutor(1) as caller:
        answer = caller.submit(company.send, headers={"Prefer": "respond-async, wait=20"})
        rows = "SELECT id FROM messages WHERE company_id = %s"
        message_id = eventually(lambda: company.api.sql(rows, company.id), 5, "the message")[0][0]
        settle(company, str(message_id), status, **settled)
        return answer.result(5)


def test_a_waiting_caller_gets_the_providers_id(company: Company) -> None:
    answer = wait_for(company, {"external_id": "wamid.HBgLX"}, "sent")
    assert answer.status_code == 200
    assert answer.headers["Preference-Applied"] == "wait=20"
    assert (answer.json()["providerMessageId"], answer.json()["status"]) == ("wamid.HBgLX", "sent")


def test_a_waiting_caller_hears_of_a_failure(company: Company) -> None:
    answer = wait_for(company, {"error_code": "meta:131026", "error": "Message undeliverable"}, "failed")
    assert (answer.status_code, answer.json()["code"]) == (502, "send_failed")
    assert answer.json()["errorCode"] == "meta:131026"
    assert company.ask("GET", answer.headers["Location"]).json()["status"] == "failed"


def test_a_wait_that_runs_out_is_a_plain_acceptance(company: Company) -> None:
    answer = company.send(headers={"Prefer": "wait=1"})
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert "Preference-Applied" not in answer.headers
    assert answer.elapsed.total_seconds() >= 1


@pytest.mark.parametrize("prefer", ["wait=x", "wait", "wait=-1", "handling=strict", ";;,,=", "wait=0"])
def test_preferences_that_make_no_sense_are_ignored(company: Company, prefer: str) -> None:
    assert company.send(headers={"Prefer": prefer}).status_code == 202
