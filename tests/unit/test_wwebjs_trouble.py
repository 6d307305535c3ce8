"""The table of what goes wrong: every failure has its row, every row its act, and budgets are kept."""

from __future__ import annotations

from typing import get_args

import pytest

from bisnes_core.errors import AuthRequired, Permanent, Retryable, SendError, SessionLost, UnknownOutcome
from bisnes_core.session import PhoneState, SessionNews
from plugins.wwebjs.browser_failed import BrowserFailed, PageError, Reason
from plugins.wwebjs.level import Level, Limits, Phase, fact_of, phase_of, read_level
from plugins.wwebjs.page import Order
from plugins.wwebjs.sending import not_ready, refusal
from plugins.wwebjs.trouble import RELOADS, RESTARTS, Act, Spent, restart_pause_s
from plugins.wwebjs.trouble_table import ROWS, TABLE, classify

LIMITS = Limits(load_s=60, attach_s=30, sync_s=180, reconnect_s=120, ack_s=60)


@pytest.mark.parametrize("reason", get_args(Reason))
def test_every_failure_of_the_browser_has_a_row(reason: Reason) -> None:
    assert reason in classify(reason, "whatever it says").reasons


def test_every_row_has_its_own_fact_and_a_ladder() -> None:
    assert len(ROWS) == len(TABLE)
    assert all(row.ladder and row.means for row in TABLE)


@pytest.mark.parametrize(
    ("reason", "text", "fact", "act"),
    [
        ("page_navigated", "Execution context was destroyed", "navigated", Act.REREAD),
        ("page_crashed", "", "page_crashed", Act.RESTART),
        ("browser_gone", "WebSocket connection closed", "browser_gone", Act.RESTART),
        ("driver_gone", "", "driver_gone", Act.KILL),
        ("start_failed", "Chrome instance exited", "start_failed", Act.RESTART),
        ("no_browser", "install with: apt-get install chromium", "no_browser", Act.STOP),
        ("version_mismatch", "", "no_browser", Act.STOP),
        ("disk_full", "", "disk_full", Act.EXIT),
        ("profile_unwritable", "", "profile_unwritable", Act.STOP),
        ("profile_in_use", "", "profile_in_use", Act.WAIT),
        ("open_failed", "net::ERR_INTERNET_DISCONNECTED", "network_down", Act.WAIT),
        ("open_failed", "net::ERR_NAME_NOT_RESOLVED", "network_down", Act.WAIT),
        ("open_failed", "net::ERR_CONNECTION_REFUSED", "network_down", Act.WAIT),
        ("open_failed", "net::ERR_ABORTED", "load_failed", Act.RELOAD),
        ("page_error", "TypeError: x is not a function", "incompatible", Act.NEXT_BUNDLE),
        ("page_error", "TypeError: Cannot read properties of undefined (reading 'update')", "incompatible",
         Act.NEXT_BUNDLE),
        ("page_error", "Error: Requiring unknown module WAWebCmd", "incompatible", Act.NEXT_BUNDLE),
        ("page_error", "Error: Module Chat was not found", "incompatible", Act.NEXT_BUNDLE),
        ("page_error", "sent_nothing BridgeError: no message", "incompatible", Act.NEXT_BUNDLE),
        ("page_error", "Error: No LID for user", "no_such_number", Act.FAIL),
        ("page_error", "not_on_whatsapp BridgeError: 60@c.us", "no_such_number", Act.FAIL),
        ("page_error", "edit_message_error WPPError: Cannot edit", "impossible", Act.FAIL),
        ("page_error", "media_not_found Error: Media not found", "media_gone", Act.FAIL),
        ("page_error", "Error: media upload failed: 500", "media_failed", Act.RETRY),
        ("page_error", "Error: something new", "page_error", Act.RETRY),
        ("timeout", "", "no_answer", Act.REREAD),
    ],
)  # fmt: skip
def test_failures_of_the_browser(reason: Reason, text: str, fact: str, act: Act) -> None:
    row = classify(reason, text)
    assert (row.fact, Spent().decide(row, 0.0)) == (fact, act)


