"""What an adapter must make of its provider's answers, as a base class for pytest.

    class TestMyChannel(ChannelSuite):
        reference = "my_pkg.spec:SPEC"

        def settings(self) -> Settings: ...
        def phone(self) -> Phone: ...
        def accepted(self) -> list[str]: ...
        def provider(self, mood: Mood) -> AbstractContextManager[None]: ...

The provider is the only thing that may be made up: a stand-in that behaves as the real one does in each mood. A mood
that the provider cannot have is left out of `moods`; its test is skipped, by name, not passed over. A channel whose
phones hold sessions inherits from `session_suite.SessionSuite` instead. For assertions that explain themselves, have
`pytest.register_assert_rewrite("bisnes_core.conformance.suite")` in a conftest.
"""

# ruff: noqa: S101 - this is a test suite

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, suppress
from enum import Enum
from importlib import import_module
from typing import ClassVar, Final, TypeVar
from unittest import SkipTest

from bisnes_core.channel import ChannelAdapter, ChannelSpec, Evidence, NotSent, Sent, load_adapter
from bisnes_core.conformance import check_channel
from bisnes_core.errors import Permanent, RateLimited, Retryable, SendError, UnknownOutcome
from bisnes_core.ids import new_id
from bisnes_core.message import Kind, OutboundMessage
from bisnes_core.phone import Phone
from bisnes_core.settings import Settings

T = TypeVar("T")
E = TypeVar("E", bound=SendError)

#: Longest time for one test's sends, in seconds; an adapter that hangs must not hang the suite.
DEADLINE_S: Final = 30.0
#: The core asks for an answer to `health` well below 5 s.
HEALTH_DEADLINE_S: Final = 5.0
#: Sends at a time, as a busy lane makes them.
AT_A_TIME: Final = 50
#: Who gets the messages.
CHAT: Final = "60123456789@c.us"


class Mood(Enum):
    """How the provider behaves."""

    ACCEPTS = "accepts"
    REFUSES = "refuses this message for good"
    THROTTLES = "says: too fast"
    FAILS = "says that nothing was sent, try again later"
    IS_AWAY = "cannot be reached at all"
    LOSES_REQUESTS = "breaks off before it accepts, without a word"
    LOSES_ANSWERS = "accepts, then breaks off without a word"
    HANGS = "takes the request and says nothing"


