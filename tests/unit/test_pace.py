"""Limits against bans: what each holds, and that nobody who obeys them ever exceeds one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from bisnes_core.message import PAYLOADS, Kind
from bisnes_core.pace import (
    DAY,
    PACE_SCHEMA,
    RESTRICTED_RECHECK,
    UNPACED,
    Caps,
    History,
    Hold,
    PaceRule,
    Reason,
    caps_at,
    earliest,
    quiet_end,
    rule_for,
    zone_of,
)

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
OLD = NOW - 100 * DAY
HOUR = timedelta(hours=1)

instants = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - zone given
times = st.times().map(lambda at: at.replace(second=0, microsecond=0))
zones = st.sampled_from(
    ["UTC", "Asia/Kuala_Lumpur", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu"]
)


def reason(rule: PaceRule, **known: Any) -> Reason | None:
    hold = earliest(rule, History(**{"begun_at": OLD} | known), NOW)
    return hold.reason if hold else None


# -- who is held by what ----------------------------------------------------------------------------------------------
STRANGER: dict[str, Any] = {}
GREETED = {"greeted": True}
KNOWN = {"wrote_at": NOW - 3 * DAY}
ANSWER = {"wrote_at": NOW - HOUR}
EVERYTHING = PaceRule(
    gap_s=60, gap_jitter=0, daily_max=5, new_chats_daily_max=1, quiet_from=time(11), quiet_until=time(13)
)


@pytest.mark.parametrize(
    ("rule", "known", "held"),
    [
        ("gap_s", {"last_at": NOW - timedelta(seconds=59)}, (STRANGER, GREETED, KNOWN, ANSWER)),
        ("daily_max", {"daily_at": NOW - 23 * HOUR}, (STRANGER, GREETED, KNOWN)),
        ("new_chats_daily_max", {"new_chat_at": NOW - 23 * HOUR}, (STRANGER,)),
        ("quiet_from", {}, (STRANGER, GREETED, KNOWN)),
        ("", {"restricted": True}, (STRANGER, GREETED)),
    ],
)
def test_each_limit_holds_those_it_is_meant_for(
    rule: str, known: dict[str, Any], held: Sequence[dict[str, Any]]
) -> None:
    names = {"quiet_from", "quiet_until"} if rule == "quiet_from" else {rule} & {"gap_s", "daily_max"} or {rule} - {""}
    alone = replace(PaceRule(gap_jitter=0), **{name: getattr(EVERYTHING, name) for name in names})
    for chat in (STRANGER, GREETED, KNOWN, ANSWER):
        assert (reason(alone, **known, **chat) is not None) == (chat in held), chat
        assert reason(PaceRule(), **known, **chat) is None or rule == ""


def test_the_limit_that_lasts_longest_is_named() -> None:
    known = {"last_at": NOW, "daily_at": NOW - 2 * HOUR, "new_chat_at": NOW - HOUR, "restricted": True}
    assert reason(EVERYTHING, **known) is Reason.NEW_CHATS
    assert reason(EVERYTHING, **known, **KNOWN) is Reason.DAILY_MAX
    assert reason(EVERYTHING, **known, **ANSWER) is Reason.GAP


def test_a_new_chats_limit_of_none_at_all_holds_strangers_for_good() -> None:
    rule = PaceRule(new_chats_daily_max=0)
    assert earliest(rule, History(OLD), NOW) == Hold(NOW + DAY, Reason.NEW_CHATS)
    assert reason(rule, **GREETED) is None


def test_a_restricted_phone_is_asked_again() -> None:
    assert earliest(PaceRule(), History(OLD, restricted=True), NOW) == Hold(NOW + RESTRICTED_RECHECK, Reason.RESTRICTED)


@given(st.floats(0, 1), st.floats(0, 600), st.floats(0, 3))
def test_the_gap_is_at_least_itself_and_at_most_its_jitter_more(spread: float, gap_s: float, jitter: float) -> None:
    hold = earliest(PaceRule(gap_s=gap_s, gap_jitter=jitter), History(OLD, last_at=NOW), NOW, spread)
    found_s = (hold.until - NOW).total_seconds() if hold else 0.0
    assert gap_s - 1e-5 <= found_s <= gap_s * (1 + jitter) + 1e-5
    assert hold == earliest(PaceRule(gap_s=gap_s, gap_jitter=jitter), History(OLD, last_at=NOW), NOW, spread)


def test_what_is_about_a_message_is_no_message() -> None:
    assert {Kind.TEXT, Kind.IMAGE, Kind.POLL, Kind.FORWARD}.isdisjoint(UNPACED)
    assert all("message_id" in PAYLOADS[kind] or kind is Kind.TYPING for kind in UNPACED)


# -- warm-up ----------------------------------------------------------------------------------------------------------
def test_a_new_phone_gets_a_share_more_each_day() -> None:
    rule = PaceRule(daily_max=800, new_chats_daily_max=8, warm_up_days=7)
    found = [caps_at(rule, NOW, NOW + n * DAY) for n in range(9)]
    assert [caps.daily for caps in found] == [100, 200, 300, 400, 500, 600, 700, 800, 800]
    assert [caps.new_chats for caps in found] == [1, 2, 3, 4, 5, 6, 7, 8, 8]
    assert [caps.grow_at for caps in found[:8]] == [NOW + n * DAY for n in range(1, 8)] + [None]


@given(
    st.none() | st.integers(1, 5000),
    st.none() | st.integers(0, 500),
    st.integers(0, 60),
    st.floats(-5, 90),
    st.floats(0, 30),
)
def test_limits_only_grow_and_end_whole(
    daily: int | None, new_chats: int | None, days: int, age: float, later: float
) -> None:
    rule = PaceRule(daily_max=daily, new_chats_daily_max=new_chats, warm_up_days=days)
    first, second = (caps_at(rule, NOW, NOW + timedelta(days=age + more)) for more in (0, later))
    for before, after, most in ((first.daily, second.daily, daily), (first.new_chats, second.new_chats, new_chats)):
        if most is None or before is None or after is None:
            assert before is after is most is None
        else:
            assert min(most, 1) <= before <= after <= most
    assert caps_at(rule, NOW, NOW + days * DAY) == Caps(daily, new_chats)


def test_a_phone_that_grows_tomorrow_is_asked_again_then() -> None:
    rule = PaceRule(daily_max=10, warm_up_days=5)
    hold = earliest(rule, History(NOW - HOUR, daily_at=NOW - timedelta(minutes=5)), NOW)
    assert hold == Hold(NOW + 23 * HOUR, Reason.DAILY_MAX)


# -- quiet hours ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("zone", "at", "end"),
    [
        ("UTC", "2026-11-25T20:59:59", None),
        ("UTC", "2026-11-25T21:00:00", "2026-11-26T08:00:00"),
        ("UTC", "2026-11-26T07:59:59", "2026-11-26T08:00:00"),
        ("UTC", "2026-11-26T08:00:00", None),
        ("Asia/Kuala_Lumpur", "2026-11-25T13:30:00", "2026-11-26T00:00:00"),
        ("Europe/Berlin", "2026-10-24T21:00:00", "2026-10-25T07:00:00"),  # the night that has 25 hours
        ("Europe/Berlin", "2026-03-28T22:00:00", "2026-03-29T06:00:00"),  # the one that has 23
        ("Nowhere/Atall", "2026-11-25T21:00:00", "2026-11-26T08:00:00"),
    ],
)
def test_quiet_hours_are_local(zone: str, at: str, end: str | None) -> None:
    rule = PaceRule(quiet_from=time(21), quiet_until=time(8), timezone=zone)
    found = quiet_end(rule, datetime.fromisoformat(at).replace(tzinfo=UTC))
    assert found == (datetime.fromisoformat(end).replace(tzinfo=UTC) if end else None)


@given(times, times, zones, instants)
def test_quiet_hours_end_where_they_say(begin: time, end: time, zone: str, now: datetime) -> None:
    rule = PaceRule(quiet_from=begin, quiet_until=end, timezone=zone)
    found = quiet_end(rule, now)
    if found is None:
        return
    assert now < found <= now + timedelta(hours=26)
    assert quiet_end(rule, found) is None
    just_before = found - timedelta(seconds=1)
    assert just_before < now or quiet_end(rule, just_before) is not None


# -- whoever obeys, exceeds nothing ------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Send:
    """A message that left."""

    at: datetime
    chat: int
    cold: bool
    answer: bool
    first: bool


def history_of(sends: Sequence[Send], rule: PaceRule, now: datetime, chat: int, wrote_at: datetime | None) -> History:
    """What the database would tell."""
    caps = caps_at(rule, OLD, now)
    recent = sorted((send.at for send in sends if send.at > now - DAY), reverse=True)
    firsts = sorted((send.at for send in sends if send.first and send.at > now - DAY), reverse=True)
    return History(
        OLD,
        max((send.at for send in sends), default=None),
        recent[caps.daily - 1] if caps.daily and len(recent) >= caps.daily else None,
        firsts[caps.new_chats - 1] if caps.new_chats and len(firsts) >= caps.new_chats else None,
        wrote_at,
        any(send.first and send.chat == chat for send in sends),
    )


RULES = st.builds(
    PaceRule,
    gap_s=st.floats(0, 7200),
    gap_jitter=st.floats(0, 2),
    daily_max=st.none() | st.integers(1, 6),
    new_chats_daily_max=st.none() | st.integers(0, 3),
    quiet_from=st.just(time(21)),
    quiet_until=st.just(time(8)),
    timezone=zones,
)
WISHES = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from(["never", "long ago", "just now"]), st.floats(0, 1)), max_size=25
)


@given(RULES, WISHES)
def test_a_sender_that_waits_as_told_never_exceeds_a_limit(
    rule: PaceRule, wishes: list[tuple[int, str, float]]
) -> None:
    now, sends = NOW, list[Send]()
    for chat, wrote, spread in wishes:
        for _ in range(50):
            wrote_at = {"never": None, "long ago": OLD, "just now": now}[wrote]
            history = history_of(sends, rule, now, chat, wrote_at)
            hold = earliest(rule, history, now, spread)
            if hold is None:
                first = wrote_at is None and not history.greeted
                sends.append(Send(now, chat, wrote_at is None, wrote == "just now", first))
                break
            assert hold.until > now, "waiting always gets further"
            half = now + (hold.until - now) / 2
            assert earliest(rule, history_of(sends, rule, half, chat, wrote_at), half, spread) is not None
            if hold.reason is Reason.NEW_CHATS and rule.new_chats_daily_max == 0:
                break  # for ever
            now = hold.until
        else:
            pytest.fail("a message was held more often than there are limits and sends")
    for before, after in pairwise(sends):
        assert (after.at - before.at).total_seconds() >= rule.gap_s - 1e-5
    for send in sends:
        window = [other for other in sends if send.at - DAY < other.at <= send.at]
        if rule.daily_max is not None and not send.answer:
            assert len(window) - sum(other.answer for other in window) <= rule.daily_max
        if rule.new_chats_daily_max is not None and send.first:
            assert sum(other.first for other in window) <= rule.new_chats_daily_max
        zone = zone_of(rule.timezone)
        assert zone is not None
        assert send.answer or time(8) <= send.at.astimezone(zone).time() < time(21)


# -- configuration ----------------------------------------------------------------------------------------------------
VALID = Draft202012Validator(PACE_SCHEMA)


@pytest.mark.parametrize(
    "own",
    [
        {},
        {"gap_s": 2.5, "gap_jitter": 0, "daily_max": 1, "new_chats_daily_max": 0, "warm_up_days": 30},
        {"daily_max": None, "new_chats_daily_max": None},
        {"quiet_from": "21:00", "quiet_until": "08:30", "timezone": "America/Argentina/Buenos_Aires"},
        {"quiet_from": None, "quiet_until": None, "timezone": "Etc/GMT+8"},
    ],
)
def test_good_configurations_make_a_rule(own: dict[str, Any]) -> None:
    VALID.validate(own)
    default = PaceRule(gap_s=1, daily_max=9, quiet_from=time(1), quiet_until=time(2))
    rule = rule_for(default, {"pace": own})
    assert rule is not None
    for name in PaceRule.__dataclass_fields__:
        told = own.get(name, getattr(default, name))
        value = getattr(rule, name)
        assert (value.isoformat("minutes") if isinstance(value, time) and name in own else value) == told
    assert earliest(rule, History(OLD), NOW) is None or rule.new_chats_daily_max == 0


@pytest.mark.parametrize(
    "own",
    [
        {"gap_s": -1},
        {"gap_s": "1"},
        {"gap_s": 4000},
        {"daily_max": 0},
        {"daily_max": 1.5},
        {"new_chats_daily_max": -1},
        {"warm_up_days": 1000},
        {"quiet_from": "21:00"},
        {"quiet_from": "24:00", "quiet_until": "08:00"},
        {"quiet_from": "9:00", "quiet_until": "08:00"},
        {"timezone": "../../etc/passwd"},
        {"timezone": ""},
        {"gap": 1},
        [],
        None,
    ],
)
def test_bad_configurations_are_refused(own: object) -> None:
    assert not VALID.is_valid(own)


def test_every_field_of_a_rule_can_be_configured() -> None:
    assert PACE_SCHEMA["properties"].keys() == set(PaceRule.__dataclass_fields__)


def test_a_phone_without_limits_of_its_own_has_the_channels() -> None:
    assert rule_for(None, {}) is None
    assert rule_for(EVERYTHING, {}) is EVERYTHING
    assert rule_for(None, {"pace": {"gap_s": 3}}) == PaceRule(gap_s=3)