@pytest.mark.parametrize(
    ("level", "was_ready", "phase", "stayed_s", "fact", "acts"),
    [
        (Level(), False, Phase.LOADING, 61, "not_up", [Act.RELOAD]),
        (Level(socket="OPENING"), False, Phase.LOADING, 59, None, []),
        (Level(socket="UNPAIRED"), False, Phase.LOADING, 1, None, []),  # an empty ref
        (Level(socket="UNPAIRED", ref=True), False, Phase.QR, 1, None, []),
        (Level(socket="UNPAIRED", ref=True), False, Phase.QR, 31, "not_attached",
         [Act.RELOAD, Act.RESTART, Act.NEXT_BUNDLE]),
        (Level(socket="UNPAIRED", ref=True), False, Phase.QR, 29, None, []),
        (Level(socket="UNPAIRED", ref=True, bundle="broken"), False, Phase.QR, 31, "incompatible", [Act.NEXT_BUNDLE]),
        (Level(socket="UNPAIRED", ref=True, passkey=True), False, Phase.PASSKEY, 999, None, []),
        (Level(socket="UNPAIRED_IDLE"), False, Phase.IDLE, 0, "qr_idle", [Act.REFRESH_QR]),
        (Level(socket="CONNECTED"), False, Phase.SYNCING, 181, "stuck_syncing",
         [Act.RELOAD, Act.RESTART, Act.RESTART, Act.STOP]),
        (Level(socket="CONNECTED", synced=True), False, Phase.ATTACHING, 31, "not_attached",
         [Act.RELOAD, Act.RESTART, Act.NEXT_BUNDLE]),
        (Level(socket="CONNECTED", synced=True, missing=("MsgStore",)), True, Phase.INCOMPATIBLE, 0, "incompatible",
         [Act.NEXT_BUNDLE]),
        (Level(socket="CONNECTED", bundle="broken"), True, Phase.INCOMPATIBLE, 0, "incompatible", [Act.NEXT_BUNDLE]),
        (Level(socket="CONNECTED", synced=True, attached=True), True, Phase.READY, 999, None, []),
        (Level(socket="CONNECTED", synced=True, attached=True, unacked_s=61), True, Phase.READY, 1, "no_ack",
         [Act.RELOAD, Act.IGNORE]),
        (Level(socket="OPENING"), True, Phase.RECONNECTING, 119, None, []),
        (Level(socket="TIMEOUT"), True, Phase.RECONNECTING, 121, "reconnecting", [Act.RELOAD]),
        (Level(socket="TIMEOUT", online=False), True, Phase.RECONNECTING, 999, None, []),
        (Level(socket="CONFLICT"), True, Phase.CONFLICT, 0, "conflict", [Act.TAKE_OVER, Act.STOP]),
        (Level(socket="UNPAIRED", logout="logout"), True, Phase.LOGGED_OUT, 0, "logged_out", [Act.NEEDS_QR]),
        (Level(logout="post_logout 0"), False, Phase.LOGGED_OUT, 0, "logged_out", [Act.NEEDS_QR]),
        (Level(logout="post_logout 3"), False, Phase.BLOCKED, 0, "blocked", [Act.STOP]),
        (Level(socket="CONNECTED", banned=101), True, Phase.BLOCKED, 0, "blocked", [Act.STOP]),
        (Level(mode="TOS_BLOCK"), True, Phase.BLOCKED, 0, "blocked", [Act.STOP]),
        (Level(mode="SMB_TOS_BLOCK"), True, Phase.BLOCKED, 0, "blocked", [Act.STOP]),
        (Level(socket="PROXYBLOCK"), False, Phase.BLOCKED, 0, "blocked", [Act.STOP]),
        (Level(mode="DEPRECATED_VERSION"), True, Phase.OUTDATED, 0, "outdated", [Act.RELOAD, Act.NEXT_BUNDLE]),
        (Level(needs_update=True), True, Phase.OUTDATED, 0, "outdated", [Act.RELOAD, Act.NEXT_BUNDLE]),
    ],
)  # fmt: skip
def test_levels_phases_and_facts(
    level: Level, was_ready: bool, phase: Phase, stayed_s: float, fact: str | None, acts: list[Act]
) -> None:
    assert phase_of(level, was_ready=was_ready) is phase
    assert fact_of(phase, level, stayed_s, LIMITS, expected_login=False) == fact
    spent = Spent()
    assert [spent.decide(ROWS[fact], 0.0) for _ in acts] == acts if fact else True


def test_a_code_where_a_login_was_stored_is_a_refused_login_after_a_moment() -> None:
    level = Level(socket="UNPAIRED", ref=True, attached=True)
    assert fact_of(Phase.QR, level, 1, LIMITS, expected_login=True) is None
    assert fact_of(Phase.QR, level, 6, LIMITS, expected_login=True) == "login_refused"
    assert Spent().decide(ROWS["login_refused"], 0.0) is Act.NEEDS_QR


