"""What goes wrong, and that the phone comes back by itself: each row of the table, provoked in page and browser."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from bisnes_core.channel import Evidence, Sent
from bisnes_core.errors import AuthRequired, Retryable, SendError, UnknownOutcome
from bisnes_core.message import Kind
from bisnes_core.session import Ask, PhoneState, Request
from plugins.wwebjs.browser_failed import BrowserFailed
from plugins.wwebjs.bundle import find_bundles
from plugins.wwebjs.ids import web_id
from tests.fixtures.eventually import eventually
from tests.fixtures.whatsapp_web import SOON_S, Channel, Listening, WhatsApp

CHAT = "60122222222@c.us"
NUMBER = "60111111201"
OTHER = "60111111202"
#: Promised: the hurt phone is back by itself.
BACK_S = 30.0


@pytest.fixture(scope="module")
def channel(whatsapp: WhatsApp, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Channel]:
    made = Channel(
        whatsapp,
        tmp_path_factory.mktemp("wwebjs"),
        deliver_timeout_s=3.0,
        wwebjs_probe_s=1.0,
        wwebjs_probe_timeout_s=3.0,
        wwebjs_load_s=2.5,
        wwebjs_sync_s=1.0,
        wwebjs_reconnect_s=1.5,
        wwebjs_ack_s=3.0,
        wwebjs_memory_check_s=1.0,
    )
    yield made
    made.close()


@pytest.fixture(scope="module")
def paired(channel: Channel) -> Listening:
    return channel.listen().pair(NUMBER)


@pytest.fixture
def phone(paired: Listening) -> Listening:
    """The same phone for all, ready and with fresh budgets."""
    paired.until(PhoneState.READY)
    paired.channel.later(paired.session.common.spent.forget)
    return paired


def shows(phone: Listening, told: int, state: PhoneState) -> None:
    """Since then the phone has shown a state."""
    eventually(lambda: state in phone.host.states[told:], BACK_S, f"{state} is told")


def works(phone: Listening, whatsapp: WhatsApp, number: str = NUMBER) -> None:
    """Ready again, without a QR code, and a message leaves once."""
    phone.until(PhoneState.READY, BACK_S)
    message = phone.message(Kind.TEXT, CHAT, text="still here")
    eventually(lambda: _sent(phone, message), SOON_S, "a message leaves")
    entry = whatsapp.entry(number, web_id(message.id))
    assert entry is not None
    assert entry["copies"] == 1


def _sent(phone: Listening, message: Any) -> bool:
    with suppress(Retryable, UnknownOutcome):
        phone.send(message)
        return True
    return False


# -- the browser -------------------------------------------------------------------------------------------------------
def crash_the_tab(phone: Listening) -> None:
    with suppress(BrowserFailed):
        phone.channel.run(phone.page.browser.open("chrome://crash", timeout_s=5.0))


def kill_the_browser(phone: Listening) -> None:
    for pid in phone.processes():
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if process.name().startswith("chrom") and "driver" not in process.name():
                process.kill()


def kill_the_driver(phone: Listening) -> None:
    guardian = psutil.Process(phone.page.browser._driver.guardian_pid)
    (driver,) = (child for child in guardian.children() if child.name() == "chromedriver")
    driver.kill()


def hang(phone: Listening) -> None:
    phone.channel.whatsapp.call("POST", "/faults", {"kind": "hang", "account": NUMBER})


@pytest.mark.parametrize("fault", [crash_the_tab, kill_the_browser, kill_the_driver, hang])
def test_another_browser_takes_over(phone: Listening, whatsapp: WhatsApp, fault: Callable[[Listening], None]) -> None:
    """Rows page_crashed, browser_gone, driver_gone, hung: a new browser, the login restored, nothing left behind."""
    told, before = len(phone.host.told), set(phone.processes())
    began = time.monotonic()
    fault(phone)
    shows(phone, told, PhoneState.INITIALIZING)
    works(phone, whatsapp)
    assert time.monotonic() - began < BACK_S
    assert PhoneState.QR not in phone.host.states[told:]
    assert not before & set(phone.processes())


def test_a_kill_in_mid_send_neither_loses_nor_repeats(phone: Listening, whatsapp: WhatsApp) -> None:
    """The server is slow to answer, the browser dies meanwhile; afterwards the chat tells what became of it."""
    whatsapp.call("PATCH", "/settings", {"ack_s": 10.0})
    told = len(phone.host.told)
    message = phone.message(Kind.TEXT, CHAT, text="in flight")
    try:
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(phone.send, message)
            eventually(lambda: whatsapp.entry(NUMBER, web_id(message.id)), SOON_S, "it is on its way")
            kill_the_browser(phone)
            with pytest.raises(UnknownOutcome):
                sending.result(SOON_S)
    finally:
        whatsapp.call("PATCH", "/settings", {"ack_s": 0.0})
    shows(phone, told, PhoneState.INITIALIZING)
    phone.until(PhoneState.READY, BACK_S)
    evidence = Evidence(None, 30.0, 6.0, True)

    def found() -> Any:
        answer = phone.channel.run(phone.channel.adapter.find_sent(phone.phone, message, evidence))
        return answer if isinstance(answer, Sent) else None

    sent = Sent(f"true_{CHAT}_{web_id(message.id)}")
    assert eventually(found, SOON_S, "find_sent knows") == sent
    assert phone.send(message).provider_message_id == sent.provider_message_id
    entry = whatsapp.entry(NUMBER, web_id(message.id))
    assert entry is not None
    assert not entry["different"]
    assert len([row for row in whatsapp.ledger(NUMBER) if row["body"] == "in flight"]) == 1


def test_one_phones_trouble_is_not_anothers(phone: Listening, whatsapp: WhatsApp) -> None:
    other = phone.channel.listen(1).pair(OTHER)
    told, failures = len(other.host.told), []
    stop = threading.Event()

    def load() -> None:
        while not stop.is_set():
            try:
                other.send(other.message(Kind.TEXT, CHAT, text="on"))
            except SendError as error:
                failures.append(error)

    sender = threading.Thread(target=load)
    sender.start()
    began = len(phone.host.told)
    hang(phone)
    shows(phone, began, PhoneState.INITIALIZING)
    works(phone, whatsapp)
    stop.set()
    sender.join(SOON_S)
    assert failures == []
    assert other.host.states[told:] == []
    assert not phone.channel.adapter._sessions[other.phone.lane].common.spent.restarts(0.0)
    other.stop()


# -- the page ----------------------------------------------------------------------------------------------------------
def test_a_page_that_loads_itself_anew_goes_on_in_the_same_browser(phone: Listening, whatsapp: WhatsApp) -> None:
    """Row navigated."""
    before = phone.browser
    opened = whatsapp.linked(NUMBER)[0]["id"]
    whatsapp.call("POST", "/faults", {"kind": "reload", "account": NUMBER})
    eventually(lambda: [page for page in whatsapp.linked(NUMBER) if page["id"] != opened], BACK_S, "a new page")
    works(phone, whatsapp)
    assert phone.browser is before


def test_a_lost_connection_is_told_and_waited_for(phone: Listening, whatsapp: WhatsApp) -> None:
    """Row reconnecting, its first minutes: nothing is restarted."""
    told, page = len(phone.host.told), whatsapp.linked(NUMBER)[0]["id"]
    with whatsapp.fault("state", account=NUMBER, state="TIMEOUT"):
        shows(phone, told, PhoneState.DISCONNECTED)
        with pytest.raises(Retryable) as info:
            phone.send(phone.message(Kind.TEXT, CHAT, text="x"))
        assert info.value.unreachable
    works(phone, whatsapp)
    assert whatsapp.linked(NUMBER)[0]["id"] == page


def test_a_connection_that_does_not_come_back_is_loaded_again(phone: Listening, whatsapp: WhatsApp) -> None:
    """Row reconnecting, past its limit: a reload."""
    page = whatsapp.linked(NUMBER)[0]["id"]
    with whatsapp.fault("state", account=NUMBER, state="OPENING", times=1):
        eventually(lambda: _another_page(whatsapp, page), BACK_S, "the page is loaded again")
    works(phone, whatsapp)


def _another_page(whatsapp: WhatsApp, page: str) -> bool:
    return any(other["id"] != page for other in whatsapp.call("GET", "/pages")["pages"] if other["linked"])


def test_a_message_without_acknowledgement_brings_one_reload_and_leaves_once(
    phone: Listening, whatsapp: WhatsApp
) -> None:
    """Row no_ack: WhatsApp itself sends it again."""
    page = whatsapp.linked(NUMBER)[0]["id"]
    message = phone.message(Kind.TEXT, CHAT, text="swallowed")
    with whatsapp.fault("swallow", account=NUMBER):
        with pytest.raises(UnknownOutcome):
            phone.send(message)
        eventually(lambda: _another_page(whatsapp, page), BACK_S, "the page is loaded again")
    whatsapp.call("POST", "/faults", {"kind": "drop", "account": NUMBER, "s": 0.1})
    phone.until(PhoneState.READY, BACK_S)
    evidence = Evidence(None, 30.0, 6.0, True)
    eventually(
        lambda: isinstance(phone.channel.run(phone.channel.adapter.find_sent(phone.phone, message, evidence)), Sent),
        BACK_S,
        "it is sent in the end",
    )
    works(phone, whatsapp)
    assert len([row for row in whatsapp.ledger(NUMBER) if row["body"] == "swallowed"]) == 1


def test_stuck_at_99_percent_it_gives_up_after_its_rounds_and_keeps_the_profile(
    phone: Listening, whatsapp: WhatsApp
) -> None:
    """Row stuck_syncing: a reload, two new browsers, then an error that a person's request ends."""
    told = len(phone.host.told)
    with whatsapp.fault("stuck", account=NUMBER):
        phone.until(PhoneState.ERROR, BACK_S)
    shown = phone.host.states[told:]
    assert shown.count(PhoneState.INITIALIZING) >= 2
    assert PhoneState.READY not in shown
    assert phone.profile.exists()
    _restart(phone)
    works(phone, whatsapp)


