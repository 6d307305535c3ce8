"""The session suite finds adapters that hold sessions badly: each of its rules breaks on a planted one."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bisnes_core.channel import (
    ChannelAdapter,
    ChannelSpec,
    Evidence,
    Finding,
    Health,
    Inbound,
    NotSent,
    Parsed,
    Quarantined,
    Sent,
    StillUnknown,
)
from bisnes_core.conformance import holding
from bisnes_core.conformance.session_suite import SessionSuite
from bisnes_core.conformance.suite import Mood
from bisnes_core.errors import Retryable, SendError, SessionLost, UnknownOutcome
from bisnes_core.message import OutboundMessage
from bisnes_core.phone import Lane, Phone
from bisnes_core.session import Ask, PhoneState, Request, Session, SessionHost, SessionNews
from bisnes_core.settings import Settings
from plugins.loopback.spec import SPEC as LOOPBACK

#: How often the adapters below look at their provider.
LOOK_EVERY_S = 0.002


class Provider:
    """Made up: whom it knows, what was written and sent, and its mood."""

    def __init__(self) -> None:
        self.mood = Mood.ACCEPTS
        self.paired: set[Lane] = set()
        self.written: list[tuple[float, str]] = []
        self.sent: list[str] = []
        self.clock = itertools.count(1.0)


def parse(body: bytes) -> list[Parsed]:
    """An event is JSON: `phone`, `at`, `text`."""
    try:
        event = json.loads(body)
        at = datetime.fromtimestamp(event["at"], UTC)
        return [Inbound(event["phone"], event["text"], "6@c.us", "text", event["text"], {}, at)]
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        return [Quarantined(str(error), None)]


class Adapter(ChannelAdapter):
    """Right in everything; the planted ones below differ in one thing."""

    provider: Provider

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.states: dict[Lane, PhoneState] = {}
        self.asked: list[Ask] = []
        self.hosts: dict[Lane, SessionHost] = {}

    async def health(self) -> Health:
        return Health(True, ", ".join(f"{lane} {state}" for lane, state in self.states.items()))

    # -- the session -------------------------------------------------------------------------------------------------
    async def listen(self, phone: Phone, host: SessionHost) -> None:
        self.asked = []
        self.hosts[phone.lane] = host
        hearing = asyncio.create_task(self.hear(host), name="requests")
        try:
            while await self.pair(phone.lane, host):
                await self.attend(phone.lane, host)
        finally:
            if self.states.get(phone.lane) is PhoneState.READY:
                del self.states[phone.lane]
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)

    async def hear(self, host: SessionHost) -> None:
        while True:
            request = await host.next_request()
            self.asked.append(request.ask)

    async def pair(self, lane: Lane, host: SessionHost) -> bool:
        await self.begin(lane, host)
        await asyncio.sleep(LOOK_EVERY_S)  # for the request that it is opened for
        if lane in self.provider.paired:
            return True
        if Ask.QR not in self.asked:
            await self.unpaired(lane, host)
            return False
        self.asked.remove(Ask.QR)
        await self.say(lane, host, PhoneState.QR, qr=f"a secret of {lane}")
        while lane not in self.provider.paired:  # noqa: ASYNC110 - a provider is looked at, it does not call
            await asyncio.sleep(LOOK_EVERY_S)
        return True

    async def begin(self, lane: Lane, host: SessionHost) -> None:
        await self.say(lane, host, PhoneState.INITIALIZING)

    async def unpaired(self, lane: Lane, host: SessionHost) -> None:
        await self.say(lane, host, PhoneState.NEEDS_QR)

    async def attend(self, lane: Lane, host: SessionHost) -> None:
        """Until a restart or a logout."""
        while not self.over(lane):
            away = self.provider.mood is Mood.IS_AWAY
            await self.say(lane, host, PhoneState.DISCONNECTED if away else PhoneState.READY)
            if events := self.news(lane, await host.watermark()):
                await host.keep(events)
            await asyncio.sleep(LOOK_EVERY_S)

    async def backfill(self, phone: Phone, since: datetime | None) -> None:
        await self.hosts[phone.lane].keep(self.news(phone.lane, since))

    def over(self, lane: Lane) -> bool:
        asked, self.asked = self.asked, []
        if Ask.LOGOUT in asked:
            self.provider.paired.discard(lane)
        return bool({Ask.LOGOUT, Ask.RESTART} & set(asked))

    def news(self, lane: Lane, since: datetime | None) -> list[bytes]:
        mark = since.timestamp() if since else 0.0
        return [self.event(lane, at, text) for at, text in list(self.provider.written) if at > mark]

    def event(self, lane: Lane, at: float, text: str) -> bytes:
        return json.dumps({"phone": str(lane), "at": at, "text": text}).encode()

    async def say(self, lane: Lane, host: SessionHost, state: PhoneState, **more: Any) -> None:
        if self.states.get(lane) is not state:
            self.states[lane] = state
            await host.report(SessionNews(state, **more))

    # -- sending -----------------------------------------------------------------------------------------------------
    async def send(self, phone: Phone, message: OutboundMessage) -> Sent:
        state = self.states.get(phone.lane)
        if state is not PhoneState.READY:
            raise self.refusal(state)
        self.provider.sent.append(str(message.id))
        return Sent(f"made-up.{message.id}")

    def refusal(self, state: PhoneState | None) -> SendError:
        return SessionLost("unpaired") if state is PhoneState.NEEDS_QR else Retryable("not_ready", unreachable=True)

    async def find_sent(self, phone: Phone, message: OutboundMessage, evidence: Evidence) -> Finding:
        if self.states.get(phone.lane) is not PhoneState.READY:
            return StillUnknown()
        return Sent(f"made-up.{message.id}") if str(message.id) in self.provider.sent else NotSent("not there")


# -- planted ----------------------------------------------------------------------------------------------------------
class Sudden(Adapter):
    """Does not say that it begins."""

    async def begin(self, lane: Lane, host: SessionHost) -> None:
        self.states.pop(lane, None)


class Unpairing(Adapter):
    """Forgets its pairing when it closes."""

    async def listen(self, phone: Phone, host: SessionHost) -> None:
        try:
            await super().listen(phone, host)
        finally:
            self.provider.paired.discard(phone.lane)


class Stubborn(Adapter):
    """Does not end when it is cancelled."""

    async def listen(self, phone: Phone, host: SessionHost) -> None:
        try:
            await super().listen(phone, host)
        finally:
            await asyncio.sleep(2 * holding.CLOSE_S)


class Untidy(Adapter):
    """Leaves a task behind."""

    async def listen(self, phone: Phone, host: SessionHost) -> None:
        self.left = asyncio.create_task(asyncio.Event().wait(), name="left")
        await super().listen(phone, host)


class TwiceStarted(Adapter):
    """Begins twice what it ends once."""

    async def start(self) -> None:
        self.work = asyncio.create_task(asyncio.Event().wait(), name="work")

    async def stop(self) -> None:
        self.work.cancel()


class Deaf(Adapter):
    """Does not restart."""

    async def hear(self, host: SessionHost) -> None:
        while True:
            if (request := await host.next_request()) != Request(Ask.RESTART):
                self.asked.append(request.ask)


class Clinging(Adapter):
    """Closes when it should log out."""

    def over(self, lane: Lane) -> bool:
        self.asked = [Ask.RESTART if ask is Ask.LOGOUT else ask for ask in self.asked]
        return super().over(lane)


class Indiscreet(Adapter):
    """Shows its QR to nobody in particular."""

    async def unpaired(self, lane: Lane, host: SessionHost) -> None:
        await self.say(lane, host, PhoneState.NEEDS_QR, qr="a secret")


class Backwards(Adapter):
    """Newest first."""

    def news(self, lane: Lane, since: datetime | None) -> list[bytes]:
        return super().news(lane, since)[::-1]


class Forgetful(Adapter):
    """Knows nothing of what came before it was opened."""

    async def listen(self, phone: Phone, host: SessionHost) -> None:
        self.began_at = next(self.provider.clock)
        await super().listen(phone, host)

    def news(self, lane: Lane, since: datetime | None) -> list[bytes]:
        began = datetime.fromtimestamp(self.began_at, UTC)
        return super().news(lane, max(since or began, began))


class Idle(Adapter):
    """Fetches nothing."""

    async def backfill(self, phone: Phone, since: datetime | None) -> None:
        return


class Misnaming(Adapter):
    """Takes its events for another phone's."""

    def event(self, lane: Lane, at: float, text: str) -> bytes:
        return super().event(Lane("7", 7), at, text)