# -- budgets -----------------------------------------------------------------------------------------------------------
def test_three_reloads_in_ten_minutes_become_a_new_browser_and_five_of_those_an_error() -> None:
    spent = Spent()
    acts = [spent.decide(ROWS["not_up"], at) for at in range(9)]
    assert acts == [Act.RELOAD] * 3 + [Act.RESTART] * 5 + [Act.STOP]
    assert ROWS["not_up"].gave_up is PhoneState.ERROR


def test_rows_share_the_budgets_of_reloads_and_restarts() -> None:
    spent = Spent()
    assert [spent.decide(ROWS[fact], 0.0) for fact in ("browser_gone", "hung", "page_crashed", "driver_gone")] == [
        Act.RESTART,
        Act.KILL,
        Act.RESTART,
        Act.KILL,
    ]
    assert spent.restarts(0.0) == 4
    assert spent.decide(ROWS["browser_gone"], 1.0) is Act.RESTART
    assert spent.decide(ROWS["hung"], 2.0) is Act.STOP


def test_budgets_come_back_with_time_and_with_a_persons_request() -> None:
    spent = Spent()
    for _ in range(RESTARTS.times):
        spent.decide(ROWS["hung"], 0.0)
    assert spent.decide(ROWS["hung"], RESTARTS.within_s - 1) is Act.STOP
    assert spent.decide(ROWS["hung"], RESTARTS.within_s + 1) is Act.KILL
    for _ in range(RELOADS.times):
        spent.decide(ROWS["reconnecting"], 0.0)
    spent.forget()
    assert spent.decide(ROWS["reconnecting"], 0.0) is Act.RELOAD


def test_a_start_that_fails_four_times_stops_the_phone() -> None:
    spent = Spent()
    assert [spent.decide(ROWS["start_failed"], at) for at in (0.0, 1.0, 2.0, 3.0)] == [*[Act.RESTART] * 3, Act.STOP]


def test_the_pause_before_a_new_browser_grows_from_nothing() -> None:
    pauses = [restart_pause_s(restarts) for restarts in range(9)]
    assert pauses[1] == 0
    assert pauses == sorted(pauses)
    assert pauses[-1] <= 60


# -- errors of sends ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (PageError("BridgeError", "60@c.us", code="not_on_whatsapp"), Permanent),
        (PageError("WPPError", "Cannot edit", code="edit_message_error"), Permanent),
        (PageError("Error", "media upload failed: 500"), Retryable),
        (PageError("TypeError", "x is not a function"), Retryable),
        (BrowserFailed("timeout"), UnknownOutcome),
        (BrowserFailed("page_navigated"), UnknownOutcome),
        (BrowserFailed("page_crashed"), UnknownOutcome),
        (BrowserFailed("browser_gone"), UnknownOutcome),
        (BrowserFailed("driver_gone"), UnknownOutcome),
    ],
)
def test_without_an_answer_the_outcome_is_unknown(failure: BrowserFailed, error: type[SendError]) -> None:
    assert type(refusal(failure)) is error


def test_a_failed_upload_is_tried_twice_again() -> None:
    error = refusal(PageError("Error", "upload_failed"))
    assert isinstance(error, Retryable)
    assert error.attempts_max == 3


@pytest.mark.parametrize("state", PhoneState)
def test_every_state_says_why_nothing_leaves(state: PhoneState) -> None:
    error = not_ready(SessionNews(state))
    assert isinstance(error, Retryable | SessionLost | AuthRequired)
    assert not isinstance(error, Retryable) or error.unreachable


# -- what the page says ------------------------------------------------------------------------------------------------
def test_a_bridge_that_tells_more_than_we_know_is_understood() -> None:
    level = read_level({"socket": "CONNECTED", "missing": ["a"], "of_next_year": 1})
    assert (level.socket, level.missing) == ("CONNECTED", ("a",))


def _event(seq: int, epoch: str = "a") -> dict[str, object]:
    return {"epoch": epoch, "seq": seq}


def test_events_come_out_in_order_each_once() -> None:
    order = Order()
    taken = [order.take(_event(seq)) for seq in (1, 3, 2, 2, 5)]
    assert [[event["seq"] for event in due] for due in taken] == [[1], [], [2, 3], [], []]
    assert order.has_gap
    assert order.missed("a", 5) == 3
    assert [event["seq"] for event in order.skip_gap()] == [5]
    assert order.missed("a", 5) is None


def test_another_document_begins_anew() -> None:
    order = Order()
    order.take(_event(1))
    assert order.missed("b", 2) == 0
    assert [event["seq"] for event in order.take(_event(1, "b"))] == [1]
