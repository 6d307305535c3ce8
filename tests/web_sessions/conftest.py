"""A simulated WhatsApp Web, and a gateway without any phone of it yet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures.paired_phones import PairedPhones, simulated_whatsapp, start_paired_phones
from tests.fixtures.whatsapp_web import WhatsApp


@pytest.fixture(scope="package")
def web() -> Iterator[WhatsApp]:
    """The same for all: each test has its own numbers in it."""
    with simulated_whatsapp() as started:
        yield started


@pytest.fixture(scope="module")
def site(web: WhatsApp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PairedPhones]:
    """One gateway for a module's tests."""
    with start_paired_phones(tmp_path_factory.mktemp("web_sessions"), web) as started:
        yield started
