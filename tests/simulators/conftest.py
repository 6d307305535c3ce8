"""Fixtures: each test gets its own simulator process and receiver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.simulators.support import Receiver, Simulator, running


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of webhooks."""
    it = Receiver()
    yield it
    it.close()


@pytest.fixture
def start(receiver: Receiver) -> Iterator[Callable[..., Simulator]]:
    """Start a simulator with options; its webhooks go to ``receiver``."""
    with ExitStack() as stack:

        def run(*options: str, webhook_url: str | None = None) -> Simulator:
            url = receiver.url if webhook_url is None else webhook_url
            return stack.enter_context(running(*options, webhook_url=url))

        yield run


@pytest.fixture
def simulator(start: Callable[..., Simulator]) -> Simulator:
    """A simulator as the demo starts it."""
    return start()
