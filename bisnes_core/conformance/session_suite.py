"""What a channel whose phones hold sessions must keep to, besides what every channel must; a base class for pytest.

    class TestMyChannel(SessionSuite):
        reference = "my_pkg.spec:SPEC"

        ...  # as of `suite.ChannelSuite`
        def pair(self, news: SessionNews) -> None: ...
        def write(self, text: str) -> None: ...

Opening a session is costly, so all tests of a class share one adapter and one open session, whatever their order: each
begins with a session that is ready. `settings` and `phone` are asked for once; the provider's moods come and go around
each send. For assertions that explain themselves, register this module as `suite` says.
"""

# ruff: noqa: S101 - this is a test suite

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, TypeVar

from bisnes_core.channel import (
    ChannelAdapter,
    Evidence,
    Finding,
    Ignored,
    NotSent,
    Parsed,
    Quarantined,
    Sent,
    SentElsewhere,
    StillUnknown,
)
from bisnes_core.conformance.holding import Holding, LoopThread
from bisnes_core.conformance.host import messages_in
from bisnes_core.conformance.suite import DEADLINE_S, HEALTH_DEADLINE_S, ChannelSuite, Mood, attempt
from bisnes_core.errors import Retryable, SessionLost
from bisnes_core.ids import new_id
from bisnes_core.session import NEEDS_PERSON, SENDING, Ask, PhoneState, Request, SessionNews

T = TypeVar("T")

#: Messages that somebody writes for one test: enough for a wrong order or a hole to show.
EVENTS: Final = 20
#: The core's questions about an unconfirmed message come long after its send.
LATER: Final = Evidence(None, 60.0, 6.0, receipts_flow=True)
#: States in which somebody has to do something to pair the phone.
_PAIRING: Final = frozenset({PhoneState.QR, PhoneState.PAIRING_CODE, PhoneState.NEEDS_QR, PhoneState.PASSKEY})


@dataclass(frozen=True, slots=True)
class _Shared:
    """What the tests of a class share."""

    loop: LoopThread
    adapter: ChannelAdapter
    held: Holding
    at_rest: frozenset[asyncio.Task[Any]]  # tasks of the adapter before any session was opened


