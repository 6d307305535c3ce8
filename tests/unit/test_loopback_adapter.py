"""The reference channel: every switch of its switchboard does what it says, and the ledger tells the truth."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bisnes_core.channel import Evidence, NotSent, Sent, StillUnknown
from bisnes_core.errors import (
    AuthRequired,
    FatalToProcess,
    Permanent,
    RateLimited,
    Restricted,
    Retryable,
    Scope,
    SessionLost,
    UnknownOutcome,
)
from bisnes_core.message import Kind
from bisnes_core.phone import Lane, Phone
from bisnes_core.settings import Settings
from plugins.loopback.adapter import CRASH_STATUS, SETTLE_S, LoopbackAdapter
from plugins.loopback.fault import Fault, Strike, strike_for
from plugins.loopback.ledger import ledger_of
from tests.fixtures.meta import outbound

LANE = Lane("42", 0)


def phone(**config: Any) -> Phone:
    return Phone("42", 0, "loopback", config)


def send(home: Path, text: str, times: int = 1, **config: Any) -> list[Sent | BaseException]:
    """Sends one message so many times; what came of each."""

    async def scenario() -> list[Sent | BaseException]:
        adapter, message = LoopbackAdapter(Settings(home=home)), outbound(text=text)
        return [
            (await asyncio.gather(adapter.send(phone(**config), message), return_exceptions=True))[0]
            for _ in range(times)
        ]

    return asyncio.run(scenario())


def accepted(home: Path) -> list[str]:
    return [line["text"] for line in ledger_of(home, LANE).accepted()]


def test_an_accepted_message_is_in_the_ledger(tmp_path: Path) -> None:
    [sent] = send(tmp_path, "hello")
    assert isinstance(sent, Sent)
    [line] = ledger_of(tmp_path, LANE).accepted()
    assert (line["provider_id"], line["text"]) == (sent.provider_message_id, "hello")


@pytest.mark.parametrize(
    ("word", "kind", "reaches"),
    [
        ("refuse", Permanent, False),
        ("retry", Retryable, False),
        ("limit_pair", RateLimited, False),
        ("limit_phone", RateLimited, False),
        ("limit_app", RateLimited, False),
        ("auth", AuthRequired, False),
        ("session_lost", SessionLost, False),
        ("restrict", Restricted, False),
        ("lose_request", UnknownOutcome, False),
        ("lose_answer", UnknownOutcome, True),
        ("raise", RuntimeError, False),
        ("fatal", FatalToProcess, False),
        ("stall:0.01", Sent, True),
        ("accept", Sent, True),
    ],
)
def test_a_fault_named_by_the_text_strikes_once(tmp_path: Path, word: str, kind: type, reaches: bool) -> None:
    first, second = send(tmp_path, f"!{word} hello", times=2)
    assert type(first) is kind
    assert isinstance(second, Sent)
    assert len(accepted(tmp_path)) == 1 + reaches


def test_a_fault_of_the_phone_strikes_always_unless_counted(tmp_path: Path) -> None:
    assert all(isinstance(one, Retryable) for one in send(tmp_path, "hello", times=4, fault="retry"))
    found = send(tmp_path, "hello", times=4, fault="retry", fault_times=2)
    assert [type(one) for one in found] == [Retryable, Retryable, Sent, Sent]


@pytest.mark.parametrize("scope", Scope)
def test_throttles_name_scope_and_seconds(tmp_path: Path, scope: Scope) -> None:
    [error] = send(tmp_path, f"!limit_{scope}:2.5 hello")
    assert isinstance(error, RateLimited)
    assert (error.scope, error.retry_after_s) == (scope, 2.5)


@pytest.mark.parametrize(
    ("text", "strike"),
    [
        ("!retry hello", Strike(Fault.RETRY, times=1)),
        ("!retry", Strike(Fault.RETRY, times=1)),
        ("!limit_phone:1.5*3 hello", Strike(Fault.LIMIT_PHONE, 1.5, 3)),
        ("!stall*2", Strike(Fault.STALL, times=2)),
        ("hello !retry", Strike(Fault.ACCEPT)),
        ("!unheard hello", Strike(Fault.ACCEPT)),
        ("!retryhello", Strike(Fault.ACCEPT)),
        ("!stall:", Strike(Fault.ACCEPT)),
        ("", Strike(Fault.ACCEPT)),
    ],
)
def test_directives(text: str, strike: Strike) -> None:
    assert strike_for({}, {"text": text}) == strike


@given(st.text(max_size=30))
def test_any_text_is_read(text: str) -> None:
    assert strike_for({}, {"text": f"!{text}"}).fault in Fault


CRASH = """
import asyncio, sys, uuid
from pathlib import Path
from bisnes_core.message import Kind, OutboundMessage
from bisnes_core.phone import Phone
from bisnes_core.settings import Settings
from plugins.loopback.adapter import LoopbackAdapter
text, home, message_id = sys.argv[1:]
message = OutboundMessage(uuid.UUID(message_id), "42", 0, "60123@c.us", Kind.TEXT, {"text": text})
asyncio.run(LoopbackAdapter(Settings(home=Path(home))).send(Phone("42", 0, "loopback"), message))
"""


@pytest.mark.parametrize(("word", "reaches"), [("crash_before", False), ("crash_after", True)])
def test_a_crash_ends_the_process_once_and_find_sent_knows_which_side(tmp_path: Path, word: str, reaches: bool) -> None:
    message = outbound(text=f"!{word} hello")

    def attempt() -> int:
        command = [sys.executable, "-c", CRASH, message.payload["text"], str(tmp_path), str(message.id)]
        return subprocess.run(command, cwd=tmp_path, timeout=60, check=False).returncode

    assert attempt() == CRASH_STATUS
    adapter = LoopbackAdapter(Settings(home=tmp_path))
    found = asyncio.run(adapter.find_sent(phone(), message, Evidence(None, SETTLE_S, 6.0, receipts_flow=False)))
    assert isinstance(found, Sent if reaches else NotSent)
    assert attempt() == 0


def test_find_sent_gives_a_dying_write_a_moment(tmp_path: Path) -> None:
    adapter = LoopbackAdapter(Settings(home=tmp_path))
    fresh = Evidence(None, SETTLE_S / 2, 6.0, receipts_flow=False)
    assert asyncio.run(adapter.find_sent(phone(), outbound(), fresh)) == StillUnknown()


def test_a_half_written_line_does_not_count(tmp_path: Path) -> None:
    message = outbound(text="hello")
    adapter, ledger = LoopbackAdapter(Settings(home=tmp_path)), ledger_of(tmp_path, LANE)
    asyncio.run(adapter.send(phone(), message))
    ledger.path.write_bytes(ledger.path.read_bytes()[:-9])
    assert ledger.find(message.id) is None
    asyncio.run(adapter.send(phone(), message))
    assert ledger.find(message.id)
    assert len(ledger.accepted()) == 1


def test_a_companys_name_never_leaves_the_folder(tmp_path: Path) -> None:
    for name in ("../../etc/passwd", "/etc/passwd", "..", "a\0b"):
        path = ledger_of(tmp_path, Lane(name, 0)).path
        assert path.resolve().parent == (tmp_path / "var" / "loopback").resolve()


def test_health_is_a_writable_home(tmp_path: Path) -> None:
    assert asyncio.run(LoopbackAdapter(Settings(home=tmp_path)).health()).ok
    assert not asyncio.run(LoopbackAdapter(Settings(home=tmp_path / "nowhere")).health()).ok


def test_reactions_and_read_marks_are_accepted(tmp_path: Path) -> None:
    adapter = LoopbackAdapter(Settings(home=tmp_path))
    for kind, payload in ((Kind.REACTION, {"message_id": "x", "emoji": ""}), (Kind.READ, {"message_id": "x"})):
        assert isinstance(asyncio.run(adapter.send(phone(), outbound(kind, **payload))), Sent)
