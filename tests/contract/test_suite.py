"""The suite finds adapters that misjudge their provider: each of its rules breaks on a planted one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from bisnes_core import channel
from bisnes_core.channel import ChannelAdapter, Evidence, Finding, Health, NotSent, Sent
from bisnes_core.conformance.suite import ChannelSuite, Mood
from bisnes_core.errors import Permanent, RateLimited, Retryable, Scope, UnknownOutcome
from bisnes_core.message import OutboundMessage
from bisnes_core.phone import Phone
from bisnes_core.settings import Settings


class Adapter(ChannelAdapter):
    """Right in every mood; the planted ones below differ in one."""

    mood = Mood.ACCEPTS
    accepted: list[str]
    running = False

    async def start(self) -> None:
        self.running = True

    async def stop(self) -> None:
        self.running = False

    async def health(self) -> Health:
        return Health(self.mood is not Mood.IS_AWAY, "asked")

    async def send(self, phone: Phone, message: OutboundMessage) -> Sent:
        if not self.running:
            raise Retryable("not_started")
        if self.mood in (Mood.ACCEPTS, Mood.LOSES_ANSWERS):
            self.accepted.append(str(message.id))
        if self.mood is Mood.ACCEPTS:
            return Sent(self.name(message))
        raise ERRORS[self.mood]()

    async def find_sent(self, phone: Phone, message: OutboundMessage, evidence: Evidence) -> Finding:
        return Sent(evidence.provider_message_id) if evidence.provider_message_id else channel.StillUnknown()

    def name(self, message: OutboundMessage) -> str | None:
        return f"made-up.{message.id}"


ERRORS: dict[Mood, Callable[[], Exception]] = {
    Mood.REFUSES: lambda: Permanent("no"),
    Mood.THROTTLES: lambda: RateLimited("slow", retry_after_s=1, scope=Scope.PHONE),
    Mood.FAILS: lambda: Retryable("later"),
    Mood.IS_AWAY: lambda: Retryable("away"),
    Mood.LOSES_REQUESTS: lambda: UnknownOutcome("silence"),
    Mood.LOSES_ANSWERS: lambda: UnknownOutcome("silence"),
    Mood.HANGS: lambda: UnknownOutcome("silence"),
}


def saying(mood: Mood, error: Callable[[], Exception]) -> type[Adapter]:
    """An adapter that says something else in one mood."""

    class Misjudging(Adapter):
        async def send(self, phone: Phone, message: OutboundMessage) -> Sent:
            if self.mood is mood:
                raise error()
            return await super().send(phone, message)

    return Misjudging


class Forgetful(Adapter):
    async def find_sent(self, phone: Phone, message: OutboundMessage, evidence: Evidence) -> Finding:
        return NotSent("never heard of it")


class Nameless(Adapter):
    def name(self, message: OutboundMessage) -> str | None:
        return None


class Uniform(Adapter):
    def name(self, message: OutboundMessage) -> str | None:
        return "the one"


class Twice(Adapter):
    async def send(self, phone: Phone, message: OutboundMessage) -> Sent:
        await super().send(phone, message)
        return await super().send(phone, message)


class Blind(Adapter):
    async def health(self) -> Health:
        return Health(True)


class Sick(Adapter):
    async def health(self) -> Health:
        return Health(False, "always")


class Unstoppable(Adapter):
    async def stop(self) -> None:
        assert self.running
        await super().stop()


class Telltale(Adapter):
    async def send(self, phone: Phone, message: OutboundMessage) -> Sent:
        if self.mood is Mood.REFUSES:
            raise Permanent("no", "token made-up-token was refused")
        return await super().send(phone, message)


class Suite(ChannelSuite):
    """The suite around one of these adapters."""

    reference = "plugins.loopback.spec:SPEC"

    def __init__(self, adapter: type[Adapter]) -> None:
        self.adapter, self.mood, self.ids = adapter, Mood.ACCEPTS, list[str]()

    def settings(self) -> Settings:
        return Settings(home=Path("/nowhere"))

    def phone(self) -> Phone:
        return Phone("42", 0, "loopback", secrets={"access_token": "made-up-token"})

    def provider(self, mood: Mood) -> AbstractContextManager[None]:
        self.mood, self.ids = mood, []
        return nullcontext()

    def accepted(self) -> list[str]:
        return self.ids


def broken_by(adapter: type[Adapter], monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of the suite's tests that fail for an adapter."""
    suite = Suite(adapter)

    def construct(spec: object, settings: Settings) -> Adapter:
        made = adapter(settings)
        made.mood, made.accepted = suite.mood, suite.ids
        return made

    monkeypatch.setattr("bisnes_core.conformance.suite.load_adapter", construct)
    broken = set()
    for name in (name for name in dir(ChannelSuite) if name.startswith("test_") and name != "test_spec_has_no_defects"):
        try:
            getattr(suite, name)()
        except (AssertionError, UnknownOutcome, Retryable):
            broken.add(name.removeprefix("test_"))
    return broken


PLANTED: list[tuple[type[Adapter], set[str]]] = [
    (Adapter, set()),
    (saying(Mood.REFUSES, lambda: Retryable("x")), {"a_refusal_is_permanent"}),
    (Telltale, {"a_refusal_is_permanent"}),
    (saying(Mood.THROTTLES, lambda: Retryable("x")), {"a_throttle_names_scope_and_pause"}),
    (
        saying(Mood.THROTTLES, lambda: RateLimited("x", retry_after_s=0, scope=Scope.APP)),
        {"a_throttle_names_scope_and_pause"},
    ),
    (saying(Mood.FAILS, lambda: UnknownOutcome("x")), {"trouble_without_acceptance_is_retryable"}),
    (saying(Mood.IS_AWAY, lambda: UnknownOutcome("x")), {"a_provider_that_is_away_took_nothing"}),
    (saying(Mood.HANGS, lambda: Retryable("x")), {"silence_ends_as_an_unknown_outcome"}),
    (saying(Mood.LOSES_REQUESTS, lambda: Retryable("x")), {"a_lost_request_looks_the_same_as_a_lost_answer"}),
    (
        saying(Mood.LOSES_ANSWERS, lambda: Retryable("x")),
        {"a_lost_answer_is_an_unknown_outcome", "find_sent_never_denies_a_message_that_was_accepted"},
    ),
    (Forgetful, {"find_sent_never_denies_a_message_that_was_accepted", "find_sent_believes_a_receipt"}),
    (
        Nameless,
        {
            "an_accepted_message_is_sent_once",
            "sends_at_the_same_time_do_not_disturb_each_other",
            "find_sent_believes_a_receipt",
        },
    ),
    (Uniform, {"sends_at_the_same_time_do_not_disturb_each_other"}),
    (Twice, {"an_accepted_message_is_sent_once", "sends_at_the_same_time_do_not_disturb_each_other"}),
    (Blind, {"health_notices_a_provider_that_is_away"}),
    (Sick, {"health_asks_the_provider"}),
    (Unstoppable, {"start_and_stop_may_come_twice"}),
]


@pytest.mark.parametrize(("adapter", "broken"), PLANTED)
def test_planted_adapters_break_their_rules_only(
    adapter: type[Adapter], broken: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert broken_by(adapter, monkeypatch) == broken


def test_every_rule_has_a_planted_adapter() -> None:
    rules = {name.removeprefix("test_") for name in dir(ChannelSuite) if name.startswith("test_")}
    assert set().union(*(broken for _, broken in PLANTED)) == rules - {"spec_has_no_defects"}
