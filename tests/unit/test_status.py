"""The states of a message: receipts move it forward, and nothing moves it back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bisnes_core.status import ENDS, OPEN, PROGRESS, Status, after_receipt, rank

NEWS = (Status.SENT, Status.DELIVERED, Status.READ, Status.PLAYED, Status.FAILED)
states, news = st.sampled_from(Status), st.sampled_from(NEWS)


@pytest.mark.parametrize(
    ("current", "told", "after"),
    [
        (Status.SENDING, Status.SENT, Status.SENT),
        (Status.SENDING, Status.DELIVERED, Status.DELIVERED),
        (Status.UNCONFIRMED, Status.SENT, Status.SENT),
        (Status.UNCONFIRMED, Status.FAILED, Status.FAILED),
        (Status.QUEUED, Status.DELIVERED, Status.DELIVERED),
        (Status.SENT, Status.DELIVERED, Status.DELIVERED),
        (Status.SENT, Status.READ, Status.READ),
        (Status.SENT, Status.FAILED, Status.FAILED),
        (Status.READ, Status.PLAYED, Status.PLAYED),
        (Status.READ, Status.DELIVERED, Status.READ),
        (Status.DELIVERED, Status.SENT, Status.DELIVERED),
        (Status.DELIVERED, Status.FAILED, Status.DELIVERED),
        (Status.READ, Status.FAILED, Status.READ),
        (Status.FAILED, Status.DELIVERED, Status.FAILED),
        (Status.EXPIRED, Status.SENT, Status.EXPIRED),
        (Status.CANCELLED, Status.READ, Status.CANCELLED),
        (Status.RECEIVED, Status.READ, Status.RECEIVED),
    ],
)
def test_after_receipt(current: Status, told: Status, after: Status) -> None:
    assert after_receipt(current, told) is after


@given(states, news)
def test_a_receipt_never_moves_a_message_back(current: Status, told: Status) -> None:
    after = after_receipt(current, told)
    assert after in (current, told)
    assert after is current or rank(after) > rank(current)


@given(states, news)
def test_the_same_receipt_twice_is_the_same_as_once(current: Status, told: Status) -> None:
    once = after_receipt(current, told)
    assert after_receipt(once, told) is once


@given(states, st.lists(st.sampled_from(NEWS[:-1])), st.randoms())
def test_receipts_of_success_end_alike_in_any_order(current: Status, told: list[Status], random: object) -> None:
    def fold(order: list[Status]) -> Status:
        state = current
        for one in order:
            state = after_receipt(state, one)
        return state

    assert fold(told) is fold(sorted(told, key=rank)) is fold(told[::-1])


def test_every_state_is_on_the_way_or_an_end_or_inbound() -> None:
    assert {*PROGRESS, *ENDS, Status.RECEIVED} == set(Status)
    assert not OPEN & ENDS