def _restart(phone: Listening) -> None:
    phone.ask(Request(Ask.RESTART))


def test_a_conflict_is_taken_over_once_then_left(phone: Listening, whatsapp: WhatsApp) -> None:
    """Row conflict."""
    told = len(phone.host.told)
    whatsapp.call("POST", f"/accounts/{NUMBER}/second-login", {})
    shows(phone, told, PhoneState.CONFLICT)
    works(phone, whatsapp)
    whatsapp.call("POST", f"/accounts/{NUMBER}/second-login", {})
    phone.until(PhoneState.CONFLICT, BACK_S)
    eventually(lambda: not phone.processes(), BACK_S, "the browser is closed")
    assert phone.state is PhoneState.CONFLICT
    _restart(phone)
    works(phone, whatsapp)


@pytest.mark.parametrize("state", ["TOS_BLOCK", "PROXYBLOCK"])
def test_a_block_stops_the_phone(phone: Listening, whatsapp: WhatsApp, paired: Listening, state: str) -> None:
    """Row blocked."""
    with whatsapp.fault("state", account=NUMBER, state=state):
        phone.until(PhoneState.BLOCKED, BACK_S)
        assert phone.ended.wait(SOON_S)
        with pytest.raises(AuthRequired):
            phone.send(phone.message(Kind.TEXT, CHAT, text="x"))
    _listen_again(paired)