class Mumbling(Adapter):
    """Stores what it cannot read itself."""

    def news(self, lane: Lane, since: datetime | None) -> list[bytes]:
        events = super().news(lane, since)
        return [*events, b"?"] if events else []


class Blind(Adapter):
    """Does not see that its provider is away."""

    async def say(self, lane: Lane, host: SessionHost, state: PhoneState, **more: Any) -> None:
        shown = PhoneState.READY if state is PhoneState.DISCONNECTED else state
        await super().say(lane, host, shown, **more)


class Unsure(Adapter):
    """Does not know that nothing left."""

    def refusal(self, state: PhoneState | None) -> SendError:
        return UnknownOutcome("who knows")


class Counting(Adapter):
    """Counts the attempts of an outage."""

    def refusal(self, state: PhoneState | None) -> SendError:
        return Retryable("not_ready")


class Denying(Adapter):
    """Denies what it cannot know."""

    async def find_sent(self, phone: Phone, message: OutboundMessage, evidence: Evidence) -> Finding:
        return NotSent("never heard of it")


class Alarmist(Adapter):
    """Calls the process ill when a phone is."""

    async def health(self) -> Health:
        return Health(set(self.states.values()) <= {PhoneState.READY}, (await super().health()).detail)


class Quiet(Adapter):
    """Names no phone."""

    async def health(self) -> Health:
        return Health(True)


