"""A person decides about messages that nothing else can be done about."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest

from tests.fixtures.api import Company, store


def decide(company: Company, message_id: object, decision: str, **headers: str) -> httpx.Response:
    return company.ask("POST", f"/api/v2/messages/{company.id}/{message_id}/{decision}", headers=headers)


@pytest.mark.parametrize(
    ("status", "held", "decision", "becomes"),
    [
        ("failed", False, "retry", "queued"),
        ("unconfirmed", True, "retry", "queued"),
        ("queued", False, "cancel", "cancelled"),
        ("unconfirmed", True, "cancel", "cancelled"),
        ("unconfirmed", False, "retry", None),
        ("unconfirmed", False, "cancel", None),
        ("sending", False, "retry", None),
        ("sending", False, "cancel", None),
        ("delivered", False, "retry", None),
        ("delivered", False, "cancel", None),
    ],
)
def test_a_person_decides_only_where_nothing_is_under_way(
    company: Company, status: str, held: bool, decision: str, becomes: str | None
) -> None:
    message = store(company, "outbound", status=status)
    company.api.sql("UPDATE messages SET held = %s WHERE id = %s", held, message)
    answer = decide(company, message, decision)
    assert answer.status_code == (200 if becomes else 409)
    assert answer.json().get("status" if becomes else "code") == (becomes or "message_not_open")
    assert company.api.sql("SELECT status FROM messages WHERE id = %s", message) == [(becomes or status,)]


def test_a_decision_repeated_under_its_key_is_answered_alike(company: Company) -> None:
    message = store(company, "outbound", status="failed")
    answers = [decide(company, message, "retry", **{"Idempotency-Key": "once"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert decide(company, message, "cancel", **{"Idempotency-Key": "once"}).json()["code"] == "idempotency_conflict"


def test_nobody_decides_about_another_companys_message(company: Company) -> None:
    assert decide(company, uuid4(), "retry").json()["code"] == "message_not_found"