class SessionSuite(ChannelSuite):
    """Subclass it in a test module under a name that begins with `Test`; see the module."""

    #: Longest way of a session, from `listen` or a person's act to what comes of it, in seconds.
    patience_s: ClassVar[float] = 45.0

    _shared: ClassVar[_Shared | None] = None

    @abstractmethod
    def pair(self, news: SessionNews) -> None:
        """The telephone that belongs to `phone` scans the QR of the news."""

    @abstractmethod
    def write(self, text: str) -> None:
        """Somebody writes to the phone; the provider has it when this returns, whether the session is open or not."""

    @classmethod
    def teardown_class(cls) -> None:
        """Ends what the tests shared."""
        shared, cls._shared = cls._shared, None
        if shared is None:
            return
        try:
            shared.held.close()
            shared.loop.run(shared.adapter.stop(), DEADLINE_S)
        finally:
            shared.loop.close()

    # -- a life ------------------------------------------------------------------------------------------------------
    def test_a_cancelled_session_ends_in_time_and_leaves_nothing(self) -> None:
        """No task, and no message that might have left."""
        held = self._ready()
        held.close()
        shared = self._open()
        _assert_no_task_left(shared.loop.tasks() - shared.at_rest)
        self._assert_nothing_leaves()

    def test_a_session_comes_up_by_itself_once_it_is_paired(self) -> None:
        """First `initializing`, at last ready, and no person in between."""
        held = self._ready()
        if set(held.states) & NEEDS_PERSON:
            held.close()
            held = self._ready()
        assert held.states[0] is PhoneState.INITIALIZING, held.states
        assert not set(held.states) & NEEDS_PERSON, held.states

    def test_a_restart_keeps_the_pairing(self) -> None:
        """Closed and opened again, without a QR."""
        held = self._ready()
        told = len(held.states)
        held.ask(Request(Ask.RESTART))
        held.until(lambda: PhoneState.INITIALIZING in held.states[told:], "a restart begins anew", self.patience_s)
        held.until_state(*SENDING, deadline_s=self.patience_s)
        assert not set(held.states[told:]) & NEEDS_PERSON, held.states

    def test_a_logout_ends_the_pairing(self) -> None:
        """A person is needed then, and until somebody pairs the phone again nothing leaves."""
        held = self._ready()
        held.ask(Request(Ask.LOGOUT))
        held.until_state(*NEEDS_PERSON, deadline_s=self.patience_s)
        self._assert_nothing_leaves()
        assert self._ready().sending, "it can be paired again"

    def test_a_qr_is_shown_to_those_who_ask_for_it(self) -> None:
        """A phone that was never paired waits for a person, and shows nothing while nobody looks."""
        shared = self._open()
        phone = self.phone()
        held = Holding(shared.loop, shared.adapter, replace(phone, phone_index=phone.phone_index + 1), self._parse)
        held.open()
        try:
            held.until_state(*NEEDS_PERSON, deadline_s=self.patience_s)
            assert not [news for news in held.host.told if news.qr or news.pairing_code]
            held.ask(Request(Ask.QR))
            held.until_state(PhoneState.QR, deadline_s=self.patience_s)
        finally:
            held.close()
        assert all(news.qr and news.qr not in repr(news) for news in held.host.told if news.state is PhoneState.QR)
        assert not [news for news in held.host.told if news.qr and news.state is not PhoneState.QR]

    # -- hearing -----------------------------------------------------------------------------------------------------
    def test_what_is_heard_is_stored_in_order(self) -> None:
        """Nothing is lost while the database is away."""
        held = self._ready()
        texts = _texts("heard")
        held.store(away=True)
        try:
            for text in texts:
                self.write(text)
        finally:
            held.store(away=False)
        self._until_heard(held, texts)

    def test_what_came_while_it_was_closed_is_fetched(self) -> None:
        """From the newest message that is stored, in order."""
        held = self._ready()
        texts = _texts("missed")
        self.write(texts[0])
        self._until_heard(held, texts[:1])
        held.close()
        for text in texts[1:]:
            self.write(text)
        self._until_heard(self._ready(), texts)

    def test_a_backfill_brings_everything_again(self) -> None:
        """Into the running session's host; telling doubles apart is the core's."""
        held, shared = self._ready(), self._open()
        texts = _texts("again")[:1]
        self.write(texts[0])
        self._until_heard(held, texts)
        kept = len(held.host.kept)
        shared.loop.run(shared.adapter.backfill(self.phone(), None), DEADLINE_S)
        again = messages_in(item for event in held.host.kept[kept:] for item in self._parse(event))
        assert set(texts) <= {message.text for message in again}

    def test_what_was_stored_can_be_read(self) -> None:
        """`parse` never raises, understands what its own session stored, and names the phone by its lane."""
        held = self._ready()
        texts = _texts("read")[:1]
        self.write(texts[0])
        self._until_heard(held, texts)
        for event in list(held.host.kept):
            for item in self._parse(event):
                assert not isinstance(item, Quarantined), item
                about = item.message if isinstance(item, SentElsewhere) else item
                assert isinstance(about, Ignored) or about.provider_phone_id == str(held.phone.lane), about

    # -- sending -----------------------------------------------------------------------------------------------------
    def test_find_sent_knows_what_left(self) -> None:
        """Without a receipt, from the provider itself."""
        left, never = self.message(Mood.ACCEPTS), self.message(Mood.ACCEPTS)

        async def ask(adapter: ChannelAdapter) -> tuple[Sent, Finding, Finding]:
            sent = await adapter.send(self.phone(), left)
            found = await adapter.find_sent(self.phone(), left, LATER)
            return sent, found, await adapter.find_sent(self.phone(), never, LATER)

        sent, found, denied = self._with_adapter(Mood.ACCEPTS, ask)
        assert isinstance(found, Sent), found
        assert found.provider_message_id == sent.provider_message_id
        assert isinstance(denied, NotSent), denied

    def test_nothing_leaves_while_the_provider_is_away(self) -> None:
        """The attempt is not counted, and nothing is claimed about what was sent before."""
        with self._in(Mood.IS_AWAY):
            self._assert_nothing_leaves()

    # -- where a session differs -------------------------------------------------------------------------------------
    def test_health_notices_a_provider_that_is_away(self) -> None:
        """A phone without its provider is named, and the process is well: a new one would cost the other phones."""
        health = self._with_adapter(Mood.IS_AWAY, lambda adapter: asyncio.wait_for(adapter.health(), HEALTH_DEADLINE_S))
        assert health.ok, health.detail
        assert str(self.phone().lane) in health.detail

    def test_start_and_stop_may_come_twice(self) -> None:
        """A worker that stops while it starts calls them in any order; nothing stays behind."""

        async def again() -> None:
            adapter = self.make_adapter()
            for act in (adapter.start, adapter.start, adapter.stop, adapter.stop, adapter.start, adapter.stop):
                await act()

        loop = LoopThread()
        try:
            loop.run(again(), DEADLINE_S)
            _assert_no_task_left(loop.tasks())
        finally:
            loop.close()

    # -- how ---------------------------------------------------------------------------------------------------------
    def _open(self) -> _Shared:
        """What the tests share; made when the first of them needs it."""
        cls = type(self)
        if cls._shared is None:
            loop = LoopThread()
            adapter = loop.call(self.make_adapter)
            loop.run(adapter.start(), DEADLINE_S)
            held = Holding(loop, adapter, self.phone(), self._parse)
            cls._shared = _Shared(loop, adapter, held, frozenset(loop.tasks()))
        return cls._shared

    def _ready(self) -> Holding:
        """The session, open and ready; paired if need be."""
        held = self._open().held
        if not held.is_open:
            held.open()
        while (state := held.until_state(*SENDING, *_PAIRING, deadline_s=self.patience_s)) not in SENDING:
            if state is PhoneState.QR:
                self.pair(held.host.told[-1])
                held.until(lambda: held.state is not PhoneState.QR, "the scanned QR is gone", self.patience_s)
            else:
                held.ask(Request(Ask.QR))
                held.until_state(PhoneState.QR, deadline_s=self.patience_s)
        return held

    @contextmanager
    def _in(self, mood: Mood) -> Iterator[_Shared]:
        """The provider in a mood, and a session that knows it."""
        self._need(mood)
        held = self._ready()
        with self.provider(mood):
            if mood is Mood.IS_AWAY:
                held.until(lambda: not held.sending, "the session says that the provider is away", self.patience_s)
            yield self._open()

    def _with_adapter(self, mood: Mood, act: Callable[[ChannelAdapter], Awaitable[T]]) -> T:
        with self._in(mood) as shared:

            async def live() -> T:
                return await act(shared.adapter)

            return shared.loop.run(live(), DEADLINE_S)

    def _parse(self, event: bytes) -> list[Parsed]:
        parse = self.spec.parse
        assert parse is not None, "a session suite is for a channel with a session"
        return parse(event)

    def _assert_nothing_leaves(self) -> None:
        """While the phone is not ready: no send, and no word about what was sent before."""
        shared, message = self._open(), self.message(Mood.IS_AWAY)
        outcome = shared.loop.run(attempt(shared.adapter, self.phone(), message), DEADLINE_S)
        lost = isinstance(outcome, SessionLost) or (isinstance(outcome, Retryable) and outcome.unreachable)
        assert lost, f"expected SessionLost, or Retryable with unreachable, got {outcome!r}"
        finding = shared.loop.run(shared.adapter.find_sent(self.phone(), message, LATER), DEADLINE_S)
        assert finding == StillUnknown()

    def _until_heard(self, held: Holding, texts: Sequence[str]) -> None:
        """Waits for the texts of messages; each must be there, and the first ones of each in order."""

        def heard() -> list[str]:
            found = [message.text for message in messages_in(held.host.items)]
            return [text for text in dict.fromkeys(found) if text is not None and text in texts]

        held.until(lambda: len(heard()) == len(texts), f"{len(texts)} messages are heard", self.patience_s)
        assert heard() == list(texts)


def _assert_no_task_left(tasks: AbstractSet[asyncio.Task[Any]]) -> None:
    names = sorted(task.get_name() for task in tasks)
    assert not names, f"tasks left behind: {', '.join(names)}"


def _texts(word: str) -> list[str]:
    return [f"{word} {new_id()}" for _ in range(EVENTS)]
