"""Phones with sessions, and the processes that hold them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fixtures.services import places_of, running
from tests.fixtures.session_channel import NAME, install_session_channel
from tests.fixtures.session_phone import GRACE_S, MakePhone, PhoneOfTest, Start, Worker
from tests.fixtures.stores import MakeSender, Stores


@pytest.fixture
def start(stores: Stores, tmp_path: Path) -> Iterator[Start]:
    """Starts worker processes; they end with the test."""
    channel = install_session_channel(tmp_path / "plugin")
    pace = {"BISNES_LEASE_S": "1", "BISNES_TICKET_S": "1", "BISNES_SESSION_GRACE_S": str(GRACE_S)}
    with ExitStack() as stack:

        def run(*role: str, instance: str = "1") -> Worker:
            command = [sys.executable, "-m", "bisnes_workers", *(role or ("channel", NAME))]
            environment = {**places_of(stores.settings), **pace, **channel, "BISNES_INSTANCE": instance}
            return stack.enter_context(running(command, tmp_path / f"{(role or (NAME,))[-1]}{instance}", environment))

        yield run


@pytest.fixture
def make_phone(make_sender: MakeSender) -> Iterator[MakePhone]:
    """Adds phones; whatever happens to them, no session is ever open twice."""
    made: list[PhoneOfTest] = []

    def make() -> PhoneOfTest:
        made.append(PhoneOfTest(make_sender(NAME)))
        return made[-1]

    yield make
    for phone in made:
        phone.stores.sql("DELETE FROM phone_configs WHERE company_id = %s", phone.lane.company_id)
        assert phone.folder.diary("overlap") == [], "two had the session open at once"


@pytest.fixture
def phone(make_phone: MakePhone) -> PhoneOfTest:
    return make_phone()


@pytest.fixture
def worker(start: Start) -> Worker:
    return start()