def _listen_again(paired: Listening) -> None:
    """The core calls `listen` again at the next request."""
    again = paired.channel.listen(paired.phone.phone_index, paired.host)
    paired.future, paired.ended = again.future, again.ended
    paired.until(PhoneState.READY, BACK_S)


def test_an_outdated_page_is_loaded_again_once_then_another_bundle_is_needed(
    phone: Listening, whatsapp: WhatsApp, paired: Listening
) -> None:
    """Row outdated."""
    pages = len(whatsapp.call("GET", "/pages")["pages"])
    with whatsapp.fault("state", account=NUMBER, state="DEPRECATED_VERSION"):
        phone.until(PhoneState.INCOMPATIBLE, BACK_S)
        assert phone.ended.wait(SOON_S)
    assert len(whatsapp.call("GET", "/pages")["pages"]) == pages + 1
    _listen_again(paired)
    works(phone, whatsapp)


def test_a_changed_whatsapp_is_told_with_its_build_and_not_restarted(
    phone: Listening, whatsapp: WhatsApp, paired: Listening
) -> None:
    """Row incompatible, with one bundle."""
    with whatsapp.fault("remove_modules", modules=["WAWebSendMsgChatAction"]):
        _restart(phone)
        news = phone.until(PhoneState.INCOMPATIBLE, BACK_S)
        assert "2.3000.1043815712" in news.detail
        assert "addAndSendMsgToChat" in news.detail
        assert phone.ended.wait(SOON_S)
        with pytest.raises(AuthRequired):
            phone.send(phone.message(Kind.TEXT, CHAT, text="x"))
    _listen_again(paired)
    works(phone, whatsapp)


