"""Moments around login and sending at which a browser may be killed: each function returns when its moment has come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

from tests.fixtures.eventually import eventually
from tests.fixtures.paired_phones import READY_S, PairedPhones, kill

#: Messages that somebody writes while a browser is killed.
BURST = 40


@dataclass
class Trial:
    """A phone that is killed again and again, and what was accepted for it: ids by text."""

    site: PairedPhones
    phone: int
    accepted: dict[str, str] = field(default_factory=dict)

    @property
    def number(self) -> str:
        """The phone's."""
        return self.site.numbers[self.phone]

    def send(self) -> str:
        """Accepts a message for the phone."""
        text = f"phone {self.phone} {uuid4().hex}"
        self.accepted[text] = self.site.gateway.send(text, chat=f"62{self.phone:09d}", phone=self.phone)
        return text

    def handed_over(self, text: str) -> bool:
        """Whether WhatsApp has got a message."""
        return any(row["body"] == text for row in self.site.web.ledger(self.number))


Moment = Callable[[Trial], None]


def pass_time(wait_s: float) -> None:
    """For moments that only a clock tells."""
    over_at = time.monotonic() + wait_s
    eventually(lambda: time.monotonic() >= over_at, 2 * wait_s + 1, "the moment")


# -- login -------------------------------------------------------------------------------------------------------------
def the_page_has_its_login(trial: Trial) -> None:
    """The first instant at which a real phone, too, would not have to scan again."""

    def linked() -> bool:
        return any(page["state"] == "CONNECTED" for page in trial.site.web.linked(trial.number))

    eventually(linked, READY_S, "the page to have its login")


def a_moment_after(wait_s: float) -> Moment:
    """Some time after the page got its login."""

    def passed(trial: Trial) -> None:
        the_page_has_its_login(trial)
        pass_time(wait_s)

    return passed


def it_says_authenticated(trial: Trial) -> None:
    """The gateway has noticed the login."""
    told = ("authenticated", "ready")
    eventually(lambda: trial.site.states(trial.phone)[-1] in told, READY_S, "the login to be noticed")


def it_says_ready(trial: Trial) -> None:
    """All is well for the first time."""
    eventually(lambda: trial.site.states(trial.phone)[-1] == "ready", READY_S, "the phone to be ready")


# -- sending and receiving ---------------------------------------------------------------------------------------------
def a_message_is_accepted(trial: Trial) -> None:
    """On its way from the API to the browser."""
    trial.send()


def a_message_is_handed_over(trial: Trial) -> None:
    """WhatsApp has it, the gateway may not know yet."""
    text = trial.send()
    eventually(lambda: trial.handed_over(text), READY_S, "a message at WhatsApp")


def messages_come_in(trial: Trial) -> None:
    """Somebody writes a lot."""
    burst = [{"from": f"63{trial.phone:09d}", "text": f"{place}"} for place in range(BURST)]
    trial.site.web.call("POST", f"/accounts/{trial.number}/messages", {"messages": burst})


def the_next_browser_is_there(trial: Trial) -> None:
    """It was killed before: the new one is on its way up."""
    old = trial.site.tree(trial.phone)
    kill(old)
    eventually(lambda: set(trial.site.tree(trial.phone)) - set(old), READY_S, "the next browser")


def it_has_been_ready_for_a_while(trial: Trial) -> None:
    """Five seconds: WhatsApp has written what it writes at first."""
    pass_time(5)


LOGIN: dict[str, Moment] = {
    "as soon as the page has its login": the_page_has_its_login,
    "0.3 s later": a_moment_after(0.3),
    "1 s later": a_moment_after(1),
    "authenticated": it_says_authenticated,
    "ready": it_says_ready,
}
SENDING: dict[str, Moment] = {
    "five seconds after ready": it_has_been_ready_for_a_while,
    "a message accepted": a_message_is_accepted,
    "a message handed over": a_message_is_handed_over,
    "messages coming in": messages_come_in,
    "in the next browser's start": the_next_browser_is_there,
}


@contextmanager
def slow_acknowledgements(site: PairedPhones, ack_s: float) -> Iterator[None]:
    """WhatsApp's server takes its time to acknowledge, so that a kill meets a message in mid-send."""
    site.web.call("PATCH", "/settings", {"ack_s": ack_s})
    try:
        yield
    finally:
        site.web.call("PATCH", "/settings", {"ack_s": 0.0})
