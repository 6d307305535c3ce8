"""Every row of the table of troubles has a test that provokes it; here are those that the other files leave out.

What a session does about a trouble is read from its log, one line for each end of a browser's life.
"""

from __future__ import annotations

import ast
import logging
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from bisnes_core.channel import Sent
from bisnes_core.errors import FatalToProcess, Retryable, UnknownOutcome
from bisnes_core.message import Kind
from bisnes_core.session import Ask, PhoneState, Request
from plugins.wwebjs.bundle import find_bundles
from plugins.wwebjs.pairing import note_pairing
from plugins.wwebjs.profile import Profile
from plugins.wwebjs.trouble import RELOADS, RESTARTS, Act
from plugins.wwebjs.trouble_table import ROWS
from tests.fixtures.eventually import eventually
from tests.fixtures.whatsapp_web import READY_S, SOON_S, Channel, Listening, WhatsApp

CHAT: Final = "60122222222@c.us"
NUMBERS: Final = ("60111111301", "60111111302")
ALONE: Final = "60111111303"
#: One page is made larger than the other by so much.
GROWTH_MB: Final = 200

#: The test that provokes each row.
PROVOKED: Final = {
    "network_down": "host.test_without_a_network_the_phone_waits",
    "load_failed": "trouble_rows.test_a_page_that_cannot_be_loaded_is_tried_in_other_browsers_then_left",
    "navigated": "recovery.test_a_page_that_loads_itself_anew_goes_on_in_the_same_browser",
    "not_up": "recovery.test_a_page_that_never_comes_up_is_loaded_again_then_opened_anew",
    "stuck_syncing": "recovery.test_stuck_at_99_percent_it_gives_up_after_its_rounds_and_keeps_the_profile",
    "not_caught_up": "trouble_rows.test_what_came_meanwhile_and_cannot_be_fetched_is_left_to_a_person_and_not_lost",
    "reconnecting": "recovery.test_a_connection_that_does_not_come_back_is_loaded_again",
    "no_ack": "recovery.test_a_message_without_acknowledgement_brings_one_reload_and_leaves_once",
    "outdated": "recovery.test_an_outdated_page_is_loaded_again_once_then_another_bundle_is_needed",
    "page_crashed": "recovery.test_another_browser_takes_over",
    "browser_gone": "recovery.test_another_browser_takes_over",
    "driver_gone": "recovery.test_another_browser_takes_over",
    "hung": "recovery.test_another_browser_takes_over",
    "memory_soft": "trouble_rows.test_a_browser_that_is_always_too_large_is_replaced_four_times_then_kept",
    "memory_hard": "recovery.test_a_browser_past_its_hard_limit_is_replaced_at_once_past_its_soft_one_when_idle",
    "profile_in_use": "trouble_rows.test_a_profile_that_stays_in_use_is_asked_for_ten_times_then_left",
    "start_failed": "host.test_a_browser_that_does_not_start_is_tried_three_times_more",
    "no_browser": "trouble_rows.test_a_request_that_cannot_be_served_is_not_tried_in_circles",
    "profile_unwritable": "host.test_a_profile_that_cannot_be_written_is_an_error",
    "disk_full": "trouble_rows.test_on_a_full_disk_the_process_ends",
    "conflict": "recovery.test_a_conflict_is_taken_over_once_then_left",
    "logged_out": "pairing.test_unlinked_by_the_telephone_the_phone_needs_a_code_again",
    "login_refused": "trouble_rows.test_a_login_that_whatsapp_does_not_know_is_set_aside",
    "qr_idle": "pairing.test_from_request_to_ready_with_every_state_told",
    "empty_ref": "pairing.test_an_empty_code_is_not_shown",
    "blocked": "recovery.test_a_block_stops_the_phone",
    "no_such_number": "sending.test_a_number_that_is_not_on_whatsapp_fails_for_good",
    "impossible": "sending.test_only_its_writer_takes_a_message_back",
    "media_gone": "receiving.test_a_received_file_is_fetched_whole",
    "media_failed": "sending.test_a_file_that_cannot_be_uploaded_is_tried_again",
    "not_attached": "trouble_rows.test_a_wa_js_that_does_not_get_ready_is_loaded_again_opened_anew_then_replaced",
    "incompatible": "recovery.test_a_changed_whatsapp_is_told_with_its_build_and_not_restarted",
    "page_error": "trouble_rows.test_an_error_of_the_page_that_nobody_knows_is_the_messages_trouble",
    "no_answer": "trouble_rows.test_a_page_that_is_silent_for_a_moment_is_asked_again",
}