class ChannelSuite(ABC):
    """Subclass it in a test module under a name that begins with `Test`; see the module."""

    #: The spec, as `package.module:NAME`.
    reference: ClassVar[str]
    #: Moods that this provider can have.
    moods: ClassVar[frozenset[Mood]] = frozenset(Mood)

    @abstractmethod
    def settings(self) -> Settings:
        """Settings that lead to the stand-in; asked for within `provider`, with a short `deliver_timeout_s`."""

    @abstractmethod
    def phone(self) -> Phone:
        """A phone that the stand-in knows; asked for within `provider`."""

    @abstractmethod
    def provider(self, mood: Mood) -> AbstractContextManager[None]:
        """Puts the stand-in into a mood, with nothing accepted yet."""

    @abstractmethod
    def accepted(self) -> list[str]:
        """Our ids of the messages that the stand-in accepted, each as often as it did.

        A provider that is not told our ids finds each at the end of its message's text.
        """

    def message(self, mood: Mood) -> OutboundMessage:
        """A fresh message to send while the provider is in a mood; a text, unless another kind is needed for it."""
        phone, message_id = self.phone(), new_id()
        payload = {"text": f"conformance {message_id}"}
        return OutboundMessage(message_id, phone.company_id, phone.phone_index, CHAT, Kind.TEXT, payload)

    def make_adapter(self) -> ChannelAdapter:
        """A new adapter, not started; override it to give it `files`, as the worker does."""
        return load_adapter(self.spec, self.settings())

    @property
    def spec(self) -> ChannelSpec:
        """What `reference` names."""
        module, _, name = self.reference.partition(":")
        spec: ChannelSpec = getattr(import_module(module), name)
        return spec

    # -- the spec ----------------------------------------------------------------------------------------------------
    def test_spec_has_no_defects(self) -> None:
        """See `bisnes_core.conformance`."""
        assert [str(defect) for defect in check_channel(self.reference)] == []

    # -- one send per mood -------------------------------------------------------------------------------------------
    def test_an_accepted_message_is_sent_once(self) -> None:
        """`Sent` with the provider's id, by which receipts and replies will name it."""
        message = self.message(Mood.ACCEPTS)
        sent = self._send(Mood.ACCEPTS, message)
        assert isinstance(sent, Sent), sent
        assert sent.provider_message_id
        assert self.accepted() == [str(message.id)]

    def test_a_refusal_is_permanent(self) -> None:
        """It would be refused again."""
        self._expect(Mood.REFUSES, Permanent)
        assert self.accepted() == []

    def test_a_throttle_names_scope_and_pause(self) -> None:
        """It costs no attempt."""
        error = self._expect(Mood.THROTTLES, RateLimited)
        assert error.retry_after_s > 0
        assert error.growth >= 1
        assert self.accepted() == []

    def test_trouble_without_acceptance_is_retryable(self) -> None:
        """The provider said that nothing was sent."""
        self._expect(Mood.FAILS, Retryable)
        assert self.accepted() == []

    def test_a_provider_that_is_away_took_nothing(self) -> None:
        """No connection, no bytes: it may be tried again without asking anybody."""
        self._expect(Mood.IS_AWAY, Retryable)

    def test_a_lost_answer_is_an_unknown_outcome(self) -> None:
        """Claiming less would send twice."""
        self._expect(Mood.LOSES_ANSWERS, UnknownOutcome)
        assert len(self.accepted()) == 1

    def test_a_lost_request_looks_the_same_as_a_lost_answer(self) -> None:
        """The adapter cannot tell, so it must not."""
        self._expect(Mood.LOSES_REQUESTS, UnknownOutcome)
        assert self.accepted() == []

    def test_silence_ends_as_an_unknown_outcome(self) -> None:
        """Within `deliver_timeout_s`, by the adapter's own deadline."""
        self._expect(Mood.HANGS, UnknownOutcome)

    # -- many, and afterwards ----------------------------------------------------------------------------------------
    def test_sends_at_the_same_time_do_not_disturb_each_other(self) -> None:
        """Each is accepted once, under an id of its own."""
        messages = [self.message(Mood.ACCEPTS) for _ in range(AT_A_TIME)]

        async def send_all(adapter: ChannelAdapter) -> list[Sent]:
            phone = self.phone()
            return list(await asyncio.gather(*(adapter.send(phone, message) for message in messages)))

        sent = self._with_adapter(Mood.ACCEPTS, send_all)
        assert len({one.provider_message_id for one in sent}) == AT_A_TIME
        assert sorted(self.accepted()) == sorted(str(message.id) for message in messages)

    def test_find_sent_never_denies_a_message_that_was_accepted(self) -> None:
        """With a receipt it knows; without, it may say that it does not know, but never `NotSent` at once."""
        message = self.message(Mood.LOSES_ANSWERS)

        async def lose_then_ask(adapter: ChannelAdapter) -> None:
            phone = self.phone()
            with suppress(UnknownOutcome):
                await adapter.send(phone, message)
            for receipts_flow in (False, True):
                early = Evidence(None, 0.0, 6.0, receipts_flow=receipts_flow)
                assert not isinstance(await adapter.find_sent(phone, message, early), NotSent)

        self._with_adapter(Mood.LOSES_ANSWERS, lose_then_ask)

    def test_find_sent_believes_a_receipt(self) -> None:
        """A receipt that carried our id names the provider's."""
        message = self.message(Mood.ACCEPTS)

        async def ask(adapter: ChannelAdapter) -> None:
            sent = await adapter.send(self.phone(), message)
            evidence = Evidence(sent.provider_message_id, 0.0, 6.0, receipts_flow=True)
            found = await adapter.find_sent(self.phone(), message, evidence)
            assert isinstance(found, Sent)
            assert found.provider_message_id == sent.provider_message_id

        self._with_adapter(Mood.ACCEPTS, ask)

    # -- life --------------------------------------------------------------------------------------------------------
    def test_health_asks_the_provider(self) -> None:
        """Well while it accepts."""
        health = self._with_adapter(Mood.ACCEPTS, lambda adapter: asyncio.wait_for(adapter.health(), HEALTH_DEADLINE_S))
        assert health.ok, health.detail

    def test_health_notices_a_provider_that_is_away(self) -> None:
        """In time, and with words that name it."""
        health = self._with_adapter(Mood.IS_AWAY, lambda adapter: asyncio.wait_for(adapter.health(), HEALTH_DEADLINE_S))
        assert not health.ok
        assert health.detail

    def test_start_and_stop_may_come_twice(self) -> None:
        """A worker that stops while it starts calls them in any order."""

        async def again(adapter: ChannelAdapter) -> None:
            await adapter.start()
            await adapter.stop()
            await adapter.stop()
            await adapter.start()
            await adapter.send(self.phone(), self.message(Mood.ACCEPTS))

        self._with_adapter(Mood.ACCEPTS, again)

    # -- how ---------------------------------------------------------------------------------------------------------
    def _expect(self, mood: Mood, kind: type[E]) -> E:
        outcome = self._send(mood, self.message(mood))
        assert isinstance(outcome, kind), f"the provider {mood.value}: expected {kind.__name__}, got {outcome!r}"
        assert outcome.code
        for secret in self.phone().secrets.values():
            assert secret not in f"{outcome} {outcome.trace}", "a secret got into the error"
        return outcome

    def _send(self, mood: Mood, message: OutboundMessage) -> Sent | SendError:
        return self._with_adapter(mood, lambda adapter: attempt(adapter, self.phone(), message))

    def _with_adapter(self, mood: Mood, act: Callable[[ChannelAdapter], Awaitable[T]]) -> T:
        """Runs one act with a started adapter while the provider is in a mood."""
        self._need(mood)

        async def live() -> T:
            adapter = self.make_adapter()
            await adapter.start()
            try:
                return await act(adapter)
            finally:
                await adapter.stop()

        with self.provider(mood):
            return asyncio.run(asyncio.wait_for(live(), DEADLINE_S))

    def _need(self, mood: Mood) -> None:
        """Skips the test when the provider cannot have the mood."""
        if mood not in self.moods:
            raise SkipTest(f"no mood of this provider: {mood.value}")


async def attempt(adapter: ChannelAdapter, phone: Phone, message: OutboundMessage) -> Sent | SendError:
    """What comes of a send."""
    try:
        return await adapter.send(phone, message)
    except SendError as error:
        return error
