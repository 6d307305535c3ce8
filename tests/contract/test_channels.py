"""Every installed channel against the same suite; only the provider's side is made up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bisnes_core.channel import ENTRY_POINT_GROUP
from bisnes_core.conformance.suite import ChannelSuite, Mood
from bisnes_core.phone import Phone
from bisnes_core.settings import Settings
from plugins.loopback.ledger import ledger_of
from tests.contract import test_wwebjs_channel
from tests.fixtures.meta import meta_phone
from tests.simulators.support import Simulator, running

#: Seconds after which a send gives up: long for a simulator that answers, short for one that hangs.
TIMEOUT_S = 10.0
HANGING_TIMEOUT_S = 1.0

MOODS: dict[Mood, dict[str, Any]] = {
    Mood.REFUSES: {"code": 131026},
    Mood.THROTTLES: {"code": 130429},
    Mood.FAILS: {"code": 131016},
    Mood.LOSES_REQUESTS: {"reset_before": True},
    Mood.LOSES_ANSWERS: {"lose_answer": True},
    Mood.HANGS: {"hang_before_s": 30.0},
}


@pytest.fixture(scope="module")
def graph() -> Iterator[Simulator]:
    with running("--receipts", "off", "--rate-per-s", "0") as simulator:
        yield simulator


class TestMeta(ChannelSuite):
    reference = "plugins.meta.spec:SPEC"
    connection_type: ClassVar[str] = "meta_direct"

    @pytest.fixture(autouse=True)
    def _simulator(self, graph: Simulator) -> None:
        self.graph = graph
        self.url = graph.base
        self.timeout_s = TIMEOUT_S

    def settings(self) -> Settings:
        return Settings(meta_graph_url=self.url, meta_360dialog_url=self.url, deliver_timeout_s=self.timeout_s)

    def phone(self) -> Phone:
        return meta_phone(self.connection_type)

    @contextmanager
    def provider(self, mood: Mood) -> Iterator[None]:
        self.graph.admin("POST", "reset")
        if mood in MOODS:
            self.graph.fault(effect=MOODS[mood])
        # Port 9 is nobody's: connections are refused.
        self.timeout_s = HANGING_TIMEOUT_S if mood is Mood.HANGS else TIMEOUT_S
        self.url = "http://127.0.0.1:9" if mood is Mood.IS_AWAY else self.graph.base
        yield

    def accepted(self) -> list[str]:
        return [entry["biz_opaque_callback_data"] for entry in self.graph.ledger()]


class TestMetaEmbedded(TestMeta):
    connection_type = "meta_embedded"


class TestMeta360Dialog(TestMeta):
    connection_type = "360dialog"


class TestMetaOfficial(TestMeta):
    connection_type = "official"


class TestLoopback(ChannelSuite):
    reference = "plugins.loopback.spec:SPEC"
    #: Its provider is a file: it is always there and never hangs.
    moods = frozenset(Mood) - {Mood.IS_AWAY, Mood.HANGS}
    faults: ClassVar[dict[Mood, str]] = {
        Mood.REFUSES: "refuse",
        Mood.THROTTLES: "limit_phone",
        Mood.FAILS: "retry",
        Mood.LOSES_REQUESTS: "lose_request",
        Mood.LOSES_ANSWERS: "lose_answer",
    }

    @pytest.fixture(autouse=True)
    def _home(self, tmp_path: Path) -> None:
        self.home, self.fault = tmp_path, "accept"

    def settings(self) -> Settings:
        return Settings(home=self.home)

    def phone(self) -> Phone:
        return Phone("42", 0, "loopback", {"fault": self.fault})

    @contextmanager
    def provider(self, mood: Mood) -> Iterator[None]:
        self.fault = self.faults.get(mood, "accept")
        yield

    def accepted(self) -> list[str]:
        return [line["message_id"] for line in ledger_of(self.home, self.phone().lane).accepted()]


def test_every_installed_channel_is_here() -> None:
    installed = {point.value for point in entry_points(group=ENTRY_POINT_GROUP)}
    assert installed == {suite.reference for suite in (TestMeta, test_wwebjs_channel.TestWwebjs, TestLoopback)}