def test_every_row_has_a_test_that_provokes_it() -> None:
    assert set(PROVOKED) == set(ROWS)
    tests = {
        f"{path.stem.removeprefix('test_wwebjs_')}.{node.name}"
        for path in Path(__file__).parent.glob("test_wwebjs_*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef)
    }
    assert set(PROVOKED.values()) <= tests


@contextmanager
def opened(whatsapp: WhatsApp, home: Path, **settings: object) -> Iterator[Channel]:
    """A channel of its own."""
    quick = {"wwebjs_probe_s": 1.0, "wwebjs_probe_timeout_s": 3.0, "wwebjs_load_s": 4.0, "deliver_timeout_s": 5.0}
    channel = Channel(whatsapp, home, **quick | settings)
    try:
        yield channel
    finally:
        channel.close()


class Acts:
    """What sessions did, from their log."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    @property
    def taken(self) -> list[tuple[str, str]]:
        """Fact and act of each end of a browser's life."""
        records = [record for record in self._caplog.records if record.name == "plugins.wwebjs.session"]
        return [(str(record.args[1]), str(record.args[2])) for record in records if isinstance(record.args, tuple)]

    def until(self, taken: Sequence[tuple[str, str]], impatient: Callable[[int], None] = lambda _count: None) -> None:
        """Waits until exactly these were taken; after each further one somebody may be impatient."""
        seen = 0

        def done() -> bool:
            nonlocal seen
            count = len(self.taken)
            if seen < count < len(taken):
                seen = count
                impatient(count)
            return count >= len(taken)

        eventually(done, READY_S, f"acts {taken}")
        assert self.taken == list(taken)


@pytest.fixture
def acts(caplog: pytest.LogCaptureFixture) -> Acts:
    caplog.set_level(logging.INFO, "plugins.wwebjs")
    return Acts(caplog)


def spend(phone: Listening, fact: str, times: int) -> None:
    """As if a fact had come so often lately."""

    async def decide() -> None:
        common = phone.session.common
        for _ in range(times):
            common.spent.decide(ROWS[fact], common.now())

    phone.channel.run(decide())


# -- wa-js -------------------------------------------------------------------------------------------------------------
def test_a_wa_js_that_does_not_get_ready_is_loaded_again_opened_anew_then_replaced(
    whatsapp: WhatsApp, tmp_path: Path, acts: Acts
) -> None:
    """Row not_attached, every rung."""
    lazy = tmp_path / "lazy.js"
    lazy.write_text("window.WPP = { version: '0.0.1', isFullReady: false };")
    bundles = (str(lazy), str(find_bundles()[0].path))
    pages = len(whatsapp.call("GET", "/pages")["pages"])
    with opened(whatsapp, tmp_path, wwebjs_bundles=bundles, wwebjs_load_s=20.0, wwebjs_attach_s=1.0) as channel:
        phone = channel.listen()
        acts.until([("not_attached", Act.RESTART), ("not_attached", Act.NEXT_BUNDLE)])
        assert len(whatsapp.call("GET", "/pages")["pages"]) == pages + 3
        # The good one needs its time, on a busy machine more than a second.
        phone.session.common.settings = channel.settings.model_copy(update={"wwebjs_attach_s": READY_S})
        phone.until(PhoneState.QR)
        assert phone.session._bundle == 1


def test_what_came_meanwhile_and_cannot_be_fetched_is_left_to_a_person_and_not_lost(
    whatsapp: WhatsApp, tmp_path: Path, acts: Acts
) -> None:
    """Row not_caught_up, every rung."""
    good = find_bundles()
    spoiled = tmp_path / "spoiled.js"
    spoiled.write_text(f"{good[0].path.read_text()}\nwindow.__bisnes.chatsSince = () => {{ throw new Error('no'); }};")
    quick = {"wwebjs_load_s": 20.0, "wwebjs_probe_s": 0.3}
    with opened(whatsapp, tmp_path, wwebjs_bundles=(str(spoiled),), **quick) as channel:
        phone = channel.listen().pair(ALONE)
        made = whatsapp.write(ALONE, **{"from": "60122222222", "text": "hello"})
        eventually(lambda: phone.host.news and "cannot be fetched" in phone.host.news.detail, SOON_S, "it is told")
        pages = len(whatsapp.call("GET", "/pages")["pages"])
        acts.until([("not_caught_up", Act.RESTART), ("not_caught_up", Act.STOP)])
        assert "cannot be fetched" in phone.until(PhoneState.ERROR).detail
        assert len(whatsapp.call("GET", "/pages")["pages"]) == pages + 2  # a reload and a new browser
        assert phone.host.inbound == []
        phone.session._bundles = good
        phone.ask(Request(Ask.RESTART))
        phone.until(PhoneState.READY)
        (stored,) = eventually(lambda: phone.host.inbound, SOON_S, "it is stored")
        assert made in stored.provider_message_id


# -- the page ----------------------------------------------------------------------------------------------------------
def test_a_page_that_does_not_answer_is_opened_by_another_browser(
    whatsapp: WhatsApp, tmp_path: Path, acts: Acts
) -> None:
    """Row load_failed, first rung: the address takes the connection and is silent."""
    with opened(whatsapp, tmp_path) as channel, whatsapp.fault("no_answer", times=1):
        phone = channel.listen()
        phone.until(PhoneState.QR)
        assert acts.taken == [("load_failed", Act.RESTART)]
        told = [(news.state, news.detail) for news in phone.host.told]
        assert (PhoneState.INITIALIZING, "WhatsApp's page does not load") in told
        common = phone.session.common
        assert common.spent.restarts(common.now()) == 0  # it was taken from the reloads


def test_a_page_that_cannot_be_loaded_is_tried_in_other_browsers_then_left(
    whatsapp: WhatsApp, tmp_path: Path, acts: Acts
) -> None:
    """Row load_failed, every rung: a port that Chromium does not open, which no network mends."""
    with opened(whatsapp, tmp_path) as channel:
        channel.adapter.settings = channel.settings.model_copy(update={"wwebjs_url": "http://127.0.0.1:1/"})
        phone = channel.listen()

        def impatient(lives: int) -> None:
            if lives > RELOADS.times + 1:  # from here on there are pauses, which a person's request ends
                phone.ask(Request(Ask.QR))

        tries = RELOADS.times + RESTARTS.times
        acts.until([("load_failed", Act.RESTART)] * tries + [("load_failed", Act.STOP)], impatient)
        news = phone.until(PhoneState.ERROR)
        assert "does not load" in news.detail
        assert "ERR_UNSAFE_PORT" in news.detail
        eventually(lambda: not phone.processes(), SOON_S, "no browser is left")


def test_a_login_that_whatsapp_does_not_know_is_set_aside(whatsapp: WhatsApp, tmp_path: Path, acts: Acts) -> None:
    """Row login_refused: the profile was paired, but its page shows a code."""
    with opened(whatsapp, tmp_path, wwebjs_load_s=10.0) as channel:
        profile = channel.settings.wwebjs_profiles_dir / "42-0"
        profile.mkdir(parents=True)
        note_pairing(profile)
        phone = channel.listen(watched=False)
        assert phone.ended.wait(READY_S)
        assert acts.taken == [("login_refused", Act.NEEDS_QR)]
        assert phone.state is PhoneState.NEEDS_QR
        assert PhoneState.QR not in phone.host.states
        assert len(list(profile.parent.glob("42-0.aside-*"))) == 1


# -- the machine -------------------------------------------------------------------------------------------------------
@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small disk")
@pytest.mark.parametrize("filled", [False, True], ids=["nearly", "quite"])
def test_on_a_full_disk_the_process_ends(whatsapp: WhatsApp, tmp_path: Path, acts: Acts, filled: bool) -> None:
    """Row disk_full: the phone says so, and the process ends at once, with nothing tried again."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], check=True)
    try:
        if filled:
            with pytest.raises(OSError, match="No space left"):
                (disk / "filler").write_bytes(bytes(8 * 1024**2))
        with opened(whatsapp, tmp_path, wwebjs_profiles=disk / "profiles") as channel:
            phone = channel.listen()
            assert phone.ended.wait(SOON_S)
            error = phone.future.exception()
            assert isinstance(error, FatalToProcess)
            assert error.code == "wwebjs:disk_full"
            assert acts.taken == [("disk_full", Act.EXIT)]
            assert phone.state is PhoneState.ERROR
            assert phone.host.news is not None
            assert phone.host.news.detail.startswith("the disk is full")
            assert not phone.processes()
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_profile_that_stays_in_use_is_asked_for_ten_times_then_left(
    whatsapp: WhatsApp, tmp_path: Path, acts: Acts
) -> None:
    """Row profile_in_use, to its last rung; the phone comes back when it is free and somebody asks."""
    with opened(whatsapp, tmp_path) as channel:
        other = Profile(channel.settings.wwebjs_profiles_dir, "42", 0)
        other.hold()
        try:
            phone = channel.listen()
            budget = ROWS["profile_in_use"].ladder[0].budget
            assert budget is not None
            waited = [("profile_in_use", str(Act.WAIT))] * budget.times
            acts.until([*waited, ("profile_in_use", Act.STOP)], lambda _count: phone.ask(Request(Ask.QR)))
            assert phone.until(PhoneState.CONFLICT).detail
        finally:
            other.release()
        phone.ask(Request(Ask.QR))
        phone.until(PhoneState.QR)


def test_a_request_that_cannot_be_served_is_not_tried_in_circles(
    whatsapp: WhatsApp, tmp_path: Path, acts: Acts
) -> None:
    """Row no_browser: a person's request brings at most one more look, and is no reason to look for ever."""
    with opened(whatsapp, tmp_path, wwebjs_browser=str(tmp_path / "no-such-browser")) as channel:
        phone = channel.listen(watched=False)
        phone.ask(Request(Ask.QR))
        assert phone.ended.wait(SOON_S)
        assert phone.state is PhoneState.NO_BROWSER
        assert set(acts.taken) == {("no_browser", str(Act.STOP))}
        assert len(acts.taken) <= 2


def test_a_browser_that_is_always_too_large_is_replaced_four_times_then_kept(
    whatsapp: WhatsApp, tmp_path: Path, acts: Acts
) -> None:
    """Row memory_soft, to its last rung."""
    limits = {"wwebjs_memory_check_s": 0.2, "wwebjs_memory_soft_bytes": 1_000_000}
    with opened(whatsapp, tmp_path, wwebjs_load_s=20.0, **limits) as channel:
        phone = channel.listen()
        acts.until([("memory_soft", Act.RECYCLE)] * 4)
        phone.until(PhoneState.QR)
        life = phone.session._life
        assert life is not None
        later = life._memory_at + 1.0
        eventually(lambda: life._memory_at > later, SOON_S, "it is weighed again and again")
        assert phone.session.memory_bytes > 1_000_000
        assert phone.session._life is life
        assert len(acts.taken) == 4


# -- paired phones -----------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def channel(whatsapp: WhatsApp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Channel]:
    # A page is loaded for so long as it takes on a busy machine: none of these tests waits for that limit.
    with opened(whatsapp, tmp_path_factory.mktemp("wwebjs"), wwebjs_load_s=20.0, wwebjs_memory_check_s=0.3) as made:
        yield made


@pytest.fixture(scope="module")
def phones(channel: Channel) -> list[Listening]:
    made = [channel.listen(index) for index in range(2)]
    return [phone.pair(number) for phone, number in zip(made, NUMBERS, strict=True)]


@pytest.fixture
def phone(phones: list[Listening]) -> Listening:
    """The first of them, ready and with fresh budgets."""
    phones[0].until(PhoneState.READY)
    phones[0].channel.later(phones[0].session.common.spent.forget)
    return phones[0]


def test_a_page_that_is_silent_for_a_moment_is_asked_again(phone: Listening, whatsapp: WhatsApp, acts: Acts) -> None:
    """Row no_answer: the outcome of what was asked is unknown, nothing is restarted, and no state is told."""
    told, before = len(phone.host.told), phone.browser
    assert before is not None
    whatsapp.call("POST", "/faults", {"kind": "hang", "account": NUMBERS[0], "s": 1.2})
    with pytest.raises(UnknownOutcome, match="timeout"):
        phone.channel.run(_impatient_send(phone))
    assert isinstance(phone.send(phone.message(Kind.TEXT, CHAT, text="here again")), Sent)
    assert phone.browser is before
    assert phone.host.states[told:] == []
    assert acts.taken == []


async def _impatient_send(phone: Listening) -> Sent:
    adapter = phone.channel.adapter
    settings, adapter.settings = adapter.settings, adapter.settings.model_copy(update={"deliver_timeout_s": 0.3})
    try:
        return await adapter.send(phone.phone, phone.message(Kind.TEXT, CHAT, text="anybody there?"))
    finally:
        adapter.settings = settings


def test_an_error_of_the_page_that_nobody_knows_is_the_messages_trouble(phone: Listening, acts: Acts) -> None:
    """Row page_error: tried twice again; phone and browser stay."""
    told, before = len(phone.host.told), phone.browser
    assert before is not None
    throws = "sendTextMessage: async () => { throw new Error('something new'); }"
    spoil = f"() => {{ window.whole = WPP; window.WPP = {{ ...WPP, chat: {{ ...WPP.chat, {throws} }} }}; }}"
    phone.channel.run(before.call(spoil))
    message = phone.message(Kind.TEXT, CHAT, text="a try")
    with pytest.raises(Retryable, match="page_error") as info:
        phone.send(message)
    assert info.value.attempts_max == 3
    phone.channel.run(before.call("() => { window.WPP = window.whole; }"))
    assert isinstance(phone.send(message), Sent)
    assert phone.browser is before
    assert phone.host.states[told:] == []
    assert acts.taken == []


def test_of_all_browsers_together_the_largest_is_replaced_when_idle(
    phones: list[Listening], whatsapp: WhatsApp, acts: Acts
) -> None:
    """The limit of the process: a message under way still leaves, the other phone is left alone."""
    large, small = phones
    channel = large.channel
    channel.later(large.session.common.spent.forget)
    before, others = large.browser, small.browser
    told = len(small.host.told)
    whatsapp.call("POST", "/faults", {"kind": "memory", "account": NUMBERS[0], "mb_per_s": 300, "mb_max": GROWTH_MB})

    growth = GROWTH_MB * 1024**2
    eventually(
        lambda: large.session.memory_bytes > small.session.memory_bytes + 0.8 * growth, SOON_S, "one is the largest"
    )
    limit = 2 * small.session.memory_bytes + growth // 3
    whatsapp.call("PATCH", "/settings", {"ack_s": 3.0})
    settings = channel.adapter.settings
    try:
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(large.send, large.message(Kind.TEXT, CHAT, text="under way"))
            eventually(lambda: large.session.common.sends, SOON_S, "it is on its way")
            channel.adapter.settings = settings.model_copy(update={"wwebjs_memory_total_bytes": limit})
            eventually(lambda: large.session.common.recycle, SOON_S, "it shall be replaced")
            assert isinstance(sending.result(SOON_S), Sent)
        acts.until([("memory_soft", Act.RECYCLE)])
    finally:
        channel.adapter.settings = settings
        whatsapp.call("PATCH", "/settings", {"ack_s": 0.0})
    eventually(lambda: large.browser not in (None, before), READY_S, "another browser")
    large.until(PhoneState.READY)
    assert small.browser is others
    assert small.host.states[told:] == []


def test_a_page_that_hangs_once_too_often_is_left(phone: Listening, whatsapp: WhatsApp, acts: Acts) -> None:
    """Row hung, to its last rung: five new browsers in half an hour are enough; a person's request begins anew."""
    spend(phone, "hung", RESTARTS.times)
    whatsapp.call("POST", "/faults", {"kind": "hang", "account": NUMBERS[0]})
    acts.until([("hung", Act.STOP)])
    assert phone.until(PhoneState.ERROR).detail == "the page does not answer"
    assert not phone.processes()
    phone.ask(Request(Ask.RESTART))
    phone.until(PhoneState.READY)