def suite_of(adapter: type[Adapter]) -> SessionSuite:
    """The suite around one of these adapters."""

    class Suite(SessionSuite):
        reference = "plugins.loopback.spec:SPEC"
        patience_s: ClassVar[float] = 1.5
        world = Provider()

        @property
        def spec(self) -> ChannelSpec:
            return dataclasses.replace(LOOPBACK, session=Session(parse))

        def settings(self) -> Settings:
            return Settings(home=Path("/nowhere"))

        def make_adapter(self) -> ChannelAdapter:
            made = adapter(self.settings())
            made.provider = self.world
            return made

        def phone(self) -> Phone:
            return Phone("42", 0, "loopback")

        @contextmanager
        def _in_mood(self, mood: Mood) -> Iterator[None]:
            self.world.mood, self.world.sent = mood, []
            yield
            self.world.mood = Mood.ACCEPTS

        def provider(self, mood: Mood) -> AbstractContextManager[None]:
            return self._in_mood(mood)

        def accepted(self) -> list[str]:
            return self.world.sent

        def pair(self, news: SessionNews) -> None:
            assert news.qr == f"a secret of {self.phone().lane}"
            self.world.paired.add(self.phone().lane)

        def write(self, text: str) -> None:
            self.world.written.append((next(self.world.clock), text))

    return Suite()


#: Rules that the session suite adds or words anew.
RULES: Sequence[str] = [name for name in vars(SessionSuite) if name.startswith("test_")]


def broken_by(adapter: type[Adapter]) -> set[str]:
    """Names of the rules that an adapter breaks, each tried on a session of its own."""
    broken = set()
    for name in RULES:
        suite = suite_of(adapter)
        try:
            getattr(suite, name)()
        except AssertionError:
            broken.add(name.removeprefix("test_"))
        finally:
            try:
                suite.teardown_class()
            except AssertionError:
                assert adapter is Stubborn
    return broken


READY = "a_session_comes_up_by_itself_once_it_is_paired"
CANCEL = "a_cancelled_session_ends_in_time_and_leaves_nothing"
RESTART = "a_restart_keeps_the_pairing"
LOGOUT = "a_logout_ends_the_pairing"
QR = "a_qr_is_shown_to_those_who_ask_for_it"
HEARD = "what_is_heard_is_stored_in_order"
MISSED = "what_came_while_it_was_closed_is_fetched"
AGAIN = "a_backfill_brings_everything_again"
READ = "what_was_stored_can_be_read"
FIND = "find_sent_knows_what_left"
AWAY = "nothing_leaves_while_the_provider_is_away"
HEALTH = "health_notices_a_provider_that_is_away"
START = "start_and_stop_may_come_twice"

PLANTED: list[tuple[type[Adapter], set[str]]] = [
    (Adapter, set()),
    (Sudden, {READY, RESTART}),
    (Unpairing, {READY}),
    (Stubborn, {READY, CANCEL, MISSED, QR}),
    (Untidy, {CANCEL}),
    (TwiceStarted, {START}),
    (Deaf, {RESTART}),
    (Clinging, {LOGOUT}),
    (Indiscreet, {QR}),
    (Backwards, {HEARD, MISSED}),
    (Forgetful, {MISSED}),
    (Idle, {AGAIN}),
    (Misnaming, {READ}),
    (Mumbling, {READ}),
    (Blind, {AWAY, HEALTH}),
    (Unsure, {CANCEL, LOGOUT, AWAY}),
    (Counting, {CANCEL, LOGOUT, AWAY}),
    (Denying, {CANCEL, LOGOUT, AWAY, FIND}),
    (Alarmist, {HEALTH}),
    (Quiet, {HEALTH}),
]


@pytest.mark.parametrize(("adapter", "broken"), PLANTED)
def test_planted_adapters_break_their_rules_only(
    adapter: type[Adapter], broken: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "CLOSE_S", 0.2)
    monkeypatch.setattr(holding, "AGAIN_S", 0.0)
    assert broken_by(adapter) == broken


def test_every_rule_has_a_planted_adapter() -> None:
    assert set().union(*(broken for _, broken in PLANTED)) == {rule.removeprefix("test_") for rule in RULES}
