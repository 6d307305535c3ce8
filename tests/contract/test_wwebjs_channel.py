"""WhatsApp Web's channel against the suite: a real Chromium on the simulated WhatsApp Web."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bisnes_core.channel import ChannelAdapter
from bisnes_core.conformance.session_suite import SessionSuite
from bisnes_core.conformance.suite import Mood
from bisnes_core.ids import new_id
from bisnes_core.message import Kind, OutboundMessage
from bisnes_core.phone import Phone
from bisnes_core.session import SessionNews
from bisnes_core.settings import Settings
from tests.fixtures.eventually import eventually
from tests.fixtures.whatsapp_web import READY_S, SOON_S, DiskFiles, WhatsApp

NUMBER = "60111111111"
#: Seconds after which a send gives up; the page answers within milliseconds, 50 sends at once within a second.
TIMEOUT_S = 6.0
#: The page stands still for so long: past the send's deadline, but not so long that its browser is replaced.
HANG_S = 7.0

FAULTS: dict[Mood, list[dict[str, Any]]] = {
    Mood.REFUSES: [{"kind": "refuse"}],
    Mood.FAILS: [{"kind": "upload_error"}],
    Mood.IS_AWAY: [{"kind": "state", "state": "OPENING"}],
    Mood.LOSES_REQUESTS: [{"kind": "swallow"}],
    # That it was delivered would be an answer too.
    Mood.LOSES_ANSWERS: [{"kind": "lose_ack"}, {"kind": "no_receipts"}],
    Mood.HANGS: [{"kind": "hang", "s": HANG_S}],
}


@pytest.fixture(scope="module")
def whatsapp() -> Iterator[WhatsApp]:
    simulator = WhatsApp()
    yield simulator
    simulator.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wwebjs")
    (folder / "book.pdf").write_bytes(b"%PDF-" * 500)
    return folder


class TestWwebjs(SessionSuite):
    reference = "plugins.wwebjs.spec:SPEC"
    #: WhatsApp tells nobody to slow down: it bans, which is a state of the phone.
    moods = frozenset(Mood) - {Mood.THROTTLES}
    patience_s: ClassVar[float] = READY_S

    @pytest.fixture(autouse=True)
    def _simulator(self, whatsapp: WhatsApp, home: Path) -> None:
        self.whatsapp, self.home, self.after = whatsapp, home, 0

    def settings(self) -> Settings:
        return Settings(home=self.home, wwebjs_url=f"{self.whatsapp.url}/", deliver_timeout_s=TIMEOUT_S)

    def make_adapter(self) -> ChannelAdapter:
        adapter = super().make_adapter()
        adapter.files = DiskFiles(self.home)
        return adapter

    def phone(self) -> Phone:
        return Phone("42", 0, "wwebjs")

    def message(self, mood: Mood) -> OutboundMessage:
        message = super().message(mood)
        if mood is not Mood.FAILS:
            return message
        # Only the upload of a file can fail before anything is sent.
        payload = {"url": "http://files/book.pdf", "caption": message.payload["text"]}
        return OutboundMessage(
            new_id(), message.company_id, message.phone_index, message.chat_id, Kind.DOCUMENT, payload
        )

    @contextmanager
    def provider(self, mood: Mood) -> Iterator[None]:
        self.after = max((row["order"] for row in self.whatsapp.ledger(NUMBER)), default=0)
        with ExitStack() as faults:
            for fault in FAULTS.get(mood, []):
                faults.enter_context(self.whatsapp.fault(account=NUMBER, **fault))
            yield
        if mood is Mood.HANGS:
            eventually(self._arrived, SOON_S, "the page goes on with what it was given")

    def accepted(self) -> list[str]:
        kept = {message["id"] for message in self.whatsapp.call("GET", f"/accounts/{NUMBER}/messages")["messages"]}
        rows = [row for row in self._arrived() if row["id"] in kept]
        return [row["body"].rpartition(" ")[2] for row in rows for _ in range(row["copies"])]

    def _arrived(self) -> list[dict[str, Any]]:
        """What came since the mood began, whatever became of it."""
        return [row for row in self.whatsapp.ledger(NUMBER) if row["order"] > self.after]

    def pair(self, news: SessionNews) -> None:
        self.whatsapp.scan(lambda: news.qr, NUMBER)

    def write(self, text: str) -> None:
        self.whatsapp.write(NUMBER, **{"from": "60122222222", "text": text})
