"""A simulated WhatsApp Web for each file that opens sessions on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures.paired_phones import simulated_whatsapp
from tests.fixtures.whatsapp_web import WhatsApp


@pytest.fixture(scope="module")
def whatsapp() -> Iterator[WhatsApp]:
    """A file's tests have their own numbers in it."""
    with simulated_whatsapp() as simulator:
        yield simulator
