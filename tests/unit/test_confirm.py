"""What becomes of a message of which nobody knows whether it left, as a table."""

from __future__ import annotations

import pytest

from bisnes_core.channel import Finding, NotSent, Sent, StillUnknown
from bisnes_core.ids import new_id
from bisnes_core.message import Kind, OutboundMessage
from bisnes_core.phone import OnUnconfirmed, Phone
from bisnes_workers.confirm import LAST_ATTEMPT, verdict
from db.outbox import Unconfirmed

WAIT_S, ATTEMPTS_MAX = 6.0, 3
RESEND, HOLD = OnUnconfirmed.RESEND, OnUnconfirmed.HOLD


def decide(finding: Finding, policy: OnUnconfirmed, waited_s: float, *, attempt: int = 1, backlog: bool = False) -> str:
    message = OutboundMessage(new_id(), "acme", 0, "60111@c.us", Kind.TEXT, {}, attempt, fence=7)
    found = Unconfirmed(message, None, waited_s, disturbed=False, backlog=backlog, receipts_flow=False)
    phone = Phone("acme", 0, "meta_direct", on_unconfirmed=policy)
    outcome = verdict(finding, found, phone, WAIT_S, ATTEMPTS_MAX)
    if outcome is None:
        return "look again"
    assert outcome.fence == 7
    return f"{outcome.status.value}{' held' if outcome.held else ''}"


@pytest.mark.parametrize("policy", list(OnUnconfirmed))
@pytest.mark.parametrize(
    ("finding", "expected"), [(Sent("wamid.1"), "sent"), (NotSent("evidence"), "queued")], ids=["sent", "not sent"]
)
def test_evidence_decides_whatever_the_policy(finding: Finding, expected: str, policy: OnUnconfirmed) -> None:
    assert decide(finding, policy, waited_s=0.1) == expected


def test_a_message_that_kills_what_sends_it_fails_in_the_end() -> None:
    assert decide(NotSent("evidence"), RESEND, 0.1, attempt=LAST_ATTEMPT - 1) == "queued"
    assert decide(NotSent("evidence"), RESEND, 0.1, attempt=LAST_ATTEMPT) == "failed"


@pytest.mark.parametrize(
    ("policy", "waited_s", "attempt", "backlog", "expected"),
    [
        (RESEND, 5.9, 1, False, "look again"),
        (HOLD, 5.9, 1, False, "look again"),
        (RESEND, 6.0, 1, False, "queued"),
        (RESEND, 6.0, 2, False, "queued"),
        (RESEND, 6.0, 3, False, "unconfirmed held"),
        (HOLD, 6.0, 1, False, "unconfirmed held"),
        (RESEND, 60.0, 1, True, "look again"),
        (HOLD, 60.0, 1, True, "look again"),
    ],
)
def test_without_evidence_patience_comes_first_and_then_the_policy(
    policy: OnUnconfirmed, waited_s: float, attempt: int, backlog: bool, expected: str
) -> None:
    assert decide(StillUnknown(), policy, waited_s, attempt=attempt, backlog=backlog) == expected