def test_the_next_bundle_is_tried_when_one_does_not_fit(whatsapp: WhatsApp, tmp_path: Path) -> None:
    """Row incompatible, with two bundles."""
    broken = tmp_path / "broken.js"
    broken.write_text("throw new Error('Module Chat was not found')")
    good = find_bundles()[0]
    channel = Channel(whatsapp, tmp_path, wwebjs_bundles=(str(broken), str(good.path)), wwebjs_probe_s=1.0)
    try:
        assert [bundle.version for bundle in channel.adapter._bundles] == ["?", good.version]
        # A login first, with the good one: what does not fit shows once it is connected.
        channel.adapter._bundles.reverse()
        phone = channel.listen().pair("60111111203")
        phone.stop()
        channel.adapter._bundles.reverse()
        back = channel.listen()
        back.until(PhoneState.READY)
        assert back.session._bundle == 1
    finally:
        channel.close()


def test_a_page_that_never_comes_up_is_loaded_again_then_opened_anew(phone: Listening, whatsapp: WhatsApp) -> None:
    """Row not_up: reloads, then another browser."""
    with whatsapp.fault("state", account=NUMBER, state="UNLAUNCHED"):
        _restart(phone)
        eventually(
            lambda: phone.session.common.spent.restarts(phone.session.common.now()) >= 1, BACK_S, "another browser"
        )
    works(phone, whatsapp)


# -- the machine -------------------------------------------------------------------------------------------------------
def test_a_browser_past_its_hard_limit_is_replaced_at_once_past_its_soft_one_when_idle(
    phone: Listening, whatsapp: WhatsApp
) -> None:
    """Rows memory_hard and memory_soft."""
    settings = phone.session.common.settings
    for limit in ("wwebjs_memory_hard_bytes", "wwebjs_memory_soft_bytes"):
        told = len(phone.host.told)
        phone.session.common.settings = settings.model_copy(update={limit: 1_000_000})
        shows(phone, told, PhoneState.INITIALIZING)
        phone.session.common.settings = settings
        works(phone, whatsapp)
    assert phone.channel.run(phone.page.browser.memory_bytes()) > 50_000_000


def test_closing_leaves_no_process_behind(paired: Listening) -> None:
    """The last of this file: cancelled, the session closes its browser in order."""
    paired.until(PhoneState.READY)
    began = time.monotonic()
    paired.stop()
    assert time.monotonic() - began < 10.0
    assert not paired.processes()
